/* kv_internal.h - what the files of kv share; nobody else includes it.
 *
 *   kv.c         open and close, the engine's settings, recovery
 *   kv_engine.c  the engine's errors as ours; get, iterate, write
 *   kv_write.c   writing batches
 *   kv_lookup.c  branches by name; claims of those who write
 *   kv_branch.c  making and removing branches; giving space back
 *   kv_read.c    snapshots and history
 *   kv_iter.c    iterators
 *   kv_blob.c    blobs
 *   kv_ingest.c  ingests and their commit
 *   kv_stage.c   the sorted files that a large ingest collects outside the engine
 *   kv_kept.c    stages that wait for the next transfer: sync, list, drop
 *   kv_resume.c  one of them, gone on with
 *   kv_manifest.c  what is on disk of one
 *   kv_sst.cc    writing such a file
 *   kv_files.cc  how the engine reaches its files
 *   kv_log.c     the engine's logs, looked through before it reads them
 *   kv_tail.c    what a sorted file says of itself, before the engine reads it
 *   kv_verify.c  every checksum on disk, for a verification
 *   kv_layout.c  keys and values
 *
 * Threads: `registry` guards the lists and next_space, and is held for no longer than
 * a few gets; `commit` lets one commit at a time into the engine, so that next_space
 * never goes backwards on disk.  commit is taken first, when both are.
 * Ownership: snapshots, iterators and ingests belong to their callers and must be
 * closed before the store is. */
#ifndef HOST_STUBS_KV_INTERNAL_H
#define HOST_STUBS_KV_INTERNAL_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/folder.h"
#include "kv/kv.h"
#include "kv/kv_layout.h"

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A branch name and a timeline that somebody is writing. */
struct claim {
    struct claim *next;
    char name[ZS_BRANCH_NAME_MAX + 1];
    struct zs_timeline_id timeline;
};

struct zs_snapshot {
    struct zs_snapshot *next;
    struct kv *kv;
    const rocksdb_snapshot_t *at;
    struct branch_meta meta;
    char name[ZS_BRANCH_NAME_MAX + 1];
};

/* An open ingest (kv_ingest.c). */
struct zs_ingest {
    struct kv *kv;
    struct claim claim;
    struct branch_meta base; /* the branch as it was; with create all but timeline and space 0 */
    bool create, broken, ended;
    bool spent; /* committed, or its commit was refused: nothing is kept */
    bool exact; /* with create: no other timeline id will do */
    zs_lsn target_lsn, highest_lsn;
    struct zs_digest sum;
    uint64_t records, bytes;
    uint8_t last_key[ZS_KEY_BYTES];
    zs_lsn last_lsn; /* 0: nothing put */
    rocksdb_writebatch_t *batch;
    uint64_t batch_bytes;
    struct stage *stage;     /* NULL while small */
    struct manifest *synced; /* of the last sync; NULL: none */
};

struct kv {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    struct kv_files *files;
    rocksdb_readoptions_t *newest; /* reads what is committed now */
    rocksdb_writeoptions_t *synced;
    rocksdb_writeoptions_t *unsynced;
    char *dir, *db_dir, *stage_dir;

    pthread_mutex_t commit;
    pthread_mutex_t registry;
    struct claim *claims;
    struct zs_snapshot *snapshots;
    struct kept *kept;     /* in branch order */
    int64_t stage_seconds; /* that one waits */
    uint64_t next_space;
    atomic_bool write_failed; /* kv_write.c */

    struct zs_store store;
};

/* ---- kv_engine.c ------------------------------------------------------------------- */

/* The engine's C API leaves NULL at its errptr when all went well, and also when it lacks the
 * memory for an error's text.  So an empty text goes there before a call: one that is still
 * empty is success.  The caller frees it, and may use it again after a success. */
int engine_ready(char **text, struct zs_error *e);
/* What the engine said as ours: ZS_OK if the text is empty; NULL is 53200.
 * `doing` completes "could not ...". */
int engine_check(const char *text, const char *doing, struct zs_error *e);
/* Has the iterator come to its end for want of more alone? */
int engine_check_end(const rocksdb_iterator_t *it, const char *doing, struct zs_error *e);

/* The value of a key as `options` see it, into `size` bytes at out if it fits.  *len is
 * its length in any case; *found false if there is none. */
