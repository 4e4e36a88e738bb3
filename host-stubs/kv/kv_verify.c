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

/* `text` is the engine's, freed here; NULL: all is well. */
static void tell_file(struct look *l, const char *what, const char *path, char *text)
{
    struct zs_error fault = {0};
    if (text == NULL)
        return;
    error_set(&fault, ZS_CORRUPT, "%s \"%s\" is damaged", what, path);
    error_detail(&fault, "The storage engine says: %s", text);
    free(text);
    tell(l, &fault);
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
        tell_file(l, "the store's file", path, sst_verify(path));
    }
    return ZS_OK;
}

static int verify_log(void *context, const char *path, struct zs_error *e)
{
    struct look *l = context;
    struct zs_error fault = {0};
    if (l->ended || log_check(path, &fault) == ZS_OK)
        return ZS_OK;
    if (!error_is(&fault, ZS_CORRUPT) && !error_is(&fault, ZS_IO_ERROR)) {
        *e = fault;
        return ZS_FAIL;
    }
    tell(l, &fault);
    return ZS_OK;
}

static int verify_engine(struct look *l, const struct branch_meta *meta, struct zs_error *e)
{
    char *error = NULL;
    rocksdb_disable_file_deletions(l->kv->db, &error);
    TRY(engine_check(error, "hold the store's files", e));
    const rocksdb_livefiles_t *files = rocksdb_livefiles(l->kv->db);
    int rc = files == NULL ? error_memory(e) : verify_sorted(l, meta, files, e);
    if (rc == ZS_OK)
        rc = logs_visit(l->kv->db_dir, verify_log, l, e);
    if (files != NULL)
        rocksdb_livefiles_destroy(files);
    rocksdb_enable_file_deletions(l->kv->db, 0, &error);
    return rc == ZS_OK ? engine_check(error, "let go of the store's files", e) : rc;
}

/* ---- the stage ------------------------------------------------------------------------ */

/* Faults wait until it is known that the stage is still there. */
static int verify_stage(struct look *l, const char *branch, struct zs_error *e)
{
    CLEANUP(free_ptr) char *dir = NULL;
    CLEANUP(free_ptr) char *still = NULL;
    bool damaged = false;
    struct zs_error fault = {0};
    TRY(kept_find(l->kv, branch, &dir, e));
    if (dir == NULL)
        return ZS_OK;
    struct manifest *m = manifest_read(dir, &damaged);
    if (m == NULL)
        error_set(&fault, ZS_CORRUPT, "the stage of branch \"%s\" in \"%s\" is damaged", branch,
                  dir);
    int rc = ZS_OK;
    for (uint32_t i = 0; m != NULL && i < m->nfiles && rc == ZS_OK && fault.sqlstate[0] == 0; i++) {
        CLEANUP(free_ptr) char *path = stage_file(dir, i);
        rc = path == NULL ? error_memory(e) : keep_on(l, e);
        char *text = rc == ZS_OK ? sst_verify(path) : NULL;
        if (text != NULL) {
            error_set(&fault, ZS_CORRUPT, "the stage of branch \"%s\" is damaged in \"%s\"", branch,
                      path);
            error_detail(&fault, "The storage engine says: %s", text);
        }
        free(text);
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
