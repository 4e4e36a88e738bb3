/* link.c - a long link on one machine, and what one TCP stream carries over it.
 *
 *     link delay PORT TO_PORT DELAY_MS [WINDOW_BYTES]    the link: 127.0.0.1:PORT -> TO_PORT
 *     link receive PORT                                  takes streams, and confirms each
 *     link send PORT BYTES                               one stream; prints its milliseconds
 *
 * Each byte that `delay` takes comes out DELAY_MS later, in either direction; making a
 * connection costs a round trip, as a handshake does.  No rate is set: at most WINDOW_BYTES
 * are on the way in one direction, as of one TCP stream with such a window, so that it
 * carries WINDOW_BYTES per DELAY_MS.
 *
 *     client -> [read, stamp] ring of WINDOW_BYTES [when due, write] -> server, and the same back
 *
 * Threads: two per connection, one a direction, which share the two sockets alone.
 * Ends with its parent. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECES 4096u /* reads on the way, at most */
#define PIECE  (256u << 10)
#define BUFFER (1u << 20)

struct link {
    uint16_t to_port;
    int64_t delay_ns;
    size_t window;
};

struct connection {
    const struct link *link;
    int client, server;
    unsigned users; /* directions that still run */
    pthread_mutex_t lock;
};

struct direction {
    struct connection *connection;
    int from, to;
};

/* What one read took: `bytes` of the ring, to be written not before `due_ns`. */
struct piece {
    int64_t due_ns;
    size_t bytes;
};

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *doing)
{
    perror(doing);
    _exit(1);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int tcp_socket(void)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("link: socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = loopback(port);
    int fd = tcp_socket();
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 16) < 0)
        die("link: listen");
    (void)puts("ready");
    (void)fflush(stdout);
    return fd;
}

