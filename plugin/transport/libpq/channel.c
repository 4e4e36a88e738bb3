/* channel.c - see channel.h.
 *
 *     states          CopyBoth ──far CopyDone──> ended ──finish──> over
 *                         └─────finish──> finished ──far CopyDone, result──> over
 *                     and from each: failed (an error result, a lost connection, a cancel)
 *
 * Threads: one may send while another receives, and libpq allows one at a time on a
 * connection: `lock` is held for every call of libpq, and not while waiting.
 *
 * Incoming messages are read by whoever waits.  While a message cannot be sent, what comes
 * in goes into `inbox`, so that a far side that sends as well can go on, up to inbox_max
 * bytes; beyond, with nobody receiving, the send fails rather than wait for ever.  Data
 * that a sender took off the socket is told to a receiver that is waiting there by `wake`.
 *
 * A sender looks for incoming messages before each message of its own: that is how an
 * ErrorResponse reaches a side that only sends.
 *
 * Memory: one incoming message in libpq's buffer and an outgoing one that is short or goes under
 * TLS (buffers grow in powers of two), one handed out and those that are kept, and the inbox. */
#include "transport/libpq/channel.h"

#include "base/error.h"
#include "transport/libpq/copy_data.h"
#include "transport/libpq/far_error.h"
#include "transport/libpq/inbox.h"
#include "transport/libpq/socket_bytes.h"
#include "transport/libpq/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define INBOX_AHEAD   ((size_t)1 << 20) /* a sender looks for more only below this */
#define MESSAGE_SLACK (1u << 20)        /* TLS and TCP framing of one message, and more */
#define TLS_READS     4
#define LOOK_AGAIN_NS ((int64_t)1000000000)

static const uint32_t message_max = ZS_MESSAGE_MAX;
static const size_t inbox_max = (size_t)32 << 20;

struct channel {
    pthread_mutex_t lock; /* guards all below but cancel, wake, far */
    PGconn *conn;
    const struct zs_cancel *cancel;
    int wake;
    char far[300];

    struct inbox inbox;
    char *handed; /* the message that the last recv returned */

    bool receiving; /* a thread waits in recv */
    bool settling;  /* the far side's copy is over, its result is not yet read whole */
    bool ended;     /* the far side sends no more */
    bool over;      /* the far command has ended */
    bool finished;  /* we send no more */
    bool torn;      /* a message that is sent directly is out in part at most */
    bool failed;
    struct zs_error why;

    bool marked;   /* mark is valid */
    uint64_t mark; /* bytes taken off the wire when the message now coming began */
};

/* ---- failing once, and for good --------------------------------------------------- */

static int fail(struct channel *c, struct zs_error *e)
{
    if (!c->failed) {
        c->failed = true;
        c->why = *e;
    }
    return ZS_FAIL;
}

static int failed(const struct channel *c, struct zs_error *e)
{
    *e = c->why;
    return ZS_FAIL;
}

static int lost(struct channel *c, struct zs_error *e)
{
    far_error_lost(PQerrorMessage(c->conn), c->far, e);
    return fail(c, e);
}

/* ---- taking messages in ----------------------------------------------------------- */

static int too_long(struct channel *c, struct zs_error *e)
{
    error_set(e, ZS_PROTOCOL_VIOLATION, "%s sent a message of more than %u bytes", c->far,
              ZS_MESSAGE_MAX);
    error_hint(e, "Check that both servers run versions of zenith-sync that fit.");
    return fail(c, e);
}

/* The copy from there has ended: with CopyDone, or with the command's result. */
static int read_result(struct channel *c, struct zs_error *e)
{
    c->settling = PQisBusy(c->conn) != 0;
    if (c->settling)
        return ZS_OK;
    PGresult *result = PQgetResult(c->conn);
    ExecStatusType status = result == NULL ? PGRES_COMMAND_OK : PQresultStatus(result);
    int rc = ZS_OK;
    switch (status) {
    case PGRES_COPY_IN: /* CopyDone, and we may go on sending */
        c->ended = true;
        break;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_TUPLES_OK:
        c->ended = c->over = true;
        break;
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
        far_error_result(result, c->far, e);
        rc = fail(c, e);
        break;
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        error_set(e, ZS_PROTOCOL_VIOLATION, "%s began another stream within the stream", c->far);
        rc = fail(c, e);
        break;
    }
    PQclear(result);
    return rc;
}

