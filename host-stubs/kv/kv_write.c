/* kv_write.c - every batch's way into the engine.
 * RocksDB 7.8 that could not append to its log goes on with the same log when the disk
 * has room again, and then aborts the process over a failed assertion.  So a batch that
 * would not fit is refused before it gets there; and should one fail all the same, no
 * other follows until the store is opened again, which recovers.  The same holds once it
 * could not take over a file.
 * Threads: any. */
#include "kv/kv_files.h"
#include "kv/kv_internal.h"

#include <errno.h>
#include <sys/statvfs.h>

#define AGAIN_HINT                                                                                 \
    "See that the disk is sound and has room, then start the server again: zenith stop, zenith "   \
    "start."

int engine_check_room(const struct kv *kv, size_t bytes, const char *doing, struct zs_error *e)
{
    struct statvfs fs;
    if (statvfs(kv->db_dir, &fs) != 0)
        return error_errno(e, errno, "could not %s: the disk cannot be looked at", doing);
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left >= bytes)
        return ZS_OK;
    error_set(e, ZS_DISK_FULL, "could not %s: the disk is full", doing);
    error_detail(e, "%llu bytes are left where %zu are needed, in \"%s\".",
                 (unsigned long long)left, bytes, kv->db_dir);
    return error_hint(e, "Free space on the disk of the repository and try again.");
}

bool engine_has_room(const struct kv *kv, size_t bytes)
{
    struct zs_error ignored;
    return engine_check_room(kv, bytes, "", &ignored) == ZS_OK;
}

int engine_write_failed(struct kv *kv, struct zs_error *e)
{
    atomic_store(&kv->write_failed, true);
    return error_hint(e, AGAIN_HINT);
}

static int failed_before(const char *doing, struct zs_error *e)
{
    error_set(e, ZS_IO_ERROR, "could not %s: a write to this store failed before", doing);
    return error_hint(e, AGAIN_HINT);
}

int engine_still_writes(struct kv *kv, const char *doing, struct zs_error *e)
{
    return atomic_load(&kv->write_failed) ? failed_before(doing, e) : ZS_OK;
}

int engine_takes_files(struct kv *kv, const char *doing, struct zs_error *e)
{
    TRY(engine_still_writes(kv, doing, e));
    return kv_files_stopped(kv->files) ? failed_before(doing, e) : ZS_OK;
}

int engine_write(struct kv *kv, bool sync, rocksdb_writebatch_t *batch, size_t reserve,
                 const char *doing, struct zs_error *e)
{
    size_t bytes = 0;
    rocksdb_writebatch_put_log_data(batch, KV_BATCH_END, sizeof KV_BATCH_END - 1);
    (void)rocksdb_writebatch_data(batch, &bytes);
    TRY(engine_still_writes(kv, doing, e));
    TRY(engine_check_room(kv, bytes + reserve, doing, e));
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_write(kv->db, sync ? kv->synced : kv->unsynced, batch, &said);
    return engine_check(said, doing, e) == ZS_OK ? ZS_OK : engine_write_failed(kv, e);
}
