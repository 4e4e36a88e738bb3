/* store.c - see store.h.
 * Flow: sync/send, sync/receive -> here -> the host's table.
 * Invariants: a struct of the store's is read only as far as the store filled it;
 * what is handed on has been checked; a handle is set only on success.
 * The checks per record are a few comparisons and one memcmp of 18 bytes.
 * Threads: none of its own, no state but the caller's handles. */
#include "store/store.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lsn.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_BYTES_NEEDED ZS_STORE_SIZE_V1
#define TABLE_BYTES_MAX    65536u /* more is garbage, not a table */
#define BLOB_FIRST_BYTES   65536u /* most blobs fit; a larger one is read twice */
#define FEATURES_KNOWN     (ZS_STORE_DIGEST | ZS_STORE_BLOBS | ZS_STORE_RESUME | ZS_STORE_VERIFY)

/* ---- import ------------------------------------------------------------------- */

static const char *missing_function(const struct zs_store *s)
{
    bool blobs = store_has(s, ZS_STORE_BLOBS);
    bool resume = store_has(s, ZS_STORE_RESUME);
    const struct {
        bool present;
        const char *name;
    } required[] = {
        {s->branch_find != NULL, "branch_find"},
        {s->branch_list != NULL, "branch_list"},
        {s->snapshot_open != NULL, "snapshot_open"},
        {s->snapshot_close != NULL, "snapshot_close"},
        {s->snapshot_history != NULL, "snapshot_history"},
        {s->iter_open != NULL, "iter_open"},
        {s->iter_seek != NULL, "iter_seek"},
        {s->iter_next != NULL, "iter_next"},
        {s->iter_close != NULL, "iter_close"},
        {s->ingest_begin != NULL, "ingest_begin"},
        {s->ingest_put != NULL, "ingest_put"},
        {s->ingest_state != NULL, "ingest_state"},
        {s->ingest_commit != NULL, "ingest_commit"},
        {s->ingest_close != NULL, "ingest_close"},
        {!blobs || s->blob_read != NULL, "blob_read"},
        {!blobs || s->blob_list != NULL, "blob_list"},
        {!blobs || s->iter_range != NULL, "iter_range"},
        {!resume || s->ingest_sync != NULL, "ingest_sync"},
        {!resume || s->stage_list != NULL, "stage_list"},
        {!resume || s->ingest_resume != NULL, "ingest_resume"},
        {!resume || s->stage_drop != NULL, "stage_drop"},
        {!store_has(s, ZS_STORE_VERIFY) || s->branch_verify != NULL, "branch_verify"},
        {false, NULL}, /* the end: none is missing */
    };
    size_t i = 0;
    while (required[i].present)
        i++;
    return required[i].name;
}

int store_import(const struct zs_store *theirs, struct zs_store *out, struct zs_error *e)
{
    if (theirs == NULL) {
        error_set(e, ZS_NOT_SUPPORTED, "the host offers no store, and one is needed");
        return error_hint(e, "The host must set zs_host.store and ZS_HOST_STORE.");
    }
    uint32_t size = theirs->struct_size;
    if (size < TABLE_BYTES_NEEDED || size > TABLE_BYTES_MAX) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "the host's store table has %u bytes, and %u to %u are needed", size,
                  TABLE_BYTES_NEEDED, TABLE_BYTES_MAX);
        return error_hint(e, "Build the host against this zenith-sync/store.h.");
    }
    struct zs_store ours = {0};
    memcpy(&ours, theirs, size < sizeof ours ? size : sizeof ours);
    ours.struct_size = sizeof ours;
    ours.features &= FEATURES_KNOWN;
    if (!store_has(&ours, ZS_STORE_DIGEST)) /* nothing would prove that the parts fit */
        ours.features &= ~ZS_STORE_RESUME;
    const char *missing = missing_function(&ours);
    if (missing != NULL) {
        error_set(e, ZS_NOT_SUPPORTED, "the host's store table has no %s, and it is needed",
                  missing);
        return error_hint(e, "Every function of struct zs_store is required.");
    }
    *out = ours;
    return ZS_OK;
}

