/* daemon.h - going into the background, and telling the parent how it went.
 * The parent waits for the child's word: it returns success only once the child says
 * that connections are accepted.  Until then the child's messages go to the terminal.
 * Threads: before any. */
#ifndef PAGESERVER_DAEMON_H
#define PAGESERVER_DAEMON_H

#include <zenith-sync/types.h>

struct daemon {
    int ready_fd; /* -1: in the foreground */
};

/* In the child: ZS_OK, detached.  The parent does not return from this: it exits 0 or 1
 * as the child says. */
int daemon_fork(struct daemon *d, struct zs_error *e);

/* The child is ready: standard output and error go to log_fd from here on. */
int daemon_ready(struct daemon *d, int log_fd, struct zs_error *e);

#endif
