/* test_transport_cut.c - a long message that does not come to its end, as the far side fails, hangs
 * up or the caller cancels: what came before is told, and nothing follows.  This program has
 * sendmsg and send of its own, which stand in the place of the C library's for libpq, too. */
#include "odd_fixture.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The far side reads nothing, so that the message cannot go whole before the error is here. */
static void test_an_error_while_a_message_goes_out(void)
{
    static char mine[ZS_MESSAGE_MAX];
    struct odd t;
    struct zs_error e;
    static const struct pg_script script = {ERROR(ERROR_OF("\30", "22023")), NULL, 0, false};
    int rc = odd_start(&t, PG_PEER_SCRIPT, &script, &e) ? ZS_OK : ZS_FAIL;
    for (int i = 0; i < 100 && rc == ZS_OK; i++)
        rc = t.ch.send(t.ch.self, mine, sizeof mine, &e);
    ASSERT_FAILS(rc, "22023");
    odd_close(&t);
}

/* It hangs up instead, and what it had said before is told; if it had not, that the line is lost.
 */
static void test_a_far_side_that_hangs_up_in_a_message(void)
{
    static char mine[ZS_MESSAGE_MAX];
    static const struct {
        struct pg_script script;
        const char *sqlstate;
    } cases[] = {
        {{ERROR(ERROR_OF("\30", "22023")), NULL, 0, true}, "22023"},
        {{BYTES(COPY), NULL, 0, true}, ZS_CONNECTION_LOST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct odd t;
        struct zs_error e;
        int rc = odd_start(&t, PG_PEER_SCRIPT, &cases[i].script, &e) ? ZS_OK : ZS_FAIL;
        for (int n = 0; n < 100 && rc == ZS_OK; n++)
            rc = t.ch.send(t.ch.self, mine, sizeof mine, &e);
        ASSERT_FAILS(rc, cases[i].sqlstate);
        CU_ASSERT(e.message[0] != '\0');
        struct zs_error again = {0};
        CU_ASSERT(t.ch.send(t.ch.self, mine, sizeof mine, &again) == ZS_FAIL);
        ASSERT_TEXT(again.message, e.message); /* it stays so */
        odd_close(&t);
    }
}

/* In the place of the C library's, for this program: while `cut` is set, a message goes through
 * that has the far side answer, and when that is here the connection fails; while `stalled` is, a
 * head goes through, and no more. */
static bool cut, stalled;

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (stalled && message->msg_iov[0].iov_len > 0)
        return syscall(SYS_sendto, fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len,
                       flags, NULL, 0);
    if (stalled) {
        errno = EAGAIN;
        return -1;
    }
    if (!cut)
        return syscall(SYS_sendmsg, fd, message, flags);
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    if (syscall(SYS_sendto, fd, "d\0\0\0\5x", (size_t)6, MSG_NOSIGNAL, NULL, 0) == 6)
        (void)poll(&answer, 1, WITHIN_MS);
    errno = ECONNRESET;
    return -1;
}

/* A failure to send may have its reason on its way here. */
static void test_what_came_before_a_failure_to_send_is_told(void)
{
    static char mine[MIB];
    static const struct {
        const char *more;
        size_t len;
        const char *sqlstate, *words;
    } cases[] = {
        {BYTES("E" ERROR_OF("\30", "22023")), "22023", "why"},
        {BYTES(COMPLETE READY), ZS_CONNECTION_LOST, "has ended the command"},
        {BYTES("d\0\0\0\5x"), ZS_CONNECTION_LOST, "Connection reset by peer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pg_script script = {BYTES(COPY), cases[i].more, cases[i].len, false};
        struct odd t;
        struct zs_error e;
        if (odd_start(&t, PG_PEER_SCRIPT, &script, &e)) {
            cut = true;
            ASSERT_FAILS(t.ch.send(t.ch.self, mine, sizeof mine, &e), cases[i].sqlstate);
            cut = false;
            expect_words(&e, cases[i].words);
        }
        odd_close(&t);
    }
}

/* In the place of the C library's for libpq, too: how often it said farewell. */
static atomic_uint farewells; /* the far side sends in a thread of its own */

__attribute__((visibility("default"))) ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    ssize_t sent = syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
    if (sent == 5 && memcmp(bytes, "X\0\0\0\4", 5) == 0)
        farewells++;
    return sent;
}

/* What libpq says when it ends would be taken for more of the message. */
static void test_nothing_follows_in_a_message_that_is_cut(void)
{
    static char mine[ZS_MESSAGE_MAX];
    static const struct pg_script script = {BYTES(COPY), NULL, 0, false};
    for (unsigned cuts = 0; cuts < 2; cuts++) {
        struct odd t;
        struct zs_error e;
        if (odd_start(&t, PG_PEER_SCRIPT, &script, &e) && cuts > 0) {
            stalled = true;
            contract_cancel_within(&t.cancel, 50);
            ASSERT_FAILS(t.ch.send(t.ch.self, mine, sizeof mine, &e), ZS_CANCELLED);
            stalled = false;
        }
        farewells = 0;
        odd_close(&t);
        CU_ASSERT_EQUAL(farewells, cuts > 0 ? 0 : 1);
    }
}

SUITE("contract/transport_cut",
      {"an error arrives while a message goes out", test_an_error_while_a_message_goes_out},
      {"a far side that hangs up while a message goes out",
       test_a_far_side_that_hangs_up_in_a_message},
      {"what came before a failure to send is told",
       test_what_came_before_a_failure_to_send_is_told},
      {"nothing follows in a message that is cut", test_nothing_follows_in_a_message_that_is_cut})
