/* recording.c - see recording.h. */
#include "sync/recording.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "sync/change_map.h"
#include "sync/epochs.h"
#include "sync/notes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An ingest that notes; zs_ingest of this store. */
struct zs_ingest {
    const struct recording *recording;
    struct zs_ingest *inner;
    struct change_map *map; /* NULL: nothing is noted */
    struct change_epoch epoch;
    zs_lsn base_lsn;
    char branch[ZS_BRANCH_NAME_MAX + 1];
    uint8_t last_key[ZS_KEY_BYTES];
};

/* A snapshot; zs_snapshot of this store. */
struct zs_snapshot {
    const struct recording *recording;
    struct zs_snapshot *inner;
    struct zs_timeline_id timeline;
    zs_lsn last_lsn;
    pthread_mutex_t lock; /* of what follows */
    bool tail_known;
    uint8_t *tail; /* NULL: there is none */
    size_t tail_bytes;
};

/* ---- reading passes through ---------------------------------------------------------- */

static const struct zs_store *inner_of(void *self)
{
    return ((struct recording *)self)->inner;
}

static int branch_find(void *self, const char *name, struct zs_branch_info *info,
                       struct zs_error *e)
{
    return inner_of(self)->branch_find(inner_of(self)->self, name, info, e);
}

static int branch_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e)
{
    return inner_of(self)->branch_list(inner_of(self)->self, visit, context, e);
}

static void pass_snapshot_close(struct zs_snapshot *s)
{
    if (s->inner != NULL)
        s->recording->inner->snapshot_close(s->inner);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->tail);
    free(s);
}

static int pass_snapshot_open(void *self, const char *branch, struct zs_branch_info *info,
                              struct zs_snapshot **out, struct zs_error *e)
{
    struct zs_snapshot *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_memory(e);
    s->recording = self;
    (void)pthread_mutex_init(&s->lock, NULL);
    if (inner_of(self)->snapshot_open(inner_of(self)->self, branch, info, &s->inner, e) != ZS_OK) {
        s->inner = NULL;
        pass_snapshot_close(s);
        return ZS_FAIL;
    }
    s->timeline = info->timeline;
    s->last_lsn = info->last_valid_lsn;
    *out = s;
    return ZS_OK;
}

static int pass_snapshot_history(struct zs_snapshot *s, zs_lsn upto_lsn, struct zs_point *points,
                                 uint64_t n, uint64_t *count, struct zs_error *e)
{
    return s->recording->inner->snapshot_history(s->inner, upto_lsn, points, n, count, e);
}

static int pass_iter_open(struct zs_snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                          struct zs_iter **out, struct zs_error *e)
{
    return s->recording->inner->iter_open(s->inner, after_lsn, upto_lsn, out, e);
}

/* What is noted and not sealed, as it was when it was first asked for: a blob of a snapshot
 * does not change. */
static int tail_of(struct zs_snapshot *s, const uint8_t **data, size_t *len, struct zs_error *e)
{
    int rc = ZS_OK;
    pthread_mutex_lock(&s->lock);
    if (!s->tail_known)
        rc = notes_tail(s->recording->notes, s->timeline, s->last_lsn, &s->tail, &s->tail_bytes, e);
    s->tail_known = s->tail_known || rc == ZS_OK;
    *data = s->tail;
    *len = s->tail_bytes;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int pass_blob_read(struct zs_snapshot *s, const char *name, void *buf, uint64_t buf_bytes,
                          uint64_t *len, struct zs_error *e)
{
    const uint8_t *tail = NULL;
    size_t tail_bytes = 0;
    zs_lsn to_lsn = 0;
    if (epoch_of_name(name, &to_lsn) && to_lsn == s->last_lsn)
        TRY(tail_of(s, &tail, &tail_bytes, e));
    if (tail == NULL)
        return s->recording->inner->blob_read(s->inner, name, buf, buf_bytes, len, e);
    if (tail_bytes <= buf_bytes)
        memcpy(buf, tail, tail_bytes);
    *len = tail_bytes;
    return ZS_OK;
}

/* The tail in its place among the others. */
struct listing {
    zs_blob_visit visit;
    void *context;
    char name[EPOCH_NAME_BYTES];
    size_t bytes;
    bool due, ended;
};

static void list_tail(struct listing *l)
{
    l->due = false;
    l->ended = l->visit(l->context, l->name, l->bytes) != 0;
}

static int32_t list_one(void *context, const char *name, uint64_t len)
{
    struct listing *l = context;
    int order = l->due ? strcmp(name, l->name) : -1;
    if (order >= 0)
        list_tail(l);
    if (!l->ended && order != 0)
        l->ended = l->visit(l->context, name, len) != 0;
    return l->ended ? 1 : 0;
}

static int pass_blob_list(struct zs_snapshot *s, zs_blob_visit visit, void *context,
                          struct zs_error *e)
{
    struct listing l = {.visit = visit, .context = context};
    const uint8_t *tail = NULL;
    TRY(tail_of(s, &tail, &l.bytes, e));
    l.due = tail != NULL;
    epoch_name(s->last_lsn, l.name);
    TRY(s->recording->inner->blob_list(s->inner, list_one, &l, e));
    if (l.due && !l.ended)
        list_tail(&l);
    return ZS_OK;
}

static int pass_stage_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e)
{
    return inner_of(self)->stage_list(inner_of(self)->self, visit, context, e);
}

