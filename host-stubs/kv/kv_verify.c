/* kv_verify.c - every checksum on disk, for a verification.
 * Flow: the plugin's verify -> here, before it reads the branch's records itself: that
 * finds which records are bad, this finds which files, and what no record shows: sorted
 * files' own metadata, logs, the stage that waits.
 * Only files that hold something of the branch are read; metadata of all branches shares
 * files, which count as everybody's.
 * Threads: any; runs beside writers.  The engine keeps files that it would remove until
 * the look is over; a stage that is taken or dropped meanwhile is nobody's fault. */
#include "kv/kv_internal.h"
#include "kv/kv_sst.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct look {
    struct kv *kv;
    const struct zs_cancel *cancel;
    zs_fault_visit visit;
    void *context;
    bool ended; /* the visitor has had enough */
};

static int keep_on(const struct look *l, struct zs_error *e)
{
    if (l->cancel == NULL || l->cancel->requested(l->cancel->self) == 0)
        return ZS_OK;
    return error_set(e, ZS_CANCELLED, "the verification was cancelled");
}

static void tell(struct look *l, const struct zs_error *fault)
{
    l->ended = l->ended || l->visit(l->context, fault) != 0;
}

/* A disk that does not give back what was written is at fault; want of memory is not. */
static bool is_fault(const struct zs_error *e)
{
    return error_is(e, ZS_CORRUPT) || error_is(e, ZS_IO_ERROR) || error_is(e, ZS_INTERNAL_ERROR);
}

/* What memory has of a file can be whole where the disk is not.  So it goes, and what is read
 * then comes from the disk; a page that was not written out could not go, so that comes before.
 * What fails here, the reading shows. */
static void drop_from_memory(const char *path)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    (void)fdatasync(fd);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* ZS_OK, and *said has the fault if there is one. */
static int look_at(const char *path, struct sst_text *said, struct zs_error *e)
{
    struct zs_error why = {0};
    drop_from_memory(path);
    if (engine_check(sst_verify(path, said), "read a file of the store", &why) == ZS_OK ||
        is_fault(&why))
        return ZS_OK;
    *e = why;
    return ZS_FAIL;
}

/* ---- the engine's files ------------------------------------------------------------- */

/* Is [smallest, largest] one that may hold something of the branch? */
static bool holds(const struct branch_meta *meta, const char *smallest, size_t smallest_len,
                  const char *largest, size_t largest_len)
{
    struct kv_key from = kv_key_space(KV_TAG_RECORD, meta->space);
    struct kv_key to = kv_key_space(KV_TAG_RECORD, meta->space + 1);
    if (smallest_len == 0 || largest_len == 0 || (uint8_t)smallest[0] < KV_TAG_RECORD)
        return true;
    size_t s = smallest_len < to.len ? smallest_len : to.len;
    size_t g = largest_len < from.len ? largest_len : from.len;
    return memcmp(smallest, to.bytes, s) < 0 && memcmp(largest, from.bytes, g) >= 0;
}

static int verify_sorted(struct look *l, const struct branch_meta *meta,
                         const rocksdb_livefiles_t *files, struct zs_error *e)
{
    for (int i = 0; i < rocksdb_livefiles_count(files) && !l->ended; i++) {
        CLEANUP(free_ptr) char *path = NULL;
        struct zs_error fault = {0};
        struct sst_text said;
        size_t s = 0;
        size_t g = 0;
        const char *smallest = rocksdb_livefiles_smallestkey(files, i, &s);
        const char *largest = rocksdb_livefiles_largestkey(files, i, &g);
        if (!holds(meta, smallest, s, largest, g))
            continue;
        TRY(keep_on(l, e));
        if (asprintf(&path, "%s%s", l->kv->db_dir, rocksdb_livefiles_name(files, i)) < 0) {
            path = NULL;
            return error_memory(e);
        }
        TRY(look_at(path, &said, e));
        if (said.of[0] == '\0')
            continue;
        error_set(&fault, ZS_CORRUPT, "the store's file \"%s\" is damaged", path);
        error_detail(&fault, "The storage engine says: %s", said.of);
        tell(l, &fault);
    }
    return ZS_OK;
}

