/* stub_ingest.c - the writing half of the in-memory store.
 * Flow: begin registers the ingest; put collects into a private run; commit makes a
 * new version of the branch and swaps it in under the mutex; close drops the rest,
 * but for what was synced (stub_stage.c). */
#include "base/digest.h"
#include "base/error.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "stub/stub_store_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- begin -------------------------------------------------------------------------- */

bool stub_ingest_is_open(const struct stub_store *store, const char *branch)
{
    for (const struct zs_ingest *in = store->ingests; in != NULL; in = in->next)
        if (strcmp(in->branch, branch) == 0)
            return true;
    return false;
}

bool stub_timeline_is_written(const struct stub_store *store, struct zs_timeline_id id)
{
    for (const struct zs_ingest *in = store->ingests; in != NULL; in = in->next)
        if (timeline_equal(in->state.timeline, id))
            return true;
    return false;
}

int stub_busy(const char *branch, struct zs_error *e)
{
    error_set(e, ZS_BUSY, "branch \"%s\" is being written by another transfer", branch);
    return error_hint(e, "Try again when that one has ended.");
}

static int moved(struct zs_error *e, const char *branch, const char *how)
{
    error_set(e, ZS_MOVED_MEANWHILE, "branch \"%s\" %s", branch, how);
    return error_hint(e, "Run the command again.");
}

static int check_spec(const struct zs_ingest_spec *spec, struct zs_error *e)
{
    TRY(branch_name_check(spec->branch, e));
    bool create = (spec->flags & ZS_INGEST_CREATE) != 0;
    bool exact = (spec->flags & ZS_INGEST_EXACT_TIMELINE) != 0;
    if ((spec->flags & ~(ZS_INGEST_CREATE | ZS_INGEST_EXACT_TIMELINE)) != 0)
        return error_set(e, ZS_BAD_VALUE, "ingest flags 0x%x are not known", spec->flags);
    if (create && spec->base_lsn != 0)
        return error_set(e, ZS_BAD_VALUE, "a new branch cannot build on %s",
                         lsn_text(spec->base_lsn).s);
    if (exact && (!create || timeline_is_zero(spec->timeline)))
        return error_set(e, ZS_BAD_VALUE, "an exact timeline goes with a new branch and an id");
    if (spec->target_lsn < spec->base_lsn)
        return error_set(e, ZS_BAD_VALUE, "target %s is below base %s",
                         lsn_text(spec->target_lsn).s, lsn_text(spec->base_lsn).s);
    return ZS_OK;
}

/* With the mutex held.  CREATE: choose the timeline. */
static int begin_create(struct stub_store *store, const struct zs_ingest_spec *spec,
                        struct zs_ingest_state *state, struct zs_error *e)
{
    if (stub_branch_named(store, spec->branch) != NULL)
        return stub_branch_exists(spec->branch, e);
    state->timeline = spec->timeline;
    bool taken = stub_branch_of_timeline(store, spec->timeline) != NULL;
    if (taken && (spec->flags & ZS_INGEST_EXACT_TIMELINE) != 0) {
        error_set(e, ZS_ALREADY_EXISTS, "timeline %s exists already under another name",
                  timeline_text(spec->timeline).s);
        return error_hint(e, "This store keeps one name for a timeline.");
    }
    if (taken || timeline_is_zero(spec->timeline))
        return timeline_random(&state->timeline, e);
    return ZS_OK;
}

/* With the mutex held.  Not CREATE: is the branch where the caller thinks? */
static int begin_append(struct stub_store *store, const struct zs_ingest_spec *spec,
                        struct zs_ingest_state *state, struct zs_error *e)
{
    const struct stub_branch *b = stub_branch_named(store, spec->branch);
    if (b == NULL)
        return stub_no_such_branch(spec->branch, e);
    const struct zs_branch_info *info = &b->now->info;
    if (!timeline_is_zero(spec->timeline) && !timeline_equal(spec->timeline, info->timeline))
        return moved(e, spec->branch, "has become another timeline");
    if (spec->base_lsn != info->last_valid_lsn)
        return moved(e, spec->branch, "is at another LSN than expected");
    state->timeline = info->timeline;
    state->base = (struct zs_point){.lsn = info->last_valid_lsn,
                                    .digest = info->digest,
                                    .records = info->records,
                                    .bytes = info->bytes};
    return ZS_OK;
}

static int begin_locked(struct stub_store *store, const struct zs_ingest_spec *spec,
                        struct zs_ingest *in, struct zs_error *e)
{
    if (stub_ingest_is_open(store, spec->branch))
        return stub_busy(spec->branch, e);
    if (in->create)
        TRY(begin_create(store, spec, &in->state, e));
    else
        TRY(begin_append(store, spec, &in->state, e));
    if (stub_timeline_is_written(store, in->state.timeline))
        return stub_busy(spec->branch, e);
    stub_stage_forget(store, spec->branch, true);
    in->next = store->ingests;
    store->ingests = in;
    store->open_handles++;
    return ZS_OK;
}

