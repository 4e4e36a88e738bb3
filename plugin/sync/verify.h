/* verify.h - is a branch what it should be?
 * Flow: command/verify -> here -> the store's own look at its files, then every record of
 * the branch (sync/verify_scan.h), its history, its change map, its stage.
 *
 * What is compared, in one pass over the records: what cannot be read, as a range of keys;
 * the sum and the number of all of them with D and the counts at last_valid_lsn; the sum
 * over each interval of the history with what its two ends differ by, so that damage that
 * no checksum shows is narrowed down to the commits it is in; each record with the change
 * map of its commit.
 * Versions below gc_cutoff_lsn may be collected, so no sum over them is compared.
 * Memory: VERIFY_POINTS intervals, the change map, one buffer.  Threads: the caller's. */
#ifndef ZS_SYNC_VERIFY_H
#define ZS_SYNC_VERIFY_H

#include "store/store.h"
#include "sync/progress.h"

/* A longer history is thinned out evenly. */
#define VERIFY_POINTS 1024u

enum fault_kind {
    FAULT_FILE,    /* the store's own look found it */
    FAULT_READ,    /* a range of keys cannot be read */
    FAULT_SUM,     /* records of some commits are not what was written */
    FAULT_COUNT,   /* records are missing, or there are too many */
    FAULT_HISTORY, /* the history cannot be read */
    FAULT_MAP,     /* the change map is damaged, or misses something */
    FAULT_STAGE,   /* the stage that waits cannot be gone on with */
};

struct fault {
    enum fault_kind kind;
    struct zs_error error; /* a sentence, where known a detail and a hint */
    /* What it is about, where that is known. */
    bool has_lsns;
    zs_lsn from_lsn, to_lsn; /* (from, to] */
    bool has_after, has_before;
    uint8_t after[ZS_KEY_BYTES], before[ZS_KEY_BYTES]; /* keys: between these two */
};

const char *fault_kind_name(enum fault_kind kind);

struct verify_job {
    const struct zs_store *store;
    const char *branch;
    const struct zs_cancel *cancel;
    struct transfer *transfer;
    struct progress *progress;
    void (*tell)(void *context, const struct fault *fault); /* one by one, as they are found */
    void *context;
};

struct verify_result {
    bool exists; /* false: there is a stage alone */
    zs_lsn last_lsn;
    struct zs_digest digest; /* of the records, as they are */
    uint64_t records, bytes;
    uint64_t intervals; /* of the history, compared */
    uint64_t epochs;    /* of the change map, compared */
    uint64_t faults;
};

/* Faults are told and counted; ZS_FAIL only if the look itself fails: 42704, 57014, 53200,
 * and what is so damaged that the branch cannot be opened (XX001). */
int verify_run(const struct verify_job *job, struct verify_result *result, struct zs_error *e);

#endif