int engine_get(struct kv *kv, const rocksdb_readoptions_t *options, const struct kv_key *key,
               void *out, size_t size, size_t *len, bool *found, struct zs_error *e);

/* A plain iterator over [from, to), to be placed by a seek; both are borrowed until
 * engine_walk_close. */
struct engine_walk {
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *it;
};
int engine_walk_open(struct kv *kv, const rocksdb_snapshot_t *at, const struct kv_key *from,
                     const struct kv_key *to, struct engine_walk *walk, struct zs_error *e);
void engine_walk_close(struct engine_walk *walk);

/* ---- kv_log.c ---------------------------------------------------------------------- */

/* Is a log of the engine's whole but for a torn end?  XX001 names file and place; no such
 * file is ZS_OK. */
int log_check(const char *path, struct zs_error *e);
/* The same; but pages at its end that a power cut lost are cut off, with the record that was
 * being written, and that is said on stderr.  For a log that nobody writes. */
int log_mend(const char *path, struct zs_error *e);
/* Before the engine opens them: mend the newest log and the manifest, check the others. */
int logs_mend(const char *db_dir, struct zs_error *e);
/* Each write-ahead log, and the manifest in use; what is not ZS_OK ends it. */
int logs_visit(const char *db_dir, int (*visit)(void *context, const char *path, struct zs_error *),
               void *context, struct zs_error *e);

/* ---- kv_tail.c --------------------------------------------------------------------- */

/* XX001 names the file; 53200. */
int tail_check(const char *path, struct zs_error *e);
/* Every sorted file in the folder. */
int tails_check(const char *db_dir, struct zs_error *e);

/* ---- kv_write.c -------------------------------------------------------------------- */

/* What is left on the disk beyond a batch: a commit leaves room for others and for the
 * engine's files; a removal, which gives space back, needs little. */
#define RESERVE_COMMIT (RESERVE_FLUSH + ((size_t)8 << 20))
#define RESERVE_REMOVE ((size_t)256 << 10)
/* What a flush may take: the engine's two buffers.  A commit may bring one about, and one that
 * finds the disk full stops the engine. */
#define RESERVE_FLUSH ((size_t)32 << 20)

/* A write failed, which e tells: no other follows until the server is started again, and
 * its hint says so.  Returns ZS_FAIL. */
int engine_write_failed(struct kv *kv, struct zs_error *e);
/* 58030, with the same hint, from then on. */
int engine_still_writes(struct kv *kv, const char *doing, struct zs_error *e);
/* The same; also if it cannot take over files any more (kv_files.h). */
int engine_takes_files(struct kv *kv, const char *doing, struct zs_error *e);

/* Is there room on the disk?  53100. */
bool engine_has_room(const struct kv *kv, size_t bytes);
int engine_check_room(const struct kv *kv, size_t bytes, const char *doing, struct zs_error *e);

/* The end of every batch, which the engine keeps in its log and nowhere else: kv_log.c. */
#define KV_BATCH_END "zenith"

/* Write a batch.  53100 if it would not fit, and then nothing was tried. */
int engine_write(struct kv *kv, bool sync, rocksdb_writebatch_t *batch, size_t reserve,
                 const char *doing, struct zs_error *e);

void batch_put(rocksdb_writebatch_t *batch, const struct kv_key *key, const void *value,
               size_t len);

/* ---- kv_lookup.c ------------------------------------------------------------------- */

/* The branch's metadata as `options` see it.  42704. */
int branch_read(struct kv *kv, const rocksdb_readoptions_t *options, const char *name,
                struct branch_meta *meta, struct zs_error *e);
/* The same, but no branch is *found false. */
int branch_look(struct kv *kv, const rocksdb_readoptions_t *options, const char *name,
                struct branch_meta *meta, bool *found, struct zs_error *e);

/* Into the caller's struct, up to its struct_size. */
void branch_tell(const char *name, const struct branch_meta *meta, struct zs_branch_info *info);

int kv_branch_find(void *self, const char *name, struct zs_branch_info *info, struct zs_error *e);
int kv_branch_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e);

/* 55006 if the name is being written.  The registry is locked by the caller. */
int claim_check(const struct kv *kv, const char *name, struct zs_error *e);
void claim_add(struct kv *kv, struct claim *claim);
/* Locks the registry itself. */
void claim_drop(struct kv *kv, struct claim *claim);

