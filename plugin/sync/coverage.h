/* coverage.h - what of a branch's history its change map knows.
 * Flow: command/change_maps -> here -> sync/epochs.  Reads every epoch, so that one that
 * is damaged or another timeline's counts for what it is: none.
 * Memory: one epoch at a time.  Threads: none of its own. */
#ifndef ZS_SYNC_COVERAGE_H
#define ZS_SYNC_COVERAGE_H

#include "store/store.h"

#define COVERAGE_GAPS 8u /* that are named; more are counted */

struct coverage_gap {
    zs_lsn from_lsn, to_lsn; /* (from, to] is scanned for */
};

struct coverage {
    zs_lsn from_lsn; /* the map begins here; last_valid_lsn: there is none */
    uint64_t epochs; /* that can be used */
    uint64_t bytes;  /* of all epochs on disk */
    uint64_t ngaps;  /* ranges above from_lsn that no epoch is about */
    struct coverage_gap gaps[COVERAGE_GAPS]; /* newest first */
    char why[128];                           /* of the newest gap; "" if there is none */
};

/* Of a store without ZS_STORE_BLOBS: no map. */
int coverage_read(const struct snapshot *s, struct coverage *out, struct zs_error *e);

#endif