void stub_give_state(struct zs_ingest_state *to, const struct zs_ingest_state *from)
{
    uint32_t size = to->struct_size < sizeof *from ? to->struct_size : (uint32_t)sizeof *from;
    memcpy(to, from, size);
    to->struct_size = size;
}

int32_t stub_ingest_begin(void *self, const struct zs_ingest_spec *theirs,
                          struct zs_ingest_state *state, struct zs_ingest **out, struct zs_error *e)
{
    struct stub_store *store = self;
    struct zs_ingest_spec spec = {0};
    memcpy(&spec, theirs, theirs->struct_size < sizeof spec ? theirs->struct_size : sizeof spec);
    TRY(check_spec(&spec, e));
    struct zs_ingest *in = calloc(1, sizeof *in);
    if (in == NULL)
        return error_memory(e);
    in->store = store;
    in->create = (spec.flags & ZS_INGEST_CREATE) != 0;
    in->exact = (spec.flags & ZS_INGEST_EXACT_TIMELINE) != 0;
    in->target_lsn = spec.target_lsn;
    in->state.struct_size = sizeof in->state;
    (void)stpcpy(in->branch, spec.branch); /* its length has been checked */
    int rc = run_init(&in->run, e);
    if (rc == ZS_OK) {
        stub_lock(store);
        rc = begin_locked(store, &spec, in, e);
        stub_unlock(store);
    }
    if (rc != ZS_OK) {
        run_fini(&in->run);
        free(in);
        return ZS_FAIL;
    }
    stub_give_state(state, &in->state);
    *out = in;
    return ZS_OK;
}

/* ---- put ---------------------------------------------------------------------------- */

static int check_record(const struct zs_ingest *in, const struct zs_record *r, struct zs_error *e)
{
    const struct run *run = &in->run;
    if (r->len > ZS_VALUE_MAX)
        return error_set(e, ZS_VALUE_TOO_LARGE, "value of %u bytes is too large", r->len);
    if (r->kind < ZS_KIND_IMAGE || r->kind > ZS_KIND_TOMBSTONE)
        return error_set(e, ZS_BAD_VALUE, "kind %u is not known", r->kind);
    if (r->kind == ZS_KIND_TOMBSTONE && r->len != 0)
        return error_set(e, ZS_BAD_VALUE, "a tombstone has a value");
    if (r->lsn <= in->state.base.lsn || r->lsn > in->target_lsn)
        return error_set(e, ZS_BAD_VALUE, "record at %s is not after %s and up to %s",
                         lsn_text(r->lsn).s, lsn_text(in->state.base.lsn).s,
                         lsn_text(in->target_lsn).s);
    if (run->n > 0 && record_compare(&run->records[run->n - 1], r) >= 0)
        return error_set(e, ZS_BAD_VALUE, "records are not in (key, lsn) order");
    return ZS_OK;
}

int32_t stub_ingest_put(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                        struct zs_error *e)
{
    if (in->over)
        return error_set(e, ZS_INTERNAL_ERROR, "the ingest has ended already");
    for (uint64_t i = 0; i < n; i++) {
        if (check_record(in, &records[i], e) != ZS_OK) {
            in->over = true;
            return error_detail(e, "It is record %llu of the ingest.",
                                (unsigned long long)in->run.n + 1);
        }
        if (run_add(&in->run, &records[i], e) != ZS_OK) {
            in->over = true;
            return ZS_FAIL;
        }
        in->state.records++;
        in->state.bytes += records[i].len;
        if (records[i].lsn > in->highest_lsn)
            in->highest_lsn = records[i].lsn;
        if (stub_has_digest(in->store))
            digest_add_records(&in->state.sum, &records[i], 1);
    }
    return ZS_OK;
}

int32_t stub_ingest_state(struct zs_ingest *in, struct zs_ingest_state *state, struct zs_error *e)
{
    (void)e;
    stub_give_state(state, &in->state);
    return ZS_OK;
}

/* ---- commit ------------------------------------------------------------------------- */

static int check_commit(const struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    if (c->upto_lsn < in->state.base.lsn || c->upto_lsn > in->target_lsn ||
        c->upto_lsn < in->highest_lsn)
        return error_set(e, ZS_BAD_VALUE, "a commit at %s does not fit what was put",
                         lsn_text(c->upto_lsn).s);
    if (c->end.lsn != c->upto_lsn || c->gc_cutoff_lsn > c->upto_lsn)
        return error_set(e, ZS_BAD_VALUE, "the commit's end does not fit %s",
                         lsn_text(c->upto_lsn).s);
    zs_lsn above = in->state.base.lsn;
    for (uint32_t i = 0; i < c->npoints; i++) {
        if (c->points[i].lsn <= above || c->points[i].lsn >= c->upto_lsn)
            return error_set(e, ZS_BAD_VALUE, "point %u of the commit is out of order or range",
                             i + 1);
        above = c->points[i].lsn;
    }
    if (stub_has_digest(in->store) && !digest_equal(c->sum, in->state.sum)) {
        error_set(e, ZS_CORRUPT, "what arrived for branch \"%s\" is not what was sent", in->branch);
        error_detail(e, "The records sum to %s; they should sum to %s.",
                     digest_text(in->state.sum).s, digest_text(c->sum).s);
        return error_hint(e, "Run the command again.");
    }
    return ZS_OK;
}

