/* inbox.h - messages off a stream, one at a time, into reused memory.
 * Flow: stream -> here -> conn, copyboth.  Headers and small messages go through a
 * small read-ahead buffer; the rest of a large body is read straight to its place.
 * Never waits.
 * Memory: the read-ahead, one buffer as long as the message in it, and INBOX_SPARES that
 * wait for the next ones, of INBOX_SPARE_BYTES at most.
 * Threads: one at a time. */
#ifndef PAGESERVER_INBOX_H
#define PAGESERVER_INBOX_H

#include "pageserver/pgwire.h"
#include "pageserver/stream.h"

/* A message's body: begins at page offset 2048, so that a copy from or to memory
 * that starts on a page never meets the few-bytes-behind case in which large
 * copies are several times slower on some processors.  A NUL stands behind it. */
struct body {
    void *base; /* owned; NULL: none */
    uint8_t *bytes;
    uint32_t capacity;
};

struct message {
    uint8_t type;
    uint32_t len;
    struct body body; /* owned by whoever holds the message */
};

enum pump {
    PUMP_MESSAGE, /* *out has one */
    PUMP_SKIPPED, /* one was thrown away; call again */
    PUMP_WAIT,    /* poll for input first */
    PUMP_END,     /* the client sends no more, and nothing is cut off */
    PUMP_ERROR,   /* protocol violation, broken connection, out of memory */
};

/* As many as a receiver keeps at once, but only those of ordinary messages. */
#define INBOX_SPARES      16
#define INBOX_SPARE_BYTES (2u << 20)

struct inbox {
    enum wire_phase phase; /* set by the session as it goes */
    uint32_t at, end;      /* what of `ahead` is not used yet */
    bool in_body;
    struct wire_header header; /* of the message that is being read */
    uint32_t filled;
    struct body body;                 /* of that message */
    struct body spares[INBOX_SPARES]; /* for the next ones */
    uint32_t nspares;
    uint8_t ahead[16384];
};

void inbox_init(struct inbox *in);
void inbox_fini(struct inbox *in);

/* Go on reading.  `out` becomes the caller's with PUMP_MESSAGE; give its memory
 * back with inbox_recycle (or free it with body_fini). */
enum pump inbox_pump(struct inbox *in, struct stream *s, struct message *out, struct zs_error *e);

void inbox_recycle(struct inbox *in, struct body *body);

/* Bytes that came in and are not part of a message that was handed out. */
bool inbox_is_empty(const struct inbox *in);

/* Give large memory back to the system: a session that idles costs little. */
void inbox_trim(struct inbox *in);

void body_fini(struct body *b);

#endif
