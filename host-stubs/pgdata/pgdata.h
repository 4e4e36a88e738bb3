/* pgdata.h - a PostgreSQL data directory into a branch, and out of one.
 * Flow: pageserver commands `import` and `export` -> here -> struct zs_store.
 * Uses nothing of a store but zenith-sync/store.h.  Threads: any; one call, one
 * thread. */
#ifndef HOST_STUBS_PGDATA_PGDATA_H
#define HOST_STUBS_PGDATA_PGDATA_H

#include <zenith-sync/store.h>

/* Told while it works; any member may be NULL. */
struct pgdata_watch {
    void *context;
    const struct zs_cancel *cancel;
    /* A sentence for the person at the terminal (what was skipped, what was written
     * because it was missing). */
    void (*note)(void *context, const char *sentence);
    /* Bytes done of bytes in all; called often, never goes backwards. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
};

struct pgdata_result {
    zs_lsn from_lsn, to_lsn; /* import: the branch before and after; export: 0 and what was exported */
    uint64_t records, bytes; /* import: written to the branch; export: files and bytes written */
    int created;             /* import: the branch is new */
    int changed;             /* import: 0 if the branch had all of it already */
};

/* Import the cleanly stopped cluster in `pgdata` at its checkpoint LSN: the whole of
 * it into a new or empty branch, else what changed. */
int pgdata_import(const struct zs_store *store, const char *branch, const char *pgdata,
                  const struct pgdata_watch *watch, struct pgdata_result *result,
                  struct zs_error *e);

/* Write the branch as of `lsn` (0: the newest; one between imports: the last before
 * it, said in a note) into `dir`, which must not exist or be empty. */
int pgdata_export(const struct zs_store *store, const char *branch, zs_lsn lsn, const char *dir,
                  const struct pgdata_watch *watch, struct pgdata_result *result,
                  struct zs_error *e);

#endif
