/* rate.c - does a transfer hold its rate: a relay that counts what passes, in windows.
 *
 *     rate PORT TO_PORT RATE WINDOW_MS       127.0.0.1:PORT -> TO_PORT, for one connection
 *
 * Flow: client -> [read, note when and how much, write] -> server, and back uncounted.  At the
 * connection's end it prints the most and the least that passed towards the server within any
 * WINDOW_MS, as shares of RATE (bytes per second): "1.004 0.991".
 *
 * The most is taken over every window; the least over those between the first and the last
 * BULK bytes, as a login and a last answer are not held to a rate.
 * Threads: one.  Memory: 16 bytes per read.  Ends with its parent. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BULK   4096u
#define BUFFER (256u << 10)

struct passed {
    int64_t at_ns;
    uint64_t before, after; /* bytes in all, before this read and with it */
};

struct record {
    struct passed *reads;
    size_t n, room;
};

static void die(const char *doing)
{
    perror(doing);
    _exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note(struct record *r, uint64_t bytes)
{
    if (r->n == r->room) {
        r->room = r->room == 0 ? 4096 : 2 * r->room;
        r->reads = reallocarray(r->reads, r->room, sizeof *r->reads);
        if (r->reads == NULL)
            die("rate: memory");
    }
    uint64_t before = r->n == 0 ? 0 : r->reads[r->n - 1].after;
    r->reads[r->n++] =
        (struct passed){.at_ns = now_ns(), .before = before, .after = before + bytes};
}

/* Windows that begin with a read, both ends in it. */
static uint64_t most_within(const struct record *r, int64_t window_ns)
{
    uint64_t most = 0;
    for (size_t first = 0, last = 0; last < r->n; last++) {
        while (r->reads[last].at_ns - r->reads[first].at_ns > window_ns)
            first++;
        uint64_t passed = r->reads[last].after - r->reads[first].before;
        most = passed > most ? passed : most;
    }
    return most;
}

/* Windows that begin right behind a read. */
static uint64_t least_within(const struct record *r, int64_t window_ns)
{
    uint64_t least = UINT64_MAX, all = r->n == 0 ? 0 : r->reads[r->n - 1].after;
    size_t end = r->n;
    while (end > 0 && all - r->reads[end - 1].before < BULK)
        end--;
    for (size_t first = 0, next = 0; first < end; first++) {
        int64_t until_ns = r->reads[first].at_ns + window_ns;
        if (r->reads[first].after < BULK)
            continue;
        if (until_ns > r->reads[end - 1].at_ns)
            break;
        while (r->reads[next].at_ns <= until_ns)
            next++;
        uint64_t passed = r->reads[next].before - r->reads[first].after;
        least = passed < least ? passed : least;
    }
    return least;
}

static int tcp_socket(void)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("rate: socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* One read, passed on whole.  0: ended. */
static size_t pass(int from, int to)
{
    static char buf[BUFFER];
    ssize_t got = recv(from, buf, sizeof buf, 0);
    for (ssize_t put = 0; put < got;) {
        ssize_t sent = send(to, buf + put, (size_t)(got - put), MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        put += sent;
    }
    return got > 0 ? (size_t)got : 0;
}

static void relay(int client, int server, struct record *r)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            die("rate: poll");
        if (fds[0].revents != 0) {
            size_t n = pass(client, server);
            if (n == 0)
                return;
            note(r, n);
        }
        if (fds[1].revents != 0 && pass(server, client) == 0)
            return;
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fputs("usage: rate PORT TO_PORT RATE WINDOW_MS\n", stderr);
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct record r = {0};
    int listener = tcp_socket(), server = tcp_socket();
    at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1) < 0)
        die("rate: listen");
    (void)puts("ready");
    (void)fflush(stdout);
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    at.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    if (client < 0 || connect(server, (struct sockaddr *)&at, sizeof at) < 0)
        die("rate: connect");
    relay(client, server, &r);
    int64_t window_ns = strtoll(argv[4], NULL, 10) * 1000000;
    double whole = strtod(argv[3], NULL) * (double)window_ns / 1e9;
    uint64_t least = least_within(&r, window_ns);
    (void)printf("%.3f ", (double)most_within(&r, window_ns) / whole);
    (void)(least == UINT64_MAX ? puts("-") : printf("%.3f\n", (double)least / whole));
    free(r.reads);
    return 0;
}
