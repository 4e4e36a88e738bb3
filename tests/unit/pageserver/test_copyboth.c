/* test_copyboth.c - a client's connection as a channel, over a socket pair. */
#include "../../support/suite.h"

#include "pageserver/copyboth.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BIG          1048576u
#define HUGE_MESSAGE ((size_t)8 * BIG)

struct pair {
    struct conn conn;
    struct cancel cancel;
    struct copyboth copy;
    struct zs_channel channel;
    int client;
};

static void read_all(int fd, void *out, size_t n)
{
    for (uint8_t *at = out; n > 0;) {
        ssize_t got = read(fd, at, n);
        if (got <= 0)
            abort(); /* also in other threads than the test's */
        at += got;
        n -= (size_t)got;
    }
}

static void write_all(int fd, const void *bytes, size_t n)
{
    for (const uint8_t *at = bytes; n > 0;) {
        ssize_t put = write(fd, at, n);
        if (put <= 0)
            abort();
        at += put;
        n -= (size_t)put;
    }
}

static void client_send(int fd, uint8_t type, const void *body, uint32_t n)
{
    uint8_t header[5] = {type};
    put_u32be(header + 1, n + 4);
    write_all(fd, header, sizeof header);
    write_all(fd, body, n);
}

/* The next message's type; its body is thrown away. */
static uint8_t client_recv(int fd, uint32_t *n)
{
    uint8_t header[5];
    uint8_t body[4096];
    read_all(fd, header, sizeof header);
    *n = get_u32be(header + 1) - 4;
    for (uint32_t left = *n; left > 0;) {
        uint32_t some = left < sizeof body ? left : (uint32_t)sizeof body;
        read_all(fd, body, some);
        left -= some;
    }
    return header[0];
}

static void pair_open(struct pair *p)
{
    int fds[2];
    uint32_t n = 0;
    struct zs_error e;
    (void)signal(SIGPIPE, SIG_IGN); /* as the server does */
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    ASSERT_OK(conn_init(&p->conn, fds[0], &e));
    ASSERT_OK(cancel_init(&p->cancel, fds[0], &e));
    p->client = fds[1];
    p->channel = (struct zs_channel){.struct_size = sizeof p->channel};
    ASSERT_OK(copyboth_open(&p->copy, &p->conn, &p->cancel, &p->channel, &e));
    CU_ASSERT(client_recv(p->client, &n) == 'W' && n == 3);
}

static void pair_close(struct pair *p)
{
    p->channel.close(p->channel.self);
    conn_fini(&p->conn);
    cancel_fini(&p->cancel);
    if (p->client >= 0)
        (void)close(p->client);
}

static int recv_one(struct pair *p, int timeout_ms, uint64_t *len, struct zs_error *e)
{
    const void *msg = NULL;
    return p->channel.recv(p->channel.self, timeout_ms, &msg, len, e);
}

