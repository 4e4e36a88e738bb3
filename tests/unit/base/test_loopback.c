/* test_loopback.c - which connections have their send buffer held. */
#include "../../support/suite.h"

#include "base/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct line {
    int listening, ours, theirs;
};

/* A connection from one address to another, both IPv4 or both IPv6; false: this machine has none
 * such. */
static bool line_open(struct line *l, int family, const char *from, const char *to)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    void *ip = family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    *l = (struct line){socket(family, SOCK_STREAM, 0), socket(family, SOCK_STREAM, 0), -1};
    if (l->listening < 0 || l->ours < 0 || inet_pton(family, to, ip) != 1 ||
        bind(l->listening, address, size) != 0 || listen(l->listening, 1) != 0)
        return false;
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof bound;
    if (inet_pton(family, from, ip) != 1 || bind(l->ours, address, size) != 0 ||
        getsockname(l->listening, (struct sockaddr *)&bound, &bound_size) != 0 ||
        connect(l->ours, (struct sockaddr *)&bound, bound_size) != 0)
        return false;
    l->theirs = accept(l->listening, NULL, NULL);
    return l->theirs >= 0;
}

static void line_close(const struct line *l)
{
    (void)close(l->listening);
    (void)close(l->ours);
    if (l->theirs >= 0)
        (void)close(l->theirs);
}

static int send_buffer(int fd)
{
    int bytes = -1;
    socklen_t size = sizeof bytes;
    CU_ASSERT_EQUAL(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &size), 0);
    return bytes;
}

static void test_only_one_machine_is_held(void)
{
    static const struct {
        const char *from, *to;
        int family;
        bool held;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", AF_INET, true},
        {"127.0.0.2", "127.0.0.1", AF_INET, false},
        {"::1", "::1", AF_INET6, true},
        {"::ffff:127.0.0.1", "::ffff:127.0.0.1", AF_INET6, true},
        {"::ffff:127.0.0.2", "::ffff:127.0.0.1", AF_INET6, false},
    };
    unsigned tried = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct line l;
        if (line_open(&l, cases[i].family, cases[i].from, cases[i].to)) {
            const int ends[] = {l.ours, l.theirs};
            for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
                int before = send_buffer(ends[k]);
                loopback_tune(ends[k]);
                CU_ASSERT_NOT_EQUAL(before, LOOPBACK_BYTES);
                CU_ASSERT_EQUAL(send_buffer(ends[k]), cases[i].held ? LOOPBACK_BYTES : before);
            }
            tried++;
        }
        line_close(&l);
    }
    CU_ASSERT(tried >= 2); /* IPv4 is everywhere */
}

static void test_what_is_no_connection_stays(void)
{
    int pair[2];
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int before = send_buffer(pair[0]);
    loopback_tune(pair[0]);
    CU_ASSERT_EQUAL(send_buffer(pair[0]), before);
    (void)close(pair[0]);
    (void)close(pair[1]);
    int alone = socket(AF_INET, SOCK_STREAM, 0);
    before = send_buffer(alone);
    loopback_tune(alone);
    CU_ASSERT_EQUAL(send_buffer(alone), before);
    (void)close(alone);
    loopback_tune(-1);
}

SUITE("base/loopback",
      {"the buffer is held where both ends are on one machine", test_only_one_machine_is_held},
      {"what is no such connection stays as it is", test_what_is_no_connection_stays})
