/* verify_map.h - does a branch's change map know of every record that it should?
 * Flow: sync/verify -> here -> the branch's epochs (sync/epochs.h), all at once.
 * An epoch that is missing is no fault: its range is scanned (sync/epochs.h).
 * Memory: the maps, EPOCHS_MAX_BYTES encoded; of older ones beyond that nothing is
 * looked at.  Threads: the caller's. */
#ifndef ZS_SYNC_VERIFY_MAP_H
#define ZS_SYNC_VERIFY_MAP_H

#include "store/store.h"
#include "sync/epochs.h"

#define VERIFY_MAP_EPOCHS (2u * EPOCHS_MAX)

struct verify_epoch {
    struct change_epoch epoch;
    struct change_map *map;
    uint64_t missed;             /* records that it does not know of */
    uint8_t first[ZS_KEY_BYTES]; /* the first of them */
};

struct verify_map {
    uint32_t count;
    struct verify_epoch at[VERIFY_MAP_EPOCHS]; /* ascending by to_lsn */
};

/* Read them.  What cannot be read or used is told to `fault`, with the LSN it ends at. */
int verify_map_open(const struct snapshot *s, struct verify_map *m,
                    void (*fault)(void *context, zs_lsn to_lsn, const char *what), void *context,
                    struct zs_error *e);
void verify_map_close(struct verify_map *m);

/* A record of the branch: is it known? */
void verify_map_record(struct verify_map *m, const struct zs_record *r);

#endif
