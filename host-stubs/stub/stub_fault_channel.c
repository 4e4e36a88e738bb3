/* stub_fault_channel.c - a struct zs_channel that fails on demand, over another one.
 * One thread may send while another receives: what both touch is atomic. */
#include "base/error.h"
#include "stub/stub_cancel.h"
#include "stub/stub_fault.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALL_KINDS                                                                                 \
    (1u << STUB_FAULT_FAIL | 1u << STUB_FAULT_FAIL_AFTER | 1u << STUB_FAULT_SILENT |               \
     1u << STUB_FAULT_DELAY | 1u << STUB_FAULT_CUT)
#define DATA_KINDS (1u << STUB_FAULT_FLIP | 1u << STUB_FAULT_DROP | 1u << STUB_FAULT_DUPLICATE)
#define LOOK_MS    20 /* how often a waiting recv looks whether the other thread has cut */

struct fault_channel {
    struct zs_channel inner;
    struct stub_faults *faults;
    atomic_bool cut;
    atomic_ulong bytes;
    void *copy; /* what recv gave changed or will give again; lifetime NEXT */
    uint64_t copy_len;
    bool again;
};

static int lost(struct zs_error *e)
{
    return error_set(e, ZS_CONNECTION_LOST, "injected fault: the connection is cut");
}

/* 0: go on.  1: fail once the work is done.  ZS_FAIL: *e is set (but for SILENT). */
static int ask(struct fault_channel *c, const char *operation, struct stub_fault *plan,
               struct zs_error *e)
{
    if (atomic_load(&c->cut))
        return lost(e);
    if (!stub_faults_due(c->faults, CALL_KINDS, operation, plan))
        return 0;
    switch (plan->kind) {
    case STUB_FAULT_CUT:
        atomic_store(&c->cut, true);
        return lost(e);
    case STUB_FAULT_DELAY:
        (void)nanosleep(&(struct timespec){.tv_sec = plan->delay_ms / 1000,
                                           .tv_nsec = plan->delay_ms % 1000 * 1000000L},
                        NULL);
        return 0;
    case STUB_FAULT_FAIL_AFTER:
        return 1;
    case STUB_FAULT_FAIL:
        return error_set(e, plan->sqlstate != NULL ? plan->sqlstate : ZS_CONNECTION_LOST,
                         "injected fault in %s", operation);
    case STUB_FAULT_SILENT:
    case STUB_FAULT_FLIP:
    case STUB_FAULT_DROP:
    case STUB_FAULT_DUPLICATE:
        break;
    }
    return ZS_FAIL;
}

static int say_after(const struct stub_fault *plan, const char *operation, struct zs_error *e)
{
    return error_set(e, plan->sqlstate != NULL ? plan->sqlstate : ZS_CONNECTION_LOST,
                     "injected fault after %s", operation);
}

/* Count what passes; past the plan's cut_bytes the connection is gone. */
static bool passes(struct fault_channel *c, uint64_t len)
{
    struct stub_fault plan = {0};
    uint64_t bytes = atomic_fetch_add(&c->bytes, len) + len;
    (void)pthread_mutex_lock(&c->faults->mutex);
    plan = c->faults->plan;
    bool cut = plan.kind == STUB_FAULT_CUT && plan.cut_bytes != 0 && bytes > plan.cut_bytes;
    c->faults->fired += cut ? 1 : 0;
    (void)pthread_mutex_unlock(&c->faults->mutex);
    if (cut)
        atomic_store(&c->cut, true);
    return !cut;
}

static int send_flipped(struct fault_channel *c, const void *msg, uint64_t len, struct zs_error *e)
{
    unsigned char *copy = malloc(len);
    if (copy == NULL)
        return error_memory(e);
    memcpy(copy, msg, len);
    copy[len / 2] ^= 1u;
    int rc = c->inner.send(c->inner.self, copy, len, e);
    free(copy);
    return rc;
}

