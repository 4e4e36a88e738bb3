/* pgimport.c - a data directory into a branch: what differs from what it shows.
 * Flow: pgcluster (may it be imported?) -> pgplan -> pgwalk and visible, merged in key
 * order -> ingest.  Into a new or empty branch the same merge finds everything new.
 * The import's LSN is where the checkpoint record starts: pg_controldata's "Latest
 * checkpoint location", the one number that people can look up.  PostgreSQL moves it at
 * every start and stop, so a later import has a greater one.
 * All or nothing: the ingest is dropped on every way out but the commit.
 * Memory: the buffers of pgwalk and visible, 2 MiB in all, and one folder's listing. */
#include "pgdata/pgdata.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "pgdata/pgcluster.h"
#include "pgdata/pgmerge.h"
#include "pgdata/pgwalk.h"
#include "pgdata/visible.h"
#include "store/store.h"

#include <assert.h>
#include <string.h>

enum { PUTS = 1024 };

struct import {
    const struct zs_store *store;
    const char *branch;
    const struct pgdata_watch *watch;
    const struct pgcluster *cluster;
    enum import_plan plan;
    uint64_t total_bytes;
    struct snapshot snapshot; /* closed for IMPORT_CREATE */
    struct visible *visible;
    struct pgwalk *walk;
    struct ingest ingest; /* closed for IMPORT_COMPARE */
    uint64_t nputs;
    struct zs_record puts[PUTS];
};

static void import_close(struct import *im)
{
    if (im == NULL)
        return;
    ingest_close(&im->ingest);
    pgwalk_close(im->walk);
    visible_close(im->visible);
    snapshot_close(&im->snapshot);
    free(im);
}
CLEANUP_POINTER(struct import, import_close)

/* ---- may this cluster go into this branch? ------------------------------------ */

static int refuse(const struct import *im, const struct pgcontrol *theirs, struct zs_error *e)
{
    const struct pgcontrol *ours = &im->cluster->control;
    zs_lsn last = im->snapshot.info.last_valid_lsn;
    const char *path = im->cluster->path;

    switch (im->plan) {
    case IMPORT_CREATE:
    case IMPORT_FILL:
    case IMPORT_CHANGES:
    case IMPORT_COMPARE:
        return ZS_OK;
    case IMPORT_NO_CLUSTER:
        error_set(e, ZS_BAD_VALUE, "branch \"%s\" holds no PostgreSQL cluster", im->branch);
        break;
    case IMPORT_OTHER_CLUSTER:
        error_set(e, ZS_UNRELATED, "branch \"%s\" holds another cluster than \"%s\"", im->branch,
                  path);
        error_detail(e, "System identifiers: %llu in the branch, %llu in the directory.",
                     (unsigned long long)theirs->system_identifier,
                     (unsigned long long)ours->system_identifier);
        break;
    case IMPORT_OTHER_BLOCKS:
        error_set(e, ZS_NOT_SUPPORTED, "branch \"%s\" holds pages of another size", im->branch);
        error_detail(e,
                     "Page and segment: %u bytes, %u pages in the branch; %u, %u in the "
                     "directory.",
                     theirs->block_bytes, theirs->segment_blocks, ours->block_bytes,
                     ours->segment_blocks);
        break;
    case IMPORT_OLDER:
        error_set(e, ZS_NOT_FAST_FORWARD,
                  "branch \"%s\" is ahead of \"%s\": it is at %s, the cluster at %s", im->branch,
                  path, lsn_text(last).s, lsn_text(ours->checkpoint).s);
        return error_hint(e,
                          "To keep this older state, import it into a branch of its own: "
                          "zenith import NEW_BRANCH %s",
                          path);
    }
    return error_hint(e, "Import it into a branch of its own: zenith import NEW_BRANCH %s", path);
}

