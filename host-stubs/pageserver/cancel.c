/* cancel.c - see cancel.h. */
#include "pageserver/cancel.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_NS 50000000 /* a poll(2) costs a microsecond: not at every record */

static int32_t view_requested(void *self)
{
    return cancel_requested(self) ? 1 : 0;
}

int cancel_init(struct cancel *c, int watch_fd, struct zs_error *e)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return error_errno(e, errno, "cannot make a cancel token");
    c->view = (struct zs_cancel){
        .struct_size = sizeof c->view, .fd = fd, .self = c, .requested = view_requested};
    c->watch_fd = watch_fd;
    atomic_init(&c->reason, CANCEL_NONE);
    atomic_init(&c->next_look_ns, 0);
    return ZS_OK;
}

void cancel_fini(struct cancel *c)
{
    (void)close(c->view.fd);
    c->view.fd = -1;
}

void cancel_reset(struct cancel *c)
{
    if (atomic_load(&c->reason) == CANCEL_SHUTDOWN)
        return;
    uint64_t count = 0;
    ssize_t n = read(c->view.fd, &count, sizeof count);
    (void)n;
    atomic_store(&c->reason, CANCEL_NONE);
}

void cancel_set(struct cancel *c, enum cancel_reason reason)
{
    int none = CANCEL_NONE;
    if (reason == CANCEL_SHUTDOWN) /* outlasts the command, so it comes before all others */
        atomic_store(&c->reason, (int)reason);
    else if (!atomic_compare_exchange_strong(&c->reason, &none, (int)reason))
        return;
    uint64_t one = 1;
    ssize_t n = write(c->view.fd, &one, sizeof one);
    (void)n;
}

bool cancel_is_set(const struct cancel *c)
{
    return atomic_load(&c->reason) != CANCEL_NONE;
}

bool cancel_is_shutdown(const struct cancel *c)
{
    return atomic_load(&c->reason) == CANCEL_SHUTDOWN;
}

bool cancel_requested(struct cancel *c)
{
    if (cancel_is_set(c))
        return true;
    int64_t now = clock_now_ns();
    if (now < atomic_load(&c->next_look_ns))
        return false;
    atomic_store(&c->next_look_ns, now + LOOK_EVERY_NS);
    struct pollfd p = {.fd = c->watch_fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
        cancel_set(c, CANCEL_HANGUP);
    return cancel_is_set(c);
}

int cancel_error(const struct cancel *c, struct zs_error *e)
{
    switch ((enum cancel_reason)atomic_load(&c->reason)) {
    case CANCEL_SHUTDOWN:
        error_set(e, ZS_CANCELLED, "the command was stopped because the server is shutting down");
        return error_hint(e, "Start the server and run the command again.");
    case CANCEL_HANGUP:
        return error_set(e, ZS_CANCELLED, "the command was stopped because its client has gone");
    case CANCEL_REQUEST:
    case CANCEL_NONE:
        break;
    }
    error_set(e, ZS_CANCELLED, "the command was cancelled on a client's request");
    return error_hint(e, "Run the command again to go on.");
}
