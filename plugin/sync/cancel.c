/* cancel.c - see cancel.h. */
#include "sync/cancel.h"

#include "base/error.h"

#include <poll.h>
#include <time.h>

#define TICK_NS (50 * INT64_C(1000000))

int cancel_sleep(const struct zs_cancel *cancel, int64_t ns, struct zs_error *e)
{
    int64_t until = clock_now_ns() + ns;
    for (;;) {
        TRY(cancel_check(cancel, e));
        int64_t left = until - clock_now_ns();
        if (left <= 0)
            return ZS_OK;
        left = left < TICK_NS ? left : TICK_NS;
        struct pollfd p = {.fd = cancel == NULL ? -1 : cancel->fd, .events = POLLIN};
        struct timespec t = {.tv_sec = 0, .tv_nsec = left};
        (void)ppoll(&p, 1, &t, NULL);
    }
}

/* Past the grace a request comes through even a shield that is up. */
static int32_t shield_requested(void *self)
{
    const struct shield *s = self;
    int64_t since = atomic_load(&s->up_since_ns);
    if (since != 0 && clock_now_ns() - since < SHIELD_GRACE_MS * INT64_C(1000000))
        return 0;
    return cancel_requested(s->outer);
}

void shield_init(struct shield *s, const struct zs_cancel *outer)
{
    /* No fd: the outer one stays readable, and a wait on it would spin while the
     * shield is up.  Who waits asks every 100 ms instead (types.h). */
    s->token = (struct zs_cancel){
        .struct_size = sizeof s->token, .fd = -1, .self = s, .requested = shield_requested};
    s->outer = outer;
    atomic_init(&s->up_since_ns, 0);
}

void shield_up(struct shield *s)
{
    atomic_store(&s->up_since_ns, clock_now_ns());
}

void shield_down(struct shield *s)
{
    atomic_store(&s->up_since_ns, 0);
}