/* ---- kv_branch.c ------------------------------------------------------------------- */

/* Remove the records of a space whose branch is gone, unless a snapshot still shows
 * them.  What fails here is done at the next start. */
void space_reclaim(struct kv *kv, uint64_t space);
/* Has a branch the space, or one that was removed and whose records are still to go? */
int space_taken(struct kv *kv, uint64_t space, bool *taken, struct zs_error *e);
/* All that a crash, or a snapshot at its time, left. */
int space_reclaim_all(struct kv *kv, struct zs_error *e);

/* ---- kv_read.c, kv_iter.c, kv_ingest.c: the store's functions -------------------------- */

int kv_snapshot_open(void *self, const char *branch, struct zs_branch_info *info,
                     struct zs_snapshot **out, struct zs_error *e);
void kv_snapshot_close(struct zs_snapshot *snapshot);
int kv_snapshot_history(struct zs_snapshot *snapshot, zs_lsn upto_lsn, struct zs_point *points,
                        uint64_t n, uint64_t *count, struct zs_error *e);

/* engine_check_end for "could not read branch ..." and what of it, "" for records. */
int snapshot_check(const struct zs_snapshot *s, const rocksdb_iterator_t *it, const char *what,
                   struct zs_error *e);

int kv_iter_open(struct zs_snapshot *snapshot, zs_lsn after_lsn, zs_lsn upto_lsn,
                 struct zs_iter **out, struct zs_error *e);
int kv_iter_seek(struct zs_iter *iter, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e);
int kv_iter_range(struct zs_iter *iter, const uint8_t first[ZS_KEY_BYTES],
                  const uint8_t last[ZS_KEY_BYTES], struct zs_error *e);
int kv_iter_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                 uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e);
void kv_iter_close(struct zs_iter *iter);

/* 22023, 54000. */
int blob_check(const struct zs_blob *blob, struct zs_error *e);
/* For qsort: by name, as their keys sort. */
int blob_order(const void *a, const void *b);
int kv_blob_read(struct zs_snapshot *snapshot, const char *name, void *buf, uint64_t buf_bytes,
                 uint64_t *len, struct zs_error *e);
int kv_blob_list(struct zs_snapshot *snapshot, zs_blob_visit visit, void *context,
                 struct zs_error *e);

/* To a store of the layout before, in one write that makes it one of this layout. */
int blob_lengths_add(struct kv *kv, struct zs_error *e);

int kv_ingest_begin(void *self, const struct zs_ingest_spec *theirs, struct zs_ingest_state *state,
                    struct zs_ingest **out, struct zs_error *e);
int kv_ingest_put(struct zs_ingest *ingest, const struct zs_record *records, uint64_t n,
                  struct zs_error *e);
int kv_ingest_state(struct zs_ingest *ingest, struct zs_ingest_state *state, struct zs_error *e);
int kv_ingest_commit(struct zs_ingest *ingest, const struct zs_commit *commit, struct zs_error *e);
void kv_ingest_close(struct zs_ingest *ingest);

/* For kv_kept.c and kv_resume.c: 22023 unless it can still be written; 40001; is the id in the
 * store? */
int ingest_usable(const struct zs_ingest *in, struct zs_error *e);
int branch_moved(const char *branch, struct zs_error *e);
int timeline_taken(struct kv *kv, struct zs_timeline_id id, bool *taken, struct zs_error *e);

/* ---- kv_resume.c ---------------------------------------------------------------------- */

int kv_ingest_resume(void *self, const char *branch, struct zs_ingest_state *state, void *buf,
                     uint64_t buf_bytes, uint64_t *token_bytes, struct zs_ingest **out,
                     struct zs_error *e);
int kv_ingest_keys(struct zs_ingest *in, zs_key_visit visit, void *context, struct zs_error *e);

/* ---- kv_kept.c ------------------------------------------------------------------------ */

/* A stage that waits. */
struct kept {
    struct kept *next;
    char *dir;
    struct manifest *manifest;
};

int kv_ingest_sync(struct zs_ingest *in, const void *token, uint64_t token_bytes, uint32_t *synced,
                   struct zs_error *e);
int kv_stage_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e);
int kv_stage_drop(void *self, const char *branch, struct zs_error *e);