static void test_what_a_client_can_send(void)
{
    static const struct {
        uint8_t type;
        const char *body;
        uint32_t n;
        int result;
        const char *sqlstate;
    } cases[] = {
        {'d', "abc", 3, ZS_RECV_MESSAGE, NULL}, {'c', "", 0, ZS_RECV_END, NULL},
        {'H', "", 0, ZS_RECV_NOTHING, NULL},    {'S', "", 0, ZS_RECV_NOTHING, NULL},
        {'f', "no", 3, ZS_RECV_ERROR, "57014"}, {'X', "", 0, ZS_RECV_ERROR, "08006"},
        {'Q', "x", 2, ZS_RECV_ERROR, "08P01"},  {'d', "", 0, ZS_RECV_ERROR, "08P01"},
        {'?', "", 0, ZS_RECV_ERROR, "08P01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p;
        struct zs_error e = {0};
        uint64_t len = 0;
        pair_open(&p);
        client_send(p.client, cases[i].type, cases[i].body, cases[i].n);
        CU_ASSERT_EQUAL(recv_one(&p, 0, &len, &e), cases[i].result);
        if (cases[i].sqlstate != NULL)
            ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        if (cases[i].result == ZS_RECV_MESSAGE)
            CU_ASSERT_EQUAL(len, cases[i].n);
        if (cases[i].result == ZS_RECV_END || cases[i].result == ZS_RECV_ERROR)
            CU_ASSERT_EQUAL(recv_one(&p, -1, &len, &e), cases[i].result); /* it stays so */
        pair_close(&p);
    }
}

static void test_a_message_that_is_too_long(void)
{
    struct pair p;
    struct zs_error e = {0};
    uint64_t len = 0;
    uint8_t header[5] = {'d'};
    pair_open(&p);
    put_u32be(header + 1, ZS_MESSAGE_MAX + 5);
    write_all(p.client, header, sizeof header);
    CU_ASSERT_EQUAL(recv_one(&p, -1, &len, &e), ZS_RECV_ERROR);
    ASSERT_TEXT(e.sqlstate, "08P01");
    CU_ASSERT(p.conn.in.body.base == NULL);
    ASSERT_FAILS(p.channel.send(p.channel.self, "", 0, &e), "08P01");
    ASSERT_FAILS(p.channel.send(p.channel.self, "", ZS_MESSAGE_MAX + 1ull, &e), "08P01");
    pair_close(&p);
}

struct peer {
    int fd;
    unsigned messages;
    uint8_t *body;
};

/* Sends all it has before it reads anything. */
static void *send_then_read(void *arg)
{
    struct peer *peer = arg;
    uint32_t n = 0;
    for (unsigned i = 0; i < peer->messages; i++)
        client_send(peer->fd, 'd', peer->body, BIG);
    for (unsigned i = 0; i < peer->messages; i++)
        if (client_recv(peer->fd, &n) != 'd' || n != BIG)
            abort();
    return NULL;
}

static void test_two_senders_do_not_stop_each_other(void)
{
    struct pair p;
    struct zs_error e = {0};
    pthread_t thread;
    pair_open(&p);
    struct peer peer = {.fd = p.client, .messages = 6, .body = calloc(1, BIG)};
    uint8_t *mine = calloc(1, BIG);
    CU_ASSERT_FATAL(peer.body != NULL && mine != NULL);
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, send_then_read, &peer) == 0);
    for (unsigned i = 0; i < peer.messages; i++)
        ASSERT_OK(p.channel.send(p.channel.self, mine, BIG, &e));
    for (unsigned i = 0; i < peer.messages; i++) {
        uint64_t len = 0;
        CU_ASSERT_FATAL(recv_one(&p, -1, &len, &e) == ZS_RECV_MESSAGE);
        CU_ASSERT_EQUAL(len, BIG);
    }
    (void)pthread_join(thread, NULL);
    pair_close(&p);
    free(peer.body);
    free(mine);
}

static void *receive_all(void *arg)
{
    struct pair *p = arg;
    struct zs_error e = {0};
    uint64_t len = 0;
    for (int i = 0; i < 6; i++)
        if (recv_one(p, -1, &len, &e) != ZS_RECV_MESSAGE || len != BIG)
            abort();
    return NULL;
}

static void test_one_thread_sends_and_another_receives(void)
{
    struct pair p;
    struct zs_error e = {0};
    pthread_t client;
    pthread_t receiver;
    pair_open(&p);
    struct peer peer = {.fd = p.client, .messages = 6, .body = calloc(1, BIG)};
    uint8_t *mine = calloc(1, BIG);
    CU_ASSERT_FATAL(peer.body != NULL && mine != NULL);
    CU_ASSERT_FATAL(pthread_create(&client, NULL, send_then_read, &peer) == 0);
    CU_ASSERT_FATAL(pthread_create(&receiver, NULL, receive_all, &p) == 0);
    for (unsigned i = 0; i < peer.messages; i++)
        ASSERT_OK(p.channel.send(p.channel.self, mine, BIG, &e));
    (void)pthread_join(receiver, NULL);
    (void)pthread_join(client, NULL);
    pair_close(&p);
    free(peer.body);
    free(mine);
}

static void *cancel_later(void *arg)
{
    struct pair *p = arg;
    struct pollfd fd = {.fd = p->client, .events = POLLIN};
    (void)poll(&fd, 1, 5000); /* until something was sent */
    cancel_set(&p->cancel, CANCEL_REQUEST);
    return NULL;
}

