/* test_conn.c - typed messages over a channel, seen from both ends of a pipe. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_cancel.h"
#include "stub/stub_pipe.h"
#include "wire/conn.h"

#include <stdlib.h>
#include <string.h>

struct ends {
    struct conn near;
    struct zs_channel far;
    struct zs_error e;
};

static void ends_open(struct ends *t, const struct zs_cancel *cancel)
{
    memset(t, 0, sizeof *t);
    conn_init(&t->near);
    CU_ASSERT_FATAL(stub_pipe_open(0, cancel, NULL, &t->near.channel, &t->far, &t->e) == ZS_OK);
    CU_ASSERT(conn_check(&t->near, "the pipe", &t->e) == ZS_OK);
}

static void ends_close(struct ends *t)
{
    conn_close(&t->near);
    if (t->far.close != NULL)
        t->far.close(t->far.self);
}

static void far_sends(struct ends *t, const char *text)
{
    CU_ASSERT(t->far.send(t->far.self, text, strlen(text), &t->e) == ZS_OK);
}

static void test_a_message_arrives_with_its_type(void)
{
    struct ends t;
    struct message m;
    const void *raw = NULL;
    uint64_t len = 0;
    ends_open(&t, NULL);
    struct zs_error e = {0};
    ASSERT_OK(conn_send(&t.near, MESSAGE_STATE, "{}", &e));
    CU_ASSERT(t.far.recv(t.far.self, -1, &raw, &len, &e) == ZS_RECV_MESSAGE);
    CU_ASSERT(len == 3 && memcmp(raw, "S{}", 3) == 0);
    far_sends(&t, "Dxyz");
    ASSERT_OK(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e));
    CU_ASSERT(m.type == MESSAGE_DONE && m.body_bytes == 3 && memcmp(m.body, "xyz", 3) == 0);
    CU_ASSERT(m.whole_bytes == 4 && m.whole[0] == 'D');
    CU_ASSERT(t.near.sent_bytes == 3 && t.near.received_bytes == 4);
    ASSERT_OK(message_expect(&m, MESSAGE_DONE, &e));
    ASSERT_FAILS(message_expect(&m, MESSAGE_OFFER, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "DONE") != NULL && strstr(e.message, "OFFER") != NULL);
    ends_close(&t);
}

static void test_keepalives_are_skipped(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0};
    bool came = true;
    ends_open(&t, NULL);
    far_sends(&t, "K");
    far_sends(&t, "K");
    far_sends(&t, "Oabc");
    far_sends(&t, "K");
    ASSERT_OK(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e));
    CU_ASSERT(m.type == MESSAGE_OFFER);
    ASSERT_OK(conn_peek(&t.near, &came, &m, &e));
    CU_ASSERT(!came);
    far_sends(&t, "K");
    far_sends(&t, "B");
    ASSERT_OK(conn_peek(&t.near, &came, &m, &e));
    CU_ASSERT(came && m.type == MESSAGE_BATCH && m.body_bytes == 0);
    ends_close(&t);
}

static void test_an_unknown_type_is_named(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0};
    bool came = true;
    ends_open(&t, NULL);
    far_sends(&t, "\xfehello");
    ASSERT_FAILS(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "0xfe") != NULL && e.hint[0] != '\0');
    far_sends(&t, "x");
    ASSERT_FAILS(conn_peek(&t.near, &came, &m, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "0x78") != NULL && !came);
    ends_close(&t);
}

static void test_an_end_where_a_message_was_due_is_a_lost_connection(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0};
    ends_open(&t, NULL);
    CU_ASSERT(t.far.finish(t.far.self, &e) == ZS_OK);
    ASSERT_FAILS(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e), ZS_CONNECTION_LOST);
    CU_ASSERT(e.retry == ZS_RETRY_RESUME);
    ends_close(&t);

    ends_open(&t, NULL);
    t.far.close(t.far.self);
    t.far.close = NULL;
    ASSERT_FAILS(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e), ZS_CONNECTION_LOST);
    ends_close(&t);
}

static void test_the_far_error_arrives_as_it_was_said(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0}, said;
    bool came = true;
    for (int peek = 0; peek < 2; peek++) {
        ends_open(&t, NULL);
        error_set(&said, "55006", "branch \"x\" is busy");
        error_detail(&said, "Since noon.");
        error_hint(&said, "Wait.");
        stub_pipe_fail(&t.far, &said);
        t.far.close = NULL;
        ASSERT_FAILS(peek ? conn_peek(&t.near, &came, &m, &e)
                          : conn_await(&t.near, PEER_WORKS, "DONE", &m, &e),
                     "55006");
        CU_ASSERT(memcmp(&e, &said, sizeof e) == 0);
        ends_close(&t);
    }
}

static void test_a_cancel_ends_a_wait(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0};
    struct stub_cancel cancel;
    CU_ASSERT_FATAL(stub_cancel_init(&cancel, &e) == ZS_OK);
    stub_cancel_at_poll(&cancel, 3); /* in the middle of the wait */
    ends_open(&t, &cancel.token);
    ASSERT_FAILS(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e), ZS_CANCELLED);
    ends_close(&t);
    stub_cancel_fini(&cancel);
}

