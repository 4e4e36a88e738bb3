/* test_conn.c - how long a client is waited for, over a socket pair. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "pageserver/conn.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS            ((int64_t)1000000)
#define ANSWER_BYTES  400000u
#define READ_BYTES    40000u
#define READ_PAUSE_MS 60
#define STALL_MS      200 /* less than the whole answer takes, more than a pause */

struct pair {
    struct conn conn;
    int client;
    pthread_t thread;
    atomic_bool stop;
};

static void pair_open(struct pair *p)
{
    struct zs_error e = {0};
    int fds[2];
    int small = 4096;
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    CU_ASSERT(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    ASSERT_OK(conn_init(&p->conn, fds[0], &e));
    p->conn.in.phase = WIRE_COMMAND;
    p->client = fds[1];
    atomic_init(&p->stop, false);
}

static void pair_close(struct pair *p)
{
    conn_fini(&p->conn);
    CU_ASSERT(close(p->client) == 0);
}

static void put_answer(struct pair *p)
{
    struct zs_error e = {0};
    static const uint8_t zeros[ANSWER_BYTES];
    struct wire_buf b = {0};
    wire_bytes(&b, zeros, sizeof zeros);
    ASSERT_OK(conn_put(&p->conn, &b, &e));
}

static void *read_slowly(void *arg)
{
    struct pair *p = arg;
    static uint8_t buf[READ_BYTES];
    while (!atomic_load(&p->stop)) {
        (void)poll(NULL, 0, READ_PAUSE_MS);
        for (size_t n = 0; n < sizeof buf;) {
            ssize_t got = read(p->client, buf, sizeof buf - n);
            if (got <= 0)
                break;
            n += (size_t)got;
        }
    }
    return NULL;
}

/* Who reads, however slowly, gets the whole answer. */
static void test_a_slow_reader_is_waited_for(void)
{
    struct zs_error e = {0};
    struct pair p;
    struct patience patience = {.stall_ns = STALL_MS * MS};
    pair_open(&p);
    put_answer(&p);
    CU_ASSERT_FATAL(pthread_create(&p.thread, NULL, read_slowly, &p) == 0);
    int64_t begin = clock_now_ns();
    ASSERT_OK(conn_flush(&p.conn, &patience, &e));
    CU_ASSERT(clock_now_ns() - begin > STALL_MS * MS);
    atomic_store(&p.stop, true);
    CU_ASSERT(pthread_join(p.thread, NULL) == 0);
    pair_close(&p);
}

static void test_who_reads_nothing_is_left(void)
{
    struct zs_error e = {0};
    struct pair p;
    struct patience patience = {.stall_ns = STALL_MS * MS};
    pair_open(&p);
    put_answer(&p);
    int64_t begin = clock_now_ns();
    ASSERT_FAILS(conn_flush(&p.conn, &patience, &e), ZS_CONNECTION_LOST);
    CU_ASSERT(clock_now_ns() - begin >= STALL_MS * MS);
    pair_close(&p);
}

static void *send_copy_data(void *arg)
{
    struct pair *p = arg;
    static uint8_t many[8192];
    for (size_t at = 0; at + 8 <= sizeof many; at += 8) {
        many[at] = 'd';
        put_u32be(many + at + 1, 7);
    }
    while (!atomic_load(&p->stop))
        if (send(p->client, many, sizeof many, MSG_NOSIGNAL) < 0)
            (void)poll(&(struct pollfd){.fd = p->client, .events = POLLOUT}, 1, 10);
    return NULL;
}

/* Nobody asked for it: it is thrown away, and does not count as life. */
static void test_what_is_thrown_away_gives_no_time(void)
{
    struct zs_error e = {0};
    struct pair p;
    struct message m;
    pair_open(&p);
    CU_ASSERT_FATAL(pthread_create(&p.thread, NULL, send_copy_data, &p) == 0);
    struct patience patience = {.deadline_ns = clock_now_ns() + STALL_MS * MS};
    CU_ASSERT_EQUAL(conn_read(&p.conn, &patience, &m, &e), ZS_RECV_NOTHING);
    atomic_store(&p.stop, true);
    CU_ASSERT(pthread_join(p.thread, NULL) == 0);
    pair_close(&p);
}

SUITE("pageserver/conn", {"a slow reader gets its answer", test_a_slow_reader_is_waited_for},
      {"who reads nothing is left", test_who_reads_nothing_is_left},
      {"what is thrown away gives no more time", test_what_is_thrown_away_gives_no_time})
