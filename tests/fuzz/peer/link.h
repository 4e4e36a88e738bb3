/* link.h - a connection of a hostile peer's: PostgreSQL's frames, read and written without
 * any of the politeness of libpq, on either end of it.
 * Every wait is bounded; what comes in beyond LINK_FRAME_MAX ends the link.
 * Threads: none.  Tests only. */
#ifndef TESTS_FUZZ_PEER_LINK_H
#define TESTS_FUZZ_PEER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_FRAME_MAX (20u << 20)
#define LINK_WAIT_MS   60000 /* beyond this a server hangs */

/* Bytes that are written as a text, and how many. */
#define BYTES(text) (text), sizeof(text) - 1

struct link {
    int fd;      /* -1: closed */
    uint8_t *in; /* owned; what was read and not yet handed out */
    size_t at, end, room;
    bool ended; /* the other side has gone */
};

struct frame {
    char type;
    const uint8_t *body; /* until the next link_read */
    size_t len;
};

/* A client's end: connected, and nothing said.  False: nobody is there. */
bool link_dial(struct link *l, const char *socket_path);
/* A server's end, of a connection to `listener`; false if none comes in time. */
bool link_accept(struct link *l, int listener, int timeout_ms);
void link_close(struct link *l);

/* False: the other side is gone, or takes nothing for LINK_WAIT_MS. */
bool link_write(struct link *l, const void *bytes, size_t len);
bool link_say(struct link *l, char type, const void *body, size_t len);

/* One whole frame; false: none in time, or the end. */
bool link_read(struct link *l, int timeout_ms, struct frame *f);

/* As a client: log in as the process's own user, up to ReadyForQuery. */
bool link_log_in(struct link *l);
/* As a server: let anybody in, and take the first query (until the next link_read). */
bool link_let_in(struct link *l, const char **query);
/* As a server, up to the startup packet, without an answer. */
bool link_take_startup(struct link *l);

/* A query whose rows are kept as lines of fields with '|' between; "" for none.  False, and
 * what the server said in `out`, if it failed or did not end. */
bool link_query(struct link *l, const char *query, char *out, size_t size);

#endif