/* ---- a channel that breaks its contract ------------------------------------------------------ */

struct rogue {
    int32_t gives;
    const void *bytes;
    uint64_t len;
    bool closed;
};

static int32_t rogue_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    (void)self, (void)msg, (void)len, (void)e;
    return ZS_FAIL;
}

static int32_t rogue_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                          struct zs_error *e)
{
    const struct rogue *r = self;
    (void)timeout_ms, (void)e;
    *msg = r->bytes;
    *len = r->len;
    return r->gives;
}

static int32_t rogue_finish(void *self, struct zs_error *e)
{
    (void)self, (void)e;
    return ZS_FAIL;
}

static void rogue_close(void *self)
{
    struct rogue *r = self;
    r->closed = true;
}

static struct zs_channel rogue_channel(struct rogue *r)
{
    return (struct zs_channel){.struct_size = sizeof(struct zs_channel),
                               .self = r,
                               .send = rogue_send,
                               .recv = rogue_recv,
                               .finish = rogue_finish,
                               .close = rogue_close};
}

static void test_a_channel_that_breaks_its_contract_is_reported(void)
{
    static const struct {
        int32_t gives;
        const char *bytes;
        uint64_t len;
        const char *sqlstate;
    } cases[] = {
        {ZS_RECV_MESSAGE, "D", 0, ZS_PROTOCOL_VIOLATION},
        {ZS_RECV_MESSAGE, NULL, 5, ZS_PROTOCOL_VIOLATION},
        {ZS_RECV_MESSAGE, "D", ZS_MESSAGE_MAX + 1ull, ZS_PROTOCOL_VIOLATION},
        {ZS_RECV_ERROR, NULL, 0, ZS_INTERNAL_ERROR}, /* and did not say why */
        {77, "D", 1, ZS_INTERNAL_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rogue r = {.gives = cases[i].gives, .bytes = cases[i].bytes, .len = cases[i].len};
        struct zs_error e = {0};
        struct message m;
        struct conn c;
        conn_init(&c);
        c.channel = rogue_channel(&r);
        ASSERT_FAILS(conn_await(&c, PEER_WORKS, "DONE", &m, &e), cases[i].sqlstate);
        CU_ASSERT(c.received_bytes == 0);
        e = (struct zs_error){0};
        ASSERT_FAILS(conn_send(&c, MESSAGE_DONE, "{}", &e), ZS_INTERNAL_ERROR);
        CU_ASSERT(c.sent_bytes == 0);
        e = (struct zs_error){0};
        ASSERT_FAILS(conn_finish(&c, &e), ZS_INTERNAL_ERROR);
        conn_close(&c);
        CU_ASSERT(r.closed);
        r.closed = false;
        conn_close(&c); /* again does nothing */
        CU_ASSERT(!r.closed);
    }
}

static void test_a_channel_with_a_function_missing_is_refused_and_still_closed(void)
{
    for (int missing = 0; missing < 4; missing++) {
        struct rogue r = {0};
        struct zs_error e = {0};
        struct conn c;
        conn_init(&c);
        c.channel = rogue_channel(&r);
        if (missing == 0)
            c.channel.send = NULL;
        else if (missing == 1)
            c.channel.recv = NULL;
        else if (missing == 2)
            c.channel.finish = NULL;
        else
            c.channel.close = NULL;
        ASSERT_FAILS(conn_check(&c, "transport x", &e), ZS_INTERNAL_ERROR);
        CU_ASSERT(strstr(e.message, "transport x") != NULL);
        conn_close(&c);
        CU_ASSERT(r.closed == (missing != 3));
    }
}

/* Whatever it says, a peer whose turn it is is not waited for without end. */
static void test_a_peer_that_does_not_go_on_is_given_up(void)
{
    static const struct {
        enum conn_wait wait;
        int64_t silence_ms, work_ms;
        const char *said; /* a letter a message */
        const char *says; /* NULL: the last message comes */
    } cases[] = {
        {PEER_ANSWERS, 20, 60000, "", "has said nothing for 0 seconds, and DONE is due"},
        {PEER_ANSWERS, 20, 60000, "K", "nothing but KEEPALIVE for 0 seconds, and DONE is due"},
        {PEER_WORKS, 20, 60000, "", "has said nothing for 0 seconds"},
        {PEER_WORKS, 20, 60000, "K", "has said nothing for 0 seconds"},
        {PEER_WORKS, 60000, 20, "", "has said nothing for 0 seconds"},
        {PEER_WORKS, 60000, 20, "KK", "nothing but KEEPALIVE for 0 seconds"},
        {PEER_WORKS, 60000, 1020, "K", "nothing but KEEPALIVE for 1 seconds"},
        {PEER_ANSWERS, 60000, 1, "KD", NULL},
        {PEER_WORKS, 60000, 60000, "KKD", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ends t;
        struct message m;
        struct zs_error e = {0};
        ends_open(&t, NULL);
        t.near.silence_ms = cases[i].silence_ms;
        t.near.work_ms = cases[i].work_ms;
        for (const char *c = cases[i].said; *c != '\0'; c++)
            far_sends(&t, *c == 'K' ? "K" : "D{}");
        int rc = conn_await(&t.near, cases[i].wait, "DONE", &m, &e);
        if (cases[i].says == NULL) {
            ASSERT_OK(rc);
            CU_ASSERT(m.type == MESSAGE_DONE);
        } else {
            ASSERT_FAILS(rc, ZS_CONNECTION_LOST);
            CU_ASSERT(strstr(e.message, cases[i].says) != NULL && e.hint[0] != '\0');
            CU_ASSERT((strstr(e.message, "KEEPALIVE") != NULL) ==
                      (strstr(e.hint, "progress_timeout") != NULL));
        }
        ends_close(&t);
    }
}

/* Else it would hold whoever only looks. */
static void test_a_look_passes_over_few_keepalives(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0};
    bool came = true;
    ends_open(&t, NULL);
    for (int i = 0; i < 2 * (CONN_SKIPPED + 1); i++)
        far_sends(&t, "K");
    far_sends(&t, "D{}");
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(conn_peek(&t.near, &came, &m, &e));
        CU_ASSERT(came == (i == 2));
    }
    ends_close(&t);
}

