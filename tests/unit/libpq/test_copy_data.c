/* test_copy_data.c - a long message goes out framed and whole, whatever the socket takes at once.
 */
#include "../../support/suite.h"

#include "transport/libpq/copy_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEN   ((size_t)1 << 20)
#define FRAME (LEN + COPY_DATA_HEAD)

struct line {
    int ours, theirs;
    uint8_t *sent, *came;
};

static struct line line_open(void)
{
    struct line l = {.sent = malloc(LEN), .came = malloc(FRAME)};
    int fds[2];
    if (l.sent == NULL || l.came == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        abort();
    l.ours = fds[0];
    l.theirs = fds[1];
    for (size_t i = 0; i < LEN; i++)
        l.sent[i] = (uint8_t)(i * 31 + i / 251);
    return l;
}

static void line_close(struct line *l)
{
    (void)close(l->ours);
    if (l->theirs >= 0)
        (void)close(l->theirs);
    free(l->sent);
    free(l->came);
}

/* Take what is there, at most n bytes. */
static size_t take(const struct line *l, size_t at, size_t n)
{
    ssize_t got = recv(l->theirs, l->came + at, n, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

/* Send all, the receiver taking `each` bytes whenever the socket is full; how often it was. */
static unsigned pass(const struct line *l, struct copy_data *d, size_t each)
{
    unsigned blocked = 0;
    size_t came = 0;
    int rc;
    while ((rc = copy_data_send(d, l->ours)) == COPY_DATA_BLOCKED && blocked < 1000000) {
        blocked++;
        size_t n = take(l, came, each < FRAME - came ? each : FRAME - came);
        came += n;
        if (n == 0)
            break;
    }
    CU_ASSERT_EQUAL(rc, 0);
    for (size_t n = 1; n > 0 && came < FRAME; came += n)
        n = take(l, came, FRAME - came);
    CU_ASSERT_EQUAL(came, FRAME);
    return blocked;
}

static void test_a_message_is_framed_and_whole(void)
{
    static const uint8_t head[COPY_DATA_HEAD] = {'d', 0, 0x10, 0, 4};
    static const size_t each[] = {100000, 4097, FRAME};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct line l = line_open();
        struct copy_data d = copy_data_begin(l.sent, LEN);
        CU_ASSERT(pass(&l, &d, each[i]) > 0);
        CU_ASSERT(memcmp(l.came, head, sizeof head) == 0);
        CU_ASSERT(memcmp(l.came + sizeof head, l.sent, LEN) == 0);
        CU_ASSERT_EQUAL(copy_data_send(&d, l.ours), 0); /* and nothing twice */
        CU_ASSERT_EQUAL(take(&l, 0, FRAME), 0);
        line_close(&l);
    }
}

static void test_it_goes_on_in_the_head(void)
{
    for (uint64_t sent = 0; sent <= COPY_DATA_HEAD + 1; sent++) {
        struct line l = line_open();
        struct copy_data d = copy_data_begin(l.sent, 1000);
        uint8_t frame[1005];
        memcpy(frame, d.head, COPY_DATA_HEAD);
        memcpy(frame + COPY_DATA_HEAD, l.sent, 1000);
        d.sent = sent;
        CU_ASSERT_EQUAL(copy_data_send(&d, l.ours), 0);
        CU_ASSERT_EQUAL(take(&l, 0, FRAME), sizeof frame - sent);
        CU_ASSERT(memcmp(l.came, frame + sent, sizeof frame - sent) == 0);
        line_close(&l);
    }
}

static void test_a_lost_line_is_an_errno(void)
{
    struct line l = line_open();
    struct copy_data d = copy_data_begin(l.sent, LEN);
    CU_ASSERT_EQUAL(copy_data_send(&d, l.ours), COPY_DATA_BLOCKED);
    (void)close(l.theirs);
    l.theirs = -1;
    CU_ASSERT_EQUAL(copy_data_send(&d, l.ours), EPIPE); /* and no signal */
    CU_ASSERT_EQUAL(copy_data_send(&d, -1), EBADF);
    line_close(&l);
}

static void test_short_messages_do_not_go_this_way(void)
{
    CU_ASSERT(!copy_data_fits(NULL, COPY_DATA_LONG - 1));
    CU_ASSERT(copy_data_fits(NULL, COPY_DATA_LONG));
}

SUITE("libpq/copy_data", {"a message is framed and whole", test_a_message_is_framed_and_whole},
      {"it goes on in the middle of the head", test_it_goes_on_in_the_head},
      {"a lost line is an errno, and no signal", test_a_lost_line_is_an_errno},
      {"short messages do not go this way", test_short_messages_do_not_go_this_way})
