/* change_map.h - a sparse set of changed keys, and its durable form.
 * Flow: sync/recording and sync/notes fill one per commit, sync/epochs merges old ones, and
 * sync/selection walks one in place of a scan.  No I/O here.
 *
 * A key is a 14-byte prefix and a block number; the set is a sorted array of prefixes,
 * each with a Roaring bitmap of block numbers.  Dense runs cost a few bytes, scattered
 * pages two bytes each: 1 TiB of pages in which one in a thousand changed takes 0.3 MiB on
 * disk and 0.5 in memory, one in a hundred 2.6 and 3.0 (`make -f plugin.mk bench-map`).
 * CHANGE_MAP_MAX_BYTES bounds a set in memory, and what it is on disk.  Four million pages
 * here and there fit, far more that are neighbours, or 45,000 relations of one page each.
 * A set that outgrows it becomes "everything": it can not be encoded, and whoever
 * wanted to use it scans.
 *
 * Bits are hints.  One too many costs a seek; one too few must be impossible, and the
 * history digest proves that it was (zenith-sync/types.h).
 *
 * Durable form, little-endian:
 *      0  8 B  "ZSCHMAP1"
 *      8  u64  from_lsn    the epoch is (from, to]
 *     16  u64  to_lsn
 *     24  16 B timeline
 *     40  u64  keys in the set
 *     48  u32  number of prefixes
 *     52  per prefix: 14 B prefix, u32 length, Roaring's portable format
 *     end u64  XXH3_64 of all before
 * Threads: none of its own. */
#ifndef ZS_SYNC_CHANGE_MAP_H
#define ZS_SYNC_CHANGE_MAP_H

#include <stdbool.h>
#include <zenith-sync/types.h>

#define CHANGE_MAP_MAX_BYTES 8388608u /* 8 MiB */

struct change_map;

/* Which records an encoded map is about. */
struct change_epoch {
    struct zs_timeline_id timeline;
    zs_lsn from_lsn, to_lsn;
};

int change_map_open(struct change_map **out, struct zs_error *e);
void change_map_close(struct change_map *m);

/* Add keys; cheapest in ascending order.  53200. */
int change_map_add(struct change_map *m, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e);
int change_map_merge(struct change_map *m, const struct change_map *other, struct zs_error *e);

/* Has it outgrown its bound?  Then it holds everything, and no keys are kept. */
bool change_map_is_everything(const struct change_map *m);
uint64_t change_map_count(const struct change_map *m);
/* An upper bound of what it takes in memory, and encoded. */
uint64_t change_map_cost(const struct change_map *m);
/* Let it take less, where neighbours make that possible, and its cost be what it takes. */
void change_map_compact(struct change_map *m);
/* From here on it holds everything, and takes no memory. */
void change_map_become_everything(struct change_map *m);
bool change_map_has(const struct change_map *m, const uint8_t key[ZS_KEY_BYTES]);

/* malloc'ed bytes, the caller's.  *bytes is NULL if the map is everything. */
int change_map_encode(const struct change_map *m, const struct change_epoch *epoch, uint8_t **bytes,
                      size_t *len, struct zs_error *e);

/* XX001 if anything about the bytes is wrong; nothing is opened then.  What would take more than
 * the bound in memory is everything. */
int change_map_decode(const uint8_t *bytes, size_t len, struct change_epoch *epoch,
                      struct change_map **out, struct zs_error *e);

/* Walk the set in key order, as runs of neighbouring blocks. */
struct change_walk {
    const struct change_map *map;
    uint32_t prefix; /* index */
    uint64_t block;  /* the next one to look at */
};

/* The next run, as its first and last key; false at the end. */
bool change_walk_next(struct change_walk *w, uint8_t first[ZS_KEY_BYTES],
                      uint8_t last[ZS_KEY_BYTES]);

/* How many runs there are: what walking costs in seeks. */
uint64_t change_map_runs(const struct change_map *m);

#endif
