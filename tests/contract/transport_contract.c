/* transport_contract.c - the near side's tests; see transport_contract.h. */
#include "transport_contract.h"

#include "../support/suite.h"
#include "base/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* ---- tools --------------------------------------------------------------------------- */

static int32_t cancel_requested(void *self)
{
    struct contract_cancel *c = self;
    return __atomic_load_n(&c->asked, __ATOMIC_ACQUIRE);
}

void contract_cancel_open(struct contract_cancel *c)
{
    memset(c, 0, sizeof *c);
    c->token.struct_size = sizeof c->token;
    c->token.fd = eventfd(0, EFD_CLOEXEC);
    c->token.self = c;
    c->token.requested = cancel_requested;
}

void contract_cancel_pull(struct contract_cancel *c)
{
    uint64_t one = 1;
    __atomic_store_n(&c->asked, 1, __ATOMIC_RELEASE);
    (void)!write(c->token.fd, &one, sizeof one);
}

void contract_cancel_within(struct contract_cancel *c, int64_t ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    c->token.deadline_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + ms * 1000000;
}

void contract_cancel_close(struct contract_cancel *c)
{
    (void)close(c->token.fd);
}

struct contract_puller {
    pthread_t thread;
    struct contract_cancel *cancel;
};

/* Whether the call is waiting by then does not matter: a cancel before it counts too. */
static void *puller_run(void *context)
{
    struct contract_puller *p = context;
    const struct timespec while_ = {.tv_nsec = 30000000};
    (void)nanosleep(&while_, NULL);
    contract_cancel_pull(p->cancel);
    return NULL;
}

struct contract_puller *contract_pull_soon(struct contract_cancel *c)
{
    struct contract_puller *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->cancel = c;
    if (pthread_create(&p->thread, NULL, puller_run, p) == 0)
        return p;
    free(p);
    return NULL;
}

void contract_pull_join(struct contract_puller *p)
{
    CU_ASSERT_FATAL(p != NULL);
    (void)pthread_join(p->thread, NULL);
    free(p);
}

int contract_connect(const struct transport_subject *s, const char *command,
                     const struct zs_cancel *cancel, struct zs_channel *out, struct zs_error *e)
{
    const struct zs_connect spec = {.struct_size = sizeof spec,
                                    .uri = s->uri,
                                    .command = command,
                                    .application = "zenith-sync",
                                    .cancel = cancel};
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    return s->table->connect(s->self, &spec, out, e);
}

/* A connected channel with a token, or nothing at all. */
struct near {
    struct contract_cancel cancel;
    struct zs_channel ch;
    struct zs_error e;
};

static int near_open(struct near *n, const struct transport_subject *s, const char *command)
{
    memset(n, 0, sizeof *n);
    contract_cancel_open(&n->cancel);
    int rc = contract_connect(s, command, &n->cancel.token, &n->ch, &n->e);
    assert_ok(rc, &n->e, command, __FILE__, __LINE__);
    if (rc != ZS_OK)
        contract_cancel_close(&n->cancel);
    return rc;
}

static void near_close(struct near *n)
{
    n->ch.close(n->ch.self);
    contract_cancel_close(&n->cancel);
}

static int32_t near_recv(struct near *n, const void **msg, uint64_t *len)
{
    return n->ch.recv(n->ch.self, -1, msg, len, &n->e);
}

static int near_send(struct near *n, const void *msg, uint64_t len)
{
    return n->ch.send(n->ch.self, msg, len, &n->e);
}

static int near_finish(struct near *n)
{
    return n->ch.finish(n->ch.self, &n->e);
}

static void expect_text(struct near *n, const char *want)
{
    const void *msg = NULL;
    uint64_t len = 0;
    CU_ASSERT_EQUAL(near_recv(n, &msg, &len), ZS_RECV_MESSAGE);
    CU_ASSERT(msg != NULL && len == strlen(want) && memcmp(msg, want, len) == 0);
}

static void expect_error(int rc, const struct zs_error *got, const char *sqlstate)
{
    assert_fails(rc == ZS_RECV_ERROR ? ZS_FAIL : ZS_OK, got, sqlstate, "the call", __FILE__,
                 __LINE__);
}

/* ---- messages -------------------------------------------------------------------------- */

void transport_contract_echo(const struct transport_subject *s)
{
    static const size_t sizes[] = {1, 2, 8191, 8192, 65536, MIB - 5, MIB, 3 * MIB + 1, 16 * MIB};
    struct near n;
    char *block = malloc(16 * MIB);
    if (block == NULL || near_open(&n, s, "echo") != ZS_OK) {
        free(block);
        CU_FAIL("no connection");
        return;
    }
    for (size_t i = 0; i < 16 * MIB; i++)
        block[i] = (char)(i * 2654435761u >> 24);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const void *msg = NULL;
        uint64_t len = 0;
        block[0] = (char)i;
        CU_ASSERT_EQUAL(near_send(&n, block, sizes[i]), ZS_OK);
        CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_MESSAGE);
        CU_ASSERT(len == sizes[i] && memcmp(msg, block, sizes[i]) == 0);
    }
    free(block);
    near_close(&n);
}

