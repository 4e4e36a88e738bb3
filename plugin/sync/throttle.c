/* throttle.c - see throttle.h. */
#include "sync/throttle.h"

#include "base/error.h"
#include "sync/cancel.h"
#include "wire/batch_format.h"

#define SECOND_NS INT64_C(1000000000)

/* Behind what went before, and not too far back. */
static void book(struct throttle *t, uint64_t bytes, int64_t now_ns)
{
    int64_t earliest = now_ns - THROTTLE_CREDIT_NS;
    int64_t start = t->paid_ns > earliest ? t->paid_ns : earliest;
    t->paid_ns = start + (int64_t)((double)bytes / (double)t->rate_bps * 1e9);
}

int64_t throttle_book(struct throttle *t, uint64_t bytes, int64_t now_ns)
{
    if (t->rate_bps == 0)
        return now_ns;
    book(t, bytes, now_ns);
    return t->paid_ns > now_ns ? t->paid_ns : now_ns;
}

void throttle_note(struct throttle *t, uint64_t bytes, int64_t now_ns)
{
    if (t->rate_bps != 0)
        book(t, bytes, now_ns);
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

/* A page with what stands around it: the least that makes sense to send. */
#define LEAST_BYTES (BATCH_AROUND + 8192u)

uint32_t throttle_batch_bytes(const struct throttle *t)
{
    uint64_t bytes = t->rate_bps == 0 ? UINT32_MAX : t->rate_bps / 20;
    if (bytes > UINT32_MAX)
        return UINT32_MAX;
    return bytes < LEAST_BYTES ? LEAST_BYTES : (uint32_t)bytes;
}