/* Take the branch's stage (NULL: none) out of the list, and, with `old`, those past their time.
 * The registry is locked by the caller, who removes what it gets after unlocking it. */
struct kept *kept_take(struct kv *kv, const char *branch, bool old);
/* Into the list; the registry is locked by the caller. */
void kept_add(struct kv *kv, struct kept *k);
/* Can the stage's branch still take it? */
int kept_fits(struct kv *kv, const struct manifest *m, bool *good, struct zs_error *e);
/* 42704: none of the branch waits. */
int kept_missing(const char *branch, struct zs_error *e);
/* Their files, too. */
void kept_remove(struct kept *list);
/* Memory alone: at kv_close. */
void kept_free(struct kept *list);
/* Hand the stage of a synced ingest over to the list. */
void ingest_keep(struct zs_ingest *in);
/* At the start: keep each stage that can be gone on with, remove the others. */
int kept_recover(struct kv *kv, struct zs_error *e);

/* Does a stage of the branch wait?  *dir is its folder, malloc'ed. */
int kept_find(struct kv *kv, const char *branch, char **dir, struct zs_error *e);

/* ---- kv_verify.c ---------------------------------------------------------------------- */

int kv_branch_verify(void *self, const char *branch, const struct zs_cancel *cancel,
                     zs_fault_visit visit, void *context, struct zs_error *e);

/* ---- kv_manifest.c -------------------------------------------------------------------- */

/* A stage as of its last sync. */
struct manifest {
    char branch[ZS_BRANCH_NAME_MAX + 1];
    bool create, exact; /* as of the ingest */
    struct branch_meta base;
    zs_lsn target_lsn, highest_lsn, last_lsn;
    uint8_t last_key[ZS_KEY_BYTES];
    int64_t synced_unix;
    struct zs_digest sum;
    uint64_t records, bytes;
    uint32_t token_bytes;
    uint8_t token[ZS_TOKEN_MAX];
    uint32_t nfiles;
    uint64_t *sizes; /* of the files */
};

void manifest_free(struct manifest *m);
/* Durably, in place of an older one. */
int manifest_write(const struct manifest *m, const char *dir, struct zs_error *e);
/* *out is NULL if there is none.  XX001: it is not as it was written; any other error says
 * that it could not be read, and nothing about what it holds. */
int manifest_read(const char *dir, struct manifest **out, struct zs_error *e);
/* XX001 if a file is not there, or not as long as it was. */
int manifest_files_check(const struct manifest *m, const char *dir, struct zs_error *e);
int folder_sync(const char *path, struct zs_error *e);

/* ---- kv_stage.c -------------------------------------------------------------------- */

struct stage;

int stage_open(struct kv *kv, struct stage **out, struct zs_error *e);
/* The next record; ascending over the stage. */
int stage_put(struct stage *stage, const char *key, size_t key_len, const void *value, size_t len,
              struct zs_error *e);
/* The same, but the key is removed when the stage is taken over. */
int stage_delete(struct stage *stage, const char *key, size_t key_len, struct zs_error *e);
/* End the file that is being written: what was put so far is on disk. */
int stage_finish(struct stage *stage, struct zs_error *e);
/* Finish, and see that the engine may open what was not looked at before; so that a commit
 * does it before it locks others out, with all but what it adds itself. */
int stage_check(struct stage *stage, struct zs_error *e);
/* Check, and let the engine take all files as one step. */
int stage_ingest(struct stage *stage, struct zs_error *e);
/* Remove what is left of it, and free it. */
void stage_close(struct stage *stage);
/* The path of its n-th file, from 0: "DIR/0001.sst".  Malloc'ed; NULL: no memory. */
char *stage_file(const char *dir, size_t n);
const char *stage_dir(const struct stage *stage);
size_t stage_files(const struct stage *stage);
/* Go on in a folder that has nfiles files; takes over `dir`, which was malloc'ed. */
int stage_reopen(struct kv *kv, char *dir, size_t nfiles, struct stage **out, struct zs_error *e);
/* Free it and leave its files; the folder's path is the caller's. */
char *stage_leave(struct stage *stage);
/* The files from the next one on go past the page cache; after stage_reopen they do. */
void stage_pass_cache(struct stage *stage);
/* Every block of what stage_reopen took was looked at; else the commit does. */
void stage_was_read(struct stage *stage);
int stage_folder_remove(const char *path);

#endif