/* ---- what a store owes ---------------------------------------------------------- */

static int broken(struct zs_error *e, const char *operation, const char *how)
{
    error_set(e, ZS_INTERNAL_ERROR, "the host's store broke its contract: %s %s", operation, how);
    return error_hint(e, "This is a fault of the host, not of the command.");
}

static int no_blobs(struct zs_error *e, const char *operation)
{
    return error_set(e, ZS_NOT_SUPPORTED, "the host's store has no %s", operation);
}

static int closed(struct zs_error *e, const char *operation)
{
    return error_set(e, ZS_INTERNAL_ERROR, "%s was called on a closed handle", operation);
}

/* After a call that filled *info: bring it to our size and look at what it says.
 * `name` is the branch that was asked for, NULL when listing. */
static int check_info(const struct zs_store *store, struct zs_branch_info *info, const char *name,
                      const char *operation, struct zs_error *e)
{
    if (info->struct_size > sizeof *info)
        return broken(e, operation, "filled more of the branch info than there was");
    info->struct_size = sizeof *info;
    if (memchr(info->name, '\0', sizeof info->name) == NULL || info->name[0] == '\0')
        return broken(e, operation, "gave a branch without a name");
    if (name != NULL && strcmp(info->name, name) != 0)
        return broken(e, operation, "gave another branch than was asked for");
    if (timeline_is_zero(info->timeline))
        return broken(e, operation, "gave a branch without a timeline id");
    if (info->gc_cutoff_lsn > info->last_valid_lsn)
        return broken(e, operation, "gave a gc_cutoff_lsn above last_valid_lsn");
    if (!store_has(store, ZS_STORE_DIGEST)) /* without the feature there are none to rely on */
        info->digest = (struct zs_digest){0};
    return ZS_OK;
}

/* ---- branches --------------------------------------------------------------------- */

int store_branch_find(const struct zs_store *store, const char *name, struct zs_branch_info *info,
                      struct zs_error *e)
{
    memset(info, 0, sizeof *info);
    info->struct_size = sizeof *info;
    TRY(error_check(store->branch_find(store->self, name, info, e), e, "branch_find"));
    return check_info(store, info, name, "branch_find", e);
}

struct listing {
    const struct zs_store *store;
    zs_branch_visit visit;
    void *context;
    char last_name[ZS_BRANCH_NAME_MAX + 1];
    bool failed; /* the store broke its contract; *e says how */
    struct zs_error *e;
};

static int32_t check_and_visit(void *context, const struct zs_branch_info *theirs)
{
    struct listing *l = context;
    struct zs_branch_info info = {0};
    uint32_t size = theirs->struct_size;
    memcpy(&info, theirs, size < sizeof info ? size : sizeof info);
    info.struct_size = sizeof info;
    l->failed = check_info(l->store, &info, NULL, "branch_list", l->e) != ZS_OK;
    if (!l->failed && strcmp(info.name, l->last_name) <= 0) {
        broken(l->e, "branch_list", "gave branches out of name order");
        l->failed = true;
    }
    if (l->failed)
        return 1;
    memcpy(l->last_name, info.name, sizeof info.name);
    return l->visit(l->context, &info);
}

int store_branch_list(const struct zs_store *store, zs_branch_visit visit, void *context,
                      struct zs_error *e)
{
    struct zs_error found = {0};
    struct listing l = {.store = store, .visit = visit, .context = context, .e = &found};
    int rc = error_check(store->branch_list(store->self, check_and_visit, &l, e), e, "branch_list");
    if (rc == ZS_OK && l.failed) {
        *e = found;
        return ZS_FAIL;
    }
    return rc;
}

/* ---- snapshots -------------------------------------------------------------------- */

int snapshot_open(const struct zs_store *store, const char *branch, struct snapshot *out,
                  struct zs_error *e)
{
    struct snapshot s = {.store = store, .info = {.struct_size = sizeof s.info}};
    memset(out, 0, sizeof *out);
    TRY(error_check(store->snapshot_open(store->self, branch, &s.info, &s.handle, e), e,
                    "snapshot_open"));
    if (s.handle == NULL)
        return broken(e, "snapshot_open", "gave no handle");
    if (check_info(store, &s.info, branch, "snapshot_open", e) != ZS_OK) {
        snapshot_close(&s);
        return ZS_FAIL;
    }
    *out = s;
    return ZS_OK;
}

