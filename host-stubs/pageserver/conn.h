/* conn.h - one client's connection: messages in, messages out, and waiting.
 * Flow: startup, auth, session, reply -> here -> inbox, stream.
 *
 * Output is put into a buffer and flushed; a large copy message goes to the socket
 * from the sender's memory instead.  A message whose sending was cancelled in its
 * middle is completed from a copy in that buffer, so the protocol stays whole.
 * Whatever waits, waits for the cancel token and the deadline too.
 *
 * Threads: one reads (read_lock) while another writes (write_lock). */
#ifndef PAGESERVER_CONN_H
#define PAGESERVER_CONN_H

#include "pageserver/cancel.h"
#include "pageserver/inbox.h"

#include <stdatomic.h>

#define CONN_TICK_MS       50   /* a wait for output looks around this often */
#define CONN_INPUT_TICK_MS 1000 /* a wait for input, at the latest */
/* A client that takes nothing of its answer for so long is left. */
#define CONN_STALL_NS 60000000000

struct conn {
    struct stream stream;
    struct inbox in;                   /* under read_lock while a copy runs */
    struct wire_buf out;               /* under write_lock */
    size_t out_sent;                   /* of out, already on its way */
    uint8_t out_room[WIRE_ERROR_ROOM]; /* where out begins: errors are told without memory */
    pthread_mutex_t read_lock, write_lock;
    atomic_bool broken; /* nothing more can be said to this client */
};

/* How long to wait, and what ends it.  Each may be absent: NULL, 0. */
struct patience {
    struct cancel *cancel;
    int64_t deadline_ns; /* CLOCK_MONOTONIC */
    int64_t stall_ns;    /* conn_flush: this long from when the client took something last */
};

/* Takes over fd, on failure too. */
int conn_init(struct conn *c, int fd, struct zs_error *e);
void conn_fini(struct conn *c);

/* Poll the socket for `events` and the cancel token, at most one tick and not
 * beyond the deadline. */
void conn_poll(struct conn *c, short events, const struct patience *p);
bool patience_is_over(const struct patience *p);

/* The next message.  ZS_RECV_NOTHING: the deadline passed; ZS_RECV_END: the client
 * closed the connection between two messages; ZS_RECV_ERROR: 57014 or as inbox. */
int conn_read(struct conn *c, const struct patience *p, struct message *out, struct zs_error *e);

/* Add whole messages to the output; `b` is emptied.  53200. */
int conn_put(struct conn *c, struct wire_buf *b, struct zs_error *e);
/* The same, but dropped (false) if it cannot be taken at once. */
bool conn_put_if_room(struct conn *c, struct wire_buf *b);

/* Write out all that was put.  57014 cancelled; 08006 lost or too slow. */
int conn_flush(struct conn *c, const struct patience *p, struct zs_error *e);

/* Bytes that were put and are not written. */
size_t conn_pending(struct conn *c);

/* For whoever writes past the buffer; the write_lock is held. */
enum progress { PROGRESS_DONE, PROGRESS_WAIT, PROGRESS_BROKEN };
enum progress conn_write_some(struct conn *c, const uint8_t **body, size_t *len);

#endif
