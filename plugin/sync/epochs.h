/* epochs.h - the change maps that a timeline keeps: chosen, read, merged.
 * Flow: sync/recording asks what a commit should keep; sync/send asks what changed in
 * (X, Y].  Reads blobs through store/; writes nothing.
 * What a branch's epochs cover as a whole: coverage.h; made anew: rebuild.h.
 * Memory: the maps in hand, each at most CHANGE_MAP_MAX_BYTES encoded.
 * Threads: none of its own. */
#ifndef ZS_SYNC_EPOCHS_H
#define ZS_SYNC_EPOCHS_H

#include "store/store.h"
#include "sync/change_map.h"

/* Old epochs are merged: at most so many and so large per timeline.  Among the older half those
 * neighbours go together that are smallest, so that a commit pays for little, and where a
 * receiver is likely to stand, near the end, none is lost.  What cannot be merged is dropped
 * from the oldest on, and that LSN range is scanned from then on.  A commit merges
 * EPOCH_MERGES times at most: after a rebuild beside writes the next ones bring the count down. */
#define EPOCHS_MAX       64u
#define EPOCHS_MAX_BYTES 67108864u /* 64 MiB */
#define EPOCH_MERGES     8u

/* An epoch's blob is "changes/" and 16 hex digits of where it ends, so that names sort
 * as LSNs do. */
#define EPOCH_NAME_BYTES 25 /* with the NUL */
void epoch_name(zs_lsn to_lsn, char name[EPOCH_NAME_BYTES]);
/* False if the blob is not an epoch's. */
bool epoch_of_name(const char *name, zs_lsn *to_lsn);

/* The epochs that a snapshot lists, ascending by where they end. */
#define EPOCH_LIST_MAX 256u
struct epoch_list {
    uint32_t count;
    bool overflow; /* there are more: the newest ones are not in it */
    struct {
        zs_lsn to_lsn;
        uint64_t bytes;
    } at[EPOCH_LIST_MAX];
};
int epoch_list_read(const struct snapshot *s, struct epoch_list *out, struct zs_error *e);

/* The epoch that ends at to_lsn.  *out NULL: missing or unusable, and `why` says so. */
int epoch_load(const struct snapshot *s, zs_lsn to_lsn, struct change_epoch *epoch,
               struct change_map **out, char *why, size_t why_bytes, struct zs_error *e);

/* Blobs to hand to a commit; owns their names and data.  Room for the new one, for what is merged,
 * and for every other to be dropped. */
#define EPOCH_EDITS_MAX (EPOCH_LIST_MAX + EPOCH_MERGES + 1u)
struct epoch_edits {
    struct zs_blob blobs[EPOCH_EDITS_MAX];
    char names[EPOCH_EDITS_MAX][EPOCH_NAME_BYTES];
    uint64_t count;
};

/* The new epoch, and what is merged or dropped for its sake. */
int epoch_edits_make(const struct zs_store *store, const char *branch, const struct change_map *map,
                     const struct change_epoch *epoch, struct epoch_edits *out, struct zs_error *e);
void epoch_edits_close(struct epoch_edits *edits);

/* What changed in (after_lsn, upto_lsn], or more: all epochs that are about a part of it together.
 * *out is NULL if that is not known;
 * `why` then says it in half a sentence ("the epoch that ends at 0/16B37 is damaged"). */
int epochs_changed(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                   struct change_map **out, char *why, size_t why_bytes, struct zs_error *e);

#endif