void transport_contract_both_send(const struct transport_subject *s)
{
    struct near n;
    char *block = calloc(1, MIB);
    if (block == NULL || near_open(&n, s, "flood") != ZS_OK) {
        free(block);
        CU_FAIL("no connection");
        return;
    }
    for (int i = 0; i < 12; i++)
        CU_ASSERT_EQUAL(near_send(&n, block, MIB), ZS_OK);
    CU_ASSERT_EQUAL(near_finish(&n), ZS_OK);
    const void *msg;
    uint64_t len, total = 0;
    for (int i = 0; i < 12; i++)
        CU_ASSERT(near_recv(&n, &msg, &len) == ZS_RECV_MESSAGE && len == MIB);
    CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_MESSAGE);
    if (len == sizeof total)
        memcpy(&total, msg, sizeof total);
    CU_ASSERT_EQUAL(total, 12 * MIB);
    CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_END);
    free(block);
    near_close(&n);
}

struct sender {
    struct near *near;
    int rc;
};

#define THREAD_MESSAGES 3000u

static void *sender_run(void *context)
{
    struct sender *sender = context;
    struct near *n = sender->near;
    struct zs_error e = {0};
    char block[20000] = {0};
    for (uint32_t i = 0; i < THREAD_MESSAGES && sender->rc == ZS_OK; i++) {
        memcpy(block, &i, sizeof i);
        sender->rc = n->ch.send(n->ch.self, block, sizeof i + i * 7 % 19990, &e);
    }
    if (sender->rc == ZS_OK)
        sender->rc = n->ch.finish(n->ch.self, &e);
    return NULL;
}

void transport_contract_two_threads(const struct transport_subject *s)
{
    struct near n;
    pthread_t thread;
    if (near_open(&n, s, "echo") != ZS_OK)
        return;
    struct sender sender = {.near = &n};
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, sender_run, &sender) == 0);
    const void *msg;
    uint64_t len;
    uint32_t count = 0, bad = 0;
    int32_t got;
    for (; (got = near_recv(&n, &msg, &len)) == ZS_RECV_MESSAGE; count++)
        bad += len != sizeof count + count * 7 % 19990 || memcmp(msg, &count, sizeof count) != 0;
    CU_ASSERT_EQUAL(got, ZS_RECV_END);
    CU_ASSERT_EQUAL(count, THREAD_MESSAGES);
    CU_ASSERT_EQUAL(bad, 0);
    (void)pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(sender.rc, ZS_OK);
    near_close(&n);
}

void transport_contract_nothing(const struct transport_subject *s)
{
    struct near n;
    const void *msg;
    uint64_t len;
    if (near_open(&n, s, "echo") != ZS_OK)
        return;
    CU_ASSERT_EQUAL(n.ch.recv(n.ch.self, 0, &msg, &len, &n.e), ZS_RECV_NOTHING);
    CU_ASSERT_EQUAL(n.ch.recv(n.ch.self, 5, &msg, &len, &n.e), ZS_RECV_NOTHING);
    CU_ASSERT_EQUAL(near_send(&n, "x", 1), ZS_OK);
    expect_text(&n, "x");
    near_close(&n);
}

/* Messages that are kept stay as they came, whatever comes and goes after them. */
void transport_contract_kept(const struct transport_subject *s)
{
    enum { KEPT = 16, SIZE = 70000 };
    struct near n;
    void *kept[KEPT] = {0};
    const unsigned char *bytes[KEPT] = {0};
    unsigned char *block = malloc(SIZE);
    if (block == NULL || near_open(&n, s, "echo") != ZS_OK) {
        free(block);
        return;
    }
    CU_ASSERT((n.ch.keep == NULL) == (n.ch.release == NULL));
    for (int round = 0; round < 2 && n.ch.keep != NULL; round++) {
        for (int i = 0; i < KEPT; i++) {
            const void *msg = NULL;
            uint64_t len = 0;
            memset(block, 'a' + i, SIZE);
            CU_ASSERT_EQUAL(near_send(&n, block, SIZE), ZS_OK);
            CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_MESSAGE);
            CU_ASSERT_FATAL(len == SIZE);
            kept[i] = n.ch.keep(n.ch.self);
            bytes[i] = kept[i] != NULL ? msg : NULL;
        }
        for (int i = 0; i < KEPT; i++) {
            if (kept[i] == NULL)
                continue;
            CU_ASSERT(bytes[i][0] == 'a' + i && memcmp(bytes[i], bytes[i] + 1, SIZE - 1) == 0);
            n.ch.release(n.ch.self, kept[i]);
        }
    }
    free(block);
    near_close(&n);
}

/* ---- ends and errors ---------------------------------------------------------------------- */

