/* outcome.h - how a transfer went, and what a person is told when it is refused.
 * Threads: none. */
#ifndef ZS_SYNC_OUTCOME_H
#define ZS_SYNC_OUTCOME_H

#include "wire/control.h"

struct outcome {
    enum verdict verdict;
    zs_lsn from_lsn, to_lsn;     /* what was sent; equal: where both stand */
    zs_lsn near_lsn, far_lsn;    /* where each side stood before */
    zs_lsn common_lsn;           /* diverged: the newest common point */
    uint64_t records, raw_bytes; /* sent or, in a dry run, estimated; 0 unknown */
    uint64_t wire_bytes;
    bool resumed;             /* it went on where another one was cut off, ... */
    unsigned resumed_percent; /* ... so far in */
    bool late_cancel;         /* a cancel came when the commit had begun, and it went through */
};

/* Which way the records were to go, seen from where the command was typed. */
enum direction { DIRECTION_PUSH, DIRECTION_PULL };

/* ZS_OK if the verdict lets records flow (absent, behind, equal); else ZS001, ZS002 or
 * ZS003 with the hint that says the next command.  `near_branch` and `far_branch` are
 * the names on either side. */
int outcome_refusal(const struct outcome *o, enum direction direction, const char *near_branch,
                    const char *far_branch, struct zs_error *e);

#endif
