/* test_transport_stub.c - the transport contract over the stub network (stub_transport.h).
 * The far side is a stub host whose commands are transport_far's behaviours. */
#include "../support/suite.h"
#include "transport_contract.h"

#include "stub/stub_transport.h"

#include <poll.h>

struct stub_test {
    struct stub_host *far;
    struct stub_network *net;
    struct transport_subject subject;
};

static int session_copy_both(void *self, struct zs_channel *out, struct zs_error *e)
{
    const struct zs_session *session = self;
    return session->copy_both(session->self, out, e);
}

static void session_idle(void *self)
{
    const struct zs_session *session = self;
    struct pollfd fd = {.fd = session->cancel->fd, .events = POLLIN};
    while (session->cancel->requested(session->cancel->self) == 0)
        (void)poll(&fd, 1, 100);
}

static int32_t far_command(void *self, const struct zs_session *session, const char *args,
                           struct zs_error *e)
{
    const struct far_session far = {
        .self = (void *)(uintptr_t)session, .copy_both = session_copy_both, .idle = session_idle};
    (void)args;
    return transport_far(&far, self, e);
}

static void open_test(struct stub_test *t)
{
    static const char *const behaviours[] = {"echo",  "refuse", "fail",  "three",
                                             "flood", "idle",   "vanish"};
    struct zs_error e = {0};
    ASSERT_OK(stub_host_open("far", NULL, NULL, &t->far, &e));
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++) {
        const struct zs_command command = {.struct_size = sizeof command,
                                           .role = ZS_ROLE_READ,
                                           .name = behaviours[i],
                                           .summary = "a behaviour",
                                           .self = (void *)(uintptr_t)behaviours[i],
                                           .run = far_command};
        const struct zs_host *host = stub_host_table(t->far);
        ASSERT_OK(host->command_add(host->self, &command, &e));
    }
    ASSERT_OK(stub_network_open(&t->net, &e));
    ASSERT_OK(stub_network_add(t->net, "far", t->far, ZS_ROLE_READ, &e));
    t->subject = (struct transport_subject){.table = stub_transport_table(),
                                            .self = stub_network_self(t->net),
                                            .uri = "stub://ann:sesame@far",
                                            .secret = "sesame"};
}

static void run(void (*test)(const struct transport_subject *s))
{
    struct stub_test t;
    open_test(&t);
    test(&t.subject);
    stub_network_close(t.net);
    stub_host_close(t.far);
}

#define WRAP(name, text)                                                                           \
    static void test_##name(void)                                                                  \
    {                                                                                              \
        run(transport_contract_##name);                                                            \
    }
TRANSPORT_CONTRACT(WRAP)
#define ROW(name, text) {text, test_##name},

SUITE("contract/transport_stub", TRANSPORT_CONTRACT(ROW))
