/* cancel.h - the cancel token of one session's running command.
 * Set by a CancelRequest, by the server's shutdown, or when the client is found to
 * have hung up; whoever works for the session polls it or waits on its descriptor.
 * Threads: any, but init, fini and reset. */
#ifndef PAGESERVER_CANCEL_H
#define PAGESERVER_CANCEL_H

#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <zenith-sync/types.h>

enum cancel_reason { CANCEL_NONE, CANCEL_REQUEST, CANCEL_SHUTDOWN, CANCEL_HANGUP };

struct cancel {
    struct zs_cancel view; /* what commands get; its self is this struct */
    int watch_fd;          /* the client's socket, asked now and then; borrowed */
    atomic_int reason;     /* enum cancel_reason; changes once per command */
    _Atomic int64_t next_look_ns;
};

int cancel_init(struct cancel *c, int watch_fd, struct zs_error *e);
void cancel_fini(struct cancel *c);

/* Ready for the next command.  A shutdown stays. */
void cancel_reset(struct cancel *c);

/* The first reason stands, but a shutdown comes before all. */
void cancel_set(struct cancel *c, enum cancel_reason reason);

/* Looks at the flag alone. */
bool cancel_is_set(const struct cancel *c);
bool cancel_is_shutdown(const struct cancel *c);
/* Looks at the flag, and at the socket every 50 ms: has the client hung up?  Input
 * that it left is not looked at, so read that first. */
bool cancel_requested(struct cancel *c);

/* 57014, saying why.  Returns ZS_FAIL. */
int cancel_error(const struct cancel *c, struct zs_error *e);

#endif