/* The pg_control that the branch shows, if any. */
static int read_their_control(const struct import *im, struct pgcontrol *out, bool *has,
                              struct zs_error *e)
{
    uint8_t key[ZS_KEY_BYTES], bytes[PGCONTROL_FILE_BYTES];
    struct zs_record record;
    int found;
    pgkey_encode(&(struct pgkey){.type = PGKEY_CONTROL}, key);
    TRY(visible_get(&im->snapshot, im->snapshot.info.last_valid_lsn, key, bytes, sizeof bytes,
                    &record, &found, e));
    *has = found && record.kind == ZS_KIND_IMAGE && record.len <= sizeof bytes;
    if (*has && pgcontrol_parse(bytes, record.len, out, e) != ZS_OK)
        return error_detail(e, "So says the pg_control in branch \"%s\".", im->branch);
    return ZS_OK;
}

static int look_at_branch(struct import *im, struct zs_error *e)
{
    struct pgcontrol theirs = {0};
    bool has = false, exists = true;

    if (snapshot_open(im->store, im->branch, &im->snapshot, e) != ZS_OK) {
        if (!error_is(e, ZS_NO_SUCH_BRANCH))
            return ZS_FAIL;
        memset(e, 0, sizeof *e);
        exists = false;
    } else {
        TRY(read_their_control(im, &theirs, &has, e));
    }
    im->plan = import_decide(exists, im->snapshot.info.last_valid_lsn, has ? &theirs : NULL,
                             &im->cluster->control);
    return refuse(im, &theirs, e);
}

/* ---- writing ------------------------------------------------------------------- */

static int begin(struct import *im, struct zs_error *e)
{
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec,
        .branch = im->branch,
        .base_lsn = im->snapshot.info.last_valid_lsn,
        .target_lsn = im->cluster->control.checkpoint,
    };
    if (im->plan == IMPORT_COMPARE)
        return ZS_OK;
    /* What changed is not known before it was read; a guess of nothing says so. */
    if (im->plan != IMPORT_CHANGES)
        spec.expected_bytes = im->total_bytes;
    if (im->plan == IMPORT_CREATE) {
        spec.flags = ZS_INGEST_CREATE;
        TRY(timeline_random(&spec.timeline, e));
    }
    return ingest_begin(im->store, &spec, &im->ingest, e);
}

static int flush(struct import *im, struct zs_error *e)
{
    if (im->nputs > 0)
        TRY(ingest_put(&im->ingest, im->puts, im->nputs, e));
    im->nputs = 0;
    return ZS_OK;
}

/* A branch that is at this LSN already cannot take another version at it. */
static int refuse_same_lsn(const struct import *im, struct zs_error *e)
{
    error_set(e, ZS_BAD_VALUE,
              "\"%s\" was changed since it was imported, but its checkpoint is still at %s",
              im->cluster->path, lsn_text(im->cluster->control.checkpoint).s);
    error_detail(e, "A file was edited, or a tool such as pg_checksums ran, while PostgreSQL was "
                    "stopped.");
    return error_hint(e, "Start PostgreSQL on it and stop it, which moves the checkpoint, and "
                         "import again.");
}

static int put(struct import *im, const struct zs_record *record, uint8_t kind, struct zs_error *e)
{
    if (im->plan == IMPORT_COMPARE)
        return refuse_same_lsn(im, e);
    if (im->nputs == PUTS)
        TRY(flush(im, e));
    assert(record != NULL); /* merge_decide names a side only where there is one */
    struct zs_record *p = &im->puts[im->nputs++];
    *p = *record;
    p->lsn = im->cluster->control.checkpoint;
    p->kind = kind;
    p->flags = 0;
    if (kind == ZS_KIND_TOMBSTONE) {
        p->len = 0;
        p->value = NULL;
    }
    return ZS_OK;
}