void snapshot_close(struct snapshot *s)
{
    if (s->handle != NULL)
        s->store->snapshot_close(s->handle);
    memset(s, 0, sizeof *s);
}

int snapshot_history(const struct snapshot *s, zs_lsn upto_lsn, struct zs_point *points, uint64_t n,
                     uint64_t *count, struct zs_error *e)
{
    uint64_t got = 0;
    *count = 0;
    if (s->handle == NULL)
        return closed(e, "snapshot_history");
    TRY(error_check(s->store->snapshot_history(s->handle, upto_lsn, points, n, &got, e), e,
                    "snapshot_history"));
    if (got > n)
        return broken(e, "snapshot_history", "gave more points than there was room for");
    if (!store_has(s->store, ZS_STORE_DIGEST))
        return ZS_OK;
    zs_lsn last_valid = s->info.last_valid_lsn;
    zs_lsn below = upto_lsn < last_valid ? upto_lsn : last_valid;
    for (uint64_t i = 0; i < got; i++) {
        bool in_order = i == 0 ? points[i].lsn <= below : points[i].lsn < points[i - 1].lsn;
        if (!in_order || points[i].lsn == 0)
            return broken(e, "snapshot_history", "gave points out of order or out of range");
    }
    if (n > 0 && last_valid > 0 && upto_lsn >= last_valid &&
        (got == 0 || points[0].lsn != last_valid || points[0].digest.lo != s->info.digest.lo ||
         points[0].digest.hi != s->info.digest.hi))
        return broken(e, "snapshot_history", "does not begin with the snapshot's own state");
    *count = got;
    return ZS_OK;
}

/* ---- blobs ---------------------------------------------------------------------------- */

int snapshot_blob(const struct snapshot *s, const char *name, uint8_t **data, uint64_t *len,
                  struct zs_error *e)
{
    struct zs_error found = {0};
    *data = NULL;
    *len = 0;
    if (s->handle == NULL)
        return closed(e, "blob_read");
    if (!store_has(s->store, ZS_STORE_BLOBS))
        return no_blobs(e, "blob_read");
    uint64_t size = BLOB_FIRST_BYTES;
    for (int attempt = 0; attempt < 2; attempt++) { /* the first tells the size */
        CLEANUP(free_ptr) uint8_t *buf = malloc(size);
        uint64_t got = 0;
        if (buf == NULL)
            return error_memory(e);
        if (error_check(s->store->blob_read(s->handle, name, buf, size, &got, &found), &found,
                        "blob_read") != ZS_OK) {
            if (error_is(&found, ZS_NO_SUCH_BRANCH))
                return ZS_OK;
            *e = found;
            return ZS_FAIL;
        }
        if (got > ZS_BLOB_MAX)
            return broken(e, "blob_read", "gave more than a blob may hold");
        if (got <= size) {
            *data = buf;
            *len = got;
            buf = NULL;
            return ZS_OK;
        }
        size = got;
    }
    return broken(e, "blob_read", "gave two sizes for one blob");
}

struct blob_listing {
    zs_blob_visit visit;
    void *context;
    char last_name[ZS_BLOB_NAME_MAX + 1];
    const char *fault;
};

static int32_t check_and_visit_blob(void *context, const char *name, uint64_t len)
{
    struct blob_listing *l = context;
    if (strnlen(name, sizeof l->last_name) >= sizeof l->last_name || len > ZS_BLOB_MAX)
        l->fault = "gave a blob beyond the limits";
    else if (strcmp(name, l->last_name) <= 0)
        l->fault = "gave blobs out of name order";
    if (l->fault != NULL)
        return 1;
    (void)stpcpy(l->last_name, name); /* its length was looked at */
    return l->visit(l->context, name, len);
}

