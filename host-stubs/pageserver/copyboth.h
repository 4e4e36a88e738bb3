/* copyboth.h - a client's connection as a message channel (struct zs_channel).
 * Flow: a command's copy_both -> here -> conn.  Each message is one CopyData.
 *
 *   frontend -> here    CopyData*  (CopyDone | CopyFail)
 *   here -> frontend    CopyBothResponse  CopyData*  [CopyDone]
 *
 * A send that finds the socket full keeps reading what comes in and queues it, up to
 * 16 MiB; beyond that it only writes.  recv hands out the queue first.  A client that takes
 * nothing for COPY_CLIENT_MS is given up: a session, and what its command holds, are freed.
 * One that sends Flush and Sync without end, which mean nothing here, holds nobody: deadlines are
 * looked at between them.
 * Memory: two message buffers, those that are kept, and the queue.
 * Threads: one sends while another receives. */
#ifndef PAGESERVER_COPYBOTH_H
#define PAGESERVER_COPYBOTH_H

#include "pageserver/conn.h"

#define COPY_QUEUE_MESSAGES 64
#define COPY_QUEUE_BYTES    ZS_MESSAGE_MAX
#define COPY_KEPT           16
#define COPY_CLIENT_MS      600000

struct copyboth {
    struct conn *conn; /* NULL: not open */
    struct cancel *cancel;
    /* under conn->read_lock */
    struct message queue[COPY_QUEUE_MESSAGES];
    uint32_t queue_at, queue_n;
    uint64_t queue_bytes;
    struct message lent; /* what recv gave out */
    struct body kept[COPY_KEPT];
    bool skipping;         /* the last look ended among messages that mean nothing */
    int end;               /* 0, ZS_RECV_END or ZS_RECV_ERROR: what follows the queue */
    struct zs_error error; /* of ZS_RECV_ERROR */
    /* under conn->write_lock */
    bool finished;
    int64_t client_ms; /* COPY_CLIENT_MS */
};

/* Tell the client (CopyBothResponse) and fill *out; its self is c. */
int copyboth_open(struct copyboth *c, struct conn *conn, struct cancel *cancel,
                  struct zs_channel *out, struct zs_error *e);

/* Whether or not the command did: end it. */
void copyboth_close(struct copyboth *c);

#endif
