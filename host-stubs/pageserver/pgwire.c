/* pgwire.c - see pgwire.h. */
#include "pageserver/pgwire.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>

/* ---- messages in -------------------------------------------------------------- */

const char *wire_type_name(uint8_t type)
{
    switch (type) {
    case 'B':
        return "Bind";
    case 'C':
        return "Close";
    case 'D':
        return "Describe";
    case 'E':
        return "Execute";
    case 'F':
        return "FunctionCall";
    case 'H':
        return "Flush";
    case 'P':
        return "Parse";
    case 'Q':
        return "Query";
    case 'S':
        return "Sync";
    case 'X':
        return "Terminate";
    case 'c':
        return "CopyDone";
    case 'd':
        return "CopyData";
    case 'f':
        return "CopyFail";
    case 'p':
        return "a password message";
    default:
        return NULL;
    }
}

size_t wire_header_bytes(enum wire_phase phase)
{
    return phase == WIRE_STARTUP ? 4 : 5;
}

static uint32_t body_max(enum wire_phase phase, uint8_t type)
{
    switch (phase) {
    case WIRE_STARTUP:
    case WIRE_LOGIN:
        return WIRE_LOGIN_MAX;
    case WIRE_COMMAND:
    case WIRE_COPY:
        break;
    }
    return type == 'd' ? ZS_MESSAGE_MAX : WIRE_QUERY_MAX;
}

int wire_header_parse(enum wire_phase phase, const uint8_t *bytes, struct wire_header *out,
                      struct zs_error *e)
{
    bool typed = phase != WIRE_STARTUP;
    uint8_t type = typed ? bytes[0] : 0;
    uint32_t len = get_u32be(bytes + (typed ? 1 : 0));
    if (typed && wire_type_name(type) == NULL) {
        error_set(e, ZS_PROTOCOL_VIOLATION, "message type 0x%02x is not PostgreSQL's", type);
        return error_hint(e, "Connect with psql, libpq or zenith.");
    }
    const char *name = typed ? wire_type_name(type) : "the first packet";
    if (len < 4)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "%s has an impossible length of %u", name, len);
    uint32_t max = body_max(phase, type);
    if (len - 4 > max) {
        error_set(e, ZS_PROTOCOL_VIOLATION, "%s of %u bytes is too long: %u are allowed here", name,
                  len - 4, max);
        return error_hint(e, typed ? "Send less in one message."
                                   : "Connect with psql, libpq or zenith.");
    }
    out->type = type;
    out->len = len - 4;
    out->discard = phase == WIRE_COMMAND && (type == 'd' || type == 'f');
    return ZS_OK;
}

/* ---- messages out --------------------------------------------------------------- */

void wire_buf_fini(struct wire_buf *b)
{
    if (!b->borrowed)
        free(b->data);
    *b = (struct wire_buf){0};
}

static uint8_t *wire_room(struct wire_buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (b->capacity - b->len < n) {
        size_t capacity = b->capacity * 2 + n + 256;
        uint8_t *data = realloc(b->borrowed ? NULL : b->data, capacity);
        if (data == NULL) {
            b->failed = true;
            return NULL;
        }
        if (b->borrowed && b->len > 0)
            memcpy(data, b->data, b->len);
        b->borrowed = false;
        b->data = data;
        b->capacity = capacity;
    }
    uint8_t *p = b->data + b->len;
    b->len += n;
    return p;
}

void wire_bytes(struct wire_buf *b, const void *bytes, size_t n)
{
    uint8_t *p = n == 0 ? NULL : wire_room(b, n);
    if (p != NULL)
        memcpy(p, bytes, n);
}

void wire_u8(struct wire_buf *b, uint8_t v)
{
    wire_bytes(b, &v, 1);
}

void wire_u16(struct wire_buf *b, uint16_t v)
{
    uint8_t bytes[2];
    put_u16be(bytes, v);
    wire_bytes(b, bytes, sizeof bytes);
}

void wire_u32(struct wire_buf *b, uint32_t v)
{
    uint8_t bytes[4];
    put_u32be(bytes, v);
    wire_bytes(b, bytes, sizeof bytes);
}

void wire_text(struct wire_buf *b, const char *text)
{
    wire_bytes(b, text, strlen(text) + 1);
}

void wire_begin(struct wire_buf *b, uint8_t type)
{
    wire_u8(b, type);
    b->open = b->len;
    wire_u32(b, 0);
}

void wire_end(struct wire_buf *b)
{
    if (!b->failed)
        put_u32be(b->data + b->open, (uint32_t)(b->len - b->open));
}

static void wire_field(struct wire_buf *b, char code, const char *text)
{
    if (text[0] == '\0')
        return;
    wire_u8(b, (uint8_t)code);
    wire_text(b, text);
}

/* ErrorResponse and NoticeResponse have one shape.  V is S untranslated. */
static void wire_report(struct wire_buf *b, uint8_t type, const char *severity,
                        const struct zs_error *e)
{
    wire_begin(b, type);
    wire_field(b, 'S', severity);
    wire_field(b, 'V', severity);
    wire_field(b, 'C', e->sqlstate[0] != '\0' ? e->sqlstate : ZS_INTERNAL_ERROR);
    wire_field(b, 'M', e->message[0] != '\0' ? e->message : "an error without a message");
    wire_field(b, 'D', e->detail);
    wire_field(b, 'H', e->hint);
    wire_u8(b, 0);
    wire_end(b);
}

void wire_error(struct wire_buf *b, const char *severity, const struct zs_error *e)
{
    wire_report(b, 'E', severity, e);
}

void wire_notice(struct wire_buf *b, const struct zs_error *e)
{
    bool warning = strncmp(e->sqlstate, "01", 2) == 0;
    wire_report(b, 'N', warning ? "WARNING" : "NOTICE", e);
}

void wire_row_description(struct wire_buf *b, const char *const *names, uint32_t n)
{
    wire_begin(b, 'T');
    wire_u16(b, (uint16_t)n);
    for (uint32_t i = 0; i < n; i++) {
        wire_text(b, names[i]);
        wire_u32(b, 0);          /* of no table */
        wire_u16(b, 0);          /* no column of one */
        wire_u32(b, 25);         /* type text */
        wire_u16(b, UINT16_MAX); /* of variable length */
        wire_u32(b, UINT32_MAX); /* no modifier */
        wire_u16(b, 0);          /* in text format */
    }
    wire_end(b);
}

void wire_data_row(struct wire_buf *b, const char *const *values, uint32_t n)
{
    wire_begin(b, 'D');
    wire_u16(b, (uint16_t)n);
    for (uint32_t i = 0; i < n; i++) {
        if (values[i] == NULL) {
            wire_u32(b, UINT32_MAX);
            continue;
        }
        size_t len = strlen(values[i]);
        wire_u32(b, (uint32_t)len);
        wire_bytes(b, values[i], len);
    }
    wire_end(b);
}

void wire_parameter_status(struct wire_buf *b, const char *name, const char *value)
{
    wire_begin(b, 'S');
    wire_text(b, name);
    wire_text(b, value);
    wire_end(b);
}

void wire_authentication(struct wire_buf *b, uint32_t code, const void *data, size_t n)
{
    wire_begin(b, 'R');
    wire_u32(b, code);
    wire_bytes(b, data, n);
    wire_end(b);
}
