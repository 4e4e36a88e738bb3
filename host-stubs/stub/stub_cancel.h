/* stub_cancel.h - a cancel token that a test pulls, at once or at the n-th poll.
 * Threads: stub_cancel_request and the token itself from any; the rest alone.
 * Ownership: the caller's storage, from init to fini; it must not move meanwhile. */
#ifndef HOST_STUBS_STUB_CANCEL_H
#define HOST_STUBS_STUB_CANCEL_H

#include "base/clock.h"

#include <zenith-sync/types.h>

#include <stdatomic.h>
#include <stdbool.h>

struct stub_cancel {
    struct zs_cancel token; /* hand out &token; deadline_ns may be set before */
    atomic_bool asked;
    atomic_ulong polls; /* calls of token.requested so far */
    atomic_ulong at_poll;
};

int stub_cancel_init(struct stub_cancel *c, struct zs_error *e);
void stub_cancel_fini(struct stub_cancel *c);

/* Ask for a stop now.  Stays so. */
void stub_cancel_request(struct stub_cancel *c);

/* Ask for a stop at the n-th poll from the beginning on, 1 the first; 0 never.  So a
 * test can stop a command everywhere that it looks. */
void stub_cancel_at_poll(struct stub_cancel *c, unsigned long n);

/* As a callee sees it: is a stop asked for, or the deadline past?  NULL: never. */
bool stub_cancel_asked(const struct zs_cancel *token);

#endif
