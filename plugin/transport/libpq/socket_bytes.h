/* socket_bytes.h - how much a process has read from a TCP socket so far.
 * libpq makes room for whatever length a message claims and shows the message only when
 * it is whole; this tells from outside how much of it has come.  Its own file, because
 * <linux/tcp.h> and <netinet/tcp.h> exclude each other.  Threads: any. */
#ifndef ZS_LIBPQ_SOCKET_BYTES_H
#define ZS_LIBPQ_SOCKET_BYTES_H

#include <stdint.h>

/* 0 if the kernel does not say (a Unix socket, a closed one). */
uint64_t socket_bytes_read(int fd);

#endif
