/* tls.h - TLS for those who connect.
 * Flow: server makes one context at start; session wraps a client's stream in it.
 * TLS 1.2 and newer, no renegotiation.  Threads: any, after tls_open. */
#ifndef PAGESERVER_TLS_H
#define PAGESERVER_TLS_H

#include "pageserver/conn.h"

struct tls;

/* `ca` may be NULL: client certificates are not asked for.  22023 naming the file
 * that cannot be used. */
int tls_open(const char *cert, const char *key, const char *ca, struct tls **out,
             struct zs_error *e);
void tls_close(struct tls *t); /* NULL is fine */

/* The handshake, on a stream that nothing was read ahead of.  08P01 failed, 08006
 * lost or too slow. */
int tls_accept(struct tls *t, struct conn *c, const struct patience *patience, struct zs_error *e);

/* Did the client show a valid certificate with this common name? */
bool tls_peer_is(const struct stream *s, const char *name);

#endif
