/* conn.c - see conn.h. */
#include "pageserver/conn.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define OUT_NOTICE_MAX 65536u /* a client this far behind misses notices */
#define OUT_KEEP       65536u /* a larger buffer is given back once it is empty */

int conn_init(struct conn *c, int fd, struct zs_error *e)
{
    inbox_init(&c->in);
    c->out = wire_buf_over(c->out_room, sizeof c->out_room);
    c->out_sent = 0;
    atomic_init(&c->broken, false);
    int rc = stream_init(&c->stream, fd, e);
    (void)pthread_mutex_init(&c->read_lock, NULL); /* cannot fail on Linux */
    (void)pthread_mutex_init(&c->write_lock, NULL);
    if (rc != ZS_OK)
        conn_fini(c);
    return rc;
}

void conn_fini(struct conn *c)
{
    stream_close(&c->stream);
    inbox_fini(&c->in);
    wire_buf_fini(&c->out);
    (void)pthread_mutex_destroy(&c->read_lock);
    (void)pthread_mutex_destroy(&c->write_lock);
}

void conn_poll(struct conn *c, short events, const struct patience *p)
{
    /* A client that hangs up ends a wait for input, but not one for output. */
    int timeout_ms = (events & POLLOUT) != 0 ? CONN_TICK_MS : CONN_INPUT_TICK_MS;
    if (p->deadline_ns != 0) {
        int64_t left_ms = (p->deadline_ns - clock_now_ns()) / 1000000 + 1;
        if (left_ms < timeout_ms)
            timeout_ms = left_ms > 0 ? (int)left_ms : 0;
    }
    struct pollfd fds[2] = {{.fd = c->stream.fd, .events = events},
                            {.fd = p->cancel != NULL ? p->cancel->view.fd : -1, .events = POLLIN}};
    (void)poll(fds, 2, timeout_ms);
}

bool patience_is_over(const struct patience *p)
{
    return p->deadline_ns != 0 && clock_now_ns() >= p->deadline_ns;
}

int conn_read(struct conn *c, const struct patience *p, struct message *out, struct zs_error *e)
{
    for (;;) {
        if (p->cancel != NULL && cancel_is_set(p->cancel)) {
            (void)cancel_error(p->cancel, e);
            return ZS_RECV_ERROR;
        }
        switch (inbox_pump(&c->in, &c->stream, out, e)) {
        case PUMP_MESSAGE:
            return ZS_RECV_MESSAGE;
        case PUMP_END:
            return ZS_RECV_END;
        case PUMP_ERROR:
            return ZS_RECV_ERROR;
        case PUMP_SKIPPED: /* there may be no end of them */
            if (patience_is_over(p))
                return ZS_RECV_NOTHING;
            break;
        case PUMP_WAIT:
            if (patience_is_over(p))
                return ZS_RECV_NOTHING;
            conn_poll(c, POLLIN, p);
            break;
        }
    }
}

/* The write_lock is held. */
static int append(struct conn *c, struct wire_buf *b)
{
    if (!b->failed)
        wire_bytes(&c->out, b->data, b->len);
    bool failed = b->failed || c->out.failed;
    wire_buf_fini(b);
    c->out.failed = false; /* nothing was added: something shorter may fit, as an error */
    return failed ? ZS_FAIL : ZS_OK;
}

int conn_put(struct conn *c, struct wire_buf *b, struct zs_error *e)
{
    (void)pthread_mutex_lock(&c->write_lock);
    int rc = append(c, b);
    (void)pthread_mutex_unlock(&c->write_lock);
    return rc == ZS_OK ? ZS_OK : error_memory(e);
}

bool conn_put_if_room(struct conn *c, struct wire_buf *b)
{
    bool put = false;
    if (pthread_mutex_trylock(&c->write_lock) == 0) {
        if (c->out.len - c->out_sent < OUT_NOTICE_MAX) {
            put = append(c, b) == ZS_OK;
            const uint8_t *none = NULL;
            size_t len = 0;
            (void)conn_write_some(c, &none, &len);
        }
        (void)pthread_mutex_unlock(&c->write_lock);
    }
    wire_buf_fini(b);
    return put;
}

size_t conn_pending(struct conn *c)
{
    (void)pthread_mutex_lock(&c->write_lock);
    size_t n = c->out.len - c->out_sent;
    (void)pthread_mutex_unlock(&c->write_lock);
    return n;
}

enum progress conn_write_some(struct conn *c, const uint8_t **body, size_t *len)
{
    for (;;) {
        size_t head = c->out.len - c->out_sent;
        if (head == 0) {
            c->out_sent = c->out.len = 0;
            if (c->out.capacity > OUT_KEEP) {
                wire_buf_fini(&c->out);
                c->out = wire_buf_over(c->out_room, sizeof c->out_room);
            }
            if (*len == 0)
                return PROGRESS_DONE;
        }
        if (atomic_load(&c->broken))
            return PROGRESS_BROKEN;
        struct iovec iov[2] = {{head != 0 ? c->out.data + c->out_sent : NULL, head},
                               {(void *)*body, *len}};
        ssize_t n = stream_write(&c->stream, iov, 2);
        if (n == STREAM_WAIT)
            return PROGRESS_WAIT;
        if (n < 0) {
            atomic_store(&c->broken, true);
            return PROGRESS_BROKEN;
        }
        size_t put = (size_t)n;
        size_t of_head = put < head ? put : head;
        c->out_sent += of_head;
        *body = *len > 0 ? *body + (put - of_head) : *body;
        *len -= put - of_head;
    }
}

int conn_flush(struct conn *c, const struct patience *p, struct zs_error *e)
{
    const uint8_t *none = NULL;
    size_t len = 0;
    size_t before = SIZE_MAX; /* what was left, when it was looked at last */
    struct patience now = *p;
    for (;;) {
        (void)pthread_mutex_lock(&c->write_lock);
        enum progress r = conn_write_some(c, &none, &len);
        size_t left = c->out.len - c->out_sent;
        (void)pthread_mutex_unlock(&c->write_lock);
        if (p->stall_ns != 0 && left < before)
            now.deadline_ns = clock_now_ns() + p->stall_ns;
        before = left;
        if (r == PROGRESS_DONE)
            return ZS_OK;
        if (r == PROGRESS_BROKEN)
            return error_set(e, ZS_CONNECTION_LOST, "the client's connection was lost");
        if (p->cancel != NULL && cancel_requested(p->cancel))
            return cancel_error(p->cancel, e);
        if (patience_is_over(&now))
            return error_set(e, ZS_CONNECTION_LOST, "the client does not read what it is sent");
        conn_poll(c, POLLOUT, &now);
    }
}
