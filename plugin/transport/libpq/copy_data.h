/* copy_data.h - a long CopyData message from where it lies to the socket.
 * Flow: channel.c, which sends all else through libpq.
 * Why: libpq copies a message into a buffer of its own before it sends it.  That was a tenth of
 * what the sending side of a first push spends (1.5 GB: 1.25 s in place of 1.36), and 1 MiB, of a
 * large value 8, that stay for as long as the connection does.
 *
 * What holds
 *   - Between messages libpq's buffer is empty (channel.c flushes after each), and it keeps no
 *     account of what it has sent in a copy: what goes out here stands where its own would.
 *   - Nothing else is sent until the message is out whole; after a failure nothing is at all, for
 *     which channel.c closes the sending half before libpq can say farewell.
 *   - A send of libpq's own that fails is told by its next one, and so not to a message that goes
 *     this way: that the socket stays failed is relied on, as TCP's does.
 *   - Not under TLS, whose records only libpq can write, and not for a short message, which is
 *     cheaper to copy than to send in two parts.
 * Source of the format: PostgreSQL's manual, "Message Formats": 'd', Int32 of the length with
 * itself, bytes.  Threads: the sender's alone. */
#ifndef ZS_LIBPQ_COPY_DATA_H
#define ZS_LIBPQ_COPY_DATA_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#define COPY_DATA_LONG    (64u << 10)
#define COPY_DATA_HEAD    5
#define COPY_DATA_BLOCKED (-1) /* wait until the socket takes more */

struct copy_data {
    const uint8_t *bytes; /* the caller's, until all is sent */
    uint64_t len;
    uint64_t sent; /* of the head and the bytes */
    uint8_t head[COPY_DATA_HEAD];
};

/* Whether a message of that length goes this way. */
bool copy_data_fits(PGconn *conn, uint64_t len);

/* len at most INT32_MAX - 4, which the format's length has room for. */
struct copy_data copy_data_begin(const void *bytes, uint64_t len);

/* Send what the socket takes now.  0: all is out; COPY_DATA_BLOCKED; or the errno of a
 * connection that is lost. */
int copy_data_send(struct copy_data *d, int socket);

#endif
