/* throttle.c - see throttle.h. */
#include "sync/throttle.h"

#include "base/error.h"
#include "sync/cancel.h"
#include "wire/batch.h"

#define SECOND_NS INT64_C(1000000000)

int64_t throttle_book(struct throttle *t, uint64_t bytes, int64_t now_ns)
{
    if (t->rate_bps == 0)
        return now_ns;
    int64_t start = t->free_ns > now_ns ? t->free_ns : now_ns;
    t->free_ns = start + (int64_t)((double)bytes / (double)t->rate_bps * 1e9);
    return start;
}

int throttle_wait(struct throttle *t, uint64_t bytes, const struct zs_cancel *cancel,
                  int (*meanwhile)(void *context, struct zs_error *e), void *context,
                  struct zs_error *e)
{
    if (t->rate_bps == 0)
        return ZS_OK;
    int64_t turn_ns = throttle_book(t, bytes, clock_now_ns());
    for (;;) {
        int64_t left_ns = turn_ns - clock_now_ns();
        if (left_ns <= 0)
            return cancel_check(cancel, e);
        TRY(cancel_sleep(cancel, left_ns < SECOND_NS ? left_ns : SECOND_NS, e));
        if (meanwhile != NULL)
            TRY(meanwhile(context, e));
    }
}

/* A tenth of a second's worth, within what a batch may hold: within 10 s that is an
 * error of 1 % at most.  Below 8 KiB a page would not
 * fit, so the least rate that commands take is 16 KiB/s. */
uint32_t throttle_batch_bytes(const struct throttle *t)
{
    uint64_t bytes = t->rate_bps == 0 ? BATCH_VALUES_BYTES : t->rate_bps / 10;
    if (bytes > BATCH_VALUES_BYTES)
        return BATCH_VALUES_BYTES;
    return bytes < 8192 ? 8192 : (uint32_t)bytes;
}