static int accept_one(int listener)
{
    int fd = -1;
    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        die("link: accept");
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool connect_to(int fd, uint16_t port)
{
    struct sockaddr_in at = loopback(port);
    return connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
}

/* ---- the link --------------------------------------------------------------------------- */

static void connection_leave(struct connection *c)
{
    (void)pthread_mutex_lock(&c->lock);
    bool last = --c->users == 0;
    (void)pthread_mutex_unlock(&c->lock);
    if (!last)
        return;
    (void)close(c->client);
    (void)close(c->server);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

/* The ring's state: bytes [tail, head) are on the way, in pieces [first, last). */
struct way {
    char *ring;
    size_t window, head, tail;
    struct piece pieces[PIECES];
    unsigned first, last;
    bool ended;
};

static bool way_take(struct way *w, int from, int64_t delay_ns)
{
    size_t at = w->head % w->window;
    size_t room = w->window - (w->head - w->tail);
    size_t n = room < w->window - at ? room : w->window - at;
    ssize_t got = recv(from, w->ring + at, n < PIECE ? n : PIECE, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        w->ended = true;
    else
        w->pieces[w->last++ % PIECES] =
            (struct piece){.due_ns = now_ns() + delay_ns, .bytes = (size_t)got};
    w->head += (size_t)got;
    return true;
}

static bool way_give(struct way *w, int to)
{
    struct piece *p = &w->pieces[w->first % PIECES];
    size_t at = w->tail % w->window; /* no piece goes round the ring's end */
    ssize_t sent = send(to, w->ring + at, p->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    w->tail += (size_t)sent;
    p->bytes -= (size_t)sent;
    if (p->bytes == 0)
        w->first++;
    return true;
}

/* Until one of the two has ended and all that was on the way has come out. */
static void way_run(struct way *w, const struct direction *d, int64_t delay_ns)
{
    while (!w->ended || w->first != w->last) {
        int64_t wait_ns = -1;
        bool due = false;
        if (w->first != w->last) {
            wait_ns = w->pieces[w->first % PIECES].due_ns - now_ns();
            due = wait_ns <= 0;
        }
        bool room = !w->ended && w->head - w->tail < w->window && w->last - w->first < PIECES;
        struct pollfd fds[2] = {{.fd = room ? d->from : -1, .events = POLLIN},
                                {.fd = due ? d->to : -1, .events = POLLOUT}};
        const struct timespec wait = {.tv_sec = wait_ns / 1000000000,
                                      .tv_nsec = wait_ns % 1000000000};
        if (ppoll(fds, 2, due || wait_ns < 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
            return;
        if (fds[0].revents != 0 && !way_take(w, d->from, delay_ns))
            return;
        if (fds[1].revents != 0 && !way_give(w, d->to))
            return;
    }
}

static void *direction_run(void *argument)
{
    struct direction *d = argument;
    const struct link *l = d->connection->link;
    struct way *w = calloc(1, sizeof *w);
    if (w != NULL && (w->ring = malloc(l->window)) != NULL) {
        const struct timespec handshake = {.tv_sec = 2 * l->delay_ns / 1000000000,
                                           .tv_nsec = 2 * l->delay_ns % 1000000000};
        (void)nanosleep(&handshake, NULL);
        w->window = l->window;
        way_run(w, d, l->delay_ns);
        free(w->ring);
    }
    if (w == NULL || !w->ended || w->first != w->last)
        (void)shutdown(d->from, SHUT_RD); /* cut: the other end is to notice */
    free(w);
    (void)shutdown(d->to, SHUT_WR);
    connection_leave(d->connection);
    free(d);
    return NULL;
}

static void connection_start(const struct link *l, int client)
{
    struct connection *c = calloc(1, sizeof *c);
    int server = tcp_socket();
    if (c == NULL || !connect_to(server, l->to_port)) {
        (void)close(client);
        (void)close(server);
        free(c);
        return;
    }
    *c = (struct connection){.link = l, .client = client, .server = server, .users = 2};
    (void)pthread_mutex_init(&c->lock, NULL);
    for (int back = 0; back < 2; back++) {
        pthread_t thread;
        struct direction *d = malloc(sizeof *d);
        if (d == NULL)
            die("link: memory");
        *d = (struct direction){
            .connection = c, .from = back ? server : client, .to = back ? client : server};
        if (pthread_create(&thread, NULL, direction_run, d) != 0)
            die("link: thread");
        (void)pthread_detach(thread);
    }
}

static void serve_delay(uint16_t port, const struct link *l)
{
    int listener = listen_on(port);
    for (;;)
        connection_start(l, accept_one(listener));
}

/* ---- one stream: the number of bytes, the bytes; a byte back at the end ------------------ */

static bool read_whole(int fd, void *buf, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = recv(fd, (char *)buf + got, n - got, 0);
        if (r <= 0)
            return false;
        got += (size_t)r;
    }
    return true;
}

static bool write_whole(int fd, const void *buf, size_t n)
{
    for (size_t put = 0; put < n;) {
        ssize_t r = send(fd, (const char *)buf + put, n - put, MSG_NOSIGNAL);
        if (r <= 0)
            return false;
        put += (size_t)r;
    }
    return true;
}

static void serve_receive(uint16_t port, char *buf)
{
    int listener = listen_on(port);
    for (;;) {
        uint64_t left = 0;
        int fd = accept_one(listener);
        bool well = read_whole(fd, &left, sizeof left);
        while (well && left > 0) {
            size_t n = left < BUFFER ? (size_t)left : BUFFER;
            well = read_whole(fd, buf, n);
            left -= n;
        }
        if (well)
            (void)write_whole(fd, "", 1);
        (void)close(fd);
    }
}

static int send_stream(uint16_t port, uint64_t bytes, char *buf)
{
    int64_t begin_ns = now_ns();
    int fd = tcp_socket();
    memset(buf, 0x5a, BUFFER);
    bool well = connect_to(fd, port) && write_whole(fd, &bytes, sizeof bytes);
    for (uint64_t left = bytes; well && left > 0;) {
        size_t n = left < BUFFER ? (size_t)left : BUFFER;
        well = write_whole(fd, buf, n);
        left -= n;
    }
    well = well && read_whole(fd, buf, 1);
    (void)close(fd);
    if (!well) {
        (void)fputs("link: the stream was cut\n", stderr);
        return 1;
    }
    (void)printf("%.1f\n", (double)(now_ns() - begin_ns) / 1e6);
    return 0;
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    uint64_t v = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        (void)fprintf(stderr, "link: %s is no number\n", text);
        _exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    static char buf[BUFFER];
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "send") == 0)
        return send_stream((uint16_t)number(argv[2]), number(argv[3]), buf);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 3 && strcmp(argv[1], "receive") == 0)
        serve_receive((uint16_t)number(argv[2]), buf);
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "delay") == 0) {
        const struct link l = {
            .to_port = (uint16_t)number(argv[3]),
            .delay_ns = (int64_t)number(argv[4]) * 1000000,
            .window = argc == 6 ? (size_t)number(argv[5]) : (size_t)256 << 20,
        };
        serve_delay((uint16_t)number(argv[2]), &l);
    }
    (void)fputs("usage: link delay PORT TO_PORT DELAY_MS [WINDOW_BYTES] | receive PORT |"
                " send PORT BYTES\n",
                stderr);
    return 2;
}
