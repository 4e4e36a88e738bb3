/* kv.c - opens and closes the store: folders, the engine's settings, recovery.
 *
 *   DIR/db/       RocksDB's
 *   DIR/stage/    what open ingests collect, and stages that wait
 *
 * Recovery is little, as nothing half done ever enters the engine: stages that
 * nobody can go on with are removed, and the records of branches that were removed.
 * Threads: open and close alone; the rest any. */
#include "base/bytes.h"
#include "kv/kv_files.h"
#include "kv/kv_internal.h"
#include "kv/kv_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A shard must hold the indexes of some files that the engine wrote, 345 KiB each. */
#define CACHE_BYTES        ((size_t)16 << 20)
#define CACHE_SHARD_BITS   1
#define WRITE_BUFFER_BYTES ((size_t)16 << 20)

static const struct zs_store functions = {
    .struct_size = sizeof functions,
    .features = ZS_STORE_DIGEST | ZS_STORE_BLOBS | ZS_STORE_RESUME | ZS_STORE_VERIFY,
    .branch_find = kv_branch_find,
    .branch_list = kv_branch_list,
    .snapshot_open = kv_snapshot_open,
    .snapshot_close = kv_snapshot_close,
    .snapshot_history = kv_snapshot_history,
    .iter_open = kv_iter_open,
    .iter_seek = kv_iter_seek,
    .iter_next = kv_iter_next,
    .iter_close = kv_iter_close,
    .ingest_begin = kv_ingest_begin,
    .ingest_put = kv_ingest_put,
    .ingest_state = kv_ingest_state,
    .ingest_commit = kv_ingest_commit,
    .ingest_close = kv_ingest_close,
    .blob_read = kv_blob_read,
    .blob_list = kv_blob_list,
    .iter_range = kv_iter_range,
    .ingest_sync = kv_ingest_sync,
    .stage_list = kv_stage_list,
    .ingest_resume = kv_ingest_resume,
    .stage_drop = kv_stage_drop,
    .branch_verify = kv_branch_verify,
    .ingest_keys = kv_ingest_keys,
};

/* ---- settings ---------------------------------------------------------------------- */

/* What the C API has no function for.  RocksDB rewrites every file once in 30 days
 * (ttl) if it is not told otherwise. */
#define MORE_SETTINGS "ttl=0;periodic_compaction_seconds=0"

/* Not of the strict sort: that fails reads when what iterators pin has filled one shard.
 * What is pinned is small: an index per file in use. */
static rocksdb_cache_t *cache_make(void)
{
    rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(options, CACHE_BYTES);
    rocksdb_lru_cache_options_set_num_shard_bits(options, CACHE_SHARD_BITS);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(options);
    rocksdb_lru_cache_options_destroy(options);
    return cache;
}