static int32_t fault_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct fault_channel *c = self;
    struct stub_fault plan = {0}, data;
    int asked = ask(c, "send", &plan, e);
    if (asked < 0)
        return ZS_FAIL;
    if (!passes(c, len))
        return lost(e);
    bool due = stub_faults_due(c->faults, DATA_KINDS, "send", &data);
    if (due && data.kind == STUB_FAULT_FLIP)
        return send_flipped(c, msg, len, e);
    if (due && data.kind == STUB_FAULT_DROP)
        return ZS_OK;
    if (due && data.kind == STUB_FAULT_DUPLICATE)
        TRY(c->inner.send(c->inner.self, msg, len, e));
    TRY(c->inner.send(c->inner.self, msg, len, e));
    return asked == 1 ? say_after(&plan, "send", e) : ZS_OK;
}

/* The inner recv, in pieces, so that a cut by the sending thread is seen. */
static int32_t recv_or_cut(struct fault_channel *c, int32_t timeout_ms, const void **msg,
                           uint64_t *len, struct zs_error *e)
{
    int64_t until = timeout_ms < 0 ? INT64_MAX : clock_now_ns() + (int64_t)timeout_ms * 1000000;
    for (;;) {
        int64_t left_ms = (until - clock_now_ns() + 999999) / 1000000;
        int32_t piece = left_ms <= 0 ? 0 : left_ms < LOOK_MS ? (int32_t)left_ms : LOOK_MS;
        int32_t got = c->inner.recv(c->inner.self, piece, msg, len, e);
        if (got != ZS_RECV_NOTHING || piece == 0)
            return got;
        if (atomic_load(&c->cut)) {
            lost(e);
            return ZS_RECV_ERROR;
        }
    }
}

static int32_t keep_copy(struct fault_channel *c, const void **msg, uint64_t len, bool flip,
                         struct zs_error *e)
{
    unsigned char *copy = malloc(len);
    if (copy == NULL) {
        error_memory(e);
        return ZS_RECV_ERROR;
    }
    memcpy(copy, *msg, len);
    if (flip)
        copy[len / 2] ^= 1u;
    c->copy = copy;
    c->copy_len = len;
    c->again = !flip;
    *msg = copy;
    return ZS_RECV_MESSAGE;
}

static int32_t fault_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                          struct zs_error *e)
{
    struct fault_channel *c = self;
    struct stub_fault plan = {0}, data;
    int asked = ask(c, "recv", &plan, e);
    if (asked < 0)
        return ZS_RECV_ERROR;
    if (c->again) {
        c->again = false;
        *msg = c->copy;
        *len = c->copy_len;
        return ZS_RECV_MESSAGE;
    }
    free(c->copy);
    c->copy = NULL;
    int32_t got = recv_or_cut(c, timeout_ms, msg, len, e);
    if (asked == 1) {
        say_after(&plan, "recv", e);
        return ZS_RECV_ERROR;
    }
    if (got != ZS_RECV_MESSAGE)
        return got;
    if (!passes(c, *len)) {
        lost(e);
        return ZS_RECV_ERROR;
    }
    if (!stub_faults_due(c->faults, DATA_KINDS, "recv", &data))
        return got;
    if (data.kind == STUB_FAULT_DROP)
        return recv_or_cut(c, timeout_ms, msg, len, e);
    return keep_copy(c, msg, *len, data.kind == STUB_FAULT_FLIP, e);
}

static int32_t fault_finish(void *self, struct zs_error *e)
{
    struct fault_channel *c = self;
    struct stub_fault plan = {0};
    int asked = ask(c, "finish", &plan, e);
    if (asked < 0)
        return ZS_FAIL;
    TRY(c->inner.finish(c->inner.self, e));
    return asked == 1 ? say_after(&plan, "finish", e) : ZS_OK;
}

static void fault_close(void *self)
{
    struct fault_channel *c = self;
    c->inner.close(c->inner.self);
    free(c->copy);
    free(c);
}

int stub_fault_channel(struct stub_faults *f, struct zs_channel *channel, struct zs_error *e)
{
    struct fault_channel *c = calloc(1, sizeof *c);
    if (c == NULL)
        return error_memory(e);
    c->inner = *channel;
    c->faults = f;
    *channel = (struct zs_channel){.struct_size = sizeof *channel,
                                   .self = c,
                                   .send = fault_send,
                                   .recv = fault_recv,
                                   .finish = fault_finish,
                                   .close = fault_close};
    return ZS_OK;
}
