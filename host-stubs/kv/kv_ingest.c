/* kv_ingest.c - one write into a branch, invisible until its commit.
 *
 *   begin -> claim in the registry -> put ... -> commit -> close
 *
 * Small ones collect in a WriteBatch, and the commit is one synced write of it with the
 * metadata.  Past SMALL_BYTES, or at once if expected to be, they go to a stage
 * (kv_stage.c), and the commit is one call that takes in all of its files, one of which
 * is the metadata.  Never records first and metadata after: records above
 * last_valid_lsn would become visible with a later commit, and no digest would see it.
 * What was synced as a stage stays when the ingest is closed without a commit, or after one that
 * failed for a reason that may pass (kv_kept.c).  Should such a one turn out to be on the disk
 * all the same, the next start finds that the branch moved, and drops the stage.
 * Nothing is in the engine before the commit, so a crash needs no undoing.
 * Invariant: records ascend strictly in (key, lsn), and all have base < lsn <= target.
 * Threads: one per ingest. */
#include "base/bytes.h"
#include "base/digest.h"
#include "kv/kv_internal.h"
#include "model/branch_name.h"
#include "model/lsn.h"

#include <string.h>

/* Keys and values in the batch, and a commit's blobs.  A stage syncs six times and more, two new
 * files twice each, and a batch once.  Measured, a whole push: 1.6 MB 40 ms and 53 ms of a busy
 * disk's, and half the CPU; at 3.2 MB there is no difference; 8 MiB take longer as a batch, put and
 * commit 30-80 ms in place of 10-30, and three times their size in memory (the batch's, the
 * memtable, and the one being flushed). */
#define SMALL_BYTES ((uint64_t)2 << 20)

/* ---- begin ----------------------------------------------------------------------- */

int timeline_taken(struct kv *kv, struct zs_timeline_id id, bool *taken, struct zs_error *e)
{
    struct kv_key key = kv_key_timeline(id);
    size_t len = 0;
    return engine_get(kv, kv->newest, &key, NULL, 0, &len, taken, e);
}

/* The id that a new branch gets. */
static int timeline_choose(struct kv *kv, const struct zs_ingest_spec *spec,
                           struct zs_timeline_id *out, struct zs_error *e)
{
    if (timeline_is_zero(spec->timeline))
        return timeline_random(out, e);
    bool taken = false;
    TRY(timeline_taken(kv, spec->timeline, &taken, e));
    if (!taken) {
        for (const struct claim *c = kv->claims; c != NULL; c = c->next)
            if (timeline_equal(c->timeline, spec->timeline)) {
                error_set(e, ZS_BUSY, "timeline %s is being written by another transfer, as \"%s\"",
                          timeline_text(spec->timeline).s, c->name);
                return error_hint(e, "Wait until it has ended and try again.");
            }
        *out = spec->timeline;
        return ZS_OK;
    }
    if ((spec->flags & ZS_INGEST_EXACT_TIMELINE) == 0)
        return timeline_random(out, e);
    error_set(e, ZS_ALREADY_EXISTS, "timeline %s is here already under another name",
              timeline_text(spec->timeline).s);
    return error_hint(e, "\"zenith branch list\" shows which branch has it.");
}

static int begin_new(struct zs_ingest *in, const struct zs_ingest_spec *spec, bool exists,
                     struct zs_error *e)
{
    if (exists) {
        error_set(e, ZS_ALREADY_EXISTS, "branch \"%s\" exists already", spec->branch);
        return error_hint(e, "Choose another name, or \"zenith branch delete %s\" first.",
                          spec->branch);
    }
    if (spec->base_lsn != 0)
        return error_set(e, ZS_BAD_VALUE, "a new branch cannot build on LSN %s",
                         lsn_text(spec->base_lsn).s);
    in->base = (struct branch_meta){0};
    TRY(timeline_choose(in->kv, spec, &in->base.timeline, e));
    in->base.space = in->kv->next_space++;
    return ZS_OK;
}

int branch_moved(const char *branch, struct zs_error *e)
{
    error_set(e, ZS_MOVED_MEANWHILE, "branch \"%s\" was changed meanwhile", branch);
    return error_hint(e, "Run the same command again.");
}

