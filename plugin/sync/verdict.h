/* verdict.h - how two histories stand to each other: one pure function.
 * Flow: sync/send asks with the receiver's STATE and its own history; when only the
 * receiver can know, sync/receive asks again with what it knows.  No I/O here.
 * Threads: none. */
#ifndef ZS_SYNC_VERDICT_H
#define ZS_SYNC_VERDICT_H

#include "wire/control.h"

/* A digest that may not be known yet. */
struct maybe_digest {
    bool known;
    struct zs_digest digest;
};

struct verdict_input {
    bool exists;                            /* the receiver has such a branch */
    bool digests;                           /* both sides keep digests */
    bool same_timeline;                     /* for sides that keep none */
    struct zs_point receiver, sender;       /* where each stands: X and Y */
    struct maybe_digest sender_at_receiver; /* the sender's D(X); looked at if X < Y */
    struct maybe_digest receiver_at_sender; /* the receiver's D(Y); looked at if Y < X */
    zs_lsn common_lsn;                      /* newest point that both list; 0 none */
};

/* What the function can say: a verdict, or which digest it lacks. */
enum verdict_need { VERDICT_DECIDED, VERDICT_NEEDS_SENDER, VERDICT_NEEDS_RECEIVER };

/* Decide.  *verdict is set if VERDICT_DECIDED is returned. */
enum verdict_need verdict_decide(const struct verdict_input *in, enum verdict *verdict);

#endif
