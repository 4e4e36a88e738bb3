/* pg_peer.c - see pg_peer.h. */
#include "pg_peer.h"

#include "transport_contract.h"

#include "pg_peer_tls.h"

#include "base/bytes.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSL_REQUEST    80877103u
#define GSSENC_REQUEST 80877104u
#define MESSAGE_MAX    (20u << 20)

struct pg_peer {
    enum pg_peer_mode mode;
    int listener;
    unsigned port;
    pthread_t thread;
    atomic_bool stop;

    pthread_mutex_t lock; /* guards fd and startup */
    int fd;               /* the connection, -1 none */
    struct pg_script script;
    char startup[1024];
    size_t startup_len;

    struct peer_tls *tls; /* the connection's, NULL none */
    uint8_t *message;     /* the last one read */
    size_t len;
    bool copying, done_sent, done_seen, dropped;
};

/* ---- bytes ------------------------------------------------------------------------------- */

static bool write_all(struct pg_peer *p, const void *bytes, size_t len)
{
    for (const char *at = bytes; len > 0;) {
        ssize_t n =
            p->tls != NULL ? peer_tls_write(p->tls, at, len) : send(p->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_all(struct pg_peer *p, void *bytes, size_t len)
{
    if (p->tls != NULL)
        return peer_tls_read_all(p->tls, bytes, len);
    return len == 0 || recv(p->fd, bytes, len, MSG_WAITALL) == (ssize_t)len;
}

static bool write_message(struct pg_peer *p, char type, const void *body, size_t len)
{
    uint8_t head[5] = {(uint8_t)type};
    put_u32be(head + 1, (uint32_t)len + 4);
    return write_all(p, head, sizeof head) && write_all(p, body, len);
}

static bool read_message(struct pg_peer *p, char *type)
{
    uint8_t head[5];
    if (!read_all(p, head, sizeof head) || get_u32be(head + 1) < 4 ||
        get_u32be(head + 1) > MESSAGE_MAX)
        return false;
    *type = (char)head[0];
    p->len = get_u32be(head + 1) - 4;
    return read_all(p, p->message, p->len);
}

static bool write_error(struct pg_peer *p, const char *severity, const struct zs_error *e)
{
    char body[4096];
    int n = snprintf(body, sizeof body, "S%s%cV%s%cC%s%cM%s%cD%s%cH%s%c", severity, 0, severity, 0,
                     e->sqlstate, 0, e->message, 0, e->detail, 0, e->hint, 0);
    return write_message(p, 'E', body, (size_t)n + 1);
}

/* ---- the far side's channel ----------------------------------------------------------------- */

static int gone(struct zs_error *e)
{
    return error_set(e, ZS_CONNECTION_LOST, "the near side has gone");
}

static int32_t far_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    return write_message(self, 'd', msg, len) ? ZS_OK : gone(e);
}

static int32_t far_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                        struct zs_error *e)
{
    struct pg_peer *p = self;
    char type;
    (void)timeout_ms; /* the behaviours wait for ever */
    if (p->done_seen)
        return ZS_RECV_END;
    if (!read_message(p, &type))
        return gone(e);
    p->done_seen = type == 'c';
    if (type != 'c' && type != 'd')
        return gone(e);
    *msg = p->message;
    *len = p->len;
    return type == 'c' ? ZS_RECV_END : ZS_RECV_MESSAGE;
}

static int32_t far_finish(void *self, struct zs_error *e)
{
    struct pg_peer *p = self;
    p->done_sent = true;
    return write_message(p, 'c', "", 0) ? ZS_OK : gone(e);
}

static void far_close(void *self)
{
    struct pg_peer *p = self;
    p->dropped = !p->done_sent;
}

static int far_copy_both(void *self, struct zs_channel *out, struct zs_error *e)
{
    struct pg_peer *p = self;
    const struct zs_channel filled = {.struct_size = sizeof filled,
                                      .self = p,
                                      .send = far_send,
                                      .recv = far_recv,
                                      .finish = far_finish,
                                      .close = far_close};
    p->copying = true;
    p->done_sent = p->done_seen = p->dropped = false;
    *out = filled;
    return write_message(p, 'W', "\0\0\0", 3) ? ZS_OK : gone(e);
}

static void far_idle(void *self)
{
    struct pg_peer *p = self;
    struct pollfd fd = {.fd = p->fd, .events = POLLRDHUP};
    while (poll(&fd, 1, -1) < 0)
        ;
}

/* ---- a connection -----------------------------------------------------------------------------
 */

static bool refuse_login(struct pg_peer *p)
{
    struct zs_error e;
    if (p->mode == PG_PEER_FULL) {
        error_set(&e, "53300", "sorry, too many clients already");
    } else {
        error_set(&e, ZS_WRONG_PASSWORD, "password authentication failed for user \"ann\"");
        error_hint(&e, "Ask the owner.");
    }
    (void)write_error(p, "FATAL", &e);
    return false;
}

static bool log_in(struct pg_peer *p)
{
    uint8_t head[8];
    char type;
    for (;;) {
        if (!read_all(p, head, sizeof head))
            return false;
        uint32_t code = get_u32be(head + 4);
        if (code != SSL_REQUEST && code != GSSENC_REQUEST)
            break;
        bool tls = code == SSL_REQUEST && p->mode == PG_PEER_TLS;
        if (!write_all(p, tls ? "S" : "N", 1))
            return false;
        if (tls && (p->tls = peer_tls_accept(p->fd)) == NULL)
            return false;
    }
    size_t len = get_u32be(head) - 8;
    if (len > sizeof p->startup)
        return false;
    (void)pthread_mutex_lock(&p->lock);
    bool whole = read_all(p, p->startup, len);
    p->startup_len = whole ? len : 0;
    (void)pthread_mutex_unlock(&p->lock);
    if (!whole)
        return false;
    if (p->mode == PG_PEER_REFUSES || p->mode == PG_PEER_FULL)
        return refuse_login(p);
    if (p->mode == PG_PEER_PASSWORD &&
        (!write_message(p, 'R', "\0\0\0\3", 4) || !read_message(p, &type) || type != 'p'))
        return false;
    if (!write_message(p, 'R', "\0\0\0\0", 4))
        return false;
    while (p->mode == PG_PEER_CHATTY)
        if (!write_message(p, 'S', "some\0thing", 11))
            return false;
    return write_message(p, 'Z', "I", 1);
}

static bool follow(struct pg_peer *p)
{
    char type;
    (void)pthread_mutex_lock(&p->lock);
    const struct pg_script s = p->script; /* the next one may be set while this one's client ends */
    (void)pthread_mutex_unlock(&p->lock);
    bool on = write_all(p, s.answer, s.len);
    if (on && s.more != NULL)
        on = read_message(p, &type) && write_all(p, s.more, s.more_len);
    if (on && !s.hangs_up)
        far_idle(p);
    return false;
}

static bool send_rows(struct pg_peer *p)
{
    static const char column[] = "\0\1c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0";
    bool more = write_message(p, 'T', column, sizeof column);
    while (more)
        more = write_message(p, 'D', "\0\1\0\0\0\1x", 7);
    return false;
}

static bool send_huge(struct pg_peer *p)
{
    static const char block[65536];
    const uint8_t head[5] = {'d', 0x40, 0, 0, 0};
    bool more = write_message(p, 'W', "\0\0\0", 3) && write_all(p, head, sizeof head);
    for (int i = 0; more && i < 1024; i++)
        more = write_all(p, block, sizeof block);
    far_idle(p);
    return false;
}

/* What libpq sends in the copy after an error is passed over. */
static bool serve_query(struct pg_peer *p)
{
    const struct far_session session = {.self = p, .copy_both = far_copy_both, .idle = far_idle};
    struct zs_error e = {0};
    char command[64];
    (void)snprintf(command, sizeof command, "%.*s", (int)p->len, (const char *)p->message);
    p->copying = p->dropped = false;
    if (p->mode == PG_PEER_ROWS)
        return send_rows(p);
    if (p->mode == PG_PEER_HUGE)
        return send_huge(p);
    if (p->mode == PG_PEER_SCRIPT)
        return follow(p);
    int rc = transport_far(&session, command, &e);
    if (rc == ZS_OK && p->dropped)
        return false;
    if (rc == ZS_OK)
        return write_message(p, 'C', "DONE", 5) && write_message(p, 'Z', "I", 1);
    return write_error(p, "ERROR", &e) && write_message(p, 'Z', "I", 1);
}

static void serve(struct pg_peer *p)
{
    char type;
    if (p->mode == PG_PEER_MUTE) {
        far_idle(p);
        return;
    }
    if (!log_in(p))
        return;
    while (read_message(p, &type) && type != 'X')
        if (type == 'Q' && !serve_query(p))
            return;
}

static void *peer_run(void *context)
{
    struct pg_peer *p = context;
    sigset_t pipe;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL); /* OpenSSL writes without MSG_NOSIGNAL */
    while (!atomic_load(&p->stop)) {
        int fd = accept(p->listener, NULL, NULL), on = 1;
        if (fd < 0)
            break;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)pthread_mutex_lock(&p->lock);
        p->fd = fd;
        bool stop = atomic_load(&p->stop);
        (void)pthread_mutex_unlock(&p->lock);
        if (!stop)
            serve(p);
        peer_tls_close(p->tls);
        p->tls = NULL;
        (void)pthread_mutex_lock(&p->lock);
        (void)close(fd);
        p->fd = -1;
        (void)pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* ---- opening and closing ------------------------------------------------------------------------
 */

int pg_peer_closed_port(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int listen_anywhere(unsigned *port)
{
    int fd = pg_peer_closed_port(port);
    if (fd < 0 || listen(fd, 16) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

struct pg_peer *pg_peer_open(enum pg_peer_mode mode)
{
    struct pg_peer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->mode = mode;
    p->fd = -1;
    (void)pthread_mutex_init(&p->lock, NULL);
    p->message = malloc(MESSAGE_MAX);
    p->listener = listen_anywhere(&p->port);
    if (p->message != NULL && p->listener >= 0 &&
        pthread_create(&p->thread, NULL, peer_run, p) == 0)
        return p;
    free(p->message);
    free(p);
    return NULL;
}

unsigned pg_peer_port(const struct pg_peer *p)
{
    return p->port;
}

void pg_peer_follow(struct pg_peer *p, const struct pg_script *script)
{
    (void)pthread_mutex_lock(&p->lock);
    p->script = *script;
    (void)pthread_mutex_unlock(&p->lock);
}

bool pg_peer_saw(struct pg_peer *p, const char *name, const char *value)
{
    bool saw = false;
    (void)pthread_mutex_lock(&p->lock);
    struct reader r = reader_over(p->startup, p->startup_len);
    for (;;) {
        const char *n = reader_cstring(&r), *v = reader_cstring(&r);
        if (n == NULL || v == NULL || n[0] == '\0')
            break;
        saw = saw || (strcmp(n, name) == 0 && strcmp(v, value) == 0);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return saw;
}

void pg_peer_close(struct pg_peer *p)
{
    atomic_store(&p->stop, true);
    (void)pthread_mutex_lock(&p->lock);
    (void)shutdown(p->listener, SHUT_RDWR);
    if (p->fd >= 0)
        (void)shutdown(p->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    (void)close(p->listener);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->message);
    free(p);
}