static int begin_old(const struct zs_ingest *in, const struct zs_ingest_spec *spec, bool exists,
                     struct zs_error *e)
{
    if (!exists) {
        error_set(e, ZS_NO_SUCH_BRANCH, "there is no branch \"%s\"", spec->branch);
        return error_hint(e, "\"zenith branch list\" shows the branches.");
    }
    if (spec->base_lsn != in->base.last_valid_lsn) {
        branch_moved(spec->branch, e);
        return error_detail(e, "It is at %s, and the write was to build on %s",
                            lsn_text(in->base.last_valid_lsn).s, lsn_text(spec->base_lsn).s);
    }
    if (!timeline_is_zero(spec->timeline) && !timeline_equal(spec->timeline, in->base.timeline)) {
        branch_moved(spec->branch, e);
        return error_detail(e, "It is timeline %s now, and was %s",
                            timeline_text(in->base.timeline).s, timeline_text(spec->timeline).s);
    }
    return ZS_OK;
}

static int begin_locked(struct zs_ingest *in, const struct zs_ingest_spec *spec,
                        struct kept **dropped, struct zs_error *e)
{
    bool exists = false;
    TRY(branch_look(in->kv, in->kv->newest, spec->branch, &in->base, &exists, e));
    TRY(claim_check(in->kv, spec->branch, e));
    TRY(in->create ? begin_new(in, spec, exists, e) : begin_old(in, spec, exists, e));
    memcpy(in->claim.name, spec->branch, strlen(spec->branch));
    in->claim.timeline = in->base.timeline;
    claim_add(in->kv, &in->claim);
    *dropped = kept_take(in->kv, spec->branch, true);
    return ZS_OK;
}

static int spec_check(const struct zs_ingest_spec *spec, struct zs_error *e)
{
    if ((spec->flags & ~(ZS_INGEST_CREATE | ZS_INGEST_EXACT_TIMELINE)) != 0)
        return error_set(e, ZS_NOT_SUPPORTED, "the store does not know ingest flags %#x",
                         spec->flags);
    if ((spec->flags & ZS_INGEST_EXACT_TIMELINE) != 0 &&
        ((spec->flags & ZS_INGEST_CREATE) == 0 || timeline_is_zero(spec->timeline)))
        return error_set(e, ZS_BAD_VALUE, "an exact timeline goes with a new branch and an id");
    if (spec->target_lsn < spec->base_lsn)
        return error_set(e, ZS_BAD_VALUE, "target LSN %s is below the LSN that is built on, %s",
                         lsn_text(spec->target_lsn).s, lsn_text(spec->base_lsn).s);
    return ZS_OK;
}

int kv_ingest_begin(void *self, const struct zs_ingest_spec *theirs, struct zs_ingest_state *state,
                    struct zs_ingest **out, struct zs_error *e)
{
    struct kv *kv = self;
    struct zs_ingest_spec copy = {0};
    const struct zs_ingest_spec *spec = &copy;
    memcpy(&copy, theirs, theirs->struct_size < sizeof copy ? theirs->struct_size : sizeof copy);
    TRY(branch_name_check(spec->branch, e));
    TRY(spec_check(spec, e));
    struct zs_ingest *in = calloc(1, sizeof *in);
    if (in == NULL)
        return error_memory(e);
    in->kv = kv;
    in->create = (spec->flags & ZS_INGEST_CREATE) != 0;
    in->exact = (spec->flags & ZS_INGEST_EXACT_TIMELINE) != 0;
    in->target_lsn = spec->target_lsn;

    struct kept *dropped = NULL;
    (void)pthread_mutex_lock(&kv->registry);
    int rc = begin_locked(in, spec, &dropped, e);
    (void)pthread_mutex_unlock(&kv->registry);
    kept_remove(dropped);
    if (rc != ZS_OK) {
        free(in);
        return ZS_FAIL;
    }
    in->batch = rocksdb_writebatch_create();
    if (in->batch == NULL)
        rc = error_memory(e);
    else if (spec->expected_bytes > SMALL_BYTES)
        rc = stage_open(kv, &in->stage, e);
    if (rc != ZS_OK) {
        kv_ingest_close(in);
        return ZS_FAIL;
    }
    *out = in;
    return kv_ingest_state(in, state, e);
}

int kv_ingest_state(struct zs_ingest *in, struct zs_ingest_state *state, struct zs_error *e)
{
    (void)e;
    const struct zs_ingest_state full = {
        .struct_size = state->struct_size,
        .timeline = in->base.timeline,
        .base = {.lsn = in->base.last_valid_lsn,
                 .digest = in->base.digest,
                 .records = in->base.records,
                 .bytes = in->base.bytes},
        .sum = in->sum,
        .records = in->records,
        .bytes = in->bytes,
    };
    memcpy(state, &full, state->struct_size < sizeof full ? state->struct_size : sizeof full);
    return ZS_OK;
}

