/* listener.c - see listener.h. */
#include "pageserver/listener.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loopback.h"
#include "pageserver/reply.h"
#include "pageserver/server.h"
#include "pageserver/session.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BACKLOG 128

/* ---- open ---------------------------------------------------------------------------- */

static void listener_add(struct listener *l, int *fd)
{
    l->fds[l->n++] = *fd;
    *fd = -1;
}

static int open_unix(struct listener *l, const char *path, struct zs_error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(e, errno, "cannot make a socket");
    (void)unlink(path); /* the repository is locked: whose it was is gone */
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0)
        return error_errno(e, errno, "cannot listen on %s", path);
    listener_add(l, &fd);
    return ZS_OK;
}

static int listen_failed(const char *shown, int errnum, struct zs_error *e)
{
    if (errnum != EADDRINUSE) {
        (void)error_errno(e, errnum, "cannot listen on %s", shown);
        return error_hint(e, "Set listen and port in pageserver.toml to what this machine has.");
    }
    error_set(e, ZS_BUSY, "another process listens on %s already", shown);
    return error_hint(e, "Stop it, or set another port in pageserver.toml.");
}

static void show_address(int fd, char *out, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[256] = "?";
    char port[16] = "?";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(out, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_one(struct listener *l, const struct addrinfo *a, const char *shown,
                    struct zs_error *e)
{
    int on = 1;
    CLEANUP(fd_close)
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return listen_failed(shown, errno, e);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return listen_failed(shown, errno, e);
    if (l->address[0] == '\0')
        show_address(fd, l->address, sizeof l->address);
    listener_add(l, &fd);
    return ZS_OK;
}

static int open_tcp(struct listener *l, const char *host, uint16_t port, struct zs_error *e)
{
    struct addrinfo want = {.ai_family = AF_UNSPEC,
                            .ai_socktype = SOCK_STREAM,
                            .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    char shown[320];
    (void)snprintf(service, sizeof service, "%u", port);
    (void)snprintf(shown, sizeof shown, "%.256s port %u", host, port);
    int rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &want, &found);
    if (rc != 0) {
        error_set(e, ZS_BAD_VALUE, "cannot listen on %s: %s", shown, gai_strerror(rc));
        return error_hint(e, "Set listen in pageserver.toml to an address of this machine.");
    }
    rc = ZS_OK;
    for (const struct addrinfo *a = found; a != NULL && rc == ZS_OK; a = a->ai_next) {
        /* A kernel without IPv6 is no reason not to listen on what there is. */
        if (l->n == LISTENER_SOCKETS)
            break;
        struct zs_error why = {0};
        int one = open_one(l, a, shown, &why);
        bool optional =
            a->ai_family == AF_INET6 && found->ai_next != NULL && !error_is(&why, ZS_BUSY);
        if (one != ZS_OK && !optional) {
            *e = why;
            rc = one;
        }
    }
    freeaddrinfo(found);
    if (rc == ZS_OK && l->address[0] == '\0')
        rc = listen_failed(shown, EADDRNOTAVAIL, e);
    return rc;
}

int listener_open(struct listener *l, const char *host, uint16_t port, const char *unix_path,
                  struct zs_error *e)
{
    l->n = 0;
    l->address[0] = '\0';
    int rc = open_unix(l, unix_path, e);
    if (rc == ZS_OK && host[0] != '\0')
        rc = open_tcp(l, host, port, e);
    if (rc != ZS_OK)
        listener_close(l);
    return rc;
}

void listener_close(struct listener *l)
{
    while (l->n > 0)
        (void)close(l->fds[--l->n]);
}

/* ---- accept ----------------------------------------------------------------------------- */

/* A client that vanished without a word is noticed after about two minutes, by keepalives;
 * small messages do not wait for each other.  No TCP_USER_TIMEOUT: it would end a client that
 * is there and takes nothing, as one whose disk stalls, before copyboth.h and conn.h do. */
static void tune_tcp(int fd)
{
    const struct {
        int name, value;
    } options[] = {{TCP_NODELAY, 1}, {TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 10}, {TCP_KEEPCNT, 6}};
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, IPPROTO_TCP, options[i].name, &options[i].value, sizeof on);
    loopback_tune(fd);
}

static void accept_one(struct server *s, int listening, bool is_local)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log_line(&s->log, ZS_LOG_WARNING, "cannot accept a connection: %s",
                     strerrordesc_np(errno));
            (void)poll(NULL, 0, 100); /* the connection stays there: no busy loop */
        }
        return;
    }
    struct zs_error why;
    if (sessions_reserve(&s->sessions, is_local, &why) != ZS_OK) {
        log_error(&s->log, ZS_LOG_WARNING, "connection turned away", &why);
        reply_turn_away(fd, &why);
        return;
    }
    if (!is_local)
        tune_tcp(fd);
    session_start(s, fd, is_local);
}

void listener_run(struct server *s, int signal_fd)
{
    const struct listener *l = &s->listener;
    struct pollfd fds[LISTENER_SOCKETS + 1] = {{.fd = signal_fd, .events = POLLIN}};
    for (uint32_t i = 0; i < l->n; i++)
        fds[i + 1] = (struct pollfd){.fd = l->fds[i], .events = POLLIN};
    for (;;) {
        if (poll(fds, l->n + 1, -1) < 0)
            continue;
        if (fds[0].revents != 0)
            return;
        for (uint32_t i = 0; i < l->n; i++)
            if (fds[i + 1].revents != 0)
                accept_one(s, l->fds[i], i == 0);
    }
}