void transport_contract_refusal(const struct transport_subject *s)
{
    struct contract_cancel cancel;
    struct zs_channel ch;
    struct zs_error e = {0};
    const void *msg;
    uint64_t len;
    contract_cancel_open(&cancel);
    int rc = contract_connect(s, "refuse", &cancel.token, &ch, &e);
    if (rc == ZS_OK) { /* "here or in the first recv" */
        rc = ch.recv(ch.self, -1, &msg, &len, &e);
        ch.close(ch.self);
    }
    expect_error(rc, &e, ZS_NO_SUCH_BRANCH);
    ASSERT_TEXT(e.message, "there is no branch \"main\"");
    ASSERT_TEXT(e.detail, "There are 2 others: \xc3\xa4, b.");
    ASSERT_TEXT(e.hint, "zenith branch list");
    contract_cancel_close(&cancel);
}

static void expect_far_failure(int rc, const struct zs_error *e)
{
    expect_error(rc, e, ZS_NOT_FAST_FORWARD);
    ASSERT_TEXT(e->message, "the far branch is ahead");
    ASSERT_TEXT(e->detail, "It is at 0/2.");
    ASSERT_TEXT(e->hint, "Pull instead.");
}

void transport_contract_failure(const struct transport_subject *s)
{
    struct near n;
    const void *msg;
    uint64_t len;
    if (near_open(&n, s, "fail") != ZS_OK)
        return;
    CU_ASSERT_EQUAL(near_send(&n, "x", 1), ZS_OK);
    expect_far_failure(near_recv(&n, &msg, &len), &n.e);
    memset(&n.e, 0, sizeof n.e);
    expect_far_failure(near_recv(&n, &msg, &len), &n.e);
    near_close(&n);
}

void transport_contract_ends(const struct transport_subject *s)
{
    struct near n;
    const void *msg;
    uint64_t len;
    if (near_open(&n, s, "three") != ZS_OK)
        return;
    expect_text(&n, "one");
    expect_text(&n, "two");
    expect_text(&n, "three");
    CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_END);
    CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_END);
    CU_ASSERT_EQUAL(near_send(&n, "x", 1), ZS_OK);
    CU_ASSERT_EQUAL(near_finish(&n), ZS_OK);
    CU_ASSERT_EQUAL(near_recv(&n, &msg, &len), ZS_RECV_END);
    near_close(&n);
}

void transport_contract_vanished(const struct transport_subject *s)
{
    struct near n;
    const void *msg;
    uint64_t len;
    if (near_open(&n, s, "vanish") != ZS_OK)
        return;
    expect_text(&n, "last words");
    expect_error(near_recv(&n, &msg, &len), &n.e, ZS_CONNECTION_LOST);
    CU_ASSERT_EQUAL(n.e.retry, ZS_RETRY_RESUME);
    expect_error(near_send(&n, "x", 1), &n.e, ZS_CONNECTION_LOST);
    near_close(&n);
}

/* ---- cancellation --------------------------------------------------------------------------- */

void transport_contract_cancel_recv(const struct transport_subject *s)
{
    struct near n;
    const void *msg;
    uint64_t len;
    if (near_open(&n, s, "idle") != ZS_OK)
        return;
    struct contract_puller *puller = contract_pull_soon(&n.cancel);
    expect_error(near_recv(&n, &msg, &len), &n.e, ZS_CANCELLED);
    contract_pull_join(puller);
    expect_error(near_send(&n, "x", 1), &n.e, ZS_CANCELLED);
    near_close(&n);
}

void transport_contract_cancel_send(const struct transport_subject *s)
{
    struct near n;
    char *block = calloc(1, MIB);
    if (block == NULL || near_open(&n, s, "idle") != ZS_OK) {
        free(block);
        CU_FAIL("no connection");
        return;
    }
    struct contract_puller *puller = contract_pull_soon(&n.cancel);
    int rc = ZS_OK;
    for (int i = 0; i < 1000000 && rc == ZS_OK; i++)
        rc = near_send(&n, block, MIB);
    expect_error(rc, &n.e, ZS_CANCELLED);
    contract_pull_join(puller);
    free(block);
    near_close(&n);
}

void transport_contract_deadline(const struct transport_subject *s)
{
    struct near n;
    const void *msg;
    uint64_t len;
    if (near_open(&n, s, "idle") != ZS_OK)
        return;
    contract_cancel_within(&n.cancel, 20);
    expect_error(near_recv(&n, &msg, &len), &n.e, ZS_CANCELLED);
    near_close(&n);
}

/* ---- the URI -----------------------------------------------------------------------------------
 */

void transport_contract_shown(const struct transport_subject *s)
{
    struct zs_error e = {0};
    char shown[300] = "";
    ASSERT_OK(s->table->uri_check(s->self, s->uri, shown, sizeof shown, &e));
    CU_ASSERT(strstr(s->uri, s->secret) != NULL);
    CU_ASSERT(strstr(shown, s->secret) == NULL);
    CU_ASSERT(strstr(shown, "://") != NULL);
}