static int settings_make(struct kv *kv, int create, struct zs_error *e)
{
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_options_t *plain = rocksdb_options_create();
    kv->options = rocksdb_options_create();
    kv->table = rocksdb_block_based_options_create();
    kv->cache = cache_make();
    kv->newest = rocksdb_readoptions_create();
    kv->synced = rocksdb_writeoptions_create();
    kv->unsynced = rocksdb_writeoptions_create();
    rocksdb_get_options_from_string(plain, MORE_SETTINGS, kv->options, &said);
    rocksdb_options_destroy(plain);
    TRY(engine_check(said, "configure the store", e));
    rocksdb_writeoptions_set_sync(kv->synced, 1);

    rocksdb_block_based_table_options_t *t = kv->table;
    rocksdb_block_based_options_set_block_cache(t, kv->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_block_size(t, KV_BLOCK_BYTES);
    rocksdb_block_based_options_set_checksum(t, KV_BLOCK_CHECKSUM);
    rocksdb_block_based_options_set_index_type(t, KV_INDEX_TYPE_LARGE);
    rocksdb_block_based_options_set_format_version(t, KV_FORMAT_VERSION);

    kv->files = kv_files_create(kv->stage_dir);
    if (kv->files == NULL)
        return error_memory(e);
    rocksdb_options_t *o = kv->options;
    if (!kv_files_use(kv->files, o))
        return error_memory(e);
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_options_set_create_if_missing(o, create != 0);
    rocksdb_options_set_error_if_exists(o, create != 0);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_paranoid_checks(o, 1);
    /* A torn end of the log is what a crash leaves; damage inside it is not, and must
     * not pass for the end: kv_log.c looks before. */
    rocksdb_options_set_wal_recovery_mode(o, rocksdb_tolerate_corrupted_tail_records_recovery);
    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, 2);
    rocksdb_options_set_max_open_files(o, 512);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_target_file_size_base(o, KV_FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(o, (uint64_t)256 << 20);
    rocksdb_options_set_bytes_per_sync(o, KV_BYTES_PER_SYNC);
    rocksdb_options_set_keep_log_file_num(o, 4);
    rocksdb_options_set_max_log_file_size(o, (size_t)1 << 20);
    rocksdb_options_set_info_log_level(o, 2); /* warnings */
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    return ZS_OK;
}

/* ---- folders ----------------------------------------------------------------------- */

/* Bytes that a folder and those below it take on disk; what vanishes meanwhile is not
 * counted. */
static uint64_t folder_bytes(int at, const char *path)
{
    CLEANUP(folder_close) DIR *d = folder_open(at, path, O_NOFOLLOW);
    uint64_t bytes = 0;
    if (d == NULL)
        return 0;
    for (const char *name = folder_next(d); name != NULL; name = folder_next(d)) {
        struct stat st;
        if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bytes += (uint64_t)st.st_blocks * 512;
        if (S_ISDIR(st.st_mode))
            bytes += folder_bytes(dirfd(d), name);
    }
    return bytes;
}

uint64_t kv_disk_bytes(struct kv *kv)
{
    return folder_bytes(AT_FDCWD, kv->dir);
}

static int folder_make(const char *path, struct zs_error *e)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_errno(e, errno, "could not make folder \"%s\"", path);
    return ZS_OK;
}

static int folder_check_empty(const char *path, struct zs_error *e)
{
    CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, path, 0);
    if (d == NULL)
        return error_errno(e, errno, "could not open folder \"%s\"", path);
    if (folder_next(d) == NULL)
        return folder_end(path, e);
    error_set(e, ZS_ALREADY_EXISTS, "folder \"%s\" is not empty", path);
    return error_hint(e, "Choose a folder that is empty or does not exist.");
}

static int folders_prepare(struct kv *kv, const char *dir, int create, struct zs_error *e)
{
    kv->dir = strdup(dir);
    if (asprintf(&kv->db_dir, "%s/db", dir) < 0)
        kv->db_dir = NULL;
    if (asprintf(&kv->stage_dir, "%s/stage", dir) < 0)
        kv->stage_dir = NULL;
    if (kv->dir == NULL || kv->db_dir == NULL || kv->stage_dir == NULL)
        return error_memory(e);
    if (create) {
        TRY(folder_make(dir, e));
        TRY(folder_check_empty(dir, e));
        TRY(folder_make(kv->db_dir, e));
        TRY(folder_make(kv->stage_dir, e));
        return folder_sync(dir, e);
    }
    if (access(kv->db_dir, F_OK) == 0)
        return folder_make(kv->stage_dir, e);
    error_set(e, ZS_IO_ERROR, "there is no store in \"%s\"", dir);
    return error_hint(e, "Put a copy of that folder back; or \"zenith init\" a new repository in "
                         "another folder and pull into it.");
}

/* ---- open and close ---------------------------------------------------------------- */

static int engine_start(struct kv *kv, int create, struct zs_error *e)
{
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    if (!create) {
        TRY(logs_mend(kv->db_dir, e));
        TRY(tails_check(kv->db_dir, e));
    }
    kv->db = rocksdb_open(kv->options, kv->db_dir, &said);
    if (said != NULL && (strstr(said, "While lock file") != NULL ||
                         strstr(said, "lock hold by current process") != NULL)) {
        error_set(e, ZS_BUSY, "the store in \"%s\" is in use by another process", kv->dir);
        return error_hint(e, "Stop the pageserver that has it (\"zenith stop\") and try again.");
    }
    return engine_check(said, "open the store", e);
}

static int version_write(struct kv *kv, struct zs_error *e)
{
    struct kv_key key = kv_key_version();
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_put(kv->db, kv->synced, key.bytes, key.len, KV_LAYOUT_VERSION,
                strlen(KV_LAYOUT_VERSION), &said);
    return engine_check(said, "write to the store", e);
}

