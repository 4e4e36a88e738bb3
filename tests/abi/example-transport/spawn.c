/* spawn.c - an example of a transport of one's own: spawn://PROGRAM.
 *
 * Starts PROGRAM from the folder spawn.d beside the transports and talks to it over its
 * standard input and output.  PROGRAM reaches the far pageserver in whatever way it likes:
 * bridge.c does so with libpq, a shell script may put `ssh` in front of it.
 *
 *   frame    length, 4 bytes big endian, of what follows | kind, 1 byte | payload
 *   kind     'C' to PROGRAM, first: the command that the far server is to run
 *            'D' both ways: one message
 *            'E' from PROGRAM: the far server's error; sqlstate, message, detail, hint, each
 *                with its NUL; nothing follows
 *   the end  of either direction is the end of the stream
 *
 * A URI names no path and takes no argument, so that a client can start only what an
 * administrator put into spawn.d.  It holds no secret: PROGRAM has to know its own.
 *
 * Built from <zenith-sync/transport.h> alone; see Makefile.
 * Threads: one may send while another receives; `lock` guards the input, which both read.
 * Memory: at most one whole message of input, and one handed out. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zenith-sync/transport.h>

#define SCHEME    "spawn://"
#define HEAD      5 /* a frame's length and kind */
#define INPUT_MAX (HEAD + ZS_MESSAGE_MAX)
#define TICK_MS   100 /* a cancel is seen after this, at the latest */

struct transport {
    char folder[3072]; /* spawn.d */
};

struct channel {
    int fd;
    pid_t child;
    const struct zs_cancel *cancel;
    pthread_mutex_t lock;
    uint8_t *input, *message; /* what was read; what recv handed out */
    size_t have, room;        /* in input */
    int ended;                /* input is at its end */
    int receiving;            /* a thread is in recv, and makes room in input */
};

__attribute__((format(printf, 4, 5))) static int32_t fail(struct zs_error *e, const char *sqlstate,
                                                          const char *hint, const char *format, ...)
{
    va_list args;
    memset(e, 0, sizeof *e);
    (void)snprintf(e->sqlstate, sizeof e->sqlstate, "%s", sqlstate);
    (void)snprintf(e->hint, sizeof e->hint, "%s", hint);
    va_start(args, format);
    (void)vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return ZS_FAIL;
}

/* ---- waiting ------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int32_t check_cancel(const struct zs_cancel *cancel, struct zs_error *e)
{
    int late =
        cancel != NULL && cancel->deadline_ns != 0 && now_ms() >= cancel->deadline_ns / 1000000;
    if (cancel == NULL || (!late && cancel->requested(cancel->self) == 0))
        return ZS_OK;
    return fail(e, ZS_CANCELLED, "Run the same command again to go on.",
                "the transfer was cancelled");
}

/* Wait a tick at most for `events`; *ready says which there are. */
static int32_t wait_tick(const struct channel *c, short events, int ms, short *ready,
                         struct zs_error *e)
{
    struct pollfd fds[2] = {{.fd = c->fd, .events = events},
                            {.fd = c->cancel == NULL ? -1 : c->cancel->fd, .events = POLLIN}};
    if (poll(fds, 2, ms < 0 || ms > TICK_MS ? TICK_MS : ms) < 0)
        fds[0].revents = 0; /* EINTR: the caller comes again */
    *ready = fds[0].revents;
    return check_cancel(c->cancel, e);
}

/* ---- messages ----------------------------------------------------------------------- */

