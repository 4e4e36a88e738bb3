/* kv_kept.c - stages that wait: what an ingest has synced and did not commit.
 *
 *   sync    finish the sorted file that is open (that syncs it), then the manifest
 *   close   cut the folder to what the manifest names; into the list
 *   start   each folder with a manifest that fits into the list, the others removed
 *   resume  out of the list, an ingest again (kv_resume.c)
 *   expire  past its time: out of the list and off the disk; not at the start, which does not
 *           know yet how long that is
 *
 * The records carry the space of their branch, so the space of a stage that would make
 * one stays taken: next_space goes past it at a start.  A folder that was put back from a copy
 * may name one that somebody else has got since; such a stage is dropped, or its records would
 * be that branch's as well.
 * Threads: the list is guarded by kv->registry; files are removed outside of it. */
#include "kv/kv_internal.h"
#include "model/branch_name.h"
#include "model/lsn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- the list ------------------------------------------------------------------------ */

static void kept_free_one(struct kept *k)
{
    manifest_free(k->manifest);
    free(k->dir);
    free(k);
}

void kept_free(struct kept *list)
{
    for (struct kept *next; list != NULL; list = next) {
        next = list->next;
        kept_free_one(list);
    }
}

void kept_remove(struct kept *list)
{
    for (const struct kept *k = list; k != NULL; k = k->next)
        (void)stage_folder_remove(k->dir); /* what stays goes at the next start */
    kept_free(list);
}

static bool is_old(const struct kv *kv, const struct manifest *m)
{
    return (int64_t)time(NULL) - m->synced_unix >= kv->stage_seconds;
}

struct kept *kept_take(struct kv *kv, const char *branch, bool old)
{
    struct kept *taken = NULL;
    for (struct kept **at = &kv->kept; *at != NULL;) {
        struct kept *k = *at;
        bool asked = branch != NULL && strcmp(k->manifest->branch, branch) == 0;
        if (!asked && !(old && is_old(kv, k->manifest))) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        k->next = taken;
        taken = k;
    }
    return taken;
}

void kv_set_stage_timeout(struct kv *kv, int64_t seconds)
{
    (void)pthread_mutex_lock(&kv->registry);
    kv->stage_seconds = seconds;
    (void)pthread_mutex_unlock(&kv->registry);
}

void kv_expire_stages(struct kv *kv)
{
    (void)pthread_mutex_lock(&kv->registry);
    struct kept *old = kept_take(kv, NULL, true);
    (void)pthread_mutex_unlock(&kv->registry);
    kept_remove(old);
}

void kept_add(struct kv *kv, struct kept *k)
{
    struct kept **at = &kv->kept;
    while (*at != NULL && strcmp((*at)->manifest->branch, k->manifest->branch) < 0)
        at = &(*at)->next;
    k->next = *at;
    *at = k;
}

/* Takes over both, in any case; NULL for want of memory. */
static struct kept *kept_make(char *dir, struct manifest *m)
{
    struct kept *k = calloc(1, sizeof *k);
    if (k == NULL) {
        manifest_free(m);
        free(dir);
        return NULL;
    }
    k->dir = dir;
    k->manifest = m;
    return k;
}

/* ---- sync and close ------------------------------------------------------------------ */

static int measure(struct manifest *m, const char *dir, struct zs_error *e)
{
    m->sizes = calloc(m->nfiles, sizeof *m->sizes);
    if (m->sizes == NULL)
        return error_memory(e);
    for (uint32_t i = 0; i < m->nfiles; i++) {
        CLEANUP(free_ptr) char *path = stage_file(dir, i);
        struct stat st;
        if (path == NULL)
            return error_memory(e);
        if (stat(path, &st) != 0)
            return error_errno(e, errno, "could not look at \"%s\"", path);
        m->sizes[i] = (uint64_t)st.st_size;
    }
    return ZS_OK;
}

static int sync_stage(struct zs_ingest *in, const void *token, uint64_t token_bytes,
                      struct manifest *m, struct zs_error *e)
{
    const char *dir = stage_dir(in->stage);
    TRY(stage_finish(in->stage, e));
    stage_pass_cache(in->stage);
    *m = (struct manifest){.create = in->create,
                           .exact = in->exact,
                           .base = in->base,
                           .target_lsn = in->target_lsn,
                           .highest_lsn = in->highest_lsn,
                           .last_lsn = in->last_lsn,
                           .synced_unix = (int64_t)time(NULL),
                           .sum = in->sum,
                           .records = in->records,
                           .bytes = in->bytes,
                           .token_bytes = (uint32_t)token_bytes,
                           .nfiles = (uint32_t)stage_files(in->stage)};
    memcpy(m->branch, in->claim.name, sizeof m->branch);
    memcpy(m->last_key, in->last_key, ZS_KEY_BYTES);
    if (token_bytes > 0)
        memcpy(m->token, token, token_bytes);
    TRY(measure(m, dir, e));
    TRY(manifest_write(m, dir, e));
    return in->synced == NULL ? folder_sync(in->kv->stage_dir, e) : ZS_OK;
}

