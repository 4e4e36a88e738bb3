/* test_inbox.c - messages off a stream that cuts them anywhere. */
#include "../../support/suite.h"

#include "pageserver/inbox.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
    struct stream stream; /* the server's end */
    int client;
    struct inbox in;
};

static void wire_open(struct wire *w, enum wire_phase phase)
{
    int fds[2];
    struct zs_error e;
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    ASSERT_OK(stream_init(&w->stream, fds[0], &e));
    w->client = fds[1];
    inbox_init(&w->in);
    w->in.phase = phase;
}

static void wire_close(struct wire *w)
{
    stream_close(&w->stream);
    if (w->client >= 0)
        (void)close(w->client);
    inbox_fini(&w->in);
}

static void put(struct wire *w, const void *bytes, size_t n)
{
    CU_ASSERT_FATAL(write(w->client, bytes, n) == (ssize_t)n);
}

static enum pump pump(struct wire *w, struct message *m)
{
    struct zs_error e = {0};
    enum pump r = inbox_pump(&w->in, &w->stream, m, &e);
    CU_ASSERT((r == PUMP_ERROR) == (e.sqlstate[0] != '\0'));
    return r;
}

static void test_byte_by_byte(void)
{
    static const uint8_t bytes[] = {'Q', 0, 0, 0, 7, 'h', 'i', 0, 'S', 0, 0, 0, 4};
    struct wire w;
    struct message m;
    unsigned got = 0;
    wire_open(&w, WIRE_COMMAND);
    for (size_t i = 0; i < sizeof bytes; i++) {
        put(&w, bytes + i, 1);
        enum pump r = pump(&w, &m);
        CU_ASSERT_EQUAL(r, i == 7 || i == 12 ? PUMP_MESSAGE : PUMP_WAIT);
        if (r != PUMP_MESSAGE)
            continue;
        got++;
        CU_ASSERT(m.type == (i == 7 ? 'Q' : 'S') && m.len == (i == 7 ? 3 : 0));
        CU_ASSERT(m.body.bytes[m.len] == '\0');
        inbox_recycle(&w.in, &m.body);
    }
    CU_ASSERT_EQUAL(got, 2);
    CU_ASSERT(inbox_is_empty(&w.in));
    wire_close(&w);
}

/* Sizes around those of the read-ahead and of the buffers' steps, many messages in one
 * write, and a reader that is always behind. */
static void test_sizes(void)
{
    static const uint32_t sizes[] = {0,     1,     2047,  2048,  4091,  16378, 16379, 16380,
                                     16384, 16385, 63487, 63488, 63489, 65536, 100000};
    const size_t n = sizeof sizes / sizeof *sizes;
    struct wire w;
    struct message m;
    wire_open(&w, WIRE_COPY);
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += sizes[i] + 5;
    uint8_t *all = malloc(total);
    if (all == NULL)
        abort();
    uint8_t *at = all;
    for (size_t i = 0; i < n; i++) {
        *at = 'd';
        put_u32be(at + 1, sizes[i] + 4);
        memset(at + 5, (int)i + 1, sizes[i]);
        at += sizes[i] + 5;
    }
    size_t sent = 0;
    for (size_t i = 0; i < n;) {
        enum pump r = pump(&w, &m);
        if (r == PUMP_WAIT) {
            size_t some = total - sent < 30011 ? total - sent : 30011;
            CU_ASSERT_FATAL(some > 0);
            put(&w, all + sent, some);
            sent += some;
            continue;
        }
        CU_ASSERT_FATAL(r == PUMP_MESSAGE && m.len == sizes[i]);
        CU_ASSERT_EQUAL((uintptr_t)m.body.bytes % 4096, 2048);
        int same = 1;
        for (uint32_t k = 0; k < m.len; k++)
            same = same && m.body.bytes[k] == (uint8_t)(i + 1);
        CU_ASSERT(same);
        inbox_recycle(&w.in, &m.body);
        i++;
    }
    CU_ASSERT(inbox_is_empty(&w.in) && pump(&w, &m) == PUMP_WAIT);
    free(all);
    wire_close(&w);
}

static void test_ends(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum pump end;
    } cases[] = {
        {"", 0, PUMP_END},
        {"Q", 1, PUMP_ERROR},
        {"Q\0\0\0", 4, PUMP_ERROR},
        {"Q\0\0\0\6h", 6, PUMP_ERROR},
        {"d\0\0\0\6h", 6, PUMP_ERROR}, /* one that is thrown away */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wire w;
        struct message m;
        wire_open(&w, WIRE_COMMAND);
        put(&w, cases[i].bytes, cases[i].n);
        CU_ASSERT(pump(&w, &m) == PUMP_WAIT);
        (void)close(w.client);
        w.client = -1;
        CU_ASSERT_EQUAL(pump(&w, &m), cases[i].end);
        wire_close(&w);
    }
}

static void test_a_claimed_length_takes_no_memory(void)
{
    struct wire w;
    struct message m;
    wire_open(&w, WIRE_STARTUP);
    put(&w, "\177\377\377\377", 4);
    CU_ASSERT(pump(&w, &m) == PUMP_ERROR);
    CU_ASSERT(w.in.body.base == NULL);
    wire_close(&w);
}

static void test_late_copy_data_is_thrown_away(void)
{
    uint8_t bytes[5 + 50000];
    struct wire w;
    struct message m;
    memset(bytes, 'Q', sizeof bytes);
    bytes[0] = 'd';
    put_u32be(bytes + 1, sizeof bytes - 1);
    wire_open(&w, WIRE_COMMAND);
    put(&w, bytes, sizeof bytes);
    put(&w, "S\0\0\0\4", 5);
    CU_ASSERT(pump(&w, &m) == PUMP_SKIPPED);
    CU_ASSERT(w.in.body.base == NULL);
    CU_ASSERT(pump(&w, &m) == PUMP_MESSAGE && m.type == 'S');
    body_fini(&m.body);
    wire_close(&w);
}

SUITE("pageserver/inbox", {"messages come whole, cut anywhere", test_byte_by_byte},
      {"messages of every size come as they were", test_sizes},
      {"an end between messages is none within one", test_ends},
      {"a length that is refused takes no memory", test_a_claimed_length_takes_no_memory},
      {"late copy data is skipped without memory", test_late_copy_data_is_thrown_away})
