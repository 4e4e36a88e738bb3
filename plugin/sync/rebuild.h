/* rebuild.h - a branch's change map made anew, by one look at all of its records.
 * Flow: command/change_map_rebuild -> here -> store/ for the records, and a commit without
 * records that carries the epochs.
 *
 * The range (0, last_valid_lsn] is cut at the history points, where a receiver is likely to
 * stand: the newest ones each, older ones ever more sparsely.  All that was there before is
 * replaced in that commit; what is written while the scan runs keeps its own epochs.
 * Below gc_cutoff_lsn records may be missing from the map as from the store: nothing that
 * is new after such an LSN is ever sent alone.
 * Memory: REBUILD_MAX_BYTES of maps, as much again encoded, and what the store's commit takes
 * for that; and one buffer.  A range that does not fit is left out, and scanned when it is asked
 * for. Threads: the caller's. */
#ifndef ZS_SYNC_REBUILD_H
#define ZS_SYNC_REBUILD_H

#include "store/store.h"

#define REBUILD_EPOCHS    48u       /* leaves room below EPOCHS_MAX before any are merged */
#define REBUILD_MAX_BYTES 16777216u /* 16 MiB */

struct rebuild {
    const struct zs_store *store;
    const char *branch;
    const struct zs_cancel *cancel;
    /* Called per batch of records, and while another writer is waited for; may be NULL. */
    void (*tell)(void *context, const struct rebuild *so_far);
    void *context;

    /* What came of it. */
    zs_lsn upto_lsn;
    uint64_t records, bytes, total_records, total_bytes; /* looked at; totals 0: not known */
    uint64_t epochs, map_bytes;
    uint64_t left_out; /* ranges in which too much changed for a map */
    bool waiting;      /* another ingest is open on the branch */
};

/* 0A000 the store keeps no blobs; 55006 an interrupted transfer waits for the branch, which
 * any writing drops; 42704; 57014; 40001 the branch was replaced meanwhile. */
int rebuild_run(struct rebuild *r, struct zs_error *e);

#endif
