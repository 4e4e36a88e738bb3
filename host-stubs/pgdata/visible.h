/* visible.h - a branch as it looks at one LSN: the newest version of each key.
 * Flow: a store's iterator, which gives every version, -> here -> import's merge and
 * export.  Keys that are gone (a tombstone on top) do not show.
 * Memory: two buffers, one batch of records and one record (at most ZS_VALUE_MAX).
 * Threads: one at a time. */
#ifndef HOST_STUBS_PGDATA_VISIBLE_H
#define HOST_STUBS_PGDATA_VISIBLE_H

#include "pgdata/watch.h"
#include "store/store.h"

#include <stdbool.h>

struct visible;

/* Over the versions with lsn <= upto_lsn; with upto_lsn 0 there is nothing to see.  The
 * snapshot must outlive it.  The watch is asked before each batch. */
int visible_open(const struct snapshot *snapshot, zs_lsn upto_lsn, const struct pgdata_watch *watch,
                 struct visible **out, struct zs_error *e);
void visible_close(struct visible *v);

/* The next key's newest version, or NULL at the end.  Valid until the next call.  It may
 * be a WAL record: then the page below it is not known here. */
int visible_next(struct visible *v, const struct zs_record **out, struct zs_error *e);

/* Value bytes of all versions that were gone through so far. */
uint64_t visible_done_bytes(const struct visible *v);

/* The newest version of one key, gone or not, with lsn <= upto_lsn: *found is 0 if there
 * is none, else its first bytes are in buf and *record's value is buf (len may be more
 * than buf_bytes: then the rest is cut off). */
int visible_get(const struct snapshot *snapshot, zs_lsn upto_lsn, const uint8_t key[ZS_KEY_BYTES],
                void *buf, size_t buf_bytes, struct zs_record *record, int *found,
                struct zs_error *e);

#endif
