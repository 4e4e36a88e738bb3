/* stub_pipe.c - see stub_pipe.h.
 * One mutex and one condition for both ends; a waiter wakes at least every
 * WAIT_NS to look at its cancel token, which is asked without the mutex. */
#include "stub/stub_pipe.h"

#include "base/error.h"
#include "stub/stub_cancel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_NS 10000000 /* 10 ms */

struct message {
    struct message *next;
    uint64_t len;
    unsigned char bytes[];
};

struct end {
    struct pipe *pipe;
    struct end *far;
    const struct zs_cancel *cancel;
    struct message *current; /* what recv gave last; the receiving thread's */
    /* under the mutex: */
    struct message *first, **last; /* what the far end sent */
    uint64_t queued_bytes;
    bool sending;         /* a thread waits in this end's send */
    bool finished;        /* it sends no more */
    bool closed;          /* nobody is there any more */
    struct zs_error said; /* why, if stub_pipe_fail closed it */
};

struct pipe {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t max_bytes;
    struct end ends[2];
};

static int check_cancel(const struct end *end, struct zs_error *e)
{
    if (stub_cancel_asked(end->cancel))
        return error_set(e, ZS_CANCELLED, "cancelled");
    return ZS_OK;
}

/* With the mutex held: wait for a change, until `until_ns` at most (0: no limit), and
 * look at the token. */
static int wait_for_change(struct end *end, int64_t until_ns, struct zs_error *e)
{
    int64_t wake = clock_now_ns() + WAIT_NS;
    if (until_ns != 0 && until_ns < wake)
        wake = until_ns;
    struct timespec at = {.tv_sec = wake / 1000000000, .tv_nsec = wake % 1000000000};
    (void)pthread_cond_timedwait(&end->pipe->changed, &end->pipe->mutex, &at);
    (void)pthread_mutex_unlock(&end->pipe->mutex);
    int rc = check_cancel(end, e);
    (void)pthread_mutex_lock(&end->pipe->mutex);
    return rc;
}

static bool has_room(const struct end *end, uint64_t len)
{
    const struct end *far = end->far;
    return far->queued_bytes == 0 || far->queued_bytes + len <= end->pipe->max_bytes ||
           far->sending;
}

/* With the mutex held.  Takes over *m when it is queued. */
static int queue_message(struct end *end, struct message **m, struct zs_error *e)
{
    struct end *far = end->far;
    int rc = ZS_OK;
    while (rc == ZS_OK && !far->closed && !has_room(end, (*m)->len)) {
        end->sending = true;
        (void)pthread_cond_broadcast(&end->pipe->changed);
        rc = wait_for_change(end, 0, e);
    }
    end->sending = false;
    if (rc != ZS_OK)
        return ZS_FAIL;
    if (end->finished)
        return error_set(e, ZS_INTERNAL_ERROR, "a message was sent after the last one");
    if (far->closed) { /* an orderly end takes late messages and drops them */
        if (far->finished || far->said.sqlstate[0] != '\0')
            return ZS_OK;
        return error_set(e, ZS_CONNECTION_LOST, "the far side closed the connection");
    }
    *far->last = *m;
    far->last = &(*m)->next;
    far->queued_bytes += (*m)->len;
    *m = NULL;
    (void)pthread_cond_broadcast(&end->pipe->changed);
    return ZS_OK;
}

static int32_t pipe_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct end *end = self;
    if (len == 0 || len > (uint64_t)ZS_MESSAGE_MAX)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "a message of %llu bytes cannot be sent",
                         (unsigned long long)len);
    TRY(check_cancel(end, e));
    struct message *m = malloc(sizeof *m + len);
    if (m == NULL)
        return error_memory(e);
    *m = (struct message){.len = len};
    memcpy(m->bytes, msg, len);
    (void)pthread_mutex_lock(&end->pipe->mutex);
    int rc = queue_message(end, &m, e);
    (void)pthread_mutex_unlock(&end->pipe->mutex);
    free(m);
    return rc;
}

/* With the mutex held: what there is to say right now, ZS_RECV_NOTHING if nothing. */
static int32_t take_message(struct end *end, struct zs_error *e)
{
    const struct end *far = end->far;
    struct message *m = end->first;
    if (m != NULL) {
        end->first = m->next;
        if (end->first == NULL)
            end->last = &end->first;
        end->queued_bytes -= m->len;
        end->current = m;
        (void)pthread_cond_broadcast(&end->pipe->changed);
        return ZS_RECV_MESSAGE;
    }
    if (far->finished)
        return ZS_RECV_END;
    if (!far->closed)
        return ZS_RECV_NOTHING;
    if (far->said.sqlstate[0] != '\0')
        *e = far->said;
    else
        error_set(e, ZS_CONNECTION_LOST, "the far side closed the connection");
    return ZS_RECV_ERROR;
}

