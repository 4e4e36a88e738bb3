/* copyboth.c - see copyboth.h. */
#include "pageserver/copyboth.h"

#include "base/bytes.h"
#include "base/error.h"

#include <poll.h>

#define SKIPPED_AT_ONCE 64u

/* ---- incoming; the read_lock is held ------------------------------------------------- */

static int end_with_error(struct copyboth *c)
{
    c->end = ZS_RECV_ERROR;
    return ZS_RECV_ERROR;
}

/* What a message that is not data means for the channel; 0: nothing. */
static int classify(struct copyboth *c, struct message *m)
{
    switch (m->type) {
    case 'd':
        if (m->len > 0)
            return ZS_RECV_MESSAGE;
        error_set(&c->error, ZS_PROTOCOL_VIOLATION, "the client sent an empty copy message");
        return end_with_error(c);
    case 'c':
        c->end = ZS_RECV_END;
        return ZS_RECV_END;
    case 'f':
        error_set(&c->error, ZS_CANCELLED, "the client gave up: %.*s", (int)(m->len & 0x3FFu),
                  (const char *)m->body.bytes);
        return end_with_error(c);
    case 'H':
    case 'S':
        return 0;
    case 'X':
        error_set(&c->error, ZS_CONNECTION_LOST, "the client left in the middle of a copy");
        return end_with_error(c);
    default:
        error_set(&c->error, ZS_PROTOCOL_VIOLATION, "a copy message was expected, not %s",
                  wire_type_name(m->type));
        return end_with_error(c);
    }
}

/* The next message off the wire without waiting: ZS_RECV_*, NOTHING if none is there, or, with
 * `skipping`, if there were many that mean nothing and there may be more. */
static int pull(struct copyboth *c, struct message *out)
{
    struct inbox *in = &c->conn->in;
    c->skipping = false;
    for (unsigned n = 0; c->end == 0; n++) {
        c->skipping = n == SKIPPED_AT_ONCE;
        if (c->skipping)
            return ZS_RECV_NOTHING;
        if (cancel_is_set(c->cancel))
            return ZS_RECV_NOTHING;
        switch (inbox_pump(in, &c->conn->stream, out, &c->error)) {
        case PUMP_WAIT:
            return ZS_RECV_NOTHING;
        case PUMP_SKIPPED:
            break;
        case PUMP_END:
            error_set(&c->error, ZS_CONNECTION_LOST, "the client left in the middle of a copy");
            return end_with_error(c);
        case PUMP_ERROR:
            return end_with_error(c);
        case PUMP_MESSAGE:
            if (classify(c, out) == ZS_RECV_MESSAGE)
                return ZS_RECV_MESSAGE;
            inbox_recycle(in, &out->body);
            break;
        }
    }
    return c->end;
}

static bool queue_has_room(const struct copyboth *c)
{
    return c->queue_n < COPY_QUEUE_MESSAGES && c->queue_bytes < COPY_QUEUE_BYTES;
}

static void queue_put(struct copyboth *c, const struct message *m)
{
    c->queue[(c->queue_at + c->queue_n) % COPY_QUEUE_MESSAGES] = *m;
    c->queue_n++;
    c->queue_bytes += m->len;
}

static struct message queue_take(struct copyboth *c)
{
    struct message m = c->queue[c->queue_at];
    c->queue_at = (c->queue_at + 1) % COPY_QUEUE_MESSAGES;
    c->queue_n--;
    c->queue_bytes -= m.len;
    return m;
}

/* ---- recv ----------------------------------------------------------------------------- */

static int next_message(struct copyboth *c, struct zs_error *e)
{
    if (c->queue_n > 0) {
        c->lent = queue_take(c);
        return ZS_RECV_MESSAGE;
    }
    int r = pull(c, &c->lent);
    if (r == ZS_RECV_ERROR)
        *e = c->error;
    return r;
}