int kv_ingest_sync(struct zs_ingest *in, const void *token, uint64_t token_bytes, uint32_t *synced,
                   struct zs_error *e)
{
    *synced = 0;
    TRY(ingest_usable(in, e));
    if (token_bytes > ZS_TOKEN_MAX)
        return error_set(e, ZS_BAD_VALUE, "a token of %llu bytes is too large",
                         (unsigned long long)token_bytes);
    if (in->stage == NULL || in->records == 0)
        return ZS_OK; /* less than is worth a file */
    struct manifest *m = calloc(1, sizeof *m);
    if (m == NULL)
        return error_memory(e);
    if (sync_stage(in, token, token_bytes, m, e) != ZS_OK) {
        in->broken = true;
        manifest_free(m);
        return ZS_FAIL;
    }
    manifest_free(in->synced);
    in->synced = m;
    *synced = 1;
    return ZS_OK;
}

/* Is the file one that the manifest names, or the manifest itself? */
static bool is_named(const struct manifest *m, const char *name)
{
    char *end = NULL;
    unsigned long n = strtoul(name, &end, 10);
    return strcmp(name, "manifest") == 0 ||
           (end != name && strcmp(end, ".sst") == 0 && n >= 1 && n <= m->nfiles);
}

static void cut_to_manifest(const struct manifest *m, const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    for (const char *name = folder_next(d); name != NULL; name = folder_next(d))
        if (!is_named(m, name))
            (void)unlinkat(dirfd(d), name, 0);
    (void)closedir(d);
}

void ingest_keep(struct zs_ingest *in)
{
    char *dir = stage_leave(in->stage);
    struct manifest *m = in->synced;
    in->stage = NULL;
    in->synced = NULL;
    cut_to_manifest(m, dir);
    struct kept *k = kept_make(dir, m); /* NULL: found again at the next start */
    if (k == NULL)
        return;
    (void)pthread_mutex_lock(&in->kv->registry);
    kept_add(in->kv, k);
    (void)pthread_mutex_unlock(&in->kv->registry);
}

/* ---- does it still fit? -------------------------------------------------------------- */

int kept_fits(struct kv *kv, const struct manifest *m, bool *good, struct zs_error *e)
{
    struct branch_meta now = {0};
    bool exists = false;
    bool taken = false;
    TRY(branch_look(kv, kv->newest, m->branch, &now, &exists, e));
    if (m->create) {
        TRY(space_taken(kv, m->base.space, &taken, e));
        if (m->exact && !taken)
            TRY(timeline_taken(kv, m->base.timeline, &taken, e));
        *good = !exists && !taken;
    } else {
        *good = exists && now.space == m->base.space &&
                now.last_valid_lsn == m->base.last_valid_lsn &&
                timeline_equal(now.timeline, m->base.timeline);
    }
    return ZS_OK;
}

/* ---- the start ----------------------------------------------------------------------- */

/* Waits another branch's stage for the same space?  Called at the start alone. */
static bool space_waits(const struct kv *kv, const struct manifest *m)
{
    const struct kept *k = kv->kept;
    while (k != NULL &&
           (!m->create || !k->manifest->create || k->manifest->base.space != m->base.space ||
            strcmp(k->manifest->branch, m->branch) == 0))
        k = k->next;
    return k != NULL;
}

/* Can the stage in `dir` be gone on with?  What cannot be read now may be whole: that fails,
 * as nothing but a look that showed damage lets it be removed. */
static int look_at(struct kv *kv, const char *dir, struct manifest **m, bool *good,
                   struct zs_error *e)
{
    struct zs_error why = {0};
    *good = false;
    int rc = manifest_read(dir, m, &why);
    if (rc == ZS_OK && *m == NULL)
        return ZS_OK;
    if (rc == ZS_OK)
        rc = manifest_files_check(*m, dir, &why);
    if (rc == ZS_OK) {
        TRY(kept_fits(kv, *m, good, e));
        *good = *good && !space_waits(kv, *m);
        return ZS_OK;
    }
    if (!error_is(&why, ZS_CORRUPT)) {
        *e = why;
        return ZS_FAIL;
    }
    /* the program that has the store decides where this is read */
    (void)fprintf(stderr, "the stage in \"%s\" is damaged and was removed\n", dir);
    return ZS_OK;
}

