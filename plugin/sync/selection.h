/* selection.h - the records in (X, Y]: by a scan, or by going to what changed.
 * Flow: sync/send opens one per transfer; it asks sync/epochs what changed and reads
 * through store/.
 *
 * Both ways give the same records in the same order.  A scan looks at every record of
 * the branch; a walk goes to each run of changed blocks and costs a seek per run.  The
 * cheaper one is taken, by what was measured (selection.c).
 * Owns: its iterator and map.  Threads: the caller's. */
#ifndef ZS_SYNC_SELECTION_H
#define ZS_SYNC_SELECTION_H

#include "store/store.h"
#include "sync/change_map.h"

struct selection {
    struct iter iter;
    struct change_map *map; /* NULL: a scan */
    struct change_walk walk;
    bool in_run;   /* the iterator has more of the run that it is in */
    bool skipping; /* nothing up to (key, lsn) is given */
    uint8_t key[ZS_KEY_BYTES];
    zs_lsn lsn;
};

/* Is walking `runs` runs cheaper than scanning a branch with so many records?  0 and 0: not
 * known, and a walk costs no more than its runs. */
bool selection_pays(uint64_t runs, uint64_t records, uint64_t bytes);

/* May the map be used?  `why` says, in half a sentence, why a scan was taken though a
 * store that keeps maps could be expected to have one; "" otherwise. */
int selection_open(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn, bool use_map,
                   struct selection *out, char *why, size_t why_bytes, struct zs_error *e);

/* Before the first selection_next: go on behind this record. */
int selection_skip(struct selection *sel, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                   struct zs_error *e);

/* As iter_next. */
int selection_next(struct selection *sel, struct zs_record *records, uint64_t n, void *buf,
                   uint64_t buf_bytes, uint64_t *count, bool *more, struct zs_error *e);

void selection_close(struct selection *sel);

#endif
