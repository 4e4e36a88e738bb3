/* stub_cancel.c - see stub_cancel.h.  The descriptor is an eventfd. */
#include "stub/stub_cancel.h"

#include "base/error.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static int32_t requested(void *self)
{
    struct stub_cancel *c = self;
    unsigned long poll = atomic_fetch_add(&c->polls, 1) + 1;
    unsigned long at = atomic_load(&c->at_poll);
    if (at != 0 && poll >= at)
        stub_cancel_request(c);
    return atomic_load(&c->asked);
}

int stub_cancel_init(struct stub_cancel *c, struct zs_error *e)
{
    *c = (struct stub_cancel){.token = {.struct_size = sizeof c->token, .self = c}};
    c->token.requested = requested;
    c->token.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->token.fd < 0 ? error_errno(e, errno, "cannot make a cancel token") : ZS_OK;
}

void stub_cancel_fini(struct stub_cancel *c)
{
    if (c->token.fd >= 0)
        (void)close(c->token.fd);
    c->token.fd = -1;
}

void stub_cancel_request(struct stub_cancel *c)
{
    static const uint64_t one = 1;
    if (!atomic_exchange(&c->asked, true) && write(c->token.fd, &one, sizeof one) < 0)
        atomic_store(&c->asked, true); /* an eventfd at 0 takes a 1; the flag says it anyway */
}

void stub_cancel_at_poll(struct stub_cancel *c, unsigned long n)
{
    atomic_store(&c->at_poll, n);
}

bool stub_cancel_asked(const struct zs_cancel *token)
{
    if (token == NULL)
        return false;
    if (token->deadline_ns != 0 && clock_now_ns() >= token->deadline_ns)
        return true;
    return token->requested(token->self) != 0;
}