static uint32_t frame_length(const uint8_t *head)
{
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

static void frame_head(uint8_t head[HEAD], char kind, uint64_t len)
{
    for (int i = 0; i < 4; i++)
        head[i] = (uint8_t)((len + 1) >> (24 - 8 * i));
    head[4] = (uint8_t)kind;
}

/* Take in what is there, as far as there is room for.  Never waits.  Under the lock. */
static int32_t read_input(struct channel *c, struct zs_error *e)
{
    while (!c->ended && c->have < INPUT_MAX) {
        if (c->have == c->room) {
            size_t room = c->room == 0 ? 65536 : c->room * 2 < INPUT_MAX ? c->room * 2 : INPUT_MAX;
            uint8_t *more = realloc(c->input, room);
            if (more == NULL)
                return fail(e, ZS_OUT_OF_MEMORY, "", "out of memory");
            c->input = more;
            c->room = room;
        }
        ssize_t n = recv(c->fd, c->input + c->have, c->room - c->have, MSG_DONTWAIT);
        if (n > 0)
            c->have += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            c->ended = 1;
        else
            break;
    }
    return ZS_OK;
}

static int32_t send_bytes(struct channel *c, const uint8_t *data, uint64_t len, struct zs_error *e)
{
    while (len > 0) {
        ssize_t n = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            data += n;
            len -= (uint64_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return fail(e, ZS_CONNECTION_LOST, "See the server's log for what the program said.",
                        "the connection was lost: the program ended");
        short ready;
        if (wait_tick(c, POLLIN | POLLOUT, -1, &ready, e) != ZS_OK)
            return ZS_FAIL;
        if ((ready & POLLIN) == 0)
            continue;
        /* It may be waiting for us to read before it reads on. */
        (void)pthread_mutex_lock(&c->lock);
        int full = c->have == INPUT_MAX, receiving = c->receiving;
        int32_t rc = read_input(c, e);
        int idle = c->ended || c->have == INPUT_MAX;
        (void)pthread_mutex_unlock(&c->lock);
        if (rc != ZS_OK)
            return rc;
        if (full && !receiving && (ready & POLLOUT) == 0) /* types.h, send */
            return fail(e, ZS_LIMIT_EXCEEDED, "See what the program waits for.",
                        "the program sends and does not read: %u bytes from it wait", INPUT_MAX);
        if (idle && (ready & POLLOUT) == 0) /* nothing to read that would wake us: no spinning */
            (void)poll(NULL, 0, TICK_MS / 10);
    }
    return ZS_OK;
}

static int32_t send_frame(struct channel *c, char kind, const void *data, uint64_t len,
                          struct zs_error *e)
{
    uint8_t head[HEAD];
    if (check_cancel(c->cancel, e) != ZS_OK)
        return ZS_FAIL;
    frame_head(head, kind, len);
    return send_bytes(c, head, HEAD, e) == ZS_OK ? send_bytes(c, data, len, e) : ZS_FAIL;
}

static int32_t channel_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    return send_frame(self, 'D', msg, len, e);
}

/* Four texts, each with its NUL, into the error. */
static int32_t take_error(const uint8_t *p, size_t len, struct zs_error *e)
{
    memset(e, 0, sizeof *e);
    char *const fields[] = {e->sqlstate, e->message, e->detail, e->hint};
    const size_t rooms[] = {sizeof e->sqlstate, sizeof e->message, sizeof e->detail,
                            sizeof e->hint};
    for (int i = 0; i < 4 && len > 0; i++) {
        size_t n = strnlen((const char *)p, len);
        (void)snprintf(fields[i], rooms[i], "%.*s", (int)n, (const char *)p);
        n += n < len;
        p += n;
        len -= n;
    }
    if (strlen(e->sqlstate) != 5 || e->message[0] == '\0')
        return fail(e, ZS_PROTOCOL_VIOLATION, "", "the program sent an error that is none");
    return ZS_FAIL;
}

/* The first frame of the input, if it is whole.  Under the lock. */
static int32_t take_frame(struct channel *c, const void **msg, uint64_t *len, struct zs_error *e)
{
    size_t n = c->have < HEAD ? 0 : frame_length(c->input);
    if (c->have >= HEAD && (n < 2 || n > ZS_MESSAGE_MAX + 1u)) {
        (void)fail(e, ZS_PROTOCOL_VIOLATION, "", "the program sent a frame of %zu bytes", n);
        return ZS_RECV_ERROR;
    }
    if (c->have < HEAD || c->have < 4 + n) {
        if (c->ended && c->have > 0)
            (void)fail(e, ZS_CONNECTION_LOST, "See the server's log for what the program said.",
                       "the connection was lost in the middle of a message");
        return !c->ended ? ZS_RECV_NOTHING : c->have > 0 ? ZS_RECV_ERROR : ZS_RECV_END;
    }
    if (c->input[4] == 'E')
        return take_error(c->input + HEAD, n - 1, e) == ZS_OK ? ZS_RECV_END : ZS_RECV_ERROR;
    uint8_t *copy = realloc(c->message, n);
    if (copy == NULL) {
        (void)fail(e, ZS_OUT_OF_MEMORY, "", "out of memory");
        return ZS_RECV_ERROR;
    }
    memcpy(copy, c->input + HEAD, n - 1);
    c->have -= 4 + n;
    memmove(c->input, c->input + 4 + n, c->have);
    c->message = copy;
    *msg = copy;
    *len = n - 1;
    return ZS_RECV_MESSAGE;
}

static int32_t receive(struct channel *c, int32_t timeout_ms, const void **msg, uint64_t *len,
                       struct zs_error *e)
{
    int64_t until = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    for (;;) {
        (void)pthread_mutex_lock(&c->lock);
        int32_t rc = read_input(c, e) == ZS_OK ? take_frame(c, msg, len, e) : ZS_RECV_ERROR;
        (void)pthread_mutex_unlock(&c->lock);
        int64_t left = until - now_ms();
        if (rc != ZS_RECV_NOTHING || left <= 0)
            return rc;
        short ready;
        if (wait_tick(c, POLLIN, left > TICK_MS ? TICK_MS : (int)left, &ready, e) != ZS_OK)
            return ZS_RECV_ERROR;
    }
}

static void say_receiving(struct channel *c, int receiving)
{
    (void)pthread_mutex_lock(&c->lock);
    c->receiving = receiving;
    (void)pthread_mutex_unlock(&c->lock);
}

static int32_t channel_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                            struct zs_error *e)
{
    struct channel *c = self;
    say_receiving(c, 1);
    int32_t rc = receive(c, timeout_ms, msg, len, e);
    say_receiving(c, 0);
    return rc;
}