/* The next message that is here whole; *bytes NULL if there is none. */
static int take_message(struct channel *c, char **bytes, size_t *len, struct zs_error *e)
{
    *bytes = NULL;
    if (c->failed)
        return failed(c, e);
    if (c->ended)
        return ZS_OK;
    if (c->settling)
        return read_result(c, e);
    int n = PQgetCopyData(c->conn, bytes, 1);
    if (n == 0)
        return ZS_OK;
    if (n == -1)
        return read_result(c, e);
    if (n < 0)
        return lost(c, e);
    c->marked = false;
    *len = (size_t)n;
    if (*len <= message_max)
        return ZS_OK;
    PQfreemem(*bytes);
    *bytes = NULL;
    return too_long(c, e);
}

/* libpq makes room for whatever length a message claims, and shows it only when it is
 * whole.  What has come off the wire since the last whole message is this one's at least:
 * too much of it is an end before the memory is filled.  (One read goes on as long as the
 * socket gives; from a sender as fast as memory, more than the limit may come by then.) */
static int check_partial(struct channel *c, struct zs_error *e)
{
    uint64_t now = socket_bytes_read(PQsocket(c->conn));
    if (!c->marked) {
        c->mark = now;
        c->marked = true;
    }
    return now > c->mark && now - c->mark > message_max + MESSAGE_SLACK ? too_long(c, e) : ZS_OK;
}

/* Read what the socket has.  TLS hands out a record at a time and keeps the rest where
 * poll does not see it, so that it is asked more often; `answer`: up to the command's answer and
 * no further, for of a far side that answers and hangs up, libpq tells the answer only if it has
 * not seen the end yet.  False: the connection is lost, but what came before may still be
 * taken. */
static bool read_socket(struct channel *c, bool answer)
{
    int reads = PQsslInUse(c->conn) ? TLS_READS : 1;
    for (int i = 0; i < reads && !(answer && PQisBusy(c->conn) == 0); i++)
        if (PQconsumeInput(c->conn) == 0)
            return false;
    return true;
}

/* Into the inbox: whatever is here whole.  Tells a receiver. */
static int file_messages(struct channel *c, struct zs_error *e)
{
    bool news = false;
    int rc;
    for (;;) {
        char *bytes;
        size_t len;
        rc = take_message(c, &bytes, &len, e);
        if (rc != ZS_OK || bytes == NULL)
            break;
        if (!inbox_push(&c->inbox, bytes, len)) {
            error_memory(e);
            rc = fail(c, e);
            break;
        }
        news = true;
    }
    uint64_t one = 1;
    if ((news || rc != ZS_OK || c->ended) && c->receiving)
        (void)!write(c->wake, &one, sizeof one);
    return rc;
}

/* Read and queue, for a sender. */
static int look_in(struct channel *c, struct zs_error *e)
{
    bool alive = read_socket(c, false);
    TRY(file_messages(c, e));
    if (!alive && !c->over)
        return lost(c, e);
    return c->ended ? ZS_OK : check_partial(c, e);
}

/* ---- sending ------------------------------------------------------------------------ */

/* Wait, unlocked, until the socket takes more or has something; not for long, as libpq that
 * had no memory for an answer leaves it in its buffer and takes it for one that is not whole:
 * callers look again. */
static int wait_unlocked(struct channel *c, short events, int64_t until_ns, bool *ready,
                         bool with_wake, struct zs_error *e)
{
    struct pollfd fds[2] = {{.fd = PQsocket(c->conn), .events = events},
                            {.fd = c->wake, .events = POLLIN}};
    int64_t again_ns = clock_now_ns() + LOOK_AGAIN_NS;
    bool soon = until_ns != 0 && until_ns < again_ns;
    (void)pthread_mutex_unlock(&c->lock);
    int rc = wait_ready(c->cancel, soon ? until_ns : again_ns, fds, with_wake ? 2 : 1, e);
    (void)pthread_mutex_lock(&c->lock);
    uint64_t count;
    if (with_wake)
        (void)!read(c->wake, &count, sizeof count);
    *ready = fds[0].revents != 0 || (with_wake && fds[1].revents != 0);
    return rc == ZS_OK ? ZS_OK : fail(c, e);
}

static int overrun(struct channel *c, struct zs_error *e)
{
    error_set(e, ZS_LIMIT_EXCEEDED,
              "%s sends and does not read: %zu bytes from it wait, and nothing can be sent", c->far,
              c->inbox.bytes);
    error_hint(e, "Run the same command again; if it happens again, look at the far server's log.");
    return fail(c, e);
}

static int command_over(struct channel *c, struct zs_error *e)
{
    far_error_lost("The far server has ended the command.", c->far, e);
    return fail(c, e);
}

/* Sending has failed.  What came in before that may say why, and says it better than errno. */
static int send_failed(struct channel *c, int error, struct zs_error *e)
{
    bool more = true;
    while (more && !c->ended && c->inbox.bytes <= inbox_max) {
        struct pollfd fd = {.fd = PQsocket(c->conn), .events = POLLIN};
        more = poll(&fd, 1, 0) > 0 && read_socket(c, false);
        TRY(file_messages(c, e));
    }
    if (c->over)
        return command_over(c, e);
    far_error_lost(strerrordesc_np(error), c->far, e);
    return fail(c, e);
}

