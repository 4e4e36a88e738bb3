/* compare.h - do two sides hold the same records?  Sums travel, records do not.
 * Flow: perform_verify runs compare_run, the far branch_verify compare_serve; both read
 * their own store through sync/key_sums.
 *
 *     answerer -> asker   STATE   where it stands, its history, its gc_cutoff_lsn
 *     asker -> answerer   ASK     the sum of all keys, up to the lower of both LSNs
 *     answerer -> asker   SUMS    the sum of what its store holds, in parts of its choice
 *                                 (not the digest that it noted: that may be right where
 *                                 the records are not)
 *     asker, answerer     ASK SUMS ...   one part after the other that differs, until the
 *                                 answer is a list of records
 *     asker -> answerer   ASK     that is all; also if the histories have parted, or nothing
 *                                 can be compared
 *     either              KEEPALIVE while it reads
 *
 * Sides that hold the same are done after the first answer, and both read at once.  Histories
 * that both list an LSN, with another digest, have parted, and nothing is read.
 * What is compared lies above both sides' gc_cutoff_lsn: below it one may have collected
 * what the other has not.
 * Memory: fixed tables.  Threads: the caller's. */
#ifndef ZS_SYNC_COMPARE_H
#define ZS_SYNC_COMPARE_H

#include "sync/key_sums.h"

/* So many parts are asked for, or records found to differ, and the rest is left. */
#define COMPARE_MAX_ASKS  2048u
#define COMPARE_MAX_FOUND 100000u

enum difference_kind {
    DIFFERENT,     /* both have it, and not the same */
    MISSING_HERE,  /* the far side has it alone */
    MISSING_THERE, /* this side has it alone */
};

struct difference {
    enum difference_kind kind;
    uint8_t key[ZS_KEY_BYTES];
    zs_lsn lsn; /* 0: of the key's versions as a whole */
};

const char *difference_name(enum difference_kind kind);

struct compare_job {
    struct key_reader reader; /* of this side */
    const char *branch, *far_branch;
    void (*tell)(void *context, const struct difference *d); /* in key order */
    void *context;
};

struct compare_result {
    zs_lsn near_lsn, far_lsn; /* where each side stands */
    zs_lsn from_lsn, to_lsn;  /* records in (from, to] were compared */
    uint64_t records, bytes;  /* of this side, there */
    struct zs_digest sum;
    uint64_t found;             /* records that differ */
    bool more;                  /* and there are others: a limit was reached */
    bool near_sound, far_sound; /* do the records add up to the side's own history? */
    bool near_known, far_known; /* false: that cannot be told */
};

/* ZS_OK also if they differ: then `found` is not 0, or `more` is set.  ZS002, ZS003: the histories
 * have parted before that; 0A000: there is nothing that both still have; 08P01: the far side's
 * answers contradict each other or their sum; XX001: a side cannot read.  Ends the stream in good
 * order once it has decided, so that the far command does not fail for what was found. */
int compare_run(const struct compare_job *job, struct compare_result *result, struct zs_error *e);

/* The other half: answer until the asker is done. */
int compare_serve(const struct key_reader *reader, struct zs_error *e);

#endif
