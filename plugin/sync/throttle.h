/* throttle.h - holding a rate of bytes on the wire.
 * Flow: sync/send asks before each batch.  Idle time is not saved up: a link that was
 * quiet for a minute gets no burst.  Threads: none of its own. */
#ifndef ZS_SYNC_THROTTLE_H
#define ZS_SYNC_THROTTLE_H

#include <zenith-sync/types.h>

struct throttle {
    uint64_t rate_bps; /* bytes per second; 0 no limit */
    int64_t free_ns;   /* when the next byte may go */
};

/* When may `bytes` go that are ready at now_ns?  Returns the moment and books them. */
int64_t throttle_book(struct throttle *t, uint64_t bytes, int64_t now_ns);

/* Wait for that moment, and meanwhile, once a second, see to the line: `meanwhile` may be
 * NULL; if it fails, so does the wait.  57014. */
int throttle_wait(struct throttle *t, uint64_t bytes, const struct zs_cancel *cancel,
                  int (*meanwhile)(void *context, struct zs_error *e), void *context,
                  struct zs_error *e);

/* How many value bytes a batch should have, so that a slow rate still flows evenly. */
uint32_t throttle_batch_bytes(const struct throttle *t);

#endif