/* It was another message, of which one would wait in vain. */
static void test_a_keepalive_with_a_body_is_refused(void)
{
    struct ends t;
    struct message m;
    struct zs_error e = {0};
    ends_open(&t, NULL);
    far_sends(&t, "K{}");
    ASSERT_FAILS(conn_await(&t.near, PEER_WORKS, "DONE", &m, &e), ZS_PROTOCOL_VIOLATION);
    ends_close(&t);
}

static void test_keepalive_is_said_when_nothing_was_sent_for_long(void)
{
    struct ends t;
    struct zs_error e = {0};
    const void *raw = NULL;
    uint64_t len = 0;
    ends_open(&t, NULL);
    ASSERT_OK(conn_keep_alive(&t.near, &e)); /* just opened */
    CU_ASSERT(t.near.sent_bytes == 0);
    t.near.last_sent_ns -= CONN_KEEPALIVE_MS * INT64_C(1000000);
    ASSERT_OK(conn_keep_alive(&t.near, &e));
    ASSERT_OK(conn_keep_alive(&t.near, &e)); /* not twice */
    CU_ASSERT(t.far.recv(t.far.self, -1, &raw, &len, &e) == ZS_RECV_MESSAGE);
    CU_ASSERT(len == 1 && *(const char *)raw == 'K' && t.near.sent_bytes == 1);
    ends_close(&t);
}

SUITE("wire/conn",
      {"a peer that does not go on is given up", test_a_peer_that_does_not_go_on_is_given_up},
      {"a look passes over few keepalives", test_a_look_passes_over_few_keepalives},
      {"KEEPALIVE is said when nothing was sent for long",
       test_keepalive_is_said_when_nothing_was_sent_for_long},
      {"a KEEPALIVE with a body is refused", test_a_keepalive_with_a_body_is_refused},
      {"a message arrives with its type", test_a_message_arrives_with_its_type},
      {"KEEPALIVEs are skipped", test_keepalives_are_skipped},
      {"an unknown type is named", test_an_unknown_type_is_named},
      {"an end where a message was due is a lost connection",
       test_an_end_where_a_message_was_due_is_a_lost_connection},
      {"the far error arrives as it was said", test_the_far_error_arrives_as_it_was_said},
      {"a cancel ends a wait", test_a_cancel_ends_a_wait},
      {"a channel that breaks its contract is reported",
       test_a_channel_that_breaks_its_contract_is_reported},
      {"a channel with a function missing is refused and still closed",
       test_a_channel_with_a_function_missing_is_refused_and_still_closed})
