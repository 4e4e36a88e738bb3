/* stream.h - bytes to and from a client, plain or through TLS.
 * The one layer that knows which of the two it is.  Never blocks: what cannot be
 * done now is STREAM_WAIT, and the caller polls the descriptor.
 * Threads: one may read while another writes. */
#ifndef PAGESERVER_STREAM_H
#define PAGESERVER_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <zenith-sync/types.h>

#define STREAM_END    0    /* read only: the client sends no more */
#define STREAM_WAIT   (-1) /* not now */
#define STREAM_BROKEN (-2) /* never again */

struct ssl_st;

struct stream {
    int fd;                   /* non-blocking; owned */
    struct ssl_st *ssl;       /* NULL: plain; owned */
    pthread_mutex_t ssl_lock; /* an SSL is for one thread at a time */
};

int stream_init(struct stream *s, int fd, struct zs_error *e);
void stream_close(struct stream *s);

/* How many bytes, or one of the above. */
ssize_t stream_read(struct stream *s, const struct iovec *iov, int n);
ssize_t stream_write(struct stream *s, const struct iovec *iov, int n);

#endif
