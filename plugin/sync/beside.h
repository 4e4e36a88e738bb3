/* beside.h - one call that may take long, in a thread of its own, while the peer hears that this
 * side lives.
 * Flow: sync/staging opens a stage and sync/receive commits through it -> store/.
 *
 * What holds: the call has ended when beside_run returns, whatever became of the line: what
 * was written counts, and a line that is lost is noticed by who uses it next.
 * Threads: the call runs in another one than the caller's, which waits; where none is to be
 * had, in the caller's, and the peer hears nothing meanwhile. */
#ifndef ZS_SYNC_BESIDE_H
#define ZS_SYNC_BESIDE_H

#include "sync/receive.h"

/* The call's own result and error. */
int beside_run(const struct receive_job *job, int (*call)(void *context, struct zs_error *e),
               void *context, struct zs_error *e);

#endif