static int32_t channel_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                            struct zs_error *e)
{
    struct copyboth *c = self;
    struct patience p = {.cancel = c->cancel};
    if (timeout_ms >= 0)
        p.deadline_ns = clock_now_ns() + (int64_t)timeout_ms * 1000000;
    (void)pthread_mutex_lock(&c->conn->read_lock);
    inbox_recycle(&c->conn->in, &c->lent.body);
    int r = ZS_RECV_NOTHING;
    for (;;) {
        if (cancel_is_set(c->cancel)) {
            (void)cancel_error(c->cancel, e);
            r = ZS_RECV_ERROR;
            break;
        }
        r = next_message(c, e);
        if (r != ZS_RECV_NOTHING)
            break;
        if (patience_is_over(&p))
            break;
        if (!c->skipping) /* what comes next may have been read already */
            conn_poll(c->conn, POLLIN, &p);
    }
    if (r == ZS_RECV_MESSAGE) {
        *msg = c->lent.body.bytes;
        *len = c->lent.len;
    }
    (void)pthread_mutex_unlock(&c->conn->read_lock);
    return r;
}

static void *channel_keep(void *self)
{
    struct copyboth *c = self;
    struct body *place = NULL;
    (void)pthread_mutex_lock(&c->conn->read_lock);
    for (unsigned i = 0; i < COPY_KEPT && place == NULL; i++)
        if (c->kept[i].base == NULL)
            place = &c->kept[i];
    if (place != NULL) {
        *place = c->lent.body;
        c->lent = (struct message){0};
    }
    (void)pthread_mutex_unlock(&c->conn->read_lock);
    return place;
}

static void channel_release(void *self, void *kept)
{
    struct copyboth *c = self;
    (void)pthread_mutex_lock(&c->conn->read_lock);
    inbox_recycle(&c->conn->in, kept);
    (void)pthread_mutex_unlock(&c->conn->read_lock);
}

/* ---- send ------------------------------------------------------------------------------- */

/* The socket is full: take in what has come.  Returns what to poll for meanwhile. */
static short accept_incoming(struct copyboth *c)
{
    short events = POLLOUT;
    if (pthread_mutex_trylock(&c->conn->read_lock) != 0)
        return events; /* the receiver is at it */
    struct message m = {0};
    bool more = true;
    while (more && queue_has_room(c)) {
        more = pull(c, &m) == ZS_RECV_MESSAGE;
        if (more)
            queue_put(c, &m);
    }
    if (queue_has_room(c) && c->end == 0)
        events |= POLLIN;
    (void)pthread_mutex_unlock(&c->conn->read_lock);
    return events;
}

/* Has the client said that it wants no more? */
static int receiver_error(struct copyboth *c, struct zs_error *e)
{
    int rc = ZS_OK;
    if (pthread_mutex_trylock(&c->conn->read_lock) != 0)
        return ZS_OK;
    if (c->end == ZS_RECV_ERROR) {
        *e = c->error;
        rc = ZS_FAIL;
    }
    (void)pthread_mutex_unlock(&c->conn->read_lock);
    return rc;
}

/* In the middle of a message: nothing more can be said to this client. */
static int given_up(struct copyboth *c, struct zs_error *e)
{
    atomic_store(&c->conn->broken, true);
    return error_set(e, ZS_CONNECTION_LOST, "the client has taken nothing for %lld seconds",
                     (long long)c->client_ms / 1000);
}

/* Write the rest; the write_lock is held.  If it cannot be finished, what is left goes
 * into the output buffer: the client then gets a whole message, and the error. */
static int write_body(struct copyboth *c, const uint8_t *body, size_t len, struct zs_error *e)
{
    struct patience p = {.cancel = c->cancel};
    size_t left = 0; /* of the body, when the client took something last */
    for (;;) {
        switch (conn_write_some(c->conn, &body, &len)) {
        case PROGRESS_DONE:
            return ZS_OK;
        case PROGRESS_BROKEN:
            return error_set(e, ZS_CONNECTION_LOST, "the client's connection was lost");
        case PROGRESS_WAIT:
            break;
        }
        if (left != len)
            p.deadline_ns = clock_now_ns() + c->client_ms * 1000000;
        left = len;
        if (patience_is_over(&p))
            return given_up(c, e);
        short events = accept_incoming(c);
        int rc = cancel_requested(c->cancel) ? cancel_error(c->cancel, e) : receiver_error(c, e);
        if (rc != ZS_OK) {
            wire_bytes(&c->conn->out, body, len);
            if (c->conn->out.failed)
                atomic_store(&c->conn->broken, true);
            return rc;
        }
        conn_poll(c->conn, events, &p);
    }
}