int snapshot_blobs(const struct snapshot *s, zs_blob_visit visit, void *context, struct zs_error *e)
{
    struct blob_listing l = {.visit = visit, .context = context};
    if (s->handle == NULL)
        return closed(e, "blob_list");
    if (!store_has(s->store, ZS_STORE_BLOBS))
        return no_blobs(e, "blob_list");
    TRY(error_check(s->store->blob_list(s->handle, check_and_visit_blob, &l, e), e, "blob_list"));
    return l.fault != NULL ? broken(e, "blob_list", l.fault) : ZS_OK;
}

/* ---- iterators -------------------------------------------------------------------- */

int iter_open(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn, struct iter *out,
              struct zs_error *e)
{
    struct iter it = {.store = s->store, .after_lsn = after_lsn, .upto_lsn = upto_lsn};
    memset(out, 0, sizeof *out);
    if (s->handle == NULL)
        return closed(e, "iter_open");
    TRY(error_check(s->store->iter_open(s->handle, after_lsn, upto_lsn, &it.handle, e), e,
                    "iter_open"));
    if (it.handle == NULL)
        return broken(e, "iter_open", "gave no handle");
    *out = it;
    return ZS_OK;
}

int iter_seek(struct iter *it, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e)
{
    if (it->handle == NULL)
        return closed(e, "iter_seek");
    TRY(error_check(it->store->iter_seek(it->handle, key, e), e, "iter_seek"));
    memcpy(it->last_key, key, ZS_KEY_BYTES); /* no lsn is 0: what comes is above (key, 0) */
    it->last_lsn = 0;
    it->bounded = false;
    return ZS_OK;
}

int iter_range(struct iter *it, const uint8_t first[ZS_KEY_BYTES], const uint8_t last[ZS_KEY_BYTES],
               struct zs_error *e)
{
    if (it->handle == NULL)
        return closed(e, "iter_range");
    if (!store_has(it->store, ZS_STORE_BLOBS))
        return no_blobs(e, "iter_range");
    TRY(error_check(it->store->iter_range(it->handle, first, last, e), e, "iter_range"));
    memcpy(it->last_key, first, ZS_KEY_BYTES);
    memcpy(it->bound, last, ZS_KEY_BYTES);
    it->last_lsn = 0;
    it->bounded = true;
    return ZS_OK;
}

/* What is wrong with the record, or NULL. */
static const char *record_fault(const struct iter *it, const uint8_t *last_key, zs_lsn last_lsn,
                                const struct zs_record *r)
{
    if (r->lsn <= it->after_lsn || r->lsn > it->upto_lsn)
        return "gave a record outside the LSN range";
    int order = memcmp(r->key, last_key, ZS_KEY_BYTES);
    if (order < 0 || (order == 0 && r->lsn <= last_lsn))
        return "gave records out of order";
    if (r->kind < ZS_KIND_IMAGE || r->kind > ZS_KIND_TOMBSTONE)
        return "gave a record of an unknown kind";
    if (r->len > ZS_VALUE_MAX)
        return "gave a value larger than a value may be";
    if (r->kind == ZS_KIND_TOMBSTONE && r->len != 0)
        return "gave a tombstone with a value";
    if (r->value == NULL && r->len != 0)
        return "gave a record without its value";
    return NULL;
}

int iter_next(struct iter *it, struct zs_record *records, uint64_t n, void *buf, uint64_t buf_bytes,
              uint64_t *count, bool *more, struct zs_error *e)
{
    uint64_t got = 0;
    uint32_t theirs_more = 0;
    *count = 0;
    *more = false;
    if (it->handle == NULL)
        return closed(e, "iter_next");
    TRY(error_check(
        it->store->iter_next(it->handle, records, n, buf, buf_bytes, &got, &theirs_more, e), e,
        "iter_next"));
    *more = theirs_more != 0;
    if (got > n)
        return broken(e, "iter_next", "gave more records than there was room for");
    if (got == 0)
        return ZS_OK;
    const uint8_t *last_key = it->last_key;
    zs_lsn last_lsn = it->last_lsn;
    for (uint64_t i = 0; i < got; i++) {
        const char *fault = record_fault(it, last_key, last_lsn, &records[i]);
        if (fault != NULL)
            return broken(e, "iter_next", fault);
        last_key = records[i].key;
        last_lsn = records[i].lsn;
    }
    /* In order: if the last is in the range, all are. */
    if (it->bounded && memcmp(last_key, it->bound, ZS_KEY_BYTES) > 0)
        return broken(e, "iter_next", "gave a record behind the range of keys");
    memcpy(it->last_key, last_key, ZS_KEY_BYTES);
    it->last_lsn = last_lsn;
    *count = got;
    return ZS_OK;
}

