/* test_transport.c - the n-th allocation of the transport, as it connects, sends and receives
 * over libpq, fails, for every n until all succeeds, and so does the n-th call of what it asks
 * the system and libpq for: each time the error is one that a person can use and tells no
 * secret, and the same again, without a failure, works. The far side is the contract's
 * (tests/contract/pg_peer.h), whose own memory does not fail. Threads: the far side's; what looks a
 * host up has one of its own, which is not counted. */
#include "../contract/pg_peer.h"
#include "../contract/transport_contract.h"
#include "../support/suite.h"

#include "alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

const struct zs_transport *zenith_sync_transport_v1(void);

enum { WITHIN_MS = 60000, SMALL = 100, LARGE = 300000 };

static const char *setting(void *self, const char *name)
{
    (void)self;
    return strcmp(name, "allow_destinations") == 0 ? "127.0.0.0/8 localhost" : NULL;
}

static void no_log(void *self, uint32_t level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

static const struct zs_transport_host host = {
    .struct_size = sizeof host, .log = no_log, .setting = setting};

/* The next message, which is this one if the far side echoes; one that is about to vanish or
 * to fail may say something else first. */
static int expect(const struct zs_channel *ch, bool echoes, const void *want, uint64_t want_len,
                  struct zs_error *e)
{
    const void *msg = NULL;
    uint64_t len = 0;
    if (ch->recv(ch->self, -1, &msg, &len, e) != ZS_RECV_MESSAGE)
        return ZS_FAIL;
    if (echoes)
        CU_ASSERT(len == want_len && memcmp(msg, want, len) == 0);
    return ZS_OK;
}

/* A few messages there and back, several under way, one kept, and the end both ways. */
static int talk(const struct zs_channel *ch, bool echoes, struct zs_error *e)
{
    static char large[LARGE];
    const void *msg = NULL;
    uint64_t len = 0;
    for (int i = 0; i < 3; i++) {
        memset(large, 'a' + i, sizeof large);
        if (ch->send(ch->self, large, i == 1 ? LARGE : SMALL, e) != ZS_OK)
            return ZS_FAIL;
        if (expect(ch, echoes, large, i == 1 ? LARGE : SMALL, e) != ZS_OK)
            return ZS_FAIL;
        void *kept = ch->keep(ch->self);
        if (kept != NULL)
            ch->release(ch->self, kept);
    }
    if (ch->finish(ch->self, e) != ZS_OK)
        return ZS_FAIL;
    return ch->recv(ch->self, -1, &msg, &len, e) == ZS_RECV_END ? ZS_OK : ZS_FAIL;
}

static int converse(const struct transport_subject *s, const char *command, struct zs_error *e)
{
    struct contract_cancel cancel;
    struct zs_channel ch;
    contract_cancel_open(&cancel);
    contract_cancel_within(&cancel, WITHIN_MS);
    *e = (struct zs_error){0};
    int rc = contract_connect(s, command, &cancel.token, &ch, e);
    if (rc == ZS_OK) {
        rc = talk(&ch, strcmp(command, "echo") == 0, e);
        ch.close(ch.self);
    }
    contract_cancel_close(&cancel);
    return rc;
}

/* One that a person can use: the command's own, or one of a transport without memory. */
static bool clear(const struct zs_error *e, const char *ends)
{
    static const char *const states[] = {ZS_OUT_OF_MEMORY, ZS_CONNECTION_LOST, ZS_CANNOT_CONNECT,
                                         ZS_NOT_AUTHORIZED, ZS_LIMIT_EXCEEDED};
    bool known = strcmp(e->sqlstate, ends) == 0;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        known = known || strcmp(e->sqlstate, states[i]) == 0;
    return known && e->message[0] != '\0' && strstr(e->message, "sesame") == NULL &&
           strstr(e->detail, "sesame") == NULL && strstr(e->hint, "sesame") == NULL;
}

/* ---- calls that fail: those of this thread, libpq's own not ----------
 */

static _Thread_local const char *failing; /* NULL: none */
static _Thread_local uint64_t calls, fail_at;
static _Thread_local int why;

static bool due(const char *name)
{
    if (failing == NULL || strcmp(failing, name) != 0 || ++calls != fail_at)
        return false;
    errno = why;
    return true;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses */
#define FAILING(type, name, parameters, arguments, failure)                                        \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (real == NULL)                                                                          \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                             \
        return due(#name) ? (failure) : real arguments;                                            \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

FAILING(int, eventfd, (unsigned count, int flags), (count, flags), -1)
FAILING(int, getsockopt, (int fd, int level, int name, void *restrict out, socklen_t *restrict len),
        (fd, level, name, out, len), -1)
FAILING(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout), -1)
FAILING(int, PQsendQuery, (PGconn * conn, const char *query), (conn, query), 0)
FAILING(int, PQsetnonblocking, (PGconn * conn, int on), (conn, on), -1)
FAILING(int, PQconsumeInput, (PGconn * conn), (conn), 0)
FAILING(int, PQflush, (PGconn * conn), (conn), -1)
FAILING(int, PQputCopyEnd, (PGconn * conn, const char *text), (conn, text), -1)
FAILING(PGconn *, PQconnectStartParams,
        (const char *const *names, const char *const *values, int expand), (names, values, expand),
        NULL)

/* 0: no room for what is to be sent. */
int PQputCopyData(PGconn *conn, const char *bytes, int len)
{
    static int (*real)(PGconn *, const char *, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "PQputCopyData");
    return due("PQputCopyData") ? 0 : real(conn, bytes, len);
}

/* What is a signal (EINTR) or a socket that does not tell its bytes ends nothing. */
static void test_calls_that_fail(void)
{
    static const struct {
        const char *name;
        int why;
        bool harmless;
    } cases[] = {{"eventfd", EMFILE, false},
                 {"getsockopt", ENOPROTOOPT, true},
                 {"poll", EINTR, true},
                 {"poll", ENOMEM, false},
                 {"PQsendQuery", 0, false},
                 {"PQsetnonblocking", 0, false},
                 {"PQconsumeInput", 0, false},
                 {"PQflush", 0, false},
                 {"PQputCopyEnd", 0, false},
                 {"PQputCopyData", 0, false},
                 {"PQconnectStartParams", 0, false}};
    struct pg_peer *peer = pg_peer_open(PG_PEER_SERVES);
    struct transport_subject s = {.table = zenith_sync_transport_v1(), .secret = "sesame"};
    struct zs_error e = {0};
    char uri[256];
    CU_ASSERT_FATAL(peer != NULL);
    (void)snprintf(uri, sizeof uri, "postgresql://ann:sesame@127.0.0.1:%u", pg_peer_port(peer));
    s.uri = uri;
    assert_ok(s.table->init(&host, &s.self, &e), &e, "init", __FILE__, __LINE__);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned failures = 0;
        for (fail_at = 1;; fail_at++) {
            calls = 0;
            why = cases[i].why;
            failing = cases[i].name;
            int rc = converse(&s, "echo", &e);
            failing = NULL;
            bool good = rc == ZS_OK || (!cases[i].harmless && clear(&e, ""));
            CU_ASSERT(good);
            if (!good)
                (void)printf("%s, %llu: %s %s\n", cases[i].name, (unsigned long long)fail_at,
                             e.sqlstate, e.message);
            failures += rc != ZS_OK;
            if (calls < fail_at)
                break;
        }
        CU_ASSERT(fail_at > 1);
        CU_ASSERT(cases[i].harmless == (failures == 0));
    }
    s.table->fini(s.self);
    pg_peer_close(peer);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static uint64_t each_fails(const char *where, enum pg_peer_mode mode, const char *command,
                           const char *ends)
{
    struct pg_peer *peer = pg_peer_open(mode);
    struct transport_subject s = {.table = zenith_sync_transport_v1(), .secret = "sesame"};
    struct zs_error e = {0};
    char uri[256];
    uint64_t n = 1;
    CU_ASSERT_FATAL(peer != NULL);
    (void)snprintf(uri, sizeof uri, "postgresql://ann:sesame@%s:%u", where, pg_peer_port(peer));
    s.uri = uri;
    for (bool fired = true; fired; n++) {
        alloc_fail_here(n);
        int rc = s.table->init(&host, &s.self, &e);
        if (rc == ZS_OK)
            rc = converse(&s, command, &e);
        fired = alloc_failed();
        bool good = rc == ZS_OK ? *ends == '\0' : clear(&e, ends) && (fired || *ends != '\0');
        CU_ASSERT(good);
        if (!good)
            (void)printf("%s at %s, %llu: %d %s %s | %s\n", command, where, (unsigned long long)n,
                         rc, e.sqlstate, e.message, e.hint);
        s.table->fini(s.self);
        s.self = NULL;
    }
    assert_ok(s.table->init(&host, &s.self, &e), &e, "init", __FILE__, __LINE__);
    int rc = converse(&s, command, &e);
    CU_ASSERT(*ends == '\0' ? rc == ZS_OK : rc == ZS_FAIL && strcmp(e.sqlstate, ends) == 0);
    s.table->fini(s.self);
    pg_peer_close(peer);
    (void)printf("%s at %s: each of %llu allocations failed in turn\n", command, where,
                 (unsigned long long)n - 2);
    return n;
}

static void test_a_conversation_without_memory(void)
{
    CU_ASSERT(each_fails("127.0.0.1", PG_PEER_SERVES, "echo", "") > 3);
}

static void test_a_host_by_name_without_memory(void)
{
    CU_ASSERT(each_fails("localhost", PG_PEER_PASSWORD, "echo", "") > 3);
}

static void test_a_far_error_without_memory(void)
{
    CU_ASSERT(each_fails("127.0.0.1", PG_PEER_SERVES, "fail", ZS_NOT_FAST_FORWARD) > 3);
    CU_ASSERT(each_fails("127.0.0.1", PG_PEER_SERVES, "vanish", ZS_CONNECTION_LOST) > 3);
    CU_ASSERT(each_fails("127.0.0.1", PG_PEER_REFUSES, "echo", ZS_WRONG_PASSWORD) > 3);
}

SUITE("crash/transport", {"a conversation without memory", test_a_conversation_without_memory},
      {"a host by name without memory", test_a_host_by_name_without_memory},
      {"a far error without memory", test_a_far_error_without_memory},
      {"calls that fail in turn", test_calls_that_fail})
