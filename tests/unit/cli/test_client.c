/* test_client.c - the protocol's edges, over one end of a socket pair whose other end the test
 * holds: what came in pieces, what has no room, a server that says nothing.
 * The clock is the test's (clock_gettime below), so that nothing waits for CLIENT_WAIT_MS.
 * Threads: one. */
#include "../../support/suite.h"

#include "base/error.h"
#include "cli/client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Each look at the clock finds it so much later. */
static int64_t step_ns, ahead_ns;

int clock_gettime(clockid_t id, struct timespec *out)
{
    long rc = syscall(SYS_clock_gettime, id, out);
    ahead_ns += step_ns;
    int64_t ns = out->tv_nsec + ahead_ns % 1000000000;
    out->tv_sec += ahead_ns / 1000000000 + ns / 1000000000;
    out->tv_nsec = ns % 1000000000;
    return (int)rc;
}

struct ends {
    int near, far;
};

static struct ends pair(void)
{
    int fds[2];
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    return (struct ends){.near = fds[0], .far = fds[1]};
}

static void put(int fd, const char *bytes, size_t n)
{
    CU_ASSERT(send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static void test_a_message_comes_in_pieces(void)
{
    static const char bytes[] = "C\0\0\0\6hi";
    struct ends s = pair();
    struct client c = {.fd = s.near};
    struct zs_error e = {0};
    struct reader body;
    char type = 0;
    for (size_t i = 0; i < 7; i++) {
        CU_ASSERT_EQUAL(client_next(&c, &type, &body, &e), CLIENT_NOTHING);
        put(s.far, bytes + i, 1);
    }
    CU_ASSERT_EQUAL(client_next(&c, &type, &body, &e), CLIENT_MESSAGE);
    CU_ASSERT(type == 'C' && reader_left(&body) == 2 && memcmp(body.at, "hi", 2) == 0);
    (void)close(s.far);
    CU_ASSERT_EQUAL(client_next(&c, &type, &body, &e), CLIENT_END);
    client_close(&c);
}

/* Only a key of eight bytes is one that a request to stop can name. */
static void test_the_key_is_kept(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        unsigned char first;
    } cases[] = {{"R\0\0\0\10\0\0\0\0K\0\0\0\14abcdefghZ\0\0\0\5I", 28, 'a'},
                 {"R\0\0\0\10\0\0\0\0K\0\0\0\10abcdZ\0\0\0\5I", 24, 0},
                 {"R\0\0\0\10\0\0\0\0Z\0\0\0\5I", 15, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ends s = pair();
        struct client c;
        struct zs_error e = {0};
        put(s.far, cases[i].bytes, cases[i].n);
        ASSERT_OK(client_open(&c, s.near, "u", &e));
        CU_ASSERT_EQUAL(c.cancel_key[0], cases[i].first);
        client_close(&c);
        (void)close(s.far);
    }
}

static void test_a_silent_server_is_left(void)
{
    struct ends s = pair();
    struct client c;
    struct zs_error e = {0};
    step_ns = INT64_C(9900000000); /* so that there is a wait, and a short one */
    ASSERT_FAILS(client_open(&c, s.near, "u", &e), ZS_CANNOT_CONNECT);
    step_ns = 0;
    ASSERT_TEXT(e.message, "the server does not answer");
    CU_ASSERT_EQUAL(c.fd, -1);
    (void)close(s.far);
}

static void test_what_is_too_long_is_not_sent(void)
{
    char user[600], byte;
    struct ends s = pair();
    struct client c;
    struct zs_error e = {0};
    char *text = malloc(CLIENT_MESSAGE_MAX);
    CU_ASSERT_FATAL(text != NULL);
    memset(user, 'u', sizeof user - 1);
    user[sizeof user - 1] = '\0';
    CU_ASSERT(client_open(&c, dup(s.near), user, &e) == ZS_FAIL && e.message[0] != '\0');
    memset(text, 'q', CLIENT_MESSAGE_MAX - 1);
    text[CLIENT_MESSAGE_MAX - 1] = '\0';
    c = (struct client){.fd = s.near};
    ASSERT_FAILS(client_query(&c, text, &e), ZS_CONNECTION_LOST);
    free(text);
    CU_ASSERT(recv(s.far, &byte, 1, 0) == 1 && byte == 'X'); /* the first one's good-bye */
    CU_ASSERT(recv(s.far, user, sizeof user, MSG_DONTWAIT) == 4);
    CU_ASSERT(recv(s.far, user, sizeof user, MSG_DONTWAIT) < 0);
    client_close(&c);
    (void)close(s.far);
}

/* It was heard only if the server closes without a word. */
static void test_a_request_to_stop(void)
{
    enum far { CLOSES_LATER, SAYS_NOTHING, SAYS_SOMETHING, IS_GONE };
    for (enum far far = CLOSES_LATER; far <= IS_GONE; far++) {
        struct ends s = pair();
        const struct client c = {.fd = -1, .cancel_key = {1, 2, 3, 4, 5, 6, 7, 8}};
        unsigned char request[17];
        if (far == SAYS_SOMETHING)
            put(s.far, "E", 1);
        if (far == CLOSES_LATER)
            (void)shutdown(s.far, SHUT_WR);
        if (far == IS_GONE)
            (void)close(s.far);
        step_ns = far == SAYS_NOTHING ? INT64_C(11000000000) : 0;
        CU_ASSERT_EQUAL(client_cancel(&c, s.near), far == CLOSES_LATER);
        step_ns = 0;
        if (far != IS_GONE) {
            CU_ASSERT(recv(s.far, request, sizeof request, MSG_DONTWAIT) == 16);
            CU_ASSERT(memcmp(request, "\0\0\0\20\4\322\26\56\1\2\3\4\5\6\7\10", 16) == 0);
            (void)close(s.far);
        }
        (void)close(s.near);
    }
}

SUITE("cli/client", {"a message comes in pieces", test_a_message_comes_in_pieces},
      {"the key for a request to stop is kept", test_the_key_is_kept},
      {"a silent server is left", test_a_silent_server_is_left},
      {"what is too long is not sent", test_what_is_too_long_is_not_sent},
      {"a request to stop is heard, or it is said", test_a_request_to_stop})