static int32_t channel_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct copyboth *c = self;
    if (len == 0 || len > ZS_MESSAGE_MAX)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "a message of %llu bytes cannot be sent",
                         (unsigned long long)len);
    if (cancel_is_set(c->cancel))
        return cancel_error(c->cancel, e);
    (void)pthread_mutex_lock(&c->conn->write_lock);
    int rc = ZS_OK;
    if (c->finished) {
        rc = error_set(e, ZS_INTERNAL_ERROR, "a message was sent on a channel that is finished");
    } else {
        uint8_t header[5] = {'d'};
        put_u32be(header + 1, (uint32_t)len + 4);
        wire_bytes(&c->conn->out, header, sizeof header);
        if (c->conn->out.failed)
            atomic_store(&c->conn->broken, true);
        rc = c->conn->out.failed ? error_memory(e) : write_body(c, msg, (size_t)len, e);
    }
    (void)pthread_mutex_unlock(&c->conn->write_lock);
    return rc;
}

static int32_t channel_finish(void *self, struct zs_error *e)
{
    struct copyboth *c = self;
    struct wire_buf b = {0};
    struct patience p = {.cancel = c->cancel, .stall_ns = CONN_STALL_NS};
    (void)pthread_mutex_lock(&c->conn->write_lock);
    bool again = c->finished;
    c->finished = true;
    (void)pthread_mutex_unlock(&c->conn->write_lock);
    if (again)
        return ZS_OK;
    wire_begin(&b, 'c');
    wire_end(&b);
    TRY(conn_put(c->conn, &b, e));
    return conn_flush(c->conn, &p, e);
}

static void channel_close(void *self)
{
    copyboth_close(self);
}

/* ---- open and close ------------------------------------------------------------------------ */

int copyboth_open(struct copyboth *c, struct conn *conn, struct cancel *cancel,
                  struct zs_channel *out, struct zs_error *e)
{
    struct wire_buf b = {0};
    struct patience p = {.cancel = cancel, .stall_ns = CONN_STALL_NS};
    wire_begin(&b, 'W');
    wire_u8(&b, 1); /* binary */
    wire_u16(&b, 0);
    wire_end(&b);
    TRY(conn_put(conn, &b, e));
    TRY(conn_flush(conn, &p, e));
    conn->in.phase = WIRE_COPY;
    c->conn = conn;
    c->cancel = cancel;
    c->queue_at = c->queue_n = 0;
    c->queue_bytes = 0;
    c->lent = (struct message){0};
    memset(c->kept, 0, sizeof c->kept);
    c->skipping = false;
    c->end = 0;
    c->client_ms = COPY_CLIENT_MS;
    c->error = (struct zs_error){0};
    c->finished = false;
    struct zs_channel mine = {.struct_size = sizeof mine,
                              .self = c,
                              .send = channel_send,
                              .recv = channel_recv,
                              .finish = channel_finish,
                              .close = channel_close,
                              .keep = channel_keep,
                              .release = channel_release};
    uint32_t theirs = out->struct_size;
    uint32_t size = theirs < sizeof mine ? theirs : (uint32_t)sizeof mine;
    memcpy(out, &mine, size);
    out->struct_size = size;
    return ZS_OK;
}

void copyboth_close(struct copyboth *c)
{
    if (c->conn == NULL)
        return;
    while (c->queue_n > 0) {
        struct message m = queue_take(c);
        body_fini(&m.body);
    }
    body_fini(&c->lent.body);
    for (unsigned i = 0; i < COPY_KEPT; i++)
        body_fini(&c->kept[i]);
    c->conn->in.phase = WIRE_COMMAND;
    inbox_trim(&c->conn->in);
    c->conn = NULL;
}
