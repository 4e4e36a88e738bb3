/* pgdata.h - a PostgreSQL data directory into a branch, and out of one.
 * Flow: pageserver commands `import` and `export` -> here -> struct zs_store.
 * Uses nothing of a store but zenith-sync/store.h.  pgkey.h tells how a cluster lies in a
 * branch.  Threads: any; one call, one thread.
 *
 * What travels: all databases and tablespaces with all forks, unlogged relations too, the
 * SLRUs, prepared transactions, relation maps, PG_VERSION files, *.conf at the top and in
 * folders right below it that are not PostgreSQL's own (as include_dir has them), the
 * origins of logical replication, pg_control and the checkpoint record.  Left behind: the
 * rest of pg_wal, statistics, replication slots, caches, temporary files, logs; anything
 * else is named in a note. */
#ifndef HOST_STUBS_PGDATA_PGDATA_H
#define HOST_STUBS_PGDATA_PGDATA_H

#include <zenith-sync/store.h>

/* Told while it works; any member, and the watch itself, may be NULL. */
struct pgdata_watch {
    void *context;
    const struct zs_cancel *cancel;
    /* A sentence for the person at the terminal (what was skipped, what was written
     * because it was missing). */
    void (*note)(void *context, const char *sentence);
    /* Bytes done of bytes in all (0: unknown); called often, never goes backwards. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
};

struct pgdata_result {
    zs_lsn from_lsn,
        to_lsn; /* import: the branch before and after; export: 0 and what was exported */
    uint64_t records, bytes; /* import: written to the branch; export: files and bytes written */
    int created;             /* import: the branch is new */
    int changed;             /* import: 0 if the branch had all of it already */
};

/* Import the cleanly stopped cluster in `pgdata` at its checkpoint LSN (the "Latest
 * checkpoint location" of pg_controldata): the whole of it into a new or empty branch,
 * else what changed.  All of it or nothing.
 *
 * Errors, besides the store's: 22023 not a data directory, not cleanly stopped, a
 * standby, a backup_label, a branch without a cluster, or changed without its checkpoint
 * having moved; 55006 running; 40001 started meanwhile; 0A000 another version of
 * PostgreSQL, byte order or page size; XX001 damaged; 42501 unreadable; ZS001 the branch
 * is ahead; ZS003 the branch holds another cluster; 57014. */
int pgdata_import(const struct zs_store *store, const char *branch, const char *pgdata,
                  const struct pgdata_watch *watch, struct pgdata_result *result,
                  struct zs_error *e);

/* Write the branch as of `lsn` (0: the newest; one between imports: the last before
 * it, said in a note) into `dir`, which must not exist or be empty.  On disk when it
 * returns; removed again if it fails.
 *
 * Errors, besides the store's: 42710 the directory is not empty; 55006 another export
 * writes to it; 22023 no import at or before that LSN, or beyond the branch, or the
 * directory's parent is missing; 0A000 the branch holds WAL records; XX001 what the branch
 * holds is no whole cluster; 57014. */
int pgdata_export(const struct zs_store *store, const char *branch, zs_lsn lsn, const char *dir,
                  const struct pgdata_watch *watch, struct pgdata_result *result,
                  struct zs_error *e);

#endif