static int32_t channel_finish(void *self, struct zs_error *e)
{
    struct channel *c = self;
    (void)e;
    (void)shutdown(c->fd, SHUT_WR);
    return ZS_OK;
}

static void channel_close(void *self)
{
    struct channel *c = self;
    (void)close(c->fd);
    if (c->child > 0) {
        int grace_ms = 200; /* it sees the end of its input, and may end by itself */
        while (waitpid(c->child, NULL, WNOHANG) == 0 && grace_ms-- > 0)
            (void)poll(NULL, 0, 1);
        if (grace_ms < 0 && kill(c->child, SIGKILL) == 0)
            (void)waitpid(c->child, NULL, 0);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c->input);
    free(c->message);
    free(c);
}

/* ---- the transport ------------------------------------------------------------------- */

static int32_t spawn_init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    const char *dir = host->setting(host->self, "transport_dir");
    struct transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return fail(e, ZS_OUT_OF_MEMORY, "", "out of memory");
    /* A program that only checks URIs (the command line) has no such setting. */
    int n = dir == NULL ? 0 : snprintf(t->folder, sizeof t->folder, "%s/spawn.d", dir);
    if (n < 0 || (size_t)n >= sizeof t->folder) {
        free(t);
        return fail(e, ZS_BAD_VALUE, "Use a shorter transport_dir.", "transport_dir is too long");
    }
    *self = t;
    return ZS_OK;
}

static int32_t spawn_uri_check(void *self, const char *uri, char *shown, uint64_t shown_bytes,
                               struct zs_error *e)
{
    const char *name = uri + strlen(SCHEME);
    (void)self;
    if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0 || name[0] == '\0' || strlen(name) > 64 ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
        return fail(e, ZS_BAD_VALUE, "Write it as spawn://PROGRAM: a-z, 0-9 and -, at most 64.",
                    "the URI does not name a program of spawn.d");
    (void)snprintf(shown, shown_bytes, "%s", uri);
    return ZS_OK;
}

static int start_child(struct channel *c, const char *path, int theirs)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char program[4096];
    (void)snprintf(program, sizeof program, "%s", path);
    char *argv[] = {program, NULL};
    char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    (void)sigemptyset(&none);
    (void)sigfillset(&usual);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    (void)posix_spawn_file_actions_adddup2(&actions, theirs, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, theirs, 1);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &usual);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawn(&c->child, path, &actions, &attributes, argv, environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        c->child = 0;
    return failed;
}

static int32_t spawn_connect(void *self, const struct zs_connect *spec, struct zs_channel *out,
                             struct zs_error *e)
{
    const struct transport *t = self;
    char shown[300], path[4096];
    int pair[2];
    if (spawn_uri_check(self, spec->uri, shown, sizeof shown, e) != ZS_OK)
        return ZS_FAIL;
    (void)snprintf(path, sizeof path, "%s/%s", t->folder, spec->uri + strlen(SCHEME));
    struct channel *c = calloc(1, sizeof *c);
    if (c == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        free(c);
        return fail(e, ZS_OUT_OF_MEMORY, "", "no memory or no descriptors left to start %s", path);
    }
    c->fd = pair[0];
    c->cancel = spec->cancel;
    (void)pthread_mutex_init(&c->lock, NULL);
    int failed = start_child(c, path, pair[1]);
    (void)close(pair[1]);
    if (failed != 0) {
        channel_close(c);
        return fail(e, ZS_CANNOT_CONNECT, "Put a program of that name there.",
                    "could not start %s: %s", path, strerrordesc_np(failed));
    }
    if (send_frame(c, 'C', spec->command, strlen(spec->command), e) != ZS_OK) {
        channel_close(c);
        return ZS_FAIL;
    }
    const struct zs_channel table = {.struct_size = sizeof table,
                                     .self = c,
                                     .send = channel_send,
                                     .recv = channel_recv,
                                     .finish = channel_finish,
                                     .close = channel_close};
    uint32_t size = out->struct_size < sizeof table ? out->struct_size : (uint32_t)sizeof table;
    memcpy(out, &table, size);
    out->struct_size = size;
    return ZS_OK;
}

ZS_EXPORT const struct zs_transport *zenith_sync_transport_v1(void);
const struct zs_transport *zenith_sync_transport_v1(void)
{
    static const char *const schemes[] = {"spawn", NULL};
    static const struct zs_transport table = {.struct_size = sizeof table,
                                              .name = "spawn",
                                              .version = "1",
                                              .schemes = schemes,
                                              .init = spawn_init,
                                              .fini = free,
                                              .uri_check = spawn_uri_check,
                                              .connect = spawn_connect};
    return &table;
}
