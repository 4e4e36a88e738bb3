/* test_transport.c - the n-th allocation of the transport, as it connects, sends and receives
 * over libpq, fails, for every n until all succeeds: each time the error is one that a person can
 * use and tells no secret, and the same again, with memory, works. The far side is the contract's
 * (tests/contract/pg_peer.h), whose own memory does not fail. Threads: the far side's; what looks a
 * host up has one of its own, which is not counted. */
#include "../contract/pg_peer.h"
#include "../contract/transport_contract.h"
#include "../support/suite.h"

#include "alloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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
                                         ZS_NOT_AUTHORIZED};
    bool known = strcmp(e->sqlstate, ends) == 0;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        known = known || strcmp(e->sqlstate, states[i]) == 0;
    return known && e->message[0] != '\0' && strstr(e->message, "sesame") == NULL &&
           strstr(e->detail, "sesame") == NULL && strstr(e->hint, "sesame") == NULL;
}

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
      {"a far error without memory", test_a_far_error_without_memory})
