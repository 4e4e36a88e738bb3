/* kv.h - the reference pageserver's timeline store, on RocksDB.
 * Flow: pageserver/main opens one; the plugin, import and export use it through
 * kv_store(); the pageserver's own branch commands use the rest.
 * Threads: any, but open and close. */
#ifndef HOST_STUBS_KV_KV_H
#define HOST_STUBS_KV_KV_H

#include <zenith-sync/store.h>

struct kv;

/* Open the store in `dir`; `create` makes a new one (the folder must not exist or
 * be empty).  Cleans up what a crash left behind.  55006 if another process has it. */
int kv_open(const char *dir, int create, struct kv **out, struct zs_error *e);
void kv_close(struct kv *kv);

/* Its table; valid until kv_close. */
const struct zs_store *kv_store(struct kv *kv);

/* An empty branch with a fresh timeline.  42710. */
int kv_branch_create(struct kv *kv, const char *name, struct zs_branch_info *info,
                     struct zs_error *e);

/* Remove a branch and give its space back.  42704; 55006 while an ingest is open on
 * it.  Snapshots that are open go on reading what they showed. */
int kv_branch_delete(struct kv *kv, const char *name, struct zs_error *e);

/* A stage that was last synced so long ago is removed, if nobody goes on with it: by
 * kv_expire_stages, which whoever runs a store calls now and then, by a listing of the stages
 * and by any ingest_begin.  After kv_open KV_STAGE_SECONDS; 0: none is kept. */
#define KV_STAGE_SECONDS (7 * INT64_C(86400))
void kv_set_stage_timeout(struct kv *kv, int64_t seconds);
void kv_expire_stages(struct kv *kv);

/* Bytes on disk, for `status`. */
uint64_t kv_disk_bytes(struct kv *kv);

#endif
