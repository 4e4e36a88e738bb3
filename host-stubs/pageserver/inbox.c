/* inbox.c - see inbox.h. */
#include "pageserver/inbox.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define PAGE        4096u
#define PAGE_OFFSET 2048u
#define KEEP_BYTES  65536u /* buffers up to this size are kept while idle */

void body_fini(struct body *b)
{
    free(b->base);
    *b = (struct body){0};
}

void inbox_init(struct inbox *in)
{
    in->phase = WIRE_STARTUP;
    in->at = in->end = 0;
    in->in_body = false;
    in->filled = 0;
    in->body = (struct body){0};
    in->nspares = 0;
}

void inbox_fini(struct inbox *in)
{
    body_fini(&in->body);
    while (in->nspares > 0)
        body_fini(&in->spares[--in->nspares]);
}

bool inbox_is_empty(const struct inbox *in)
{
    return in->at == in->end && !in->in_body;
}

void inbox_recycle(struct inbox *in, struct body *body)
{
    if (body->base == NULL)
        return;
    if (in->nspares == INBOX_SPARES || body->capacity > INBOX_SPARE_BYTES) {
        body_fini(body);
        return;
    }
    in->spares[in->nspares++] = *body;
    *body = (struct body){0};
}

void inbox_trim(struct inbox *in)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->nspares; i++) {
        struct body *b = &in->spares[i];
        if (n == 0 && b->capacity <= KEEP_BYTES)
            in->spares[n++] = *b;
        else
            body_fini(b);
    }
    in->nspares = n;
}

/* The one that came back last, whose bytes are the warmest; one that is too small is of no
 * more use in a stream of larger ones. */
static struct body spare_take(struct inbox *in)
{
    return in->nspares > 0 ? in->spares[--in->nspares] : (struct body){0};
}

/* Room for a body of n bytes and a NUL, out of the spare if that is large enough. */
static int body_reserve(struct inbox *in, uint32_t n, struct zs_error *e)
{
    if (in->body.base == NULL)
        in->body = spare_take(in);
    if (in->body.base != NULL && in->body.capacity > n)
        return ZS_OK;
    body_fini(&in->body);
    /* A small body fits into the first half page; large ones grow in steps so that
     * messages of about one size share one buffer. */
    size_t size = n < PAGE_OFFSET ? PAGE : (((size_t)n + PAGE_OFFSET) / 65536 + 1) * 65536;
    uint8_t *base = aligned_alloc(PAGE, size);
    if (base == NULL)
        return error_memory(e);
    in->body = (struct body){
        .base = base, .bytes = base + PAGE_OFFSET, .capacity = (uint32_t)(size - PAGE_OFFSET)};
    return ZS_OK;
}

static enum pump read_failed(ssize_t got, bool between, struct zs_error *e)
{
    if (got == STREAM_WAIT)
        return PUMP_WAIT;
    if (got == STREAM_END && between)
        return PUMP_END;
    error_set(e, ZS_CONNECTION_LOST, "the client's connection was lost");
    return PUMP_ERROR;
}

/* Into the read-ahead, behind what is there. */
static ssize_t fill_ahead(struct inbox *in, struct stream *s)
{
    if (in->at > 0) {
        memmove(in->ahead, in->ahead + in->at, in->end - in->at);
        in->end -= in->at;
        in->at = 0;
    }
    struct iovec iov = {in->ahead + in->end, sizeof in->ahead - in->end};
    ssize_t got = stream_read(s, &iov, 1);
    if (got > 0)
        in->end += (uint32_t)got;
    return got;
}

/* The header, and memory for the body.  PUMP_MESSAGE: go on with the body. */
static enum pump pump_header(struct inbox *in, struct stream *s, struct zs_error *e)
{
    size_t need = wire_header_bytes(in->phase);
    while (in->end - in->at < need) {
        ssize_t got = fill_ahead(in, s);
        if (got <= 0)
            return read_failed(got, in->at == in->end, e);
    }
    if (wire_header_parse(in->phase, in->ahead + in->at, &in->header, e) != ZS_OK)
        return PUMP_ERROR;
    if (!in->header.discard && body_reserve(in, in->header.len, e) != ZS_OK)
        return PUMP_ERROR;
    in->at += (uint32_t)need;
    in->filled = 0;
    in->in_body = true;
    return PUMP_MESSAGE;
}

/* Move what the read-ahead has of the body. */
static void take_ahead(struct inbox *in)
{
    uint32_t n = in->end - in->at;
    uint32_t want = in->header.len - in->filled;
    if (n > want)
        n = want;
    if (n > 0 && !in->header.discard && in->body.base != NULL)
        memcpy(in->body.bytes + in->filled, in->ahead + in->at, n);
    in->filled += n;
    in->at += n;
}

/* The rest of the body to its place, and what follows into the read-ahead: the
 * next header mostly comes along with the same system call. */
static ssize_t read_body(struct inbox *in, struct stream *s)
{
    in->at = in->end = 0;
    if (in->header.discard) {
        ssize_t got = fill_ahead(in, s);
        take_ahead(in);
        return got;
    }
    size_t want = in->header.len - in->filled;
    struct iovec iov[2] = {{in->body.bytes + in->filled, want}, {in->ahead, sizeof in->ahead}};
    ssize_t got = stream_read(s, iov, 2);
    if (got <= 0)
        return got;
    if ((size_t)got > want) {
        in->end = (uint32_t)((size_t)got - want);
        in->filled = in->header.len;
    } else {
        in->filled += (uint32_t)got;
    }
    return got;
}

enum pump inbox_pump(struct inbox *in, struct stream *s, struct message *out, struct zs_error *e)
{
    if (!in->in_body) {
        enum pump r = pump_header(in, s, e);
        if (r != PUMP_MESSAGE)
            return r;
    }
    take_ahead(in);
    while (in->filled < in->header.len) {
        ssize_t got = read_body(in, s);
        if (got <= 0)
            return read_failed(got, false, e);
    }
    in->in_body = false;
    if (in->header.discard || in->body.base == NULL)
        return PUMP_SKIPPED;
    in->body.bytes[in->header.len] = '\0';
    *out = (struct message){.type = in->header.type, .len = in->header.len, .body = in->body};
    in->body = (struct body){0};
    return PUMP_MESSAGE;
}
