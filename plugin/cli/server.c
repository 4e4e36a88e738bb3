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

/* libpq's text as one sentence, without our own /proc path in it. */
static int connect_failed(const struct repo *repo, const PGconn *conn, struct zs_error *e)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%s", conn == NULL ? "out of memory" : PQerrorMessage(conn));
    char *reason = strstr(text, "failed: ");
    reason = reason == NULL ? text : reason + strlen("failed: ");
    reason[strcspn(reason, "\n")] = '\0';
    error_set(e, ZS_CANNOT_CONNECT, "cannot connect to the pageserver of %s: %s", repo->zenith,
              reason);
    return error_hint(e, "Look into %s/pageserver.log.", repo->zenith);
}

static void ignore_notice(void *self, const PGresult *result)
{
    (void)self;
    (void)result;
}

int server_connect(struct server *s, const struct repo *repo, struct zs_error *e)
{
    char host[64], user[128];
    CLEANUP(fd_close) int probe = -1;
    *s = (struct server){.repo = repo};
    TRY(repo_socket(repo, &probe, e));
    if (probe < 0) {
        error_set(e, ZS_CANNOT_CONNECT, "the pageserver of %s is not running", repo->zenith);
        return error_hint(e, "Start it with: zenith start -D %s", repo->dir);
    }
    (void)snprintf(host, sizeof host, "/proc/self/fd/%d", repo->fd);
    user_name(user, sizeof user);
    /* No password is needed here: a passfile that cannot be keeps ~/.pgpass out. */
    const char *const names[] = {"host",
                                 "port",
                                 "user",
                                 "dbname",
                                 "sslmode",
                                 "passfile",
                                 "connect_timeout",
                                 "application_name",
                                 "gssencmode",
                                 NULL};
    const char *const values[] = {host, "5432",   user,      "zenith", "disable", "/dev/null/none",
                                  "10", "zenith", "disable", NULL};
    s->conn = PQconnectdbParams(names, values, 0);
    if (PQstatus(s->conn) == CONNECTION_OK) {
        (void)PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
        return ZS_OK;
    }
    (void)connect_failed(repo, s->conn, e);
    server_close(s);
    return ZS_FAIL;
}

void server_close(struct server *s)
{
    PQfinish(s->conn);
    s->conn = NULL;
}

/* An error or notice as the server said it. */
static int result_error(const PGresult *result, struct zs_error *e)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    bool known = sqlstate != NULL && strlen(sqlstate) == 5;
    error_set(e, known ? sqlstate : ZS_INTERNAL_ERROR, "%s",
              message == NULL ? "the server did not say why" : message);
    if (detail != NULL)
        (void)error_detail(e, "%s", detail);
    if (hint != NULL)
        (void)error_hint(e, "%s", hint);
    return ZS_FAIL;
}

static void on_notice(void *self, const PGresult *result)
{
    const struct listener *listener = self;
    struct zs_error notice = {0};
    (void)result_error(result, &notice);
    listener->notice(listener->self, &notice);
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

static int ask_to_stop(struct server *s, const struct listener *listener, struct zs_error *e)
{
    char why[256] = "";
    struct zs_error notice = {0};
    PGcancel *cancel = PQgetCancel(s->conn);
    if (cancel == NULL)
        return error_memory(e);
    int asked = PQcancel(cancel, why, sizeof why);
    PQfreeCancel(cancel);
    (void)error_set(&notice, ZS_CANCELLED,
                    asked ? "stopping; press Ctrl-C again to leave without an answer"
                          : "the server could not be asked to stop; press Ctrl-C again to leave");
    listener->notice(listener->self, &notice);
    return ZS_OK;
}

static int user_left(struct zs_error *e)
{
    error_set(e, ZS_CANCELLED, "left without waiting for the server's answer");
    return error_hint(e, "See what became of it with: zenith status");
}

/* Wait until a result can be taken without blocking. */
static int wait_result(struct server *s, const struct stop_signals *stop,
                       const struct listener *listener, unsigned *stops, struct zs_error *e)
{
    for (;;) {
        int unsent = PQflush(s->conn);
        if (unsent < 0)
            return connection_lost(s, e);
        if (unsent == 0 && !PQisBusy(s->conn))
            return ZS_OK;
        struct pollfd fds[2] = {
            {.fd = PQsocket(s->conn), .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))},
            {.fd = stop->fd, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return error_errno(e, errno, "cannot wait for the server");
        while (stop_asked(stop)) {
            if ((*stops)++ > 0)
                return user_left(e);
            TRY(ask_to_stop(s, listener, e));
        }
        /* Broken: what the server said last, if anything, is the next result. */
        if (fds[0].revents != 0 && PQconsumeInput(s->conn) == 0)
            return ZS_OK;
    }
}

int server_run(struct server *s, const char *query, const struct listener *listener, PGresult **out,
               struct zs_error *e)
{
    CLEANUP(stop_signals_close) struct stop_signals stop = {.fd = -1};
    CLEANUP(result_clear) PGresult *rows = NULL;
    struct listener copy = *listener;
    unsigned stops = 0;
    bool failed = false;
    *out = NULL;
    TRY(stop_signals_open(&stop, e));
    (void)PQsetNoticeReceiver(s->conn, on_notice, &copy);
    (void)PQsetnonblocking(s->conn, 1);
    if (PQsendQuery(s->conn, query) == 0)
        return connection_lost(s, e);
    for (;;) {
        struct zs_error broken = {0};
        if (wait_result(s, &stop, &copy, &stops, &broken) != ZS_OK) {
            if (!failed) /* what the server said before it closed tells more */
                *e = broken;
            failed = true;
            break;
        }
        PGresult *result = PQgetResult(s->conn);
        if (result == NULL)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_TUPLES_OK && rows == NULL) {
            rows = result;
            continue;
        }
        if (status == PGRES_FATAL_ERROR && !failed) {
            failed = true;
            if (PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL &&
                PQstatus(s->conn) != CONNECTION_OK)
                (void)connection_lost(s, e);
            else
                (void)result_error(result, e);
        }
        PQclear(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            failed = true;
            (void)error_set(e, ZS_PROTOCOL_VIOLATION, "the server began to copy, unasked");
            break;
        }
    }
    (void)PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
    if (failed)
        return ZS_FAIL;
    if (rows == NULL)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "the server gave no rows");
    *out = rows;
    rows = NULL;
    return ZS_OK;
}

const char *row_text(const PGresult *rows, int row, const char *column)
{
    int field = PQfnumber(rows, column);
    if (field < 0 || row >= PQntuples(rows) || PQgetisnull(rows, row, field))
        return "";
    return PQgetvalue(rows, row, field);
}

uint64_t row_number(const PGresult *rows, int row, const char *column)
{
    const char *text = row_text(rows, row, column);
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return 0;
    return strtoull(text, NULL, 10);
}