static int verify_log(void *context, const char *path, struct zs_error *e)
{
    struct look *l = context;
    struct zs_error fault = {0};
    drop_from_memory(path);
    if (l->ended || log_check(path, &fault) == ZS_OK)
        return ZS_OK;
    if (!is_fault(&fault)) {
        *e = fault;
        return ZS_FAIL;
    }
    tell(l, &fault);
    return ZS_OK;
}

static int verify_engine(struct look *l, const struct branch_meta *meta, struct zs_error *e)
{
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_disable_file_deletions(l->kv->db, &said);
    TRY(engine_check(said, "hold the store's files", e));
    const rocksdb_livefiles_t *files = rocksdb_livefiles(l->kv->db);
    int rc = files == NULL ? error_memory(e) : verify_sorted(l, meta, files, e);
    if (rc == ZS_OK)
        rc = logs_visit(l->kv->db_dir, verify_log, l, e);
    if (files != NULL)
        rocksdb_livefiles_destroy(files);
    rocksdb_enable_file_deletions(l->kv->db, 0, &said);
    return rc == ZS_OK ? engine_check(said, "let go of the store's files", e) : rc;
}

/* ---- the stage ------------------------------------------------------------------------ */

/* Faults wait until it is known that the stage is still there. */
static int verify_stage(struct look *l, const char *branch, struct zs_error *e)
{
    CLEANUP(free_ptr) char *dir = NULL;
    CLEANUP(free_ptr) char *still = NULL;
    CLEANUP(free_ptr) char *manifest = NULL;
    struct manifest *m = NULL;
    struct zs_error fault = {0};
    struct sst_text said = {""};
    TRY(kept_find(l->kv, branch, &dir, e));
    if (dir == NULL)
        return ZS_OK;
    if (asprintf(&manifest, "%s/manifest", dir) < 0) {
        manifest = NULL;
        return error_memory(e);
    }
    drop_from_memory(manifest);
    if (manifest_read(dir, &m, &fault) != ZS_OK && !is_fault(&fault)) {
        *e = fault;
        return ZS_FAIL;
    }
    if (m == NULL)
        error_set(&fault, ZS_CORRUPT, "the stage of branch \"%s\" in \"%s\" is damaged", branch,
                  dir);
    int rc = ZS_OK;
    for (uint32_t i = 0; m != NULL && i < m->nfiles && rc == ZS_OK && fault.sqlstate[0] == 0; i++) {
        CLEANUP(free_ptr) char *path = stage_file(dir, i);
        rc = path == NULL ? error_memory(e) : keep_on(l, e);
        if (path != NULL && rc == ZS_OK)
            rc = look_at(path, &said, e);
        if (rc == ZS_OK && said.of[0] != '\0') {
            error_set(&fault, ZS_CORRUPT, "the stage of branch \"%s\" is damaged in \"%s\"", branch,
                      path);
            error_detail(&fault, "The storage engine says: %s", said.of);
        }
    }
    manifest_free(m);
    TRY(rc);
    if (fault.sqlstate[0] == '\0')
        return ZS_OK;
    error_hint(&fault,
               "Drop it with \"zenith branch drop-stage %s\": the next transfer starts "
               "again.",
               branch);
    TRY(kept_find(l->kv, branch, &still, e));
    if (still != NULL && strcmp(still, dir) == 0)
        tell(l, &fault);
    return ZS_OK;
}

int kv_branch_verify(void *self, const char *branch, const struct zs_cancel *cancel,
                     zs_fault_visit visit, void *context, struct zs_error *e)
{
    struct kv *kv = self;
    struct look look = {.kv = kv, .cancel = cancel, .visit = visit, .context = context};
    struct branch_meta meta = {0};
    bool found = false;
    TRY(branch_look(kv, kv->newest, branch, &meta, &found, e));
    if (found)
        TRY(verify_engine(&look, &meta, e));
    return look.ended ? ZS_OK : verify_stage(&look, branch, e);
}
