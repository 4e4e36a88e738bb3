/* odd_fixture.h - libpq's channel against pg_peer, which then behaves as ours never do: a
 * transport, a far side and the bytes that it says.  One per test; one thread. */
#ifndef TESTS_ODD_FIXTURE_H
#define TESTS_ODD_FIXTURE_H

#include "../support/suite.h"
#include "pg_peer.h"
#include "transport_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED    __attribute__((unused))
#define MIB       ((size_t)1 << 20)
#define WITHIN_MS 300000 /* so that it ends, were it not refused */

/* What a far side says. */
#define COPY               "W\0\0\0\7\0\0\0"
#define COPY_DONE          "c\0\0\0\4"
#define COMPLETE           "C\0\0\0\11DONE\0"
#define READY              "Z\0\0\0\5I"
#define COLUMN             "T\0\0\0\32\0\1c\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"
#define ROW                "D\0\0\0\13\0\1\0\0\0\1x"
#define BYTES(text)        text, sizeof(text) - 1
#define ERROR(text)        BYTES(COPY "E" text READY)
#define ERROR_OF(n, state) "\0\0\0" n "SERROR\0C" state "\0Mwhy\0\0"

const struct zs_transport *zenith_sync_transport_v1(void);

struct odd {
    struct pg_peer *peer;
    struct transport_subject subject;
    struct contract_cancel cancel;
    struct zs_channel ch; /* self NULL: not connected */
    struct zs_transport_host host;
    unsigned notices;
    char said[200], uri[128];
};

UNUSED static void keep_line(void *self, uint32_t level, const char *line)
{
    struct odd *t = self;
    (void)level;
    t->notices++;
    (void)snprintf(t->said, sizeof t->said, "%s", line);
}

/* A transport and a far side; `more` goes behind the port. */
UNUSED static void odd_open(struct odd *t, enum pg_peer_mode mode, const char *more)
{
    struct zs_error e = {0};
    memset(t, 0, sizeof *t);
    t->peer = pg_peer_open(mode);
    CU_ASSERT_FATAL(t->peer != NULL);
    (void)snprintf(t->uri, sizeof t->uri, "postgresql://ann:sesame@127.0.0.1:%u%s",
                   pg_peer_port(t->peer), more);
    t->host = (struct zs_transport_host){.struct_size = sizeof t->host, .self = t};
    t->host.log = keep_line;
    t->subject = (struct transport_subject){.table = zenith_sync_transport_v1(), .uri = t->uri};
    ASSERT_OK(t->subject.table->init(&t->host, &t->subject.self, &e));
    contract_cancel_open(&t->cancel);
    contract_cancel_within(&t->cancel, WITHIN_MS);
}

UNUSED static int odd_connect(struct odd *t, const char *command, struct zs_error *e)
{
    memset(e, 0, sizeof *e);
    return contract_connect(&t->subject, command, &t->cancel.token, &t->ch, e);
}

UNUSED static void odd_close(struct odd *t)
{
    if (t->ch.self != NULL)
        t->ch.close(t->ch.self);
    pg_peer_close(t->peer);
    t->subject.table->fini(t->subject.self);
    contract_cancel_close(&t->cancel);
}

/* Both, connected; with a script, if there is one. */
UNUSED static bool odd_start(struct odd *t, enum pg_peer_mode mode, const struct pg_script *script,
                             struct zs_error *e)
{
    odd_open(t, mode, "");
    if (script != NULL)
        pg_peer_follow(t->peer, script);
    int rc = odd_connect(t, "echo", e);
    assert_ok(rc, e, "connect", __FILE__, __LINE__);
    return rc == ZS_OK;
}

UNUSED static int32_t receive(struct odd *t, int32_t timeout_ms, struct zs_error *e)
{
    const void *msg;
    uint64_t len;
    return t->ch.recv(t->ch.self, timeout_ms, &msg, &len, e);
}

UNUSED static int send_byte(struct odd *t, struct zs_error *e)
{
    return t->ch.send(t->ch.self, "x", 1, e);
}

UNUSED static void expect_words(const struct zs_error *e, const char *words)
{
    CU_ASSERT(strstr(e->message, words) != NULL || strstr(e->detail, words) != NULL);
    if (strstr(e->message, words) == NULL && strstr(e->detail, words) == NULL)
        (void)printf("\n%s | %s\n  has not: %s\n", e->message, e->detail, words);
}

#endif
