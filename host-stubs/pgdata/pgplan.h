/* pgplan.h - what a data directory holds, before any of it is read.
 * Flow: pgimport makes one (a stat of every file: the total to show progress against,
 * and what is not carried, said in one note), then pgwalk reads along it.
 * Holds the folders and the other files; relations are listed again when their folder is
 * read.  Threads: one at a time. */
#ifndef HOST_STUBS_PGDATA_PGPLAN_H
#define HOST_STUBS_PGDATA_PGPLAN_H

#include "pgdata/pgcontrol.h"
#include "pgdata/pgkey.h"
#include "pgdata/watch.h"

#define PGPLAN_FOLDERS_MAX 65536u /* databases times tablespaces; their list is one value */

/* A folder with relations; database 0 in a tablespace stands for the tablespace itself,
 * which holds none. */
struct pgplan_folder {
    uint32_t space, database;
};

struct pgplan_other {
    uint64_t hash, bytes;
    char name[PGKEY_NAME_MAX + 1];
};

struct pgplan {
    struct pgplan_folder *folders; /* ascending */
    size_t nfolders, folders_allocated;
    struct pgplan_other *others; /* ascending by hash */
    size_t nothers, others_allocated;
    uint64_t total_bytes; /* of all files that are carried */
};

/* `out` is zeroed before.  Says in a note what is skipped. */
int pgplan_make(int root, const struct pgcontrol *c, const struct pgdata_watch *watch,
                struct pgplan *out, struct zs_error *e);
void pgplan_free(struct pgplan *plan);

static inline bool pgplan_is_tablespace_itself(const struct pgplan_folder *f)
{
    return f->database == 0 && f->space != PGKEY_SPC_GLOBAL;
}

#endif