/* What the socket takes now, of a message that is sent directly or of what libpq holds. */
static int send_some(struct channel *c, struct copy_data *direct, bool *all, struct zs_error *e)
{
    if (direct == NULL) {
        int left = PQflush(c->conn);
        *all = left == 0;
        return left < 0 ? lost(c, e) : ZS_OK;
    }
    int rc = copy_data_send(direct, PQsocket(c->conn));
    *all = rc == 0;
    return rc == 0 || rc == COPY_DATA_BLOCKED ? ZS_OK : send_failed(c, rc, e);
}

/* Until all is sent, so that libpq never holds more than one message, and none while one is sent
 * directly. */
static int flush(struct channel *c, struct copy_data *direct, struct zs_error *e)
{
    for (;;) {
        bool all, ready;
        TRY(send_some(c, direct, &all, e));
        if (all)
            return ZS_OK;
        TRY(file_messages(c, e)); /* libpq reads when it cannot write of its own */
        if (c->inbox.bytes > inbox_max && !c->receiving)
            return overrun(c, e);
        TRY(wait_unlocked(c, c->inbox.bytes > inbox_max ? POLLOUT : POLLIN | POLLOUT, 0, &ready,
                          false, e));
        if (c->failed)
            return failed(c, e);
        if (c->inbox.bytes <= inbox_max)
            TRY(look_in(c, e));
    }
}

static int send_locked(struct channel *c, const void *msg, uint64_t len, struct zs_error *e)
{
    if (c->failed)
        return failed(c, e);
    if (cancel_check(c->cancel, e) != ZS_OK)
        return fail(c, e);
    if (c->finished || len == 0 || len > message_max)
        return error_set(e, ZS_INTERNAL_ERROR, "a message of %llu bytes cannot be sent%s",
                         (unsigned long long)len, c->finished ? " after the last" : "");
    if (c->inbox.bytes < INBOX_AHEAD && !c->ended)
        TRY(look_in(c, e));
    if (c->over)
        return command_over(c, e);
    if (copy_data_fits(c->conn, len)) {
        struct copy_data direct = copy_data_begin(msg, len);
        c->torn = true;
        TRY(flush(c, &direct, e));
        c->torn = false;
        return ZS_OK;
    }
    int put = PQputCopyData(c->conn, msg, (int)len);
    if (put < 0)
        return lost(c, e);
    if (put == 0) {
        error_memory(e);
        return fail(c, e);
    }
    return flush(c, NULL, e);
}

static int32_t channel_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct channel *c = self;
    (void)pthread_mutex_lock(&c->lock);
    int rc = send_locked(c, msg, len, e);
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}

static int finish_locked(struct channel *c, struct zs_error *e)
{
    if (c->failed)
        return failed(c, e);
    if (c->finished || c->over)
        return ZS_OK;
    c->finished = true;
    if (PQputCopyEnd(c->conn, NULL) <= 0)
        return lost(c, e);
    return flush(c, NULL, e);
}

static int32_t channel_finish(void *self, struct zs_error *e)
{
    struct channel *c = self;
    (void)pthread_mutex_lock(&c->lock);
    int rc = finish_locked(c, e);
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}

/* ---- receiving ---------------------------------------------------------------------- */

/* What is here already: ZS_RECV_*. */
static int32_t recv_here(struct channel *c, const void **msg, uint64_t *len, struct zs_error *e)
{
    size_t n = 0;
    char *bytes = inbox_pop(&c->inbox, &n);
    if (bytes == NULL)
        TRY(take_message(c, &bytes, &n, e)); /* ZS_FAIL is ZS_RECV_ERROR */
    if (bytes == NULL)
        return c->ended ? ZS_RECV_END : ZS_RECV_NOTHING;
    c->handed = bytes;
    *msg = bytes;
    *len = n;
    return ZS_RECV_MESSAGE;
}

static int32_t recv_locked(struct channel *c, int64_t until_ns, const void **msg, uint64_t *len,
                           struct zs_error *e)
{
    PQfreemem(c->handed);
    c->handed = NULL;
    if (c->failed && error_is(&c->why, ZS_CANCELLED))
        return failed(c, e);
    if (cancel_check(c->cancel, e) != ZS_OK)
        return fail(c, e);
    for (;;) {
        bool ready;
        int32_t got = recv_here(c, msg, len, e);
        if (got != ZS_RECV_NOTHING)
            return got;
        bool alive = read_socket(c, false);
        got = recv_here(c, msg, len, e);
        if (got != ZS_RECV_NOTHING)
            return got;
        if (!alive)
            return lost(c, e);
        TRY(check_partial(c, e));
        c->receiving = true;
        int rc = wait_unlocked(c, POLLIN, until_ns, &ready, true, e);
        c->receiving = false;
        TRY(rc);
        if (!ready && until_ns != 0 && clock_now_ns() >= until_ns)
            return ZS_RECV_NOTHING;
    }
}

