/* wait.c - see wait.h. */
#include "transport/libpq/wait.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* How long one poll may last: no longer than a tick, rounded up so as not to spin. */
static int tick_ms(const struct zs_cancel *cancel, int64_t until_ns, int64_t now)
{
    int64_t end = now + (int64_t)WAIT_TICK_MS * 1000000;
    if (cancel == NULL)
        end = INT64_MAX;
    else if (cancel->deadline_ns != 0 && cancel->deadline_ns < end)
        end = cancel->deadline_ns;
    if (until_ns != 0 && until_ns < end)
        end = until_ns;
    if (end == INT64_MAX)
        return -1;
    if (end <= now)
        return 0;
    int64_t ms = (end - now + 999999) / 1000000;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

int wait_ready(const struct zs_cancel *cancel, int64_t until_ns, struct pollfd *fds, unsigned n,
               struct zs_error *e)
{
    for (;;) {
        TRY(cancel_check(cancel, e));
        int64_t now = clock_now_ns();
        struct pollfd all[WAIT_FDS_MAX + 1];
        memcpy(all, fds, n * sizeof *fds);
        unsigned count = n;
        if (cancel != NULL && cancel->fd >= 0)
            all[count++] = (struct pollfd){.fd = cancel->fd, .events = POLLIN};
        int ready = poll(all, count, tick_ms(cancel, until_ns, now));
        if (ready < 0 && errno != EINTR)
            return error_errno(e, errno, "could not wait for the network");
        if (ready > 0 && count > n && all[n].revents != 0)
            return cancel_fail(e);
        unsigned set = 0;
        for (unsigned i = 0; i < n; i++) {
            fds[i].revents = 0;
            if (ready > 0)
                fds[i].revents = all[i].revents;
            set += fds[i].revents != 0;
        }
        if (set > 0 || (until_ns != 0 && clock_now_ns() >= until_ns))
            return cancel_check(cancel, e);
    }
}
