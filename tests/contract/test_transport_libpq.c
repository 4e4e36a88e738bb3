/* test_transport_libpq.c - the transport contract over libpq, and what is libpq's own:
 * logging in, and far sides that misbehave.  The far side is pg_peer. */
#include "../support/suite.h"
#include "pg_peer.h"
#include "transport_contract.h"

#include "transport/libpq/channel.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct zs_transport *zenith_sync_transport_v1(void);

struct libpq_test {
    struct pg_peer *peer;
    struct transport_subject subject;
    char uri[256];
};

static const char *no_setting(void *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

static void no_log(void *self, uint32_t level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

static const struct zs_transport_host host = {
    .struct_size = sizeof host, .log = no_log, .setting = no_setting};

/* `more` goes behind the port. */
static void open_test(struct libpq_test *t, enum pg_peer_mode mode, const char *more)
{
    struct zs_error e = {0};
    memset(t, 0, sizeof *t);
    t->peer = pg_peer_open(mode);
    CU_ASSERT_FATAL(t->peer != NULL);
    (void)snprintf(t->uri, sizeof t->uri, "postgresql://ann:sesame%%40@127.0.0.1:%u%s",
                   pg_peer_port(t->peer), more);
    t->subject.table = zenith_sync_transport_v1();
    t->subject.uri = t->uri;
    t->subject.secret = "sesame";
    ASSERT_OK(t->subject.table->init(&host, &t->subject.self, &e));
}

static void close_test(struct libpq_test *t)
{
    pg_peer_close(t->peer);
    t->subject.table->fini(t->subject.self);
}

static void run(void (*test)(const struct transport_subject *s))
{
    struct libpq_test t;
    open_test(&t, PG_PEER_SERVES, "");
    test(&t.subject);
    close_test(&t);
}

static int connect_once(struct libpq_test *t, struct zs_error *e)
{
    struct contract_cancel cancel;
    struct zs_channel ch;
    contract_cancel_open(&cancel);
    memset(e, 0, sizeof *e);
    int rc = contract_connect(&t->subject, "echo", &cancel.token, &ch, e);
    if (rc == ZS_OK)
        ch.close(ch.self);
    contract_cancel_close(&cancel);
    CU_ASSERT(strstr(e->message, "sesame") == NULL && strstr(e->detail, "sesame") == NULL &&
              strstr(e->hint, "sesame") == NULL);
    return rc;
}

static void test_login_that_is_refused(void)
{
    struct libpq_test t;
    struct zs_error e;
    char want[200];
    open_test(&t, PG_PEER_REFUSES, "");
    ASSERT_FAILS(connect_once(&t, &e), ZS_WRONG_PASSWORD);
    (void)snprintf(want, sizeof want,
                   "127.0.0.1:%u refused the login: password authentication failed for user "
                   "\"ann\"",
                   pg_peer_port(t.peer));
    ASSERT_TEXT(e.message, want);
    ASSERT_TEXT(e.hint, "Ask the owner.");
    close_test(&t);

    open_test(&t, PG_PEER_FULL, "");
    ASSERT_FAILS(connect_once(&t, &e), ZS_CANNOT_CONNECT);
    CU_ASSERT(strstr(e.message, "sorry, too many clients already") != NULL);
    ASSERT_TEXT(e.detail, "SQLSTATE 53300.");
    close_test(&t);

    open_test(&t, PG_PEER_PASSWORD, "");
    (void)snprintf(t.uri, sizeof t.uri, "postgres://ann@127.0.0.1:%u/", pg_peer_port(t.peer));
    ASSERT_FAILS(connect_once(&t, &e), ZS_WRONG_PASSWORD);
    CU_ASSERT(strstr(e.message, "asks for a password") != NULL);
    close_test(&t);
}

static void test_what_the_far_side_is_told(void)
{
    struct libpq_test t;
    struct zs_error e;
    open_test(&t, PG_PEER_SERVES, "");
    ASSERT_OK(connect_once(&t, &e));
    CU_ASSERT(pg_peer_saw(t.peer, "user", "ann"));
    CU_ASSERT(pg_peer_saw(t.peer, "database", "zenith"));
    CU_ASSERT(pg_peer_saw(t.peer, "application_name", "zenith-sync"));
    close_test(&t);
}

static void test_nobody_there(void)
{
    struct libpq_test t;
    struct zs_error e;
    unsigned port = 0;
    int closed = pg_peer_closed_port(&port);
    open_test(&t, PG_PEER_SERVES, "");
    (void)snprintf(t.uri, sizeof t.uri, "postgresql://ann:sesame%%40@127.0.0.1:%u", port);
    char want[100];
    (void)snprintf(want, sizeof want, "could not connect to 127.0.0.1:%u: Connection refused",
                   port);
    ASSERT_FAILS(connect_once(&t, &e), ZS_CANNOT_CONNECT);
    ASSERT_TEXT(e.message, want);
    CU_ASSERT_EQUAL(e.retry, ZS_RETRY_LATER);

    (void)snprintf(t.uri, sizeof t.uri, "postgresql://ann:sesame@nosuch.invalid:5433");
    ASSERT_FAILS(connect_once(&t, &e), ZS_CANNOT_CONNECT);
    CU_ASSERT(strstr(e.message, "could not find the host \"nosuch.invalid\"") != NULL);
    close_test(&t);
    (void)close(closed);
}

static void test_next_host_is_tried(void)
{
    struct libpq_test t;
    struct zs_error e;
    unsigned port = 0;
    int closed = pg_peer_closed_port(&port);
    open_test(&t, PG_PEER_SERVES, "");
    (void)snprintf(t.uri, sizeof t.uri, "postgresql://ann:sesame@localhost:%u,localhost:%u", port,
                   pg_peer_port(t.peer));
    ASSERT_OK(connect_once(&t, &e));
    close_test(&t);
    (void)close(closed);
}

static void test_mute_server(void)
{
    struct libpq_test t;
    struct zs_error e;
    open_test(&t, PG_PEER_MUTE, "?connect_timeout=1");
    ASSERT_FAILS(connect_once(&t, &e), ZS_CANNOT_CONNECT);
    CU_ASSERT(strstr(e.message, "no answer within 1 s") != NULL);
    close_test(&t);

    struct contract_cancel cancel;
    struct zs_channel ch;
    open_test(&t, PG_PEER_MUTE, "");
    contract_cancel_open(&cancel);
    struct contract_puller *puller = contract_pull_soon(&cancel);
    memset(&e, 0, sizeof e);
    ASSERT_FAILS(contract_connect(&t.subject, "echo", &cancel.token, &ch, &e), ZS_CANCELLED);
    contract_pull_join(puller);
    contract_cancel_close(&cancel);
    close_test(&t);
}

/* It logs in, its kernel takes the command, and nobody there reads it. */
static void test_a_command_that_is_not_answered(void)
{
    struct libpq_test t;
    struct zs_error e = {0};
    struct zs_channel ch = {.struct_size = sizeof ch};
    open_test(&t, PG_PEER_SCRIPT, "");
    pg_peer_follow(t.peer, &(struct pg_script){.answer = ""});
    PGconn *conn = PQconnectdb(t.uri);
    CU_ASSERT_FATAL(PQstatus(conn) == CONNECTION_OK);
    ASSERT_FAILS(channel_open(conn, "there", "echo", NULL, 50, &ch, &e), ZS_CONNECTION_LOST);
    CU_ASSERT(strstr(e.message, "there has not answered for") != NULL);
    close_test(&t);
}

static void test_an_answer_that_comes_late(void)
{
    struct libpq_test t;
    struct zs_error e = {0};
    struct zs_channel ch = {.struct_size = sizeof ch};
    open_test(&t, PG_PEER_SERVES, "");
    int rc = contract_connect(&t.subject, "late", NULL, &ch, &e);
    ASSERT_OK(rc);
    if (rc == ZS_OK)
        ch.close(ch.self);
    close_test(&t);
}

static void test_server_that_is_none_of_ours(void)
{
    struct libpq_test t;
    struct zs_error e;
    open_test(&t, PG_PEER_ROWS, "");
    ASSERT_FAILS(connect_once(&t, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "answered the command without a stream") != NULL);
    close_test(&t);
}

static void test_error_reaches_a_sender(void)
{
    struct libpq_test t;
    struct contract_cancel cancel;
    struct zs_channel ch;
    struct zs_error e = {0};
    open_test(&t, PG_PEER_SERVES, "");
    contract_cancel_open(&cancel);
    int rc = contract_connect(&t.subject, "fail", &cancel.token, &ch, &e);
    ASSERT_OK(rc);
    if (rc == ZS_OK) {
        /* The far side reads no more after its error, and so much fits in no buffer. */
        for (int i = 0; i < 1000000 && rc == ZS_OK; i++)
            rc = ch.send(ch.self, "0123456789abcdef", 16, &e);
        ASSERT_FAILS(rc, ZS_NOT_FAST_FORWARD);
        ASSERT_TEXT(e.hint, "Pull instead.");
        ch.close(ch.self);
    }
    contract_cancel_close(&cancel);
    close_test(&t);
}

static void test_message_without_end(void)
{
    struct libpq_test t;
    struct contract_cancel cancel;
    struct zs_channel ch;
    struct zs_error e = {0};
    const void *msg;
    uint64_t len;
    open_test(&t, PG_PEER_HUGE, "");
    contract_cancel_open(&cancel);
    contract_cancel_within(&cancel, 60000); /* so that it ends, were it not refused */
    int rc = contract_connect(&t.subject, "echo", &cancel.token, &ch, &e);
    ASSERT_OK(rc);
    if (rc == ZS_OK) {
        ASSERT_FAILS(ch.recv(ch.self, -1, &msg, &len, &e), ZS_PROTOCOL_VIOLATION);
        ch.close(ch.self);
    }
    contract_cancel_close(&cancel);
    close_test(&t);
}

#define WRAP(name, text)                                                                           \
    static void test_##name(void)                                                                  \
    {                                                                                              \
        run(transport_contract_##name);                                                            \
    }
TRANSPORT_CONTRACT(WRAP)
#define ROW(name, text) {text, test_##name},

SUITE("contract/transport_libpq",
      TRANSPORT_CONTRACT(ROW){"a login that is refused says why", test_login_that_is_refused},
      {"the far side is told user, database zenith and application",
       test_what_the_far_side_is_told},
      {"a server that is down, and a host that is none, are said", test_nobody_there},
      {"the next host of a URI is tried", test_next_host_is_tried},
      {"a server that says nothing ends by timeout or cancel", test_mute_server},
      {"a command that is not answered is given up", test_a_command_that_is_not_answered},
      {"an answer that comes late is waited for", test_an_answer_that_comes_late},
      {"a server that answers with rows is refused", test_server_that_is_none_of_ours},
      {"the far side's error reaches a side that only sends", test_error_reaches_a_sender},
      {"a message beyond the limit is refused before it has come whole", test_message_without_end})