static int version_check(struct kv *kv, struct zs_error *e)
{
    struct kv_key key = kv_key_version();
    char version[64] = "";
    size_t len = 0;
    bool found = false;
    TRY(engine_get(kv, kv->newest, &key, version, sizeof version - 1, &len, &found, e));
    if (found && strcmp(version, KV_LAYOUT_VERSION) == 0)
        return ZS_OK;
    if (found && strcmp(version, KV_LAYOUT_VERSION_1) == 0)
        return blob_lengths_add(kv, e);
    error_set(e, ZS_NOT_SUPPORTED, "the store in \"%s\" has layout \"%s\", and this is for \"%s\"",
              kv->dir, found ? version : "none", KV_LAYOUT_VERSION);
    return error_hint(e, "Use the version that made it, or \"zenith init\" a new repository and "
                         "pull into it.");
}

static int next_space_read(struct kv *kv, struct zs_error *e)
{
    struct kv_key key = kv_key_next_space();
    uint8_t value[8] = {0};
    size_t len = 0;
    bool found = false;
    TRY(engine_get(kv, kv->newest, &key, value, sizeof value, &len, &found, e));
    if (found && len != sizeof value)
        return error_set(e, ZS_CORRUPT, "the store's counter of branches is damaged");
    kv->next_space = found ? get_u64le(value) : 1;
    return ZS_OK;
}

static int start(struct kv *kv, const char *dir, int create, struct zs_error *e)
{
    TRY(folders_prepare(kv, dir, create, e));
    TRY(settings_make(kv, create, e));
    TRY(engine_start(kv, create, e));
    TRY(create ? version_write(kv, e) : version_check(kv, e));
    TRY(next_space_read(kv, e));
    TRY(kept_recover(kv, e));
    return space_reclaim_all(kv, e);
}

/* Hints of a running server are of no use where none runs. */
static void hint_damaged(const char *dir, struct zs_error *e)
{
    bool gone = strcmp(e->sqlstate, ZS_IO_ERROR) == 0 && strstr(e->detail, "No such file") != NULL;
    if (gone || strcmp(e->sqlstate, ZS_CORRUPT) == 0 || strcmp(e->sqlstate, ZS_INTERNAL_ERROR) == 0)
        (void)error_hint(e,
                         "Check the disk; then put a copy of \"%s\" in its place, or \"zenith "
                         "init\" a new repository in another folder and pull into it.",
                         dir);
}

int kv_open(const char *dir, int create, struct kv **out, struct zs_error *e)
{
    struct kv *kv = calloc(1, sizeof *kv);
    if (kv == NULL)
        return error_memory(e);
    (void)pthread_mutex_init(&kv->commit, NULL);
    (void)pthread_mutex_init(&kv->registry, NULL);
    kv->store = functions;
    kv->store.self = kv;
    kv->stage_seconds = KV_STAGE_SECONDS;
    if (start(kv, dir, create, e) != ZS_OK) {
        if (!create)
            hint_damaged(dir, e);
        kv_close(kv);
        return ZS_FAIL;
    }
    *out = kv;
    return ZS_OK;
}

void kv_close(struct kv *kv)
{
    if (kv == NULL)
        return;
    kept_free(kv->kept);
    if (kv->db != NULL)
        rocksdb_close(kv->db);
    if (kv->newest != NULL)
        rocksdb_readoptions_destroy(kv->newest);
    if (kv->synced != NULL)
        rocksdb_writeoptions_destroy(kv->synced);
    if (kv->unsynced != NULL)
        rocksdb_writeoptions_destroy(kv->unsynced);
    if (kv->options != NULL)
        rocksdb_options_destroy(kv->options);
    if (kv->table != NULL)
        rocksdb_block_based_options_destroy(kv->table);
    if (kv->cache != NULL)
        rocksdb_cache_destroy(kv->cache);
    kv_files_destroy(kv->files);
    free(kv->dir);
    free(kv->db_dir);
    free(kv->stage_dir);
    (void)pthread_mutex_destroy(&kv->commit);
    (void)pthread_mutex_destroy(&kv->registry);
    free(kv);
}

const struct zs_store *kv_store(struct kv *kv)
{
    return &kv->store;
}
