/* epochs.h - the change maps that a timeline keeps: chosen, read, merged.
 * Flow: sync/recording asks what a commit should keep; sync/send asks what changed in
 * (X, Y].  Reads blobs through store/; writes nothing.
 * Memory: the maps in hand, each at most CHANGE_MAP_MAX_BYTES encoded.
 * Threads: none of its own. */
#ifndef ZS_SYNC_EPOCHS_H
#define ZS_SYNC_EPOCHS_H

#include "store/store.h"
#include "sync/change_map.h"

/* Old epochs are merged: at most so many and so large per timeline, the oldest
 * neighbours first; what outgrows an epoch's bound is dropped, and that LSN range is
 * scanned from then on. */
#define EPOCHS_MAX       64u
#define EPOCHS_MAX_BYTES 67108864u /* 64 MiB */

/* An epoch's blob is "changes/" and 16 hex digits of where it ends, so that names sort
 * as LSNs do. */
#define EPOCH_NAME_BYTES 25 /* with the NUL */
void epoch_name(zs_lsn to_lsn, char name[EPOCH_NAME_BYTES]);
/* False if the blob is not an epoch's. */
bool epoch_of_name(const char *name, zs_lsn *to_lsn);

/* Blobs to hand to a commit; owns their names and data. */
struct epoch_edits {
    struct zs_blob blobs[8];
    char names[8][EPOCH_NAME_BYTES];
    uint64_t count;
};

/* The new epoch, and what is merged or dropped for its sake. */
int epoch_edits_make(const struct zs_store *store, const char *branch, const struct change_map *map,
                     const struct change_epoch *epoch, struct epoch_edits *out, struct zs_error *e);
void epoch_edits_close(struct epoch_edits *edits);

/* What changed in (after_lsn, upto_lsn], or more.  *out is NULL if that is not known;
 * `why` then says it in half a sentence ("the epoch that ends at 0/16B37 is damaged"). */
int epochs_changed(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                   struct change_map **out, char *why, size_t why_bytes, struct zs_error *e);

/* From which LSN on the map covers the snapshot without a gap; last_valid_lsn: none. */
int epochs_coverage(const struct snapshot *s, zs_lsn *from_lsn, uint64_t *count, uint64_t *bytes,
                    struct zs_error *e);

#endif
