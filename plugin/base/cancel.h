/* cancel.h - asking a token (zenith-sync/types.h) whether to stop.  Threads: any; no state. */
#ifndef ZS_BASE_CANCEL_H
#define ZS_BASE_CANCEL_H

#include "base/clock.h"

#include <stdbool.h>
#include <zenith-sync/types.h>

static inline bool cancel_is_late(const struct zs_cancel *cancel)
{
    return cancel->deadline_ns != 0 && clock_now_ns() >= cancel->deadline_ns;
}

/* Is a stop asked for, or the deadline past?  A NULL token never stops. */
static inline bool cancel_requested(const struct zs_cancel *cancel)
{
    return cancel != NULL && (cancel_is_late(cancel) || cancel->requested(cancel->self) != 0);
}

/* ZS_OK, or 57014, which says if it was the deadline. */
int cancel_check(const struct zs_cancel *cancel, struct zs_error *e);

/* 57014, where a request was seen in another way: by the token's descriptor. */
int cancel_fail(struct zs_error *e);

#endif
