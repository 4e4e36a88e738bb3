/* kv_files.h - how the engine reaches its files: as ever, but for three things that RocksDB
 * 7.8 gets wrong around taking over a stage's files.
 *
 *   manifest  A record that was written and could not be synced may be on the disk all the
 *             same.  The engine takes it for absent and removes the files that it names, and
 *             then the store cannot be opened again.  So once writing the manifest failed,
 *             no sorted file is removed until a new manifest is in use; what is then of no
 *             use goes at the next start.
 *   reading   A stage's file whose first block cannot be read is taken for empty: its
 *             records would be in the store and never be found.  So a read of a stage that
 *             failed twice lets no file of a stage into the engine until the store is opened
 *             again.
 *
 *   stopped   An error in the engine's own threads, a flush onto a full disk, stops it until
 *             it has got over that.  From then on it takes itself for stopped, without an
 *             error, when it is to take over files, and ends the process over a failed
 *             assertion.  So once it was stopped, the store lets it take over none
 *             (kv_stage.c) until it is opened again; what goes through the log goes on.
 *
 * Threads: any.  Ownership: outlives the engine that uses it. */
#ifndef HOST_STUBS_KV_FILES_H
#define HOST_STUBS_KV_FILES_H

#include <rocksdb/c.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kv_files;

/* NULL: out of memory. */
struct kv_files *kv_files_create(const char *stage_dir);
/* False: out of memory. */
bool kv_files_use(struct kv_files *files, rocksdb_options_t *options);
/* Was the engine stopped by an error of its own since it was opened? */
bool kv_files_stopped(const struct kv_files *files);
void kv_files_destroy(struct kv_files *files);

#ifdef __cplusplus
}
#endif
#endif