/* Takes over dir. */
static int recover_one(struct kv *kv, char *dir, struct zs_error *e)
{
    bool good = false;
    struct manifest *m = NULL;
    int rc = look_at(kv, dir, &m, &good, e);
    if (rc == ZS_OK && !good && stage_folder_remove(dir) != 0)
        rc = error_errno(e, errno, "could not remove folder \"%s\"", dir);
    if (rc != ZS_OK || !good) {
        manifest_free(m);
        free(dir);
        return rc;
    }
    cut_to_manifest(m, dir);
    if (m->create && m->base.space >= kv->next_space)
        kv->next_space = m->base.space + 1;
    struct kept *other = kept_take(kv, m->branch, false);
    struct kept *k = kept_make(dir, m);
    if (k == NULL) {
        kept_free(other);
        return error_memory(e);
    }
    if (other != NULL && other->manifest->synced_unix > m->synced_unix) {
        struct kept *older = k; /* its removal had not reached the disk */
        k = other;
        other = older;
    }
    kept_add(kv, k);
    kept_remove(other);
    return ZS_OK;
}

int kept_recover(struct kv *kv, struct zs_error *e)
{
    DIR *d = opendir(kv->stage_dir);
    if (d == NULL)
        return error_errno(e, errno, "could not open folder \"%s\"", kv->stage_dir);
    int rc = ZS_OK;
    for (const char *name = folder_next(d); name != NULL && rc == ZS_OK; name = folder_next(d)) {
        char *dir = NULL;
        if (asprintf(&dir, "%s/%s", kv->stage_dir, name) < 0)
            rc = error_memory(e);
        else
            rc = recover_one(kv, dir, e);
    }
    if (rc == ZS_OK)
        rc = folder_end(kv->stage_dir, e);
    (void)closedir(d);
    return rc;
}

int kept_find(struct kv *kv, const char *branch, char **dir, struct zs_error *e)
{
    bool found = false;
    *dir = NULL;
    (void)pthread_mutex_lock(&kv->registry);
    for (const struct kept *k = kv->kept; k != NULL && !found; k = k->next)
        if (strcmp(k->manifest->branch, branch) == 0) {
            found = true;
            *dir = strdup(k->dir);
        }
    (void)pthread_mutex_unlock(&kv->registry);
    return found && *dir == NULL ? error_memory(e) : ZS_OK;
}

/* ---- list and drop -------------------------------------------------------------- */

int kept_missing(const char *branch, struct zs_error *e)
{
    error_set(e, ZS_NO_SUCH_BRANCH, "no interrupted transfer of branch \"%s\" waits", branch);
    (void)error_hint(e, "\"zenith status\" shows those that wait.");
    return ZS_FAIL;
}

int kv_stage_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e)
{
    struct kv *kv = self;
    (void)e;
    kv_expire_stages(kv);
    (void)pthread_mutex_lock(&kv->registry);
    for (const struct kept *k = kv->kept; k != NULL; k = k->next) {
        const struct manifest *m = k->manifest;
        struct zs_stage_info info = {.struct_size = sizeof info,
                                     .token_bytes = m->token_bytes,
                                     .timeline = m->base.timeline,
                                     .base_lsn = m->base.last_valid_lsn,
                                     .target_lsn = m->target_lsn,
                                     .synced_unix = m->synced_unix,
                                     .token = m->token};
        memcpy(info.branch, m->branch, sizeof info.branch);
        for (uint32_t i = 0; i < m->nfiles; i++)
            info.disk_bytes += m->sizes[i];
        if (visit(context, &info) != 0)
            break;
    }
    (void)pthread_mutex_unlock(&kv->registry);
    return ZS_OK;
}

int kv_stage_drop(void *self, const char *branch, struct zs_error *e)
{
    struct kv *kv = self;
    TRY(branch_name_check(branch, e));
    (void)pthread_mutex_lock(&kv->registry);
    struct kept *k = kept_take(kv, branch, false);
    (void)pthread_mutex_unlock(&kv->registry);
    if (k == NULL)
        return kept_missing(branch, e);
    kept_remove(k);
    return ZS_OK;
}
