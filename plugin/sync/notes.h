/* notes.h - what a host's own writers change, noted until it is sealed as an epoch.
 * Flow: the host's writer (zenith-sync/host.h, writer_open and what follows) -> here;
 * sync/recording shows what is not sealed yet as the newest epoch of a snapshot, and adds
 * what comes in by an ingest meanwhile.
 *
 *     from          sealing_to        now
 *      |-- sealing --|---- current ----|      while a seal is not yet durable
 *
 * What holds
 *   - Every record above `from` that a snapshot can show is in one of the sets: it is noted
 *     before it can be seen.
 *   - `from` is not below what was there when the writer was opened: nobody told it that.
 *   - What was sealed last is kept until the next seal, for snapshots that are older.
 *   - A seal that did not become durable goes back into the current set.
 *   - Where memory is short, or too much changed, the set holds everything, and the range is
 *     scanned.
 * Memory: per writer three sets of CHANGE_MAP_MAX_BYTES at most, and during a seal one more
 * and what is encoded.
 * Owns: its writers.  Threads: a writer's functions one at a time; the rest any. */
#ifndef ZS_SYNC_NOTES_H
#define ZS_SYNC_NOTES_H

#include "store/store.h"

#include <zenith-sync/host.h>

struct notes_list;

/* `store` is the host's own, borrowed. */
int notes_open(const struct zs_store *store, struct notes_list **out, struct zs_error *e);
/* Every writer is closed by then; NULL is none. */
void notes_close(struct notes_list *list);

/* The functions of struct zs_module; a writer belongs to the list. */
int writer_open(struct notes_list *list, const struct zs_timeline_id *timeline, zs_lsn from_lsn,
                struct zs_writer **out, struct zs_error *e);
void writer_note(struct zs_writer *w, const uint8_t *keys, uint64_t n, zs_lsn upto_lsn);
int writer_seal(struct zs_writer *w, const char *branch, zs_lsn upto_lsn,
                const struct zs_blob **blobs, uint64_t *nblobs, struct zs_error *e);
void writer_sealed(struct zs_writer *w, int32_t durable);
void writer_close(struct zs_writer *w);

/* What has been noted of (from, upto] and is not on disk as of a snapshot at upto, encoded as
 * an epoch; malloc'ed, the caller's.  *data NULL: nothing is known. */
int notes_tail(struct notes_list *list, struct zs_timeline_id timeline, zs_lsn upto_lsn,
               uint8_t **data, size_t *len, struct zs_error *e);

struct change_map;

/* An ingest that commits; the caller's, between notes_begin and notes_end. */
struct notes_commit {
    struct notes_commit *next;
    struct zs_timeline_id timeline;
    zs_lsn upto_lsn;
};

/* An ingest is about to commit these keys to the timeline, up to upto_lsn; NULL: it does not know
 * which.  Whoever opens a writer before notes_end notes everything: nobody tells it these keys. */
void notes_begin(struct notes_list *list, struct notes_commit *c, struct zs_timeline_id timeline,
                 const struct change_map *map, zs_lsn upto_lsn);
void notes_end(struct notes_list *list, struct notes_commit *c);

#endif
