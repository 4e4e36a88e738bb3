/* cancel.h - sleeping until a stop is asked for, and a shield for the moment of commit.
 * Flow: a host's session has the token; send and receive look at it per batch; what
 * connects gets the shield's token.
 *
 * Until the receiver commits, a request ends the transfer at once.  From the moment
 * that COMMIT is sent the outcome is the receiver's, and the honest answer to Ctrl-C
 * is to wait for it: the shield then holds requests back, for SHIELD_GRACE_MS.
 * Threads: the shield's token may be asked from any thread. */
#ifndef ZS_SYNC_CANCEL_H
#define ZS_SYNC_CANCEL_H

#include "base/cancel.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <zenith-sync/types.h>

#define SHIELD_GRACE_MS 10000

/* Sleep, but wake up for a request: 57014. */
int cancel_sleep(const struct zs_cancel *cancel, int64_t ns, struct zs_error *e);

struct shield {
    struct zs_cancel token; /* hand this one on */
    const struct zs_cancel *outer;
    _Atomic int64_t up_since_ns; /* 0: down */
};

/* `outer` is borrowed, and may be NULL. */
void shield_init(struct shield *s, const struct zs_cancel *outer);
void shield_up(struct shield *s);
void shield_down(struct shield *s);

#endif
