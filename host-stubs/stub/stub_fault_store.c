/* stub_fault_store.c - a struct zs_store that fails on demand, over another one.
 * Flow: each function asks the plan, does what it says, and else calls the inner one.
 * Handles are ours, because a handle's functions get nothing but the handle. */
#include "base/error.h"
#include "stub/stub_fault.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALL_KINDS                                                                                 \
    (1u << STUB_FAULT_FAIL | 1u << STUB_FAULT_FAIL_AFTER | 1u << STUB_FAULT_SILENT |               \
     1u << STUB_FAULT_DELAY)

struct stub_fault_store {
    struct zs_store table;
    struct zs_store inner;
    struct stub_faults *faults;
};

struct zs_snapshot {
    struct stub_fault_store *store;
    struct zs_snapshot *inner;
};

struct zs_iter {
    struct stub_fault_store *store;
    struct zs_iter *inner;
    void *flipped; /* the value that was changed, lifetime NEXT */
};

struct zs_ingest {
    struct stub_fault_store *store;
    struct zs_ingest *inner;
};

/* ---- what a plan does to a call ------------------------------------------------------ */

struct fault_now {
    bool before, after; /* fail then */
    bool silent;
    struct stub_fault plan;
    const char *operation;
};

static struct fault_now fault_ask(struct stub_fault_store *s, const char *operation)
{
    struct fault_now now = {.operation = operation};
    if (!stub_faults_due(s->faults, CALL_KINDS, operation, &now.plan))
        return now;
    now.before = now.plan.kind == STUB_FAULT_FAIL || now.plan.kind == STUB_FAULT_SILENT;
    now.silent = now.plan.kind == STUB_FAULT_SILENT;
    now.after = now.plan.kind == STUB_FAULT_FAIL_AFTER;
    if (now.plan.kind == STUB_FAULT_DELAY) {
        uint32_t ms = now.plan.delay_ms;
        (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L},
                        NULL);
    }
    return now;
}

static int fault_say(const struct fault_now *now, struct zs_error *e)
{
    if (now->silent)
        return ZS_FAIL;
    const char *sqlstate = now->plan.sqlstate != NULL ? now->plan.sqlstate : ZS_IO_ERROR;
    return error_set(e, sqlstate, "injected fault in %s", now->operation);
}

/* The value's copy with one bit in its middle flipped; NULL without memory. */
static void *flipped_copy(const struct zs_record *r)
{
    unsigned char *copy = malloc(r->len);
    if (copy != NULL) {
        memcpy(copy, r->value, r->len);
        copy[r->len / 2] ^= 1u;
    }
    return copy;
}

/* The first record that has a value, n if none has. */
static uint64_t first_with_value(const struct zs_record *records, uint64_t n)
{
    uint64_t i = 0;
    while (i < n && records[i].len == 0)
        i++;
    return i;
}

/* ---- reading --------------------------------------------------------------------------- */

static int32_t branch_find(void *self, const char *name, struct zs_branch_info *info,
                           struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "branch_find");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.branch_find(s->inner.self, name, info, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t branch_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "branch_list");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.branch_list(s->inner.self, visit, context, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static void snapshot_close(struct zs_snapshot *snapshot)
{
    if (snapshot->inner != NULL)
        snapshot->store->inner.snapshot_close(snapshot->inner);
    free(snapshot);
}

static int32_t snapshot_open(void *self, const char *branch, struct zs_branch_info *info,
                             struct zs_snapshot **out, struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "snapshot_open");
    if (now.before)
        return fault_say(&now, e);
    struct zs_snapshot *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return error_memory(e);
    mine->store = s;
    int rc = s->inner.snapshot_open(s->inner.self, branch, info, &mine->inner, e);
    if (rc == ZS_OK && now.after)
        rc = fault_say(&now, e);
    if (rc != ZS_OK)
        snapshot_close(mine);
    else
        *out = mine;
    return rc;
}

