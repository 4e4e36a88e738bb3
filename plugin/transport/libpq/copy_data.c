/* copy_data.c - see copy_data.h. */
#include "transport/libpq/copy_data.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

bool copy_data_fits(PGconn *conn, uint64_t len)
{
    return len >= COPY_DATA_LONG && PQsslInUse(conn) == 0;
}

struct copy_data copy_data_begin(const void *bytes, uint64_t len)
{
    struct copy_data d = {.bytes = bytes, .len = len, .head = {'d'}};
    uint32_t length = htonl((uint32_t)len + (uint32_t)sizeof length);
    memcpy(d.head + 1, &length, sizeof length);
    return d;
}

/* The head as far as it is not out yet, and the rest of the bytes. */
static ssize_t send_more(const struct copy_data *d, int socket)
{
    uint64_t head = d->sent < COPY_DATA_HEAD ? COPY_DATA_HEAD - d->sent : 0;
    uint64_t body = d->sent < COPY_DATA_HEAD ? 0 : d->sent - COPY_DATA_HEAD;
    struct iovec parts[2] = {
        {.iov_base = (void *)(d->head + COPY_DATA_HEAD - head), .iov_len = head},
        {.iov_base = (void *)(d->bytes + body), .iov_len = d->len - body},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* No signal interrupts a send that does not wait. */
int copy_data_send(struct copy_data *d, int socket)
{
    while (d->sent < COPY_DATA_HEAD + d->len) {
        ssize_t n = send_more(d, socket);
        if (n < 0)
            return errno == EAGAIN ? COPY_DATA_BLOCKED : errno;
        d->sent += (uint64_t)n;
    }
    return 0;
}
