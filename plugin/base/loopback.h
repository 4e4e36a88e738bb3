/* loopback.h - a TCP connection between two programs on one machine.
 * Flow: transport/libpq/connect, and a host's listener -> here, once a connection stands.
 * Why: the kernel lets a connection's send buffer grow to 4 MiB, which is what fills a long link.
 * Where both ends are on one machine nothing is on the way, and what lies in a buffer has left the
 * cache when the other side comes to read it: a first push of 1.5 GB takes 1.24 s so, and 1.07 with
 * LOOPBACK_BYTES (128 and 512 KiB: 1.17 and 1.12, in one run).  What waits with the receiver is not
 * held; it has been read soon.
 * A connection that a program takes on to elsewhere, as a tunnel or a relay, is none the slower: it
 * has a buffer of its own for the long link.  One that the kernel itself sends on from 127.0.0.1 to
 * another machine (NAT with route_localnet) would be held to LOOPBACK_BYTES on that link; give
 * such an origin the other machine's address.  Threads: any. */
#ifndef ZS_BASE_LOOPBACK_H
#define ZS_BASE_LOOPBACK_H

#define LOOPBACK_BYTES (256 << 10)

/* Hold the send buffer of a connection whose ends have the same address to LOOPBACK_BYTES; leave
 * any other as it is.  A socket that cannot be asked or told stays as it is, too. */
void loopback_tune(int socket);

#endif
