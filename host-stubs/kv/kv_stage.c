/* kv_stage.c - the sorted files that a large ingest collects, outside the engine.
 *
 * DIR/stage/<random>/0001.sst ...: written by kv_sst in KV_FILE_BYTES pieces, taken
 * over by one rocksdb_ingest_external_file with move_files (a hard link, no copy), so
 * that all of them become visible in one entry of the engine's manifest, or none.  The
 * files of one call may not overlap: records ascend over the stage, and the metadata,
 * which sorts before all records, is a file of its own.
 * A large value begins a file of another kind, which then takes what follows (kv_table.h).
 * What is kept on the way (ingest_sync) is a long transfer: what follows goes past the page
 * cache.  An import and an increment stay in it, as they are read next, by a push.
 * Durability: finishing a file syncs it; the engine syncs files and folders again when
 * it takes them.
 * On the disk a stage leaves what the engine needs for itself (RESERVE_COMMIT): a flush, which
 * taking over files may bring about, that finds no room stops the engine.
 * Threads: one per stage. */
#include "kv/kv_internal.h"
#include "kv/kv_sst.h"
#include "kv/kv_table.h"
#include "model/lsn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define ROOM_EVERY_BYTES ((uint64_t)1 << 20)

struct stage {
    struct kv *kv;
    char *dir;
    char **files;
    size_t nfiles;
    size_t checked; /* of these, before the commit's lock */
    size_t unread;  /* of these, from before a cut: nobody has looked through them since */
    struct sst_writer *writer;
    uint64_t file_bytes; /* put into the file that is open; 0: none is */
    bool large;          /* it is one for large values */
    bool past_cache;     /* so are the next ones written (kv_direct.h) */
};

/* Remove a stage's folder and the files in it; there are no folders in it. */
int stage_folder_remove(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return ZS_FAIL;
    for (const char *name = folder_next(d); name != NULL; name = folder_next(d))
        (void)unlinkat(dirfd(d), name, 0);
    (void)closedir(d);
    return rmdir(path) == 0 ? ZS_OK : ZS_FAIL;
}

char *stage_file(const char *dir, size_t n)
{
    char *path = NULL;
    return asprintf(&path, "%s/%04zu.sst", dir, n + 1) < 0 ? NULL : path;
}

const char *stage_dir(const struct stage *s)
{
    return s->dir;
}

size_t stage_files(const struct stage *s)
{
    return s->nfiles;
}

static void stage_free(struct stage *s)
{
    if (s->writer != NULL)
        sst_writer_destroy(s->writer);
    for (size_t i = 0; i < s->nfiles; i++)
        free(s->files[i]);
    free(s->files);
    free(s->dir);
    free(s);
}

int stage_reopen(struct kv *kv, char *dir, size_t nfiles, struct stage **out, struct zs_error *e)
{
    struct stage *s = calloc(1, sizeof *s);
    if (s == NULL) {
        free(dir);
        return error_memory(e);
    }
    s->kv = kv;
    s->dir = dir;
    s->files = calloc(nfiles + 1, sizeof *s->files);
    s->writer = sst_writer_create();
    bool good = s->files != NULL && s->writer != NULL;
    for (size_t i = 0; i < nfiles && good; i++) {
        s->files[i] = stage_file(dir, i);
        good = s->files[i] != NULL;
        s->nfiles += good;
    }
    s->unread = nfiles;
    s->past_cache = true;
    if (!good) {
        stage_free(s);
        return error_memory(e);
    }
    *out = s;
    return ZS_OK;
}

char *stage_leave(struct stage *s)
{
    char *dir = s->dir;
    s->dir = NULL;
    stage_free(s);
    return dir;
}

