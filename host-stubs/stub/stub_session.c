/* stub_session.c - see stub_session.h. */
#include "stub/stub_session.h"

#include "base/error.h"
#include "stub/stub_pipe.h"

#include <stdlib.h>
#include <string.h>

#define CALL_KINDS (1u << STUB_FAULT_FAIL | 1u << STUB_FAULT_SILENT)

static int ask(struct stub_session *s, const char *operation, struct zs_error *e)
{
    struct stub_fault plan;
    if (s->faults == NULL || !stub_faults_due(s->faults, CALL_KINDS, operation, &plan))
        return ZS_OK;
    if (plan.kind == STUB_FAULT_SILENT)
        return ZS_FAIL;
    return error_set(e, plan.sqlstate != NULL ? plan.sqlstate : ZS_CONNECTION_LOST,
                     "injected fault in %s", operation);
}

/* ---- the result ------------------------------------------------------------------------ */

/* Append copies of n texts to an array that has `have`; on ZS_FAIL it has as many. */
static int append_texts(char ***texts, size_t have, const char *const *more, size_t n,
                        struct zs_error *e)
{
    char **grown = realloc(*texts, (have + n + 1) * sizeof *grown);
    if (grown == NULL)
        return error_memory(e);
    *texts = grown;
    for (size_t i = 0; i < n; i++) {
        grown[have + i] = more[i] == NULL ? NULL : strdup(more[i]);
        if (more[i] != NULL && grown[have + i] == NULL) {
            while (i-- > 0)
                free(grown[have + i]);
            return error_memory(e);
        }
    }
    return ZS_OK;
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

static int32_t take_columns(void *self, const char *const *names, uint32_t n, struct zs_error *e)
{
    struct stub_session *s = self;
    TRY(ask(s, "columns", e));
    if (s->names != NULL || s->copying || n == 0)
        return error_set(e, ZS_INTERNAL_ERROR, "a command has at most one result, and no copy");
    TRY(append_texts(&s->names, 0, names, n, e));
    s->columns = n;
    return ZS_OK;
}

static int32_t take_row(void *self, const char *const *values, uint32_t n, struct zs_error *e)
{
    struct stub_session *s = self;
    TRY(ask(s, "row", e));
    if (s->names == NULL || n != s->columns)
        return error_set(e, ZS_INTERNAL_ERROR, "a row of %u values for %u columns", n, s->columns);
    TRY(append_texts(&s->values, (size_t)s->rows * n, values, n, e));
    s->rows++;
    return ZS_OK;
}

static void take_notice(void *self, const struct zs_error *notice)
{
    struct stub_session *s = self;
    if (s->notice_count < STUB_SESSION_NOTICES) {
        struct zs_error *grown =
            realloc(s->notices, (s->notice_count + 1) * sizeof *grown); /* a few, and small */
        if (grown != NULL) {
            s->notices = grown;
            s->notices[s->notice_count++] = *notice;
        }
    } else {
        s->notice_count++;
    }
    if (s->on_notice != NULL)
        s->on_notice(s->context, notice);
}

const char *stub_session_value(const struct stub_session *s, uint32_t row, const char *column)
{
    for (uint32_t i = 0; i < s->columns; i++)
        if (row < s->rows && strcmp(s->names[i], column) == 0)
            return s->values[(size_t)row * s->columns + i];
    return NULL;
}

/* ---- the copy: the pipe's end, but for close, which waits for the command's end ---------- */

static int32_t copy_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct stub_session *s = self;
    return s->copy.send(s->copy.self, msg, len, e);
}

static int32_t copy_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    struct stub_session *s = self;
    return s->copy.recv(s->copy.self, timeout_ms, msg, len, e);
}

static int32_t copy_finish(void *self, struct zs_error *e)
{
    struct stub_session *s = self;
    return s->copy.finish(s->copy.self, e);
}

static void copy_close(void *self)
{
    (void)self;
}

static int32_t copy_both(void *self, struct zs_channel *out, struct zs_error *e)
{
    struct stub_session *s = self;
    TRY(ask(s, "copy_both", e));
    if (!s->serves)
        return error_set(e, ZS_NOT_SUPPORTED, "this client cannot copy");
    if (s->copying || s->names != NULL)
        return error_set(e, ZS_INTERNAL_ERROR, "a command has at most one copy, and no result");
    struct zs_channel mine = {.struct_size = sizeof mine,
                              .self = s,
                              .send = copy_send,
                              .recv = copy_recv,
                              .finish = copy_finish,
                              .close = copy_close};
    if (s->faults != NULL)
        TRY(stub_fault_channel(s->faults, &mine, e));
    s->copying = true;
    uint32_t size = out->struct_size < sizeof mine ? out->struct_size : (uint32_t)sizeof mine;
    memcpy(out, &mine, size);
    out->struct_size = size;
    return ZS_OK;
}

void stub_session_serve(struct stub_session *s, struct zs_channel end)
{
    s->copy = end;
    s->serves = true;
}

void stub_session_end(struct stub_session *s, int rc, const struct zs_error *e)
{
    struct zs_error said = {0};
    if (!s->serves)
        return;
    s->serves = false;
    if (rc != ZS_OK)
        said = *e;
    else if (!s->copying)
        error_set(&said, ZS_PROTOCOL_VIOLATION, "the command ended without a stream");
    if (said.sqlstate[0] != '\0')
        stub_pipe_fail(&s->copy, &said);
    else
        s->copy.close(s->copy.self);
}

/* ---- opening ------------------------------------------------------------------------------ */

int stub_session_init(struct stub_session *s, struct zs_error *e)
{
    memset(s, 0, sizeof *s);
    TRY(stub_cancel_init(&s->cancel, e));
    s->session = (struct zs_session){.struct_size = sizeof s->session,
                                     .role = ZS_ROLE_ADMIN,
                                     .self = s,
                                     .cancel = &s->cancel.token,
                                     .user = "stub",
                                     .peer = "local",
                                     .columns = take_columns,
                                     .row = take_row,
                                     .notice = take_notice,
                                     .copy_both = copy_both};
    return ZS_OK;
}

void stub_session_fini(struct stub_session *s)
{
    static const struct zs_error none = {0};
    stub_session_end(s, ZS_OK, &none);
    free_texts(s->values, (size_t)s->rows * s->columns);
    free_texts(s->names, s->columns);
    free(s->notices);
    stub_cancel_fini(&s->cancel);
}
