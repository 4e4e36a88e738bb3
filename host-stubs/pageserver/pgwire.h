/* pgwire.h - PostgreSQL's protocol, version 3: message headers in, messages out.
 * Pure: no sockets.  A message is a type byte, a length (big endian, itself
 * included) and a body; the very first ones of a connection have no type byte.
 * Every length is checked against what is allowed at that moment before any memory
 * is taken for it.  Threads: none of its own. */
#ifndef PAGESERVER_PGWIRE_H
#define PAGESERVER_PGWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

/* Where a connection stands; decides which lengths are acceptable. */
enum wire_phase {
    WIRE_STARTUP, /* first packets, without a type */
    WIRE_LOGIN,   /* passwords */
    WIRE_COMMAND, /* queries, and late copy messages that are thrown away */
    WIRE_COPY,    /* a copy is running */
};

#define WIRE_LOGIN_MAX          10240u   /* bytes of a message before login */
#define WIRE_QUERY_MAX          1048576u /* bytes of a query */
#define WIRE_CODE(major, minor) (((uint32_t)(major) << 16u) | (uint32_t)(minor))
#define WIRE_CANCEL_CODE        WIRE_CODE(1234, 5678)
#define WIRE_SSL_CODE           WIRE_CODE(1234, 5679)
#define WIRE_GSSENC_CODE        WIRE_CODE(1234, 5680)

struct wire_header {
    uint8_t type; /* 0 in WIRE_STARTUP */
    uint32_t len; /* of the body */
    bool discard; /* the body is of no interest: do not keep it */
};

/* Bytes of a header in this phase: 4 or 5. */
size_t wire_header_bytes(enum wire_phase phase);

/* Read one header.  08P01: a length that cannot be, or is more than this phase
 * takes, or a type that no client sends. */
int wire_header_parse(enum wire_phase phase, const uint8_t *bytes, struct wire_header *out,
                      struct zs_error *e);

/* What a frontend message is called, for messages: "Parse"; NULL if there is none. */
const char *wire_type_name(uint8_t type);

/* ---- building messages: wire_begin, fields, wire_end ---- */

/* Grows; after a failed allocation it takes no more and `failed` stays set. */
struct wire_buf {
    uint8_t *data; /* owned, but for `borrowed` */
    size_t len, capacity;
    size_t open; /* where the open message's length stands */
    bool failed, borrowed;
};

/* One that begins in the caller's room: what fits can be said without memory. */
#define WIRE_ERROR_ROOM 3072 /* any error or end of a command */
static inline struct wire_buf wire_buf_over(uint8_t *room, size_t n)
{
    return (struct wire_buf){.data = room, .capacity = n, .borrowed = true};
}

void wire_buf_fini(struct wire_buf *b);
void wire_begin(struct wire_buf *b, uint8_t type);
void wire_u8(struct wire_buf *b, uint8_t v);
void wire_u16(struct wire_buf *b, uint16_t v);
void wire_u32(struct wire_buf *b, uint32_t v);
void wire_bytes(struct wire_buf *b, const void *bytes, size_t n);
void wire_text(struct wire_buf *b, const char *text); /* with its NUL */
void wire_end(struct wire_buf *b);

/* Whole messages. */
void wire_error(struct wire_buf *b, const char *severity, const struct zs_error *e);
void wire_notice(struct wire_buf *b, const struct zs_error *e);
void wire_row_description(struct wire_buf *b, const char *const *names, uint32_t n);
void wire_data_row(struct wire_buf *b, const char *const *values, uint32_t n);
void wire_parameter_status(struct wire_buf *b, const char *name, const char *value);
void wire_authentication(struct wire_buf *b, uint32_t code, const void *data, size_t n);

#endif