/* Records put are views of the walk's buffer: they are flushed before it moves on. */
static int merge(struct import *im, struct zs_error *e)
{
    const struct zs_record *ours = NULL, *theirs, *batch;
    uint64_t at = 0, count = 0;

    TRY(visible_next(im->visible, &theirs, e));
    for (;;) {
        if (at == count) {
            TRY(flush(im, e));
            TRY(watch_poll(im->watch, e));
            watch_progress(im->watch, pgwalk_done_bytes(im->walk), im->total_bytes);
            TRY(pgwalk_next(im->walk, &batch, &count, e));
            at = 0;
        }
        ours = count == 0 ? NULL : &batch[at];
        switch (merge_decide(ours, theirs)) {
        case MERGE_PUT_NEW:
            TRY(put(im, ours, ZS_KIND_IMAGE, e));
            at++;
            break;
        case MERGE_PUT:
            TRY(put(im, ours, ZS_KIND_IMAGE, e));
            at++;
            TRY(visible_next(im->visible, &theirs, e));
            break;
        case MERGE_KEEP:
            at++;
            TRY(visible_next(im->visible, &theirs, e));
            break;
        case MERGE_TOMBSTONE:
            TRY(put(im, theirs, ZS_KIND_TOMBSTONE, e));
            TRY(visible_next(im->visible, &theirs, e));
            break;
        case MERGE_END:
            return flush(im, e);
        }
    }
}

/* Counts of 0 are "unknown" for a branch that has records. */
static uint64_t plus_known(zs_lsn base_lsn, uint64_t base, uint64_t more)
{
    return base_lsn != 0 && base == 0 ? 0 : base + more;
}

static int commit(struct import *im, struct pgdata_result *result, struct zs_error *e)
{
    struct zs_ingest_state state = {.struct_size = sizeof state};
    zs_lsn lsn = im->cluster->control.checkpoint;

    TRY(pgcluster_check_unmoved(im->cluster, e));
    if (im->plan == IMPORT_COMPARE)
        return ZS_OK;
    TRY(ingest_state(&im->ingest, &state, e));
    const struct zs_point *base = &im->ingest.state.base;
    struct zs_commit end = {
        .struct_size = sizeof end,
        .upto_lsn = lsn,
        .gc_cutoff_lsn = im->snapshot.info.gc_cutoff_lsn,
        .sum = state.sum,
        .end = {.lsn = lsn,
                .digest = digest_plus(base->digest, state.sum),
                .records = plus_known(base->lsn, base->records, state.records),
                .bytes = plus_known(base->lsn, base->bytes, state.bytes)},
    };
    TRY(watch_poll(im->watch, e));
    TRY(ingest_commit(&im->ingest, &end, e));
    result->records = state.records;
    result->bytes = state.bytes;
    result->created = im->plan == IMPORT_CREATE;
    result->changed = 1;
    return ZS_OK;
}

static int import(struct import *im, struct pgdata_result *result, struct zs_error *e)
{
    CLEANUP(pgplan_free) struct pgplan plan = {0};
    const struct pgcontrol *c = &im->cluster->control;

    TRY(look_at_branch(im, e));
    TRY(pgplan_make(im->cluster->root, c, im->watch, &plan, e));
    im->total_bytes = plan.total_bytes;
    TRY(begin(im, e));
    TRY(visible_open(&im->snapshot, im->snapshot.info.last_valid_lsn, im->watch, &im->visible, e));
    TRY(pgwalk_open(im->cluster, &plan, &im->walk, e));
    *result = (struct pgdata_result){.from_lsn = im->snapshot.info.last_valid_lsn,
                                     .to_lsn = c->checkpoint};
    TRY(merge(im, e));
    watch_progress(im->watch, im->total_bytes, im->total_bytes);
    return commit(im, result, e);
}

int pgdata_import(const struct zs_store *store, const char *branch, const char *pgdata,
                  const struct pgdata_watch *watch, struct pgdata_result *result,
                  struct zs_error *e)
{
    CLEANUP(pgcluster_close) struct pgcluster cluster = {.root = -1};
    CLEANUP(import_close_ptr) struct import *im = NULL;

    TRY(branch_name_check(branch, e));
    TRY(pgcluster_open(pgdata, &cluster, e));
    im = calloc(1, sizeof *im);
    if (im == NULL)
        return error_memory(e);
    im->store = store;
    im->branch = branch;
    im->watch = watch;
    im->cluster = &cluster;
    return import(im, result, e);
}
