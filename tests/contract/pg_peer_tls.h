/* pg_peer_tls.h - the server's half of TLS for pg_peer: a key and a certificate that it makes
 * itself and nobody signed.  One thread per connection. */
#ifndef TESTS_PG_PEER_TLS_H
#define TESTS_PG_PEER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peer_tls;

struct peer_tls *peer_tls_accept(int fd); /* NULL: the client does not agree */
ssize_t peer_tls_write(struct peer_tls *t, const void *bytes, size_t len);
bool peer_tls_read_all(struct peer_tls *t, void *bytes, size_t len);
void peer_tls_close(struct peer_tls *t); /* NULL is allowed; leaves fd open */

#endif
