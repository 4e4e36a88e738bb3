/* stub_pipe.h - two channels that are each other's far side, in memory.
 * Flow: one end is a session's copy_both (stub_session.h), the other a transport's
 * connection (stub_transport.h); or both are a test's.
 *
 * A send waits while more than max_bytes lie unread at the far end, unless the far
 * end is waiting in a send itself: two sides that both send go on.  What was sent
 * before an end, an error or a cut is still received.
 * Threads: each end as zenith-sync/types.h says; the ends know nothing of each
 * other's threads.  Ownership: each end by its close; the memory goes with the last. */
#ifndef HOST_STUBS_STUB_PIPE_H
#define HOST_STUBS_STUB_PIPE_H

#include <zenith-sync/types.h>

#define STUB_PIPE_BYTES 4194304u

/* Fill in both ends.  Each end obeys its own token (NULL: none), borrowed until its
 * close.  max_bytes 0: STUB_PIPE_BYTES. */
int stub_pipe_open(uint64_t max_bytes, const struct zs_cancel *left_cancel,
                   const struct zs_cancel *right_cancel, struct zs_channel *left,
                   struct zs_channel *right, struct zs_error *e);

/* Close this end (as stub_pipe_open filled it in) with an error: the far end's recv
 * gives it, as a server's error arrives at its client.  What the far end still sends
 * goes nowhere, without an error. */
void stub_pipe_fail(struct zs_channel *end, const struct zs_error *said);

#endif