static int32_t pipe_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    struct end *end = self;
    free(end->current);
    end->current = NULL;
    if (check_cancel(end, e) != ZS_OK)
        return ZS_RECV_ERROR;
    int64_t until = timeout_ms > 0 ? clock_now_ns() + (int64_t)timeout_ms * 1000000 : 0;
    (void)pthread_mutex_lock(&end->pipe->mutex);
    int32_t got = take_message(end, e);
    while (got == ZS_RECV_NOTHING && timeout_ms != 0) {
        if (until != 0 && clock_now_ns() >= until)
            break;
        got = wait_for_change(end, until, e) != ZS_OK ? ZS_RECV_ERROR : take_message(end, e);
    }
    (void)pthread_mutex_unlock(&end->pipe->mutex);
    if (got == ZS_RECV_MESSAGE) {
        *msg = end->current->bytes;
        *len = end->current->len;
    }
    return got;
}

static void *pipe_keep(void *self)
{
    struct end *end = self;
    struct message *m = end->current;
    end->current = NULL;
    return m;
}

static void pipe_release(void *self, void *kept)
{
    (void)self;
    free(kept);
}

static int32_t pipe_finish(void *self, struct zs_error *e)
{
    struct end *end = self;
    TRY(check_cancel(end, e));
    (void)pthread_mutex_lock(&end->pipe->mutex);
    end->finished = true;
    (void)pthread_cond_broadcast(&end->pipe->changed);
    (void)pthread_mutex_unlock(&end->pipe->mutex);
    return ZS_OK;
}

static void end_fini(struct end *end)
{
    free(end->current);
    for (struct message *m = end->first, *next; m != NULL; m = next) {
        next = m->next;
        free(m);
    }
}

static void close_end(struct end *end, const struct zs_error *said)
{
    struct pipe *pipe = end->pipe;
    (void)pthread_mutex_lock(&pipe->mutex);
    end->closed = true;
    if (said != NULL)
        end->said = *said;
    bool last = end->far->closed;
    (void)pthread_cond_broadcast(&pipe->changed);
    (void)pthread_mutex_unlock(&pipe->mutex);
    if (!last)
        return;
    end_fini(&pipe->ends[0]);
    end_fini(&pipe->ends[1]);
    (void)pthread_cond_destroy(&pipe->changed);
    (void)pthread_mutex_destroy(&pipe->mutex);
    free(pipe);
}

static void pipe_close(void *self)
{
    close_end(self, NULL);
}

void stub_pipe_fail(struct zs_channel *end, const struct zs_error *said)
{
    close_end(end->self, said);
}

static int sync_init(struct pipe *pipe)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return ZS_FAIL;
    int rc = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    rc = rc != 0 ? rc : pthread_cond_init(&pipe->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (rc != 0)
        return ZS_FAIL;
    if (pthread_mutex_init(&pipe->mutex, NULL) == 0)
        return ZS_OK;
    (void)pthread_cond_destroy(&pipe->changed);
    return ZS_FAIL;
}

static struct zs_channel end_init(struct pipe *pipe, int i, const struct zs_cancel *cancel)
{
    struct end *end = &pipe->ends[i];
    *end = (struct end){.pipe = pipe, .far = &pipe->ends[1 - i], .cancel = cancel};
    end->last = &end->first;
    return (struct zs_channel){.struct_size = sizeof(struct zs_channel),
                               .self = end,
                               .send = pipe_send,
                               .recv = pipe_recv,
                               .finish = pipe_finish,
                               .close = pipe_close,
                               .keep = pipe_keep,
                               .release = pipe_release};
}

int stub_pipe_open(uint64_t max_bytes, const struct zs_cancel *left_cancel,
                   const struct zs_cancel *right_cancel, struct zs_channel *left,
                   struct zs_channel *right, struct zs_error *e)
{
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        return error_memory(e);
    if (sync_init(pipe) != ZS_OK) {
        free(pipe);
        return error_memory(e);
    }
    pipe->max_bytes = max_bytes == 0 ? STUB_PIPE_BYTES : max_bytes;
    *left = end_init(pipe, 0, left_cancel);
    *right = end_init(pipe, 1, right_cancel);
    return ZS_OK;
}