static int32_t snapshot_history(struct zs_snapshot *snapshot, zs_lsn upto_lsn,
                                struct zs_point *points, uint64_t n, uint64_t *count,
                                struct zs_error *e)
{
    struct stub_fault_store *s = snapshot->store;
    struct fault_now now = fault_ask(s, "snapshot_history");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.snapshot_history(snapshot->inner, upto_lsn, points, n, count, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t blob_read(struct zs_snapshot *snapshot, const char *name, void *buf,
                         uint64_t buf_bytes, uint64_t *len, struct zs_error *e)
{
    struct stub_fault_store *s = snapshot->store;
    struct fault_now now = fault_ask(s, "blob_read");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.blob_read(snapshot->inner, name, buf, buf_bytes, len, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t blob_list(struct zs_snapshot *snapshot, zs_blob_visit visit, void *context,
                         struct zs_error *e)
{
    struct stub_fault_store *s = snapshot->store;
    struct fault_now now = fault_ask(s, "blob_list");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.blob_list(snapshot->inner, visit, context, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static void iter_close(struct zs_iter *it)
{
    if (it->inner != NULL)
        it->store->inner.iter_close(it->inner);
    free(it->flipped);
    free(it);
}

static int32_t iter_open(struct zs_snapshot *snapshot, zs_lsn after_lsn, zs_lsn upto_lsn,
                         struct zs_iter **out, struct zs_error *e)
{
    struct stub_fault_store *s = snapshot->store;
    struct fault_now now = fault_ask(s, "iter_open");
    if (now.before)
        return fault_say(&now, e);
    struct zs_iter *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return error_memory(e);
    mine->store = s;
    int rc = s->inner.iter_open(snapshot->inner, after_lsn, upto_lsn, &mine->inner, e);
    if (rc == ZS_OK && now.after)
        rc = fault_say(&now, e);
    if (rc != ZS_OK)
        iter_close(mine);
    else
        *out = mine;
    return rc;
}

static int32_t iter_seek(struct zs_iter *it, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e)
{
    struct stub_fault_store *s = it->store;
    struct fault_now now = fault_ask(s, "iter_seek");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.iter_seek(it->inner, key, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t iter_range(struct zs_iter *it, const uint8_t first[ZS_KEY_BYTES],
                          const uint8_t last[ZS_KEY_BYTES], struct zs_error *e)
{
    struct stub_fault_store *s = it->store;
    struct fault_now now = fault_ask(s, "iter_range");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.iter_range(it->inner, first, last, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int flip_what_was_read(struct zs_iter *it, struct zs_record *records, uint64_t n,
                              struct zs_error *e)
{
    struct stub_fault plan;
    uint64_t i = first_with_value(records, n);
    if (i == n || !stub_faults_due(it->store->faults, 1u << STUB_FAULT_FLIP, "iter_next", &plan))
        return ZS_OK;
    it->flipped = flipped_copy(&records[i]);
    if (it->flipped == NULL)
        return error_memory(e);
    records[i].value = it->flipped;
    return ZS_OK;
}

static int32_t iter_next(struct zs_iter *it, struct zs_record *records, uint64_t n, void *buf,
                         uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e)
{
    struct stub_fault_store *s = it->store;
    struct stub_fault plan;
    struct fault_now now = fault_ask(s, "iter_next");
    free(it->flipped);
    it->flipped = NULL;
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.iter_next(it->inner, records, n, buf, buf_bytes, count, more, e));
    TRY(flip_what_was_read(it, records, *count, e));
    if (*count > 0 && stub_faults_due(s->faults, 1u << STUB_FAULT_DROP, "iter_next", &plan)) {
        --*count;
        memmove(records, records + 1, *count * sizeof *records);
    }
    return now.after ? fault_say(&now, e) : ZS_OK;
}

/* ---- writing ---------------------------------------------------------------------------- */

static void ingest_close(struct zs_ingest *in)
{
    if (in->inner != NULL)
        in->store->inner.ingest_close(in->inner);
    free(in);
}

static int32_t ingest_begin(void *self, const struct zs_ingest_spec *spec,
                            struct zs_ingest_state *state, struct zs_ingest **out,
                            struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "ingest_begin");
    if (now.before)
        return fault_say(&now, e);
    struct zs_ingest *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return error_memory(e);
    mine->store = s;
    int rc = s->inner.ingest_begin(s->inner.self, spec, state, &mine->inner, e);
    if (rc == ZS_OK && now.after)
        rc = fault_say(&now, e);
    if (rc != ZS_OK)
        ingest_close(mine);
    else
        *out = mine;
    return rc;
}

/* Put all but the record at `without`, or with its value changed. */
static int put_changed(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                       uint64_t at, bool drop, struct zs_error *e)
{
    const struct zs_store *inner = &in->store->inner;
    if (at > 0)
        TRY(inner->ingest_put(in->inner, records, at, e));
    if (!drop) {
        struct zs_record changed = records[at];
        void *value = flipped_copy(&changed);
        if (value == NULL)
            return error_memory(e);
        changed.value = value;
        int rc = inner->ingest_put(in->inner, &changed, 1, e);
        free(value);
        TRY(rc);
    }
    if (at + 1 < n)
        TRY(inner->ingest_put(in->inner, records + at + 1, n - at - 1, e));
    return ZS_OK;
}

static int32_t ingest_put(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                          struct zs_error *e)
{
    struct stub_fault_store *s = in->store;
    struct stub_fault plan;
    struct fault_now now = fault_ask(s, "ingest_put");
    if (now.before)
        return fault_say(&now, e);
    uint64_t with_value = first_with_value(records, n);
    if (with_value < n && stub_faults_due(s->faults, 1u << STUB_FAULT_FLIP, "ingest_put", &plan))
        return put_changed(in, records, n, with_value, false, e);
    if (n > 0 && stub_faults_due(s->faults, 1u << STUB_FAULT_DROP, "ingest_put", &plan))
        return put_changed(in, records, n, 0, true, e);
    TRY(s->inner.ingest_put(in->inner, records, n, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t ingest_state(struct zs_ingest *in, struct zs_ingest_state *state, struct zs_error *e)
{
    struct stub_fault_store *s = in->store;
    struct fault_now now = fault_ask(s, "ingest_state");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.ingest_state(in->inner, state, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t ingest_commit(struct zs_ingest *in, const struct zs_commit *commit,
                             struct zs_error *e)
{
    struct stub_fault_store *s = in->store;
    struct fault_now now = fault_ask(s, "ingest_commit");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.ingest_commit(in->inner, commit, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t ingest_sync(struct zs_ingest *in, const void *token, uint64_t token_bytes,
                           uint32_t *synced, struct zs_error *e)
{
    struct stub_fault_store *s = in->store;
    struct fault_now now = fault_ask(s, "ingest_sync");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.ingest_sync(in->inner, token, token_bytes, synced, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t stage_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "stage_list");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.stage_list(s->inner.self, visit, context, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t ingest_resume(void *self, const char *branch, struct zs_ingest_state *state,
                             void *buf, uint64_t buf_bytes, uint64_t *token_bytes,
                             struct zs_ingest **out, struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "ingest_resume");
    if (now.before)
        return fault_say(&now, e);
    struct zs_ingest *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return error_memory(e);
    mine->store = s;
    int rc = s->inner.ingest_resume(s->inner.self, branch, state, buf, buf_bytes, token_bytes,
                                    &mine->inner, e);
    if (rc == ZS_OK && now.after)
        rc = fault_say(&now, e);
    if (rc != ZS_OK)
        ingest_close(mine);
    else
        *out = mine;
    return rc;
}

static int32_t ingest_keys(struct zs_ingest *in, zs_key_visit visit, void *context,
                           struct zs_error *e)
{
    struct fault_now now = fault_ask(in->store, "ingest_keys");
    if (now.before)
        return fault_say(&now, e);
    TRY(in->store->inner.ingest_keys(in->inner, visit, context, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

static int32_t stage_drop(void *self, const char *branch, struct zs_error *e)
{
    struct stub_fault_store *s = self;
    struct fault_now now = fault_ask(s, "stage_drop");
    if (now.before)
        return fault_say(&now, e);
    TRY(s->inner.stage_drop(s->inner.self, branch, e));
    return now.after ? fault_say(&now, e) : ZS_OK;
}

/* ---- opening ----------------------------------------------------------------------------- */

int stub_fault_store_open(const struct zs_store *inner, struct stub_faults *f,
                          struct stub_fault_store **out, struct zs_error *e)
{
    struct stub_fault_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_memory(e);
    memcpy(&s->inner, inner,
           inner->struct_size < sizeof s->inner ? inner->struct_size : sizeof s->inner);
    s->faults = f;
    s->table = (struct zs_store){
        .struct_size = sizeof s->table,
        .features = inner->features & ~ZS_STORE_VERIFY,
        .self = s,
        .branch_find = branch_find,
        .branch_list = branch_list,
        .snapshot_open = snapshot_open,
        .snapshot_close = snapshot_close,
        .snapshot_history = snapshot_history,
        .iter_open = iter_open,
        .iter_seek = iter_seek,
        .iter_next = iter_next,
        .iter_close = iter_close,
        .ingest_begin = ingest_begin,
        .ingest_put = ingest_put,
        .ingest_state = ingest_state,
        .ingest_commit = ingest_commit,
        .ingest_close = ingest_close,
        .blob_read = blob_read,
        .blob_list = blob_list,
        .iter_range = iter_range,
        .ingest_sync = ingest_sync,
        .stage_list = stage_list,
        .ingest_resume = ingest_resume,
        .stage_drop = stage_drop,
        .ingest_keys = s->inner.ingest_keys != NULL ? ingest_keys : NULL,
    };
    *out = s;
    return ZS_OK;
}

const struct zs_store *stub_fault_store_table(struct stub_fault_store *s)
{
    return &s->table;
}

void stub_fault_store_close(struct stub_fault_store *s)
{
    free(s);
}