static int32_t channel_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                            struct zs_error *e)
{
    struct channel *c = self;
    int64_t until_ns = timeout_ms < 0 ? 0 : clock_now_ns() + (int64_t)timeout_ms * 1000000;
    (void)pthread_mutex_lock(&c->lock);
    int32_t rc = recv_locked(c, until_ns, msg, len, e);
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}

/* libpq hands out memory of the message's own. */
static void *channel_keep(void *self)
{
    struct channel *c = self;
    (void)pthread_mutex_lock(&c->lock);
    char *kept = c->handed;
    c->handed = NULL;
    (void)pthread_mutex_unlock(&c->lock);
    return kept;
}

static void channel_release(void *self, void *kept)
{
    (void)self;
    PQfreemem(kept);
}

/* ---- opening and closing ------------------------------------------------------------- */

static void channel_close(void *self)
{
    struct channel *c = self;
    PQfreemem(c->handed);
    inbox_clear(&c->inbox);
    if (c->torn) /* libpq would say farewell in the middle of the message */
        (void)shutdown(PQsocket(c->conn), SHUT_WR);
    PQfinish(c->conn);
    if (c->wake >= 0)
        (void)close(c->wake);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static int unanswered(const struct channel *c, int64_t answer_ms, struct zs_error *e)
{
    error_set(e, ZS_CONNECTION_LOST, "%s has not answered for %lld seconds", c->far,
              (long long)answer_ms / 1000);
    return error_hint(e, "See whether the server there still runs, and run the command again.");
}

/* Until the command is answered: CopyBothResponse, or an error. */
static int start_command(struct channel *c, const char *command, int64_t answer_ms,
                         struct zs_error *e)
{
    const int64_t until_ns = clock_now_ns() + answer_ms * 1000000;
    if (PQsendQuery(c->conn, command) == 0)
        return lost(c, e);
    (void)PQsetSingleRowMode(c->conn); /* a far server that answers with rows: one is enough */
    for (;;) {
        int left = PQflush(c->conn);
        bool ready;
        if (left < 0)
            return lost(c, e);
        if (left == 0 && PQisBusy(c->conn) == 0)
            break;
        TRY(wait_unlocked(c, left == 0 ? POLLIN : POLLIN | POLLOUT, until_ns, &ready, false, e));
        if (!ready && clock_now_ns() >= until_ns)
            return unanswered(c, answer_ms, e);
        if (!read_socket(c, true) && PQisBusy(c->conn) != 0)
            return lost(c, e);
        TRY(check_partial(c, e));
    }
    PGresult *result = PQgetResult(c->conn);
    ExecStatusType status = PQresultStatus(result);
    int rc = ZS_OK;
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
        rc = far_error_result(result, c->far, e);
    else if (status != PGRES_COPY_BOTH) {
        rc =
            error_set(e, ZS_PROTOCOL_VIOLATION, "%s answered the command without a stream", c->far);
        error_hint(e, "Check that the far server is a pageserver with zenith-sync loaded.");
    }
    PQclear(result);
    return rc;
}

int channel_open(PGconn *conn, const char *far, const char *command, const struct zs_cancel *cancel,
                 int64_t answer_ms, struct zs_channel *out, struct zs_error *e)
{
    struct channel *c = calloc(1, sizeof *c);
    if (c == NULL) {
        PQfinish(conn);
        return error_memory(e);
    }
    c->conn = conn;
    c->cancel = cancel;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)snprintf(c->far, sizeof c->far, "%s", far);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = c->wake < 0 ? error_errno(e, errno, "could not make a channel to %s", far) : ZS_OK;
    if (rc == ZS_OK) {
        (void)pthread_mutex_lock(&c->lock);
        rc = start_command(c, command, answer_ms, e);
        (void)pthread_mutex_unlock(&c->lock);
    }
    if (rc != ZS_OK) {
        channel_close(c);
        return ZS_FAIL;
    }
    const struct zs_channel filled = {
        .struct_size = sizeof filled,
        .self = c,
        .send = channel_send,
        .recv = channel_recv,
        .finish = channel_finish,
        .close = channel_close,
        .keep = channel_keep,
        .release = channel_release,
    };
    uint32_t size = out->struct_size < sizeof filled ? out->struct_size : sizeof filled;
    memcpy(out, &filled, size);
    out->struct_size = size;
    return ZS_OK;
}