/* The client reads nothing; what was begun is completed later, then the error. */
static void test_a_cancelled_send_leaves_whole_messages(void)
{
    struct pair p;
    struct zs_error e = {0};
    pthread_t thread;
    pair_open(&p);
    uint8_t *mine = calloc(1, HUGE_MESSAGE);
    CU_ASSERT_FATAL(mine != NULL);
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, cancel_later, &p) == 0);
    ASSERT_FAILS(p.channel.send(p.channel.self, mine, HUGE_MESSAGE, &e), "57014");
    (void)pthread_join(thread, NULL);
    free(mine);
    ASSERT_FAILS(p.channel.send(p.channel.self, "x", 1, &e), "57014");
    uint64_t len = 0;
    CU_ASSERT_EQUAL(recv_one(&p, -1, &len, &e), ZS_RECV_ERROR);
    ASSERT_TEXT(e.sqlstate, "57014");

    struct wire_buf b = {0};
    wire_error(&b, "ERROR", &e);
    ASSERT_OK(conn_put(&p.conn, &b, &e));
    CU_ASSERT(conn_pending(&p.conn) > 0);
    uint32_t n = 0;
    uint8_t *sink = malloc(5 + HUGE_MESSAGE);
    if (sink == NULL)
        abort();
    size_t got = 0;
    while (got < 5 + HUGE_MESSAGE) {
        struct patience now = {.deadline_ns = 1};
        (void)conn_flush(&p.conn, &now, &e);
        ssize_t some = recv(p.client, sink + got, 5 + HUGE_MESSAGE - got, 0);
        CU_ASSERT_FATAL(some > 0);
        got += (size_t)some;
    }
    CU_ASSERT(sink[0] == 'd' && get_u32be(sink + 1) == HUGE_MESSAGE + 4);
    struct patience patient = {0};
    ASSERT_OK(conn_flush(&p.conn, &patient, &e));
    CU_ASSERT(client_recv(p.client, &n) == 'E');
    free(sink);
    pair_close(&p);
}

static void test_a_client_that_left_ends_a_send(void)
{
    struct pair p;
    struct zs_error e = {0};
    pair_open(&p);
    (void)close(p.client);
    p.client = -1;
    uint8_t *mine = calloc(1, BIG);
    CU_ASSERT_FATAL(mine != NULL);
    int rc = ZS_OK;
    for (int i = 0; i < 8 && rc == ZS_OK; i++)
        rc = p.channel.send(p.channel.self, mine, BIG, &e);
    ASSERT_FAILS(rc, "08006");
    uint64_t len = 0;
    CU_ASSERT_EQUAL(recv_one(&p, -1, &len, &e), ZS_RECV_ERROR);
    free(mine);
    pair_close(&p);
}

/* It keeps the connection, and reads no more. */
static void test_a_client_that_takes_nothing_is_given_up(void)
{
    struct pair p;
    struct zs_error e = {0};
    pair_open(&p);
    uint8_t *mine = calloc(1, HUGE_MESSAGE);
    CU_ASSERT_FATAL(mine != NULL);
    p.copy.client_ms = 50;
    ASSERT_FAILS(p.channel.send(p.channel.self, mine, HUGE_MESSAGE, &e), "08006");
    CU_ASSERT(strstr(e.message, "has taken nothing") != NULL);
    ASSERT_FAILS(p.channel.send(p.channel.self, mine, 1, &e), "08006");
    free(mine);
    pair_close(&p);
}

/* ---- a client that sends what means nothing ---------------------------------------------- */

enum { FLOOD_MS = 3000 };

static int64_t flood_until_ns; /* 0: there is none */
static size_t flood_at;        /* bytes of it that were read */

/* Before the C library's.  Flush and Sync come as fast as they are read, as from a client that
 * is faster than this server. */
ssize_t readv(int fd, const struct iovec *iov, int n)
{
    static const uint8_t flood[] = {'H', 0, 0, 0, 4, 'S', 0, 0, 0, 4};
    ssize_t got = 0;
    if (clock_now_ns() >= flood_until_ns)
        return (ssize_t)syscall(SYS_readv, fd, iov, n);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < iov[i].iov_len; k++, got++)
            ((uint8_t *)iov[i].iov_base)[k] = flood[flood_at++ % sizeof flood];
    return got;
}

enum waiting { RECEIVES, SENDS };

