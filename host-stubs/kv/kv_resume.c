/* kv_resume.c - a stage that waits becomes an ingest again.
 * Flow: out of the list (kv_kept.c), and the ingest goes on behind the last record that was
 * synced.  Then its keys are asked for, which reads every block with its checksum, once; the
 * commit reads what was not.
 * What holds: a stage is removed if its branch moved or a look showed damage; after any other
 * failure, which may pass, it waits as before.
 * Threads: the list is guarded by kv->registry; files are read outside of it. */
#include "kv/kv_internal.h"
#include "kv/kv_sst.h"
#include "model/branch_name.h"
#include "model/lsn.h"

#include <string.h>

/* Another name for the same history may have come first.  Records carry the space, not the id
 * (kv_layout.h), so that the stage goes on under another id, and nothing is sent again. */
static int mend_timeline(struct kv *kv, struct manifest *m, struct zs_error *e)
{
    bool taken = false;
    if (m->create)
        TRY(timeline_taken(kv, m->base.timeline, &taken, e));
    return taken ? timeline_random(&m->base.timeline, e) : ZS_OK;
}

/* With the registry locked.  *out is set in any case where the stage left the list. */
static int take_locked(struct zs_ingest *in, const char *branch, struct kept **out,
                       struct zs_error *e)
{
    struct kv *kv = in->kv;
    bool good = false;
    const struct kept *k = kv->kept;
    TRY(claim_check(kv, branch, e));
    while (k != NULL && strcmp(k->manifest->branch, branch) != 0)
        k = k->next;
    if (k == NULL)
        return kept_missing(branch, e);
    for (const struct claim *c = kv->claims; c != NULL; c = c->next)
        if (timeline_equal(c->timeline, k->manifest->base.timeline))
            TRY(claim_check(kv, c->name, e)); /* 55006: the claim is there */
    TRY(kept_fits(kv, k->manifest, &good, e));
    if (good)
        TRY(mend_timeline(kv, k->manifest, e));
    *out = kept_take(kv, branch, false);
    if (!good) {
        (void)branch_moved(branch, e);
        return ZS_FAIL;
    }
    memcpy(in->claim.name, branch, strlen(branch));
    in->claim.timeline = (*out)->manifest->base.timeline;
    claim_add(kv, &in->claim);
    return ZS_OK;
}

/* Of a failure to read a stage: what to do about it. */
static int explain(const char *branch, struct zs_error *e)
{
    if (error_is(e, ZS_IO_ERROR))
        return error_hint(e,
                          "Check this disk and run the command again; or \"zenith branch "
                          "drop-stage %s\", and the transfer starts again.",
                          branch);
    if (!error_is(e, ZS_CORRUPT) && !error_is(e, ZS_INTERNAL_ERROR))
        return ZS_FAIL;
    error_set(e, ZS_CORRUPT, "what was kept of the interrupted transfer of \"%s\" is damaged",
              branch);
    return error_hint(e, "It has been dropped; run the command again, and check this disk.");
}

/* Takes the ingest's members from the manifest, and the manifest. */
static int revive(struct zs_ingest *in, struct kept *k, struct zs_error *e)
{
    const struct manifest *m = k->manifest;
    in->batch = rocksdb_writebatch_create();
    if (in->batch == NULL)
        return error_memory(e);
    if (manifest_files_check(m, k->dir, e) != ZS_OK)
        return explain(m->branch, e);
    char *dir = strdup(k->dir);
    if (dir == NULL)
        return error_memory(e);
    TRY(stage_reopen(in->kv, dir, m->nfiles, &in->stage, e));
    in->base = m->base;
    in->create = m->create;
    in->exact = m->exact;
    in->target_lsn = m->target_lsn;
    in->highest_lsn = m->highest_lsn;
    in->sum = m->sum;
    in->records = m->records;
    in->bytes = m->bytes;
    in->last_lsn = m->last_lsn;
    memcpy(in->last_key, m->last_key, ZS_KEY_BYTES);
    in->synced = k->manifest;
    k->manifest = NULL;
    return ZS_OK;
}

/* A stage that could not be gone on with waits again, if it may be whole. */
static void give_up(struct kv *kv, struct kept *k, bool damaged)
{
    if (damaged) {
        kept_remove(k);
        return;
    }
    (void)pthread_mutex_lock(&kv->registry);
    kept_add(kv, k);
    (void)pthread_mutex_unlock(&kv->registry);
}

int kv_ingest_resume(void *self, const char *branch, struct zs_ingest_state *state, void *buf,
                     uint64_t buf_bytes, uint64_t *token_bytes, struct zs_ingest **out,
                     struct zs_error *e)
{
    struct kv *kv = self;
    struct kept *k = NULL;
    TRY(branch_name_check(branch, e));
    struct zs_ingest *in = calloc(1, sizeof *in);
    if (in == NULL)
        return error_memory(e);
    in->kv = kv;
    (void)pthread_mutex_lock(&kv->registry);
    int rc = take_locked(in, branch, &k, e);
    (void)pthread_mutex_unlock(&kv->registry);
    if (rc != ZS_OK || k == NULL) {
        kept_remove(k);
        free(in);
        return ZS_FAIL;
    }
    if (revive(in, k, e) != ZS_OK) {
        give_up(kv, k, error_is(e, ZS_CORRUPT));
        kv_ingest_close(in);
        return ZS_FAIL;
    }
    kept_free(k);
    *token_bytes = in->synced->token_bytes;
    if (in->synced->token_bytes <= buf_bytes)
        memcpy(buf, in->synced->token, in->synced->token_bytes);
    *out = in;
    return kv_ingest_state(in, state, e);
}

/* A record's key on its way from a file to a visitor. */
struct key_walk {
    zs_key_visit visit;
    void *context;
    bool damaged;
};

static int visit_key(void *context, const char *key, size_t key_len)
{
    struct key_walk *walk = context;
    struct zs_record record;
    walk->damaged = !kv_record_of_key(key, key_len, &record);
    return walk->damaged ? 1 : walk->visit(walk->context, record.key);
}

int kv_ingest_keys(struct zs_ingest *in, zs_key_visit visit, void *context, struct zs_error *e)
{
    struct key_walk walk = {.visit = visit, .context = context};
    struct sst_text said;
    int ended = 0;
    for (uint32_t i = 0; in->synced != NULL && i < in->synced->nfiles && ended == 0; i++) {
        CLEANUP(free_ptr) char *path = stage_file(stage_dir(in->stage), i);
        if (path == NULL)
            return error_memory(e);
        if (engine_check(sst_keys(path, visit_key, &walk, &ended, &said), "read a stage's keys",
                         e) != ZS_OK)
            return explain(in->claim.name, e);
    }
    if (walk.damaged) {
        error_set(e, ZS_CORRUPT, "a key in a stage is damaged");
        return explain(in->claim.name, e);
    }
    if (ended == 0 && in->stage != NULL)
        stage_was_read(in->stage);
    return ZS_OK;
}
