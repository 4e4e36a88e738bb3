/* wait.h - waiting for descriptors in a way that a cancel ends.
 * Every wait of this transport goes through wait_ready, so that a stop that is asked
 * for is seen within WAIT_TICK_MS.  Threads: any; no state. */
#ifndef ZS_LIBPQ_WAIT_H
#define ZS_LIBPQ_WAIT_H

#include "base/cancel.h"
#include "base/clock.h"

#include <poll.h>
#include <zenith-sync/types.h>

#define WAIT_TICK_MS 100 /* a token without a descriptor is asked this often */
#define WAIT_FDS_MAX 2

/* Wait until one of fds[n], n <= WAIT_FDS_MAX, is ready (revents are set), or until_ns
 * (CLOCK_MONOTONIC; 0 waits for ever) is past (all revents 0).
 * Errors: 57014 as cancel_check; 58030. */
int wait_ready(const struct zs_cancel *cancel, int64_t until_ns, struct pollfd *fds, unsigned n,
               struct zs_error *e);

#endif