static void test_a_flood_of_nothing_holds_nobody(void)
{
    static const enum waiting waits[] = {RECEIVES, SENDS};
    uint8_t *mine = calloc(1, HUGE_MESSAGE);
    CU_ASSERT_FATAL(mine != NULL);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct pair p;
        struct zs_error e = {0};
        uint64_t len = 0;
        pair_open(&p);
        p.copy.client_ms = 100;
        int64_t start = clock_now_ns();
        flood_at = 0;
        flood_until_ns = start + (int64_t)FLOOD_MS * 1000000;
        int rc = waits[i] == RECEIVES ? recv_one(&p, 100, &len, &e)
                                      : p.channel.send(p.channel.self, mine, HUGE_MESSAGE, &e);
        if (waits[i] == RECEIVES)
            CU_ASSERT(rc == ZS_RECV_NOTHING);
        if (waits[i] == SENDS)
            ASSERT_FAILS(rc, "08006");
        CU_ASSERT(clock_now_ns() - start < (int64_t)FLOOD_MS / 2 * 1000000);
        flood_until_ns = 0;
        pair_close(&p);
    }
    free(mine);
}

/* What means something is found behind it at once: it has come already. */
static void test_a_message_behind_many_that_mean_nothing(void)
{
    struct pair p;
    struct zs_error e = {0};
    uint64_t len = 0;
    pair_open(&p);
    for (int i = 0; i < 150; i++)
        client_send(p.client, i % 2 == 0 ? 'H' : 'S', "", 0);
    client_send(p.client, 'd', "abc", 3);
    int64_t start = clock_now_ns();
    CU_ASSERT_EQUAL(recv_one(&p, 5000, &len, &e), ZS_RECV_MESSAGE);
    CU_ASSERT(len == 3 && clock_now_ns() - start < INT64_C(900000000));
    pair_close(&p);
}

static void test_finish_sends_copy_done_once(void)
{
    struct pair p;
    struct zs_error e = {0};
    uint32_t n = 0;
    pair_open(&p);
    ASSERT_OK(p.channel.send(p.channel.self, "abc", 3, &e));
    ASSERT_OK(p.channel.finish(p.channel.self, &e));
    ASSERT_OK(p.channel.finish(p.channel.self, &e));
    ASSERT_FAILS(p.channel.send(p.channel.self, "abc", 3, &e), "XX000");
    CU_ASSERT(client_recv(p.client, &n) == 'd' && n == 3);
    CU_ASSERT(client_recv(p.client, &n) == 'c' && n == 0);
    struct pollfd fd = {.fd = p.client, .events = POLLIN};
    CU_ASSERT(poll(&fd, 1, 0) == 0);
    pair_close(&p);
}

static void test_kept_messages_stay_until_released(void)
{
    struct pair p;
    struct zs_error e = {0};
    void *kept[COPY_KEPT + 1];
    const char *bytes[COPY_KEPT + 1];
    pair_open(&p);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i <= COPY_KEPT; i++) {
            char text[8] = {(char)('a' + i)};
            const void *msg = NULL;
            uint64_t len = 0;
            client_send(p.client, 'd', text, sizeof text);
            CU_ASSERT_FATAL(p.channel.recv(p.channel.self, -1, &msg, &len, &e) == ZS_RECV_MESSAGE);
            kept[i] = p.channel.keep(p.channel.self);
            bytes[i] = msg;
            CU_ASSERT((kept[i] != NULL) == (i < COPY_KEPT)); /* no more than it says */
        }
        for (unsigned i = 0; i < COPY_KEPT; i++) {
            CU_ASSERT(bytes[i][0] == (char)('a' + i));
            if (round == 0 || i % 2 == 0) /* the close gives back the others */
                p.channel.release(p.channel.self, kept[i]);
        }
    }
    pair_close(&p);
}

SUITE("pageserver/copyboth",
      {"each message of a client means what it says", test_what_a_client_can_send},
      {"a message that is too long is refused", test_a_message_that_is_too_long},
      {"two sides that send do not stop each other", test_two_senders_do_not_stop_each_other},
      {"one thread sends while another receives", test_one_thread_sends_and_another_receives},
      {"a cancelled send leaves whole messages", test_a_cancelled_send_leaves_whole_messages},
      {"a client that takes nothing is given up", test_a_client_that_takes_nothing_is_given_up},
      {"a client that floods what means nothing holds nobody",
       test_a_flood_of_nothing_holds_nobody},
      {"a message behind many that mean nothing is found",
       test_a_message_behind_many_that_mean_nothing},
      {"a client that left ends a send", test_a_client_that_left_ends_a_send},
      {"finish is CopyDone, once", test_finish_sends_copy_done_once},
      {"kept messages stay until released", test_kept_messages_stay_until_released})
