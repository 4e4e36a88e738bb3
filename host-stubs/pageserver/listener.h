/* listener.h - the sockets that clients come to, and the loop that accepts them.
 * TCP on the configured address, and the Unix socket in the repository.
 * Threads: the main one; each client gets a thread of its own (session.h). */
#ifndef PAGESERVER_LISTENER_H
#define PAGESERVER_LISTENER_H

#include <stdbool.h>
#include <zenith-sync/types.h>

#define LISTENER_SOCKETS 8

struct server;

struct listener {
    int fds[LISTENER_SOCKETS]; /* the first is the Unix socket */
    uint32_t n;
    char address[320]; /* "127.0.0.1:5433"; "" without TCP */
};

/* 55006 with a hint if the port is in use; 22023 if there is no such address. */
int listener_open(struct listener *l, const char *host, uint16_t port, const char *unix_path,
                  struct zs_error *e);
void listener_close(struct listener *l);

/* Accept until signal_fd is readable. */
void listener_run(struct server *s, int signal_fd);

#endif