static int make_branch(struct zs_ingest *in, struct version_change *change, struct zs_error *e)
{
    struct stub_store *store = in->store;
    if (stub_branch_named(store, in->branch) != NULL)
        return moved(e, in->branch, "was made by somebody else meanwhile");
    if (stub_branch_of_timeline(store, in->state.timeline) != NULL)
        return moved(e, in->branch, "has a timeline id that was taken meanwhile");
    struct zs_branch_info info = {.struct_size = sizeof info, .timeline = in->state.timeline};
    (void)stpcpy(info.name, in->branch);
    struct version *empty = version_create(&info, e);
    if (empty == NULL)
        return ZS_FAIL;
    struct version *v = version_after(empty, change, e);
    version_release(empty);
    if (v != NULL && stub_branch_insert(store, v, e) == ZS_OK)
        return ZS_OK;
    version_release(v);
    return ZS_FAIL;
}

static int move_branch(struct zs_ingest *in, struct version_change *change, struct zs_error *e)
{
    struct stub_branch *b = stub_branch_named(in->store, in->branch);
    if (b == NULL || !timeline_equal(b->now->info.timeline, in->state.timeline) ||
        b->now->info.last_valid_lsn != in->state.base.lsn)
        return moved(e, in->branch, "was written by somebody else meanwhile");
    if (change->gc_cutoff_lsn < b->now->info.gc_cutoff_lsn)
        change->gc_cutoff_lsn = b->now->info.gc_cutoff_lsn; /* collected meanwhile */
    struct version *v = version_after(b->now, change, e);
    if (v == NULL)
        return ZS_FAIL;
    version_release(b->now);
    b->now = v;
    return ZS_OK;
}

static int try_commit(struct zs_ingest *in, const struct zs_commit *c, struct zs_error *e)
{
    TRY(check_commit(in, c, e));
    TRY(blobs_check(c->blobs, c->nblobs, e));
    struct version_change change = {.run = &in->run,
                                    .points = c->points,
                                    .npoints = c->npoints,
                                    .end = c->end,
                                    .gc_cutoff_lsn = c->gc_cutoff_lsn,
                                    .keep_points = stub_has_digest(in->store),
                                    .blobs = c->blobs,
                                    .nblobs = c->nblobs};
    stub_lock(in->store);
    int rc = in->store->hindered ? error_memory(e)
             : in->create        ? make_branch(in, &change, e)
                                 : move_branch(in, &change, e);
    stub_unlock(in->store);
    return rc;
}

int32_t stub_ingest_commit(struct zs_ingest *in, const struct zs_commit *theirs, struct zs_error *e)
{
    struct zs_commit c = {0};
    memcpy(&c, theirs, theirs->struct_size < sizeof c ? theirs->struct_size : sizeof c);
    if (in->over)
        return error_set(e, ZS_INTERNAL_ERROR, "the ingest has ended already");
    in->over = true;
    int rc = try_commit(in, &c, e);
    in->spent = rc == ZS_OK || error_is(e, ZS_CORRUPT) || error_is(e, ZS_BAD_VALUE) ||
                error_is(e, ZS_VALUE_TOO_LARGE) || error_is(e, ZS_MOVED_MEANWHILE);
    return rc;
}

void stub_store_hinder_commits(struct stub_store *store, bool on)
{
    stub_lock(store);
    store->hindered = on;
    stub_unlock(store);
}

void stub_ingest_close(struct zs_ingest *in)
{
    struct stub_store *store = in->store;
    stub_lock(store);
    struct zs_ingest **at = &store->ingests;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    store->open_handles--;
    bool keep = in->synced_unix != 0 && !in->spent;
    if (keep)
        stub_stage_keep(store, in);
    stub_unlock(store);
    if (keep)
        return;
    run_fini(&in->run);
    free(in);
}

uint64_t stub_store_open_handles(struct stub_store *store)
{
    stub_lock(store);
    uint64_t n = store->open_handles;
    stub_unlock(store);
    return n;
}

int stub_store_write(struct stub_store *store, const char *branch, const struct zs_record *records,
                     uint64_t n, zs_lsn upto_lsn, struct zs_error *e)
{
    const struct stub_write write = {.records = records, .n = n, .upto_lsn = upto_lsn};
    return stub_store_write_with(store, branch, &write, e);
}