static int pass_stage_drop(void *self, const char *branch, struct zs_error *e)
{
    return inner_of(self)->stage_drop(inner_of(self)->self, branch, e);
}

static int pass_branch_verify(void *self, const char *branch, const struct zs_cancel *cancel,
                              zs_fault_visit visit, void *context, struct zs_error *e)
{
    return inner_of(self)->branch_verify(inner_of(self)->self, branch, cancel, visit, context, e);
}

/* ---- writing ---------------------------------------------------------------------------- */

static void pass_ingest_close(struct zs_ingest *in)
{
    in->recording->inner->ingest_close(in->inner);
    change_map_close(in->map);
    free(in);
}

static int pass_ingest_begin(void *self, const struct zs_ingest_spec *spec,
                             struct zs_ingest_state *state, struct zs_ingest **out,
                             struct zs_error *e)
{
    const struct recording *r = self;
    struct zs_ingest *in = calloc(1, sizeof *in);
    if (in == NULL)
        return error_memory(e);
    in->recording = r;
    (void)snprintf(in->branch, sizeof in->branch, "%s", spec->branch);
    in->epoch.from_lsn = in->base_lsn = spec->base_lsn;
    bool note = spec->base_lsn > 0 && store_has(r->inner, ZS_STORE_BLOBS);
    if ((note && change_map_open(&in->map, e) != ZS_OK) ||
        r->inner->ingest_begin(r->inner->self, spec, state, &in->inner, e) != ZS_OK) {
        change_map_close(in->map);
        free(in);
        return ZS_FAIL;
    }
    in->epoch.timeline = state->timeline;
    *out = in;
    return ZS_OK;
}

static void note_nothing(struct zs_ingest *in)
{
    change_map_close(in->map);
    in->map = NULL;
}

/* A key of a stage, on its way to who asked for it. */
struct noting {
    struct zs_ingest *in;
    zs_key_visit visit;
    void *context;
    bool ended;
};

static int32_t note_key(void *context, const uint8_t key[ZS_KEY_BYTES])
{
    struct noting *n = context;
    struct zs_error unsaid = {0};
    if (n->in->map != NULL && change_map_add(n->in->map, key, &unsaid) != ZS_OK)
        note_nothing(n->in);
    n->ended = n->visit(n->context, key) != 0;
    return n->ended ? 1 : 0;
}

static int pass_ingest_resume(void *self, const char *branch, struct zs_ingest_state *state,
                              void *buf, uint64_t buf_bytes, uint64_t *token_bytes,
                              struct zs_ingest **out, struct zs_error *e)
{
    const struct recording *r = self;
    struct zs_ingest *in = calloc(1, sizeof *in);
    if (in == NULL)
        return error_memory(e);
    in->recording = r;
    if (r->inner->ingest_resume(r->inner->self, branch, state, buf, buf_bytes, token_bytes,
                                &in->inner, e) != ZS_OK) {
        free(in);
        return ZS_FAIL;
    }
    in->epoch.from_lsn = in->base_lsn = state->base.lsn;
    in->epoch.timeline = state->timeline;
    (void)snprintf(in->branch, sizeof in->branch, "%s", branch);
    *out = in;
    return ZS_OK;
}

/* What was noted before the cut is read back out of the stage, as who goes on with it looks
 * through it.  Who does not, or not to the end, notes nothing with that commit: the range is
 * scanned, once, by whoever wants it next. */