/* ---- put ------------------------------------------------------------------------- */

static int put_check(const struct zs_ingest *in, const struct zs_record *r, struct zs_error *e)
{
    int order = memcmp(in->last_key, r->key, ZS_KEY_BYTES);
    if (r->len > ZS_VALUE_MAX)
        error_set(e, ZS_VALUE_TOO_LARGE, "a value of %u bytes is larger than %u", r->len,
                  ZS_VALUE_MAX);
    else if (r->kind < ZS_KIND_IMAGE || r->kind > ZS_KIND_TOMBSTONE)
        error_set(e, ZS_BAD_VALUE, "a record of unknown kind %u was put", r->kind);
    else if (r->kind == ZS_KIND_TOMBSTONE && r->len != 0)
        error_set(e, ZS_BAD_VALUE, "a tombstone with a value was put");
    else if (r->lsn <= in->base.last_valid_lsn || r->lsn > in->target_lsn)
        error_set(e, ZS_BAD_VALUE, "a record at %s is outside of the range (%s, %s]",
                  lsn_text(r->lsn).s, lsn_text(in->base.last_valid_lsn).s,
                  lsn_text(in->target_lsn).s);
    else if (in->last_lsn != 0 && (order > 0 || (order == 0 && r->lsn <= in->last_lsn)))
        error_set(e, ZS_BAD_VALUE, "records were put out of order");
    else
        return ZS_OK;
    uint8_t k[ZS_KEY_BYTES];
    memcpy(k, r->key, sizeof k);
    return error_detail(e, "Record %llu, key %02x %08x %08x %08x %02x %08x, lsn %s",
                        (unsigned long long)in->records + 1, k[0], get_u32be(k + 1),
                        get_u32be(k + 5), get_u32be(k + 9), k[13], get_u32be(k + 14),
                        lsn_text(r->lsn).s);
}

/* What the batch is replayed into when it has become too large. */
struct replay {
    struct stage *stage;
    int rc;
    struct zs_error *e;
};

static void replay_put(void *context, const char *key, size_t key_len, const char *value,
                       size_t len)
{
    struct replay *r = context;
    if (r->rc == ZS_OK)
        r->rc = stage_put(r->stage, key, key_len, value, len, r->e);
}

static void replay_deleted(void *context, const char *key, size_t key_len)
{
    (void)context, (void)key, (void)key_len; /* a batch of ours has puts alone */
}

static int grow(struct zs_ingest *in, struct zs_error *e)
{
    TRY(stage_open(in->kv, &in->stage, e));
    struct replay replay = {.stage = in->stage, .rc = ZS_OK, .e = e};
    rocksdb_writebatch_iterate(in->batch, &replay, replay_put, replay_deleted);
    TRY(replay.rc);
    rocksdb_writebatch_t *empty = rocksdb_writebatch_create(); /* clear() keeps the memory */
    if (empty == NULL)
        return error_memory(e);
    rocksdb_writebatch_destroy(in->batch);
    in->batch = empty;
    return ZS_OK;
}

static int put_one(struct zs_ingest *in, const struct zs_record *r, struct zs_error *e)
{
    char key[KV_RECORD_KEY];
    TRY(put_check(in, r, e));
    kv_key_record(key, in->base.space, r->key, r->lsn, r->kind);
    if (in->stage == NULL && in->batch_bytes + sizeof key + r->len + 16 > SMALL_BYTES)
        TRY(grow(in, e));
    if (in->stage != NULL) {
        TRY(stage_put(in->stage, key, sizeof key, r->value, r->len, e));
    } else {
        rocksdb_writebatch_put(in->batch, key, sizeof key, r->value, r->len);
        in->batch_bytes += sizeof key + r->len + 16;
    }
    memcpy(in->last_key, r->key, ZS_KEY_BYTES);
    in->last_lsn = r->lsn;
    in->highest_lsn = r->lsn > in->highest_lsn ? r->lsn : in->highest_lsn;
    in->records++;
    in->bytes += r->len;
    digest_add_records(&in->sum, r, 1);
    return ZS_OK;
}

int ingest_usable(const struct zs_ingest *in, struct zs_error *e)
{
    if (in->broken || in->ended)
        return error_set(e, ZS_BAD_VALUE, "this ingest has %s; it can only be closed",
                         in->broken ? "failed" : "ended");
    return ZS_OK;
}

