/* stub_store.h - a struct zs_store in memory: the smallest complete one.
 * Flow: tests and third parties open one, hand stub_store_table() to the plugin or
 * to a stub host, and act as the host's own side with the functions below.
 *
 * It keeps every promise of zenith-sync/store.h but durability: it dies with the
 * process.  Read stub_version.h for how a snapshot never changes, stub_store.c for
 * reading, stub_ingest.c for writing.
 * Threads: any, but open and close.  Ownership: the opener's; every handle must be
 * closed before stub_store_close. */
#ifndef HOST_STUBS_STUB_STORE_H
#define HOST_STUBS_STUB_STORE_H

#include <stdbool.h>
#include <zenith-sync/store.h>

struct stub_store;

#define STUB_STORE_NO_DIGEST 1u /* a host that keeps no digests: no ZS_STORE_DIGEST */
#define STUB_STORE_COPIES                                                                          \
    2u /* iter_next copies values into the caller's buffer, as a store                             \
          must whose memory is not stable; without it it gives views */
#define STUB_STORE_SHORT_LOOKS                                                                     \
    4u                         /* iter_next comes back after a few records that are not in         \
                                  the range, with *more set and *count 0 as it may be */
#define STUB_STORE_NO_BLOBS 8u /* a host that keeps no blobs: no ZS_STORE_BLOBS */
#define STUB_STORE_NO_RESUME                                                                       \
    16u /* a host that keeps no stages: no ZS_STORE_RESUME; nor does one without digests */

#define STUB_STORE_FEW_POINTS                                                                      \
    32u /* its own writes leave no point behind, as WAL that flows: it lists what came by          \
           an ingest, and what it is now */

int stub_store_open(unsigned options, struct stub_store **out, struct zs_error *e);
void stub_store_close(struct stub_store *store);

/* Its table; valid until stub_store_close. */
const struct zs_store *stub_store_table(struct stub_store *store);

/* An empty branch.  `timeline` NULL: a fresh id; an id that is taken is 42710, as is
 * the name.  `info` may be NULL. */
int stub_store_branch_create(struct stub_store *store, const char *name,
                             const struct zs_timeline_id *timeline, struct zs_branch_info *info,
                             struct zs_error *e);

/* 42704; 55006 while an ingest is open on it.  Snapshots go on reading. */
int stub_store_branch_delete(struct stub_store *store, const char *name, struct zs_error *e);

/* The host's own writer: append records (any order, lsn above last_valid_lsn and up
 * to upto_lsn) and make upto_lsn the new last_valid_lsn, with its history point.
 * Takes no notice of an open ingest, whose commit then fails with 40001.
 * 42704, 22023, 54000. */
int stub_store_write(struct stub_store *store, const char *branch, const struct zs_record *records,
                     uint64_t n, zs_lsn upto_lsn, struct zs_error *e);

/* The same, with blobs to keep or remove in the same step. */
struct stub_write {
    const struct zs_record *records;
    uint64_t n;
    zs_lsn upto_lsn;
    const struct zs_blob *blobs;
    uint64_t nblobs;
};
int stub_store_write_with(struct stub_store *store, const char *branch,
                          const struct stub_write *write, struct zs_error *e);

/* Collect garbage: make cutoff_lsn the branch's gc_cutoff_lsn and drop every version
 * that nobody can see who looks at cutoff_lsn or later, tombstones included.
 * Digest and history stay.  22023 unless old cutoff <= cutoff_lsn <= last_valid_lsn.
 * *dropped (may be NULL) tells how many versions went. */
int stub_store_gc(struct stub_store *store, const char *branch, zs_lsn cutoff_lsn,
                  uint64_t *dropped, struct zs_error *e);

/* Make every stage look as if it had last been synced so long ago. */
void stub_store_age_stages(struct stub_store *store, int64_t seconds);

/* Until it is called with false every commit fails with 53200. */
void stub_store_hinder_commits(struct stub_store *store, bool on);

/* How many handles are open: snapshots, iterators and ingests.  0 after a command
 * that leaked nothing. */
uint64_t stub_store_open_handles(struct stub_store *store);

#endif