static int pass_ingest_keys(struct zs_ingest *in, zs_key_visit visit, void *context,
                            struct zs_error *e)
{
    const struct zs_store *inner = in->recording->inner;
    struct noting noting = {.in = in, .visit = visit, .context = context};
    struct zs_error unsaid = {0};
    note_nothing(in);
    if (in->base_lsn > 0 && store_has(inner, ZS_STORE_BLOBS))
        (void)change_map_open(&in->map, &unsaid);
    int rc = inner->ingest_keys(in->inner, note_key, &noting, e);
    if (rc != ZS_OK || noting.ended)
        note_nothing(in);
    return rc;
}

static int pass_ingest_sync(struct zs_ingest *in, const void *token, uint64_t token_bytes,
                            uint32_t *synced, struct zs_error *e)
{
    return in->recording->inner->ingest_sync(in->inner, token, token_bytes, synced, e);
}

static int pass_ingest_put(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                           struct zs_error *e)
{
    TRY(in->recording->inner->ingest_put(in->inner, records, n, e));
    for (uint64_t i = 0; i < n && in->map != NULL; i++) {
        if (memcmp(records[i].key, in->last_key, ZS_KEY_BYTES) == 0 && i > 0)
            continue; /* another version of the key just noted */
        TRY(change_map_add(in->map, records[i].key, e));
        memcpy(in->last_key, records[i].key, ZS_KEY_BYTES);
    }
    return ZS_OK;
}

static int pass_ingest_state(struct zs_ingest *in, struct zs_ingest_state *state,
                             struct zs_error *e)
{
    return in->recording->inner->ingest_state(in->inner, state, e);
}

/* With the epoch of what was noted, if it was. */
static int commit_noted(struct zs_ingest *in, const struct zs_commit *theirs, struct zs_error *e)
{
    const struct zs_store *inner = in->recording->inner;
    CLEANUP(epoch_edits_close) struct epoch_edits edits = {0};
    CLEANUP(free_ptr) struct zs_blob *blobs = NULL;
    if (in->map == NULL)
        return inner->ingest_commit(in->inner, theirs, e);
    in->epoch.to_lsn = theirs->upto_lsn;
    TRY(epoch_edits_make(inner, in->branch, in->map, &in->epoch, &edits, e));
    struct zs_commit commit = {0};
    memcpy(&commit, theirs,
           theirs->struct_size < sizeof commit ? theirs->struct_size : sizeof commit);
    blobs = calloc(commit.nblobs + edits.count + 1, sizeof *blobs);
    if (blobs == NULL)
        return error_memory(e);
    if (commit.nblobs > 0)
        memcpy(blobs, commit.blobs, commit.nblobs * sizeof *blobs);
    memcpy(blobs + commit.nblobs, edits.blobs, edits.count * sizeof *blobs);
    commit.struct_size = sizeof commit;
    commit.blobs = blobs;
    commit.nblobs += edits.count;
    return inner->ingest_commit(in->inner, &commit, e);
}

static int pass_ingest_commit(struct zs_ingest *in, const struct zs_commit *theirs,
                              struct zs_error *e)
{
    struct notes_list *notes = in->recording->notes;
    struct notes_commit noted;
    if (theirs->upto_lsn == in->base_lsn) /* it writes no record */
        return in->recording->inner->ingest_commit(in->inner, theirs, e);
    notes_begin(notes, &noted, in->epoch.timeline, in->map, theirs->upto_lsn);
    int rc = commit_noted(in, theirs, e);
    notes_end(notes, &noted);
    return rc;
}

void recording_init(struct recording *r, const struct zs_store *inner)
{
    r->inner = inner;
    r->notes = NULL;
    r->table = *inner;
    r->table.self = r;
    r->table.branch_find = branch_find;
    r->table.branch_list = branch_list;
    r->table.snapshot_open = pass_snapshot_open;
    r->table.snapshot_close = pass_snapshot_close;
    r->table.snapshot_history = pass_snapshot_history;
    r->table.iter_open = pass_iter_open;
    if (store_has(inner, ZS_STORE_BLOBS)) {
        r->table.blob_read = pass_blob_read;
        r->table.blob_list = pass_blob_list;
    }
    r->table.ingest_begin = pass_ingest_begin;
    r->table.ingest_put = pass_ingest_put;
    r->table.ingest_state = pass_ingest_state;
    r->table.ingest_commit = pass_ingest_commit;
    r->table.ingest_close = pass_ingest_close;
    r->table.ingest_sync = pass_ingest_sync;
    r->table.ingest_resume = pass_ingest_resume;
    r->table.stage_list = pass_stage_list;
    r->table.ingest_keys = inner->ingest_keys != NULL ? pass_ingest_keys : NULL;
    r->table.stage_drop = pass_stage_drop;
    r->table.branch_verify = pass_branch_verify;
}