int kv_ingest_put(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                  struct zs_error *e)
{
    TRY(ingest_usable(in, e));
    for (uint64_t i = 0; i < n; i++)
        if (put_one(in, &records[i], e) != ZS_OK) {
            in->broken = true;
            return ZS_FAIL;
        }
    return ZS_OK;
}

/* ---- commit ---------------------------------------------------------------------- */

static int commit_check(const struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    zs_lsn base = in->base.last_valid_lsn;
    if (c->upto_lsn < base || c->upto_lsn > in->target_lsn || c->end.lsn != c->upto_lsn)
        return error_set(e, ZS_BAD_VALUE, "a commit up to %s does not fit the ingest (%s, %s]",
                         lsn_text(c->upto_lsn).s, lsn_text(base).s, lsn_text(in->target_lsn).s);
    if (in->highest_lsn > c->upto_lsn)
        return error_set(e, ZS_BAD_VALUE, "a record at %s is above the commit's LSN %s",
                         lsn_text(in->highest_lsn).s, lsn_text(c->upto_lsn).s);
    if (c->gc_cutoff_lsn > c->upto_lsn)
        return error_set(e, ZS_BAD_VALUE, "gc_cutoff_lsn %s is above the commit's LSN %s",
                         lsn_text(c->gc_cutoff_lsn).s, lsn_text(c->upto_lsn).s);
    for (uint64_t i = 0; i < c->nblobs; i++)
        TRY(blob_check(&c->blobs[i], e));
    zs_lsn last = base;
    for (uint32_t i = 0; i < c->npoints; i++) {
        if (c->points[i].lsn <= last || c->points[i].lsn >= c->upto_lsn)
            return error_set(e, ZS_BAD_VALUE, "history point %s is out of order or range",
                             lsn_text(c->points[i].lsn).s);
        last = c->points[i].lsn;
    }
    if (!digest_equal(c->sum, in->sum)) {
        error_set(e, ZS_CORRUPT, "what arrived for branch \"%s\" is not what was sent",
                  in->claim.name);
        error_detail(e, "The records sum to %s and should to %s", digest_text(in->sum).s,
                     digest_text(c->sum).s);
        return error_hint(e, "Nothing was changed; run the same command again.");
    }
    return ZS_OK;
}

/* Nobody can have moved the branch past its claim; this guards against ourselves. */
static int base_check(const struct zs_ingest *in, struct zs_error *e)
{
    struct branch_meta now = {0};
    bool exists = false;
    bool taken = false;
    TRY(branch_look(in->kv, in->kv->newest, in->claim.name, &now, &exists, e));
    if (!in->create &&
        (!exists || now.space != in->base.space || now.last_valid_lsn != in->base.last_valid_lsn))
        return branch_moved(in->claim.name, e);
    if (!in->create)
        return ZS_OK;
    TRY(timeline_taken(in->kv, in->base.timeline, &taken, e));
    return exists || taken ? branch_moved(in->claim.name, e) : ZS_OK;
}

/* The metadata goes where the records went: to the batch, or as the stage's last file. */
static int meta_put(struct zs_ingest *in, const struct kv_key *key, const void *value, size_t len,
                    struct zs_error *e)
{
    if (in->stage != NULL)
        return stage_put(in->stage, key->bytes, key->len, value, len, e);
    batch_put(in->batch, key, value, len);
    return ZS_OK;
}

static int meta_delete(struct zs_ingest *in, const struct kv_key *key, struct zs_error *e)
{
    if (in->stage != NULL)
        return stage_delete(in->stage, key->bytes, key->len, e);
    rocksdb_writebatch_delete(in->batch, key->bytes, key->len);
    return ZS_OK;
}

/* All of them, then the length of each: in the order of their keys. */
static int blobs_put(struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    if (c->nblobs == 0)
        return ZS_OK;
    CLEANUP(free_ptr) struct zs_blob *sorted = calloc(c->nblobs, sizeof *sorted);
    if (sorted == NULL)
        return error_memory(e);
    memcpy(sorted, c->blobs, c->nblobs * sizeof *sorted);
    qsort(sorted, c->nblobs, sizeof *sorted, blob_order);
    for (uint64_t i = 0; i < c->nblobs; i++) {
        struct kv_key key = kv_key_blob(in->base.space, sorted[i].name);
        if (i > 0 && blob_order(&sorted[i], &sorted[i - 1]) == 0)
            return error_set(e, ZS_BAD_VALUE, "blob \"%s\" stands twice in a commit",
                             sorted[i].name);
        if (sorted[i].data == NULL)
            TRY(meta_delete(in, &key, e));
        else
            TRY(meta_put(in, &key, sorted[i].data, sorted[i].len, e));
    }
    for (uint64_t i = 0; i < c->nblobs; i++) {
        struct kv_key key = kv_key_blob_length(in->base.space, sorted[i].name);
        char value[8];
        put_u64le(value, sorted[i].len);
        if (sorted[i].data == NULL)
            TRY(meta_delete(in, &key, e));
        else
            TRY(meta_put(in, &key, value, sizeof value, e));
    }
    return ZS_OK;
}