int stage_open(struct kv *kv, struct stage **out, struct zs_error *e)
{
    struct zs_timeline_id random;
    TRY(timeline_random(&random, e));
    struct stage *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_memory(e);
    s->kv = kv;
    if (asprintf(&s->dir, "%s/%s", kv->stage_dir, timeline_text(random).s) < 0) {
        free(s);
        return error_memory(e);
    }
    if (mkdir(s->dir, 0700) != 0) {
        int rc = error_errno(e, errno, "could not make folder \"%s\"", s->dir);
        free(s->dir);
        free(s);
        return rc;
    }
    s->writer = sst_writer_create();
    if (s->writer == NULL) {
        stage_close(s);
        return error_memory(e);
    }
    *out = s;
    return ZS_OK;
}

static int file_open(struct stage *s, bool large, struct zs_error *e)
{
    char **files = reallocarray(s->files, s->nfiles + 1, sizeof *files);
    if (files == NULL)
        return error_memory(e);
    s->files = files;
    files[s->nfiles] = stage_file(s->dir, s->nfiles);
    if (files[s->nfiles] == NULL)
        return error_memory(e);
    s->nfiles++;
    s->large = large;
    return engine_check(sst_writer_open(s->writer, files[s->nfiles - 1], large, s->past_cache),
                        "make a file for the incoming records", e);
}

void stage_pass_cache(struct stage *s)
{
    s->past_cache = true;
}

void stage_was_read(struct stage *s)
{
    s->unread = 0;
}

int stage_finish(struct stage *s, struct zs_error *e)
{
    if (s->file_bytes == 0)
        return ZS_OK;
    s->file_bytes = 0;
    return engine_check(sst_writer_finish(s->writer), "write the incoming records", e);
}

int stage_put(struct stage *s, const char *key, size_t key_len, const void *value, size_t len,
              struct zs_error *e)
{
    bool large = len >= KV_LARGE_BYTES;
    if (large && !s->large)
        TRY(stage_finish(s, e));
    if (s->file_bytes == 0)
        TRY(file_open(s, large, e));
    TRY(engine_check(sst_writer_put(s->writer, key, key_len, value, len),
                     "write the incoming records", e));
    uint64_t before = s->file_bytes;
    s->file_bytes += key_len + len;
    if (before / ROOM_EVERY_BYTES != s->file_bytes / ROOM_EVERY_BYTES)
        TRY(engine_check_room(s->kv, RESERVE_COMMIT, "write the incoming records", e));
    return s->file_bytes < KV_FILE_BYTES ? ZS_OK : stage_finish(s, e);
}

int stage_delete(struct stage *s, const char *key, size_t key_len, struct zs_error *e)
{
    if (s->file_bytes == 0)
        TRY(file_open(s, false, e));
    s->file_bytes += key_len;
    return engine_check(sst_writer_delete(s->writer, key, key_len), "write the incoming records",
                        e);
}

int stage_check(struct stage *s, struct zs_error *e)
{
    TRY(stage_finish(s, e));
    for (; s->checked < s->nfiles; s->checked++) {
        struct sst_text said;
        const char *path = s->files[s->checked];
        TRY(tail_check(path, e));
        if (s->checked < s->unread)
            TRY(engine_check(sst_verify(path, &said), "take over what was kept", e));
        TRY(engine_check(sst_ends(path, &said), "take over the incoming records", e));
    }
    return ZS_OK;
}

int stage_ingest(struct stage *s, struct zs_error *e)
{
    static const char doing[] = "take over the incoming records";
    TRY(engine_takes_files(s->kv, doing, e));
    TRY(engine_check_room(s->kv, RESERVE_COMMIT, doing, e));
    TRY(stage_check(s, e));
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_ingestexternalfileoptions_t *options = sst_ingest_options();
    if (options == NULL)
        return error_memory(e);
    rocksdb_ingest_external_file(s->kv->db, (const char *const *)s->files, s->nfiles, options,
                                 &said);
    rocksdb_ingestexternalfileoptions_destroy(options);
    return engine_check(said, doing, e) == ZS_OK ? ZS_OK : engine_write_failed(s->kv, e);
}

void stage_close(struct stage *s)
{
    if (s == NULL)
        return;
    if (s->writer != NULL)
        sst_writer_destroy(s->writer);
    s->writer = NULL;
    (void)stage_folder_remove(s->dir);
    stage_free(s);
}
