/* recording.h - a store that notes what is written through it: the change map's feeder.
 * Flow: whoever ingests (sync/receive, and a host's own import by the module's
 * recording_store) -> here -> the host's store.  One door for all writes, so that no
 * writer can forget the map.
 *
 * A decorator over struct zs_store.  Reading passes through, but for one blob: what a host's
 * own writer has noted and not sealed yet (notes.h) shows as the newest epoch of a snapshot,
 * made when it is first asked for.  An ingest over an existing state notes each key; its
 * commit carries, besides the records, the blob "changes/TO_LSN" with the epoch (base_lsn,
 * upto_lsn].  The first ingest of a branch notes nothing: whoever has nothing of it gets
 * everything.
 *
 * Which epochs are kept, merged and dropped: epochs.h.
 * Over a store without ZS_STORE_BLOBS it only passes on.
 * Owns: its ingests' sets.  Threads: as the store below. */
#ifndef ZS_SYNC_RECORDING_H
#define ZS_SYNC_RECORDING_H

#include "store/store.h"

struct notes_list;

struct recording {
    const struct zs_store *inner; /* borrowed */
    struct notes_list *notes;     /* of the host's own writers, borrowed; NULL: none */
    struct zs_store table;        /* hand this one on */
};

/* r must stay where it is as long as its table is used.  No notes: set them afterwards. */
void recording_init(struct recording *r, const struct zs_store *inner);

#endif