void iter_close(struct iter *it)
{
    if (it->handle != NULL)
        it->store->iter_close(it->handle);
    memset(it, 0, sizeof *it);
}

/* ---- ingests ---------------------------------------------------------------------- */

static int check_begun(const struct zs_ingest_spec *spec, struct zs_ingest_state *state,
                       struct zs_error *e)
{
    if (state->struct_size > sizeof *state)
        return broken(e, "ingest_begin", "filled more of the state than there was");
    state->struct_size = sizeof *state;
    if (timeline_is_zero(state->timeline))
        return broken(e, "ingest_begin", "gave no timeline id");
    if (state->base.lsn != spec->base_lsn)
        return broken(e, "ingest_begin", "builds on another LSN than was asked for");
    bool exact = (spec->flags & ZS_INGEST_CREATE) == 0
                     ? !timeline_is_zero(spec->timeline)
                     : (spec->flags & ZS_INGEST_EXACT_TIMELINE) != 0;
    if (exact && !timeline_equal(state->timeline, spec->timeline))
        return broken(e, "ingest_begin", "writes another timeline than was asked for");
    return ZS_OK;
}

int ingest_begin(const struct zs_store *store, const struct zs_ingest_spec *spec,
                 struct ingest *out, struct zs_error *e)
{
    struct ingest in = {.store = store, .state = {.struct_size = sizeof in.state}};
    memset(out, 0, sizeof *out);
    TRY(error_check(store->ingest_begin(store->self, spec, &in.state, &in.handle, e), e,
                    "ingest_begin"));
    if (in.handle == NULL)
        return broken(e, "ingest_begin", "gave no handle");
    if (check_begun(spec, &in.state, e) != ZS_OK) {
        ingest_close(&in);
        return ZS_FAIL;
    }
    *out = in;
    return ZS_OK;
}

int ingest_put(struct ingest *in, const struct zs_record *records, uint64_t n, struct zs_error *e)
{
    if (in->handle == NULL)
        return closed(e, "ingest_put");
    return error_check(in->store->ingest_put(in->handle, records, n, e), e, "ingest_put");
}

int ingest_state(struct ingest *in, struct zs_ingest_state *state, struct zs_error *e)
{
    memset(state, 0, sizeof *state);
    state->struct_size = sizeof *state;
    if (in->handle == NULL)
        return closed(e, "ingest_state");
    TRY(error_check(in->store->ingest_state(in->handle, state, e), e, "ingest_state"));
    if (state->struct_size > sizeof *state)
        return broken(e, "ingest_state", "filled more of the state than there was");
    state->struct_size = sizeof *state;
    if (!timeline_equal(state->timeline, in->state.timeline) ||
        state->base.lsn != in->state.base.lsn)
        return broken(e, "ingest_state", "changed what the ingest builds on");
    return ZS_OK;
}

int ingest_commit(struct ingest *in, const struct zs_commit *commit, struct zs_error *e)
{
    if (in->handle == NULL)
        return closed(e, "ingest_commit");
    if (commit->nblobs > 0 && !store_has(in->store, ZS_STORE_BLOBS))
        return no_blobs(e, "blobs to commit");
    return error_check(in->store->ingest_commit(in->handle, commit, e), e, "ingest_commit");
}

void ingest_close(struct ingest *in)
{
    if (in->handle != NULL)
        in->store->ingest_close(in->handle);
    memset(in, 0, sizeof *in);
}