static int point_put(struct zs_ingest *in, const struct zs_point *point, struct zs_error *e)
{
    char value[KV_POINT_VALUE];
    struct kv_key key = kv_key_point(in->base.space, point->lsn);
    kv_point_encode(point, value);
    return meta_put(in, &key, value, sizeof value, e);
}

/* In the order of their keys (kv_layout.h): a sorted file wants it so. */
static int metadata_put(struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    struct branch_meta meta = in->base;
    meta.last_valid_lsn = c->upto_lsn;
    if (c->gc_cutoff_lsn > meta.gc_cutoff_lsn) /* never goes back */
        meta.gc_cutoff_lsn = c->gc_cutoff_lsn;
    meta.digest = c->end.digest;
    meta.records = c->end.records;
    meta.bytes = c->end.bytes;

    char value[KV_BRANCH_VALUE];
    struct kv_key branch = kv_key_branch(in->claim.name);
    if (in->create) {
        struct kv_key next = kv_key_next_space();
        (void)pthread_mutex_lock(&in->kv->registry);
        put_u64le(value, in->kv->next_space);
        (void)pthread_mutex_unlock(&in->kv->registry);
        TRY(meta_put(in, &next, value, 8, e));
    }
    kv_branch_encode(&meta, value);
    TRY(meta_put(in, &branch, value, sizeof value, e));
    if (in->create) {
        struct kv_key timeline = kv_key_timeline(meta.timeline);
        TRY(meta_put(in, &timeline, in->claim.name, strlen(in->claim.name), e));
    }
    for (uint32_t i = 0; i < c->npoints; i++)
        TRY(point_put(in, &c->points[i], e));
    if (c->upto_lsn > 0)
        TRY(point_put(in, &c->end, e));
    return blobs_put(in, c, e);
}

/* Blobs count as records do. */
static int grow_for_blobs(struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    uint64_t bytes = in->batch_bytes;
    for (uint64_t i = 0; i < c->nblobs; i++)
        bytes += c->blobs[i].data != NULL ? c->blobs[i].len : 0;
    return in->stage == NULL && bytes > SMALL_BYTES ? grow(in, e) : ZS_OK;
}

static int commit_locked(struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    TRY(base_check(in, e));
    TRY(metadata_put(in, c, e));
    if (in->stage != NULL)
        return stage_ingest(in->stage, e);
    return engine_write(in->kv, true, in->batch, RESERVE_COMMIT, "write the commit", e);
}

static int try_commit(struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    TRY(commit_check(in, c, e));
    TRY(grow_for_blobs(in, c, e));
    if (in->stage != NULL)
        TRY(stage_check(in->stage, e)); /* outside of the lock: it syncs, and reads each file */
    (void)pthread_mutex_lock(&in->kv->commit);
    int rc = commit_locked(in, c, e);
    (void)pthread_mutex_unlock(&in->kv->commit);
    return rc;
}

/* Would the same records be refused again? */
static bool is_refusal(const struct zs_error *e)
{
    return error_is(e, ZS_CORRUPT) || error_is(e, ZS_BAD_VALUE) ||
           error_is(e, ZS_VALUE_TOO_LARGE) || error_is(e, ZS_MOVED_MEANWHILE);
}

int kv_ingest_commit(struct zs_ingest *in, const struct zs_commit *commit, struct zs_error *e)
{
    TRY(ingest_usable(in, e));
    in->ended = true;
    struct zs_commit c = {0};
    memcpy(&c, commit, commit->struct_size < sizeof c ? commit->struct_size : sizeof c);
    int rc = try_commit(in, &c, e);
    in->spent = rc == ZS_OK || is_refusal(e);
    return rc;
}

void kv_ingest_close(struct zs_ingest *in)
{
    if (in == NULL)
        return;
    if (in->synced != NULL && !in->spent)
        ingest_keep(in);
    manifest_free(in->synced);
    stage_close(in->stage);
    if (in->batch != NULL)
        rocksdb_writebatch_destroy(in->batch);
    claim_drop(in->kv, &in->claim);
    free(in);
}
