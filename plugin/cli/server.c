/* server.c - see server.h.
 * Signals are blocked while a command runs and read from a descriptor, so that no
 * handler and no global is needed; children of this process are not started here. */
#include "cli/server.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A user name for the server's log; who may do what follows from the uid. */
static void user_name(char *out, size_t size)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, room, sizeof room, &found) == 0 && found != NULL)
        (void)snprintf(out, size, "%s", entry.pw_name);
    else
        (void)snprintf(out, size, "uid%u", (unsigned)geteuid());
}

static int connect_failed(const struct repo *repo, const struct zs_error *why, struct zs_error *e)
{
    error_set(e, ZS_CANNOT_CONNECT, "cannot connect to the pageserver of %s: %s", repo->zenith,
              why->message);
    return error_hint(e, "Look into %s/pageserver.log.", repo->zenith);
}

int server_connect(struct server *s, const struct repo *repo, struct zs_error *e)
{
    char user[128];
    int fd = -1;
    struct zs_error why = {0};
    *s = (struct server){.repo = repo, .client.fd = -1};
    TRY(repo_socket(repo, &fd, e));
    if (fd < 0) {
        error_set(e, ZS_CANNOT_CONNECT, "the pageserver of %s is not running", repo->zenith);
        return error_hint(e, "Start it with: zenith start -D %s", repo->dir);
    }
    user_name(user, sizeof user);
    return client_open(&s->client, fd, user, &why) == ZS_OK ? ZS_OK : connect_failed(repo, &why, e);
}

void server_close(struct server *s)
{
    if (s->repo != NULL)
        client_close(&s->client);
}

static int connection_lost(const struct server *s, struct zs_error *e)
{
    error_set(e, ZS_CONNECTION_LOST, "the pageserver of %s closed the connection", s->repo->zenith);
    return error_hint(e, "Look into %s/pageserver.log, then: zenith start -D %s", s->repo->zenith,
                      s->repo->dir);
}

/* Stop signals that are caught while this lives; -1 is none yet. */
struct stop_signals {
    int fd;
    sigset_t before;
};

static int stop_signals_open(struct stop_signals *stop, struct zs_error *e)
{
    sigset_t set;
    struct sigaction hangup;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    /* nohup(1) has it ignored, and means it. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        (void)sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, &stop->before) != 0)
        return error_errno(e, errno, "cannot block signals");
    stop->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (stop->fd >= 0)
        return ZS_OK;
    int why = errno;
    (void)pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
    return error_errno(e, why, "cannot wait for signals");
}

/* A signal that was read from fd is used up; one that was not is delivered here. */
static void stop_signals_close(struct stop_signals *stop)
{
    if (stop->fd < 0)
        return;
    (void)close(stop->fd);
    (void)pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
}

static bool stop_asked(const struct stop_signals *stop)
{
    struct signalfd_siginfo info;
    return read(stop->fd, &info, sizeof info) == (ssize_t)sizeof info;
}

static void ask_to_stop(const struct server *s, const struct listener *listener)
{
    struct zs_error notice = {0}, ignored = {0};
    CLEANUP(fd_close) int fd = -1;
    bool asked =
        repo_socket(s->repo, &fd, &ignored) == ZS_OK && fd >= 0 && client_cancel(&s->client, fd);
    (void)error_set(&notice, ZS_CANCELLED,
                    asked ? "stopping; press Ctrl-C again to leave without an answer"
                          : "the server could not be asked to stop; press Ctrl-C again to leave");
    listener->notice(listener->self, &notice);
}

static int user_left(struct zs_error *e)
{
    error_set(e, ZS_CANCELLED, "left without waiting for the server's answer");
    return error_hint(e, "See what became of it with: zenith status");
}

/* Until something came, or a signal. */
static int wait_for_news(struct server *s, const struct stop_signals *stop,
                         const struct listener *listener, unsigned *stops, struct zs_error *e)
{
    struct pollfd fds[2] = {{.fd = s->client.fd, .events = POLLIN},
                            {.fd = stop->fd, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
        return error_errno(e, errno, "cannot wait for the server");
    while (stop_asked(stop)) {
        if ((*stops)++ > 0)
            return user_left(e);
        ask_to_stop(s, listener);
    }
    return ZS_OK;
}

/* What a command's answer has come to so far. */
struct answer {
    struct rows *rows; /* NULL: none yet */
    bool failed;       /* the server said so, and why is set */
    bool over;
    struct zs_error why;
};

static void answer_close(struct answer *a)
{
    rows_close(a->rows);
}

static int take(struct answer *a, const struct listener *listener, char type, struct reader *body,
                struct zs_error *e)
{
    struct zs_error notice = {0};
    switch (type) {
    case 'N':
        (void)client_error(body, &notice);
        listener->notice(listener->self, &notice);
        return ZS_OK;
    case 'E':
        if (!a->failed)
            (void)client_error(body, &a->why);
        a->failed = true;
        return ZS_OK;
    case 'T':
        if (a->rows != NULL)
            return error_set(e, ZS_PROTOCOL_VIOLATION, "the server gave rows of two kinds");
        return rows_open(body->at, reader_left(body), &a->rows, e);
    case 'D':
        if (a->rows == NULL)
            return error_set(e, ZS_PROTOCOL_VIOLATION, "the server gave a row without columns");
        return rows_add(a->rows, body->at, reader_left(body), e);
    case 'Z':
        a->over = true;
        return ZS_OK;
    case 'C':
    case 'I':
    case 'S':
        return ZS_OK;
    case 'G':
    case 'H':
    case 'W':
        return error_set(e, ZS_PROTOCOL_VIOLATION, "the server began to copy, unasked");
    default:
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the server sent a message that has no place "
                         "in an answer");
    }
}

static int hear_answer(struct server *s, const struct stop_signals *stop,
                       const struct listener *listener, struct answer *a, struct zs_error *e)
{
    unsigned stops = 0;
    while (!a->over) {
        struct reader body;
        char type = 0;
        switch (client_next(&s->client, &type, &body, e)) {
        case CLIENT_FAILED:
            return ZS_FAIL;
        case CLIENT_END:
            return connection_lost(s, e);
        case CLIENT_NOTHING:
            TRY(wait_for_news(s, stop, listener, &stops, e));
            break;
        case CLIENT_MESSAGE:
            TRY(take(a, listener, type, &body, e));
            break;
        }
    }
    return ZS_OK;
}

int server_run(struct server *s, const char *query, const struct listener *listener,
               struct rows **out, struct zs_error *e)
{
    CLEANUP(stop_signals_close) struct stop_signals stop = {.fd = -1};
    CLEANUP(answer_close) struct answer answer = {0};
    *out = NULL;
    TRY(stop_signals_open(&stop, e));
    if (client_query(&s->client, query, e) != ZS_OK)
        return connection_lost(s, e);
    int rc = hear_answer(s, &stop, listener, &answer, e);
    if (answer.failed) { /* what the server said before it closed tells more */
        *e = answer.why;
        return ZS_FAIL;
    }
    TRY(rc);
    if (answer.rows == NULL)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "the server gave no rows");
    *out = answer.rows;
    answer.rows = NULL;
    return ZS_OK;
}
