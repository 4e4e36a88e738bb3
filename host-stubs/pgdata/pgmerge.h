/* pgmerge.h - the decisions of an import, as pure functions over values.
 * Flow: pgimport asks first what the import as a whole is to be, then, record by record
 * in key order, what becomes of a key.  Threads: any. */
#ifndef HOST_STUBS_PGDATA_PGMERGE_H
#define HOST_STUBS_PGDATA_PGMERGE_H

#include "pgdata/pgcontrol.h"

#include <stdbool.h>

enum import_plan {
    IMPORT_CREATE,        /* no such branch: all of the cluster into a new one */
    IMPORT_FILL,          /* an empty branch: all of it */
    IMPORT_CHANGES,       /* the same cluster, later: what changed */
    IMPORT_COMPARE,       /* the same cluster at the same LSN: nothing may differ */
    IMPORT_NO_CLUSTER,    /* refused: the branch holds no cluster */
    IMPORT_OTHER_CLUSTER, /* refused: another system identifier */
    IMPORT_OTHER_BLOCKS,  /* refused: another page or segment size */
    IMPORT_OLDER,         /* refused: the branch is ahead */
};

/* `theirs` is the pg_control in the branch, NULL if it has none. */
enum import_plan import_decide(bool exists, zs_lsn last_valid_lsn, const struct pgcontrol *theirs,
                               const struct pgcontrol *ours);

enum merge_step {
    MERGE_PUT_NEW,   /* the branch has no such key */
    MERGE_PUT,       /* other bytes */
    MERGE_KEEP,      /* the same bytes */
    MERGE_TOMBSTONE, /* the key is gone from the cluster */
    MERGE_END,
};

/* The next record of the data directory and the next visible one of the branch, both in
 * key order; NULL where there is none left.  PUT and KEEP take both if both have the key,
 * TOMBSTONE takes the branch's alone. */
enum merge_step merge_decide(const struct zs_record *ours, const struct zs_record *theirs);

#endif
