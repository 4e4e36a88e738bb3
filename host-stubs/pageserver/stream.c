/* stream.c - see stream.h. */
#include "pageserver/stream.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

int stream_init(struct stream *s, int fd, struct zs_error *e)
{
    *s = (struct stream){.fd = fd};
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return error_errno(e, errno, "cannot set up a client's socket");
    int rc = pthread_mutex_init(&s->ssl_lock, NULL);
    return rc == 0 ? ZS_OK : error_errno(e, rc, "cannot make a lock");
}

void stream_close(struct stream *s)
{
    if (s->ssl != NULL) {
        (void)SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        ERR_clear_error();
    }
    (void)pthread_mutex_destroy(&s->ssl_lock);
    (void)close(s->fd);
    s->ssl = NULL;
    s->fd = -1;
}

static ssize_t plain_result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? STREAM_WAIT : STREAM_BROKEN;
}

/* TLS 1.3's key updates may want the other direction; the callers' short polls
 * then come back here in time, so both are "wait". */
static ssize_t tls_result(SSL *ssl, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(ssl, n);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return STREAM_WAIT;
    return why == SSL_ERROR_ZERO_RETURN ? STREAM_END : STREAM_BROKEN;
}

static int tls_size(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

ssize_t stream_read(struct stream *s, const struct iovec *iov, int n)
{
    if (s->ssl == NULL)
        return plain_result(readv(s->fd, iov, n));
    const struct iovec *first = iov;
    while (first < iov + n - 1 && first->iov_len == 0)
        first++;
    (void)pthread_mutex_lock(&s->ssl_lock);
    ERR_clear_error();
    ssize_t got = tls_result(s->ssl, SSL_read(s->ssl, first->iov_base, tls_size(first->iov_len)));
    (void)pthread_mutex_unlock(&s->ssl_lock);
    return got;
}

ssize_t stream_write(struct stream *s, const struct iovec *iov, int n)
{
    if (s->ssl == NULL)
        return plain_result(writev(s->fd, iov, n));
    const struct iovec *first = iov;
    while (first < iov + n - 1 && first->iov_len == 0)
        first++;
    (void)pthread_mutex_lock(&s->ssl_lock);
    ERR_clear_error();
    ssize_t put = tls_result(s->ssl, SSL_write(s->ssl, first->iov_base, tls_size(first->iov_len)));
    (void)pthread_mutex_unlock(&s->ssl_lock);
    return put == STREAM_END ? STREAM_BROKEN : put;
}
