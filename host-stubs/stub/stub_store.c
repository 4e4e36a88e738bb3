/* stub_store.c - see stub_store.h: branches, snapshots, iterators, the host's own side.
 * Flow: table -> here; writing is in stub_ingest.c, the data in stub_version.c. */
#include "stub/stub_store.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "stub/stub_store_impl.h"

#include <stdlib.h>
#include <string.h>

struct zs_snapshot {
    struct stub_store *store;
    struct version *version; /* owned reference */
};

struct zs_iter {
    struct stub_store *store;
    struct version *version; /* owned reference */
    zs_lsn after_lsn, upto_lsn;
    uint64_t at, end; /* the next record to look at; the first one not to */
};

/* ---- branches --------------------------------------------------------------------- */

int stub_no_such_branch(const char *name, struct zs_error *e)
{
    error_set(e, ZS_NO_SUCH_BRANCH, "there is no branch \"%s\"", name);
    return error_hint(e, "List the branches there are.");
}

int stub_branch_exists(const char *name, struct zs_error *e)
{
    error_set(e, ZS_ALREADY_EXISTS, "branch \"%s\" exists already", name);
    return error_hint(e, "Choose another name.");
}

struct stub_branch *stub_branch_named(struct stub_store *store, const char *name)
{
    for (struct stub_branch *b = store->branches; b != NULL; b = b->next)
        if (strcmp(b->now->info.name, name) == 0)
            return b;
    return NULL;
}

struct stub_branch *stub_branch_of_timeline(struct stub_store *store, struct zs_timeline_id id)
{
    for (struct stub_branch *b = store->branches; b != NULL; b = b->next)
        if (timeline_equal(b->now->info.timeline, id))
            return b;
    return NULL;
}

int stub_branch_insert(struct stub_store *store, struct version *version, struct zs_error *e)
{
    struct stub_branch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return error_memory(e);
    struct stub_branch **at = &store->branches;
    while (*at != NULL && strcmp((*at)->now->info.name, version->info.name) < 0)
        at = &(*at)->next;
    b->now = version;
    b->next = *at;
    *at = b;
    return ZS_OK;
}

/* As far as the caller's struct goes. */
static void give_info(struct zs_branch_info *to, const struct zs_branch_info *from)
{
    uint32_t size = to->struct_size < sizeof *from ? to->struct_size : (uint32_t)sizeof *from;
    memcpy(to, from, size);
    to->struct_size = size;
}

static int32_t branch_find(void *self, const char *name, struct zs_branch_info *info,
                           struct zs_error *e)
{
    struct stub_store *store = self;
    stub_lock(store);
    const struct stub_branch *b = stub_branch_named(store, name);
    if (b != NULL)
        give_info(info, &b->now->info);
    stub_unlock(store);
    return b != NULL ? ZS_OK : stub_no_such_branch(name, e);
}

/* Copied under the mutex, told without it: a visitor may call the store. */
static int32_t branch_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e)
{
    struct stub_store *store = self;
    stub_lock(store);
    size_t n = 0, i = 0;
    for (const struct stub_branch *b = store->branches; b != NULL; b = b->next)
        n++;
    struct zs_branch_info *infos = malloc((n + 1) * sizeof *infos);
    for (const struct stub_branch *b = store->branches; infos != NULL && b != NULL; b = b->next)
        infos[i++] = b->now->info;
    stub_unlock(store);
    if (infos == NULL)
        return error_memory(e);
    for (i = 0; i < n && visit(context, &infos[i]) == 0; i++)
        ;
    free(infos);
    return ZS_OK;
}

/* ---- snapshots -------------------------------------------------------------------- */

static void count_handle(struct stub_store *store, bool opened)
{
    stub_lock(store);
    store->open_handles += opened ? 1 : UINT64_MAX;
    stub_unlock(store);
}

static int32_t snapshot_open(void *self, const char *branch, struct zs_branch_info *info,
                             struct zs_snapshot **out, struct zs_error *e)
{
    struct stub_store *store = self;
    struct zs_snapshot *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_memory(e);
    stub_lock(store);
    const struct stub_branch *b = stub_branch_named(store, branch);
    if (b != NULL) {
        s->store = store;
        s->version = version_retain(b->now);
        store->open_handles++;
    }
    stub_unlock(store);
    if (b == NULL) {
        free(s);
        return stub_no_such_branch(branch, e);
    }
    give_info(info, &s->version->info);
    *out = s;
    return ZS_OK;
}

static void snapshot_close(struct zs_snapshot *s)
{
    version_release(s->version);
    count_handle(s->store, false);
    free(s);
}

static int32_t snapshot_history(struct zs_snapshot *s, zs_lsn upto_lsn, struct zs_point *points,
                                uint64_t n, uint64_t *count, struct zs_error *e)
{
    (void)e;
    *count = 0;
    for (uint64_t i = s->version->npoints; i > 0 && *count < n; i--)
        if (s->version->points[i - 1].lsn <= upto_lsn)
            points[(*count)++] = s->version->points[i - 1];
    return ZS_OK;
}

/* ---- blobs ------------------------------------------------------------------------ */

static int32_t blob_read(struct zs_snapshot *s, const char *name, void *buf, uint64_t buf_bytes,
                         uint64_t *len, struct zs_error *e)
{
    const struct blob *b = version_blob(s->version, name);
    if (b == NULL)
        return error_set(e, ZS_NO_SUCH_BRANCH, "there is no blob \"%s\"", name);
    if (b->len > 0 && b->len <= buf_bytes)
        memcpy(buf, b->bytes, b->len);
    *len = b->len;
    return ZS_OK;
}

static int32_t blob_list(struct zs_snapshot *s, zs_blob_visit visit, void *context,
                         struct zs_error *e)
{
    (void)e;
    for (uint64_t i = 0; i < s->version->nblobs; i++)
        if (visit(context, s->version->blobs[i]->name, s->version->blobs[i]->len) != 0)
            break;
    return ZS_OK;
}

/* ---- iterators -------------------------------------------------------------------- */

static int32_t iter_open(struct zs_snapshot *snapshot, zs_lsn after_lsn, zs_lsn upto_lsn,
                         struct zs_iter **out, struct zs_error *e)
{
    struct zs_iter *it = calloc(1, sizeof *it);
    if (it == NULL)
        return error_memory(e);
    *it = (struct zs_iter){.store = snapshot->store,
                           .version = version_retain(snapshot->version),
                           .after_lsn = after_lsn,
                           .upto_lsn = upto_lsn,
                           .end = snapshot->version->n};
    count_handle(it->store, true);
    *out = it;
    return ZS_OK;
}

/* The first record with a key >= `key`, or > if `behind`. */
static uint64_t find_key(const struct version *v, const uint8_t *key, bool behind)
{
    uint64_t low = 0, high = v->n;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = memcmp(v->records[middle].key, key, ZS_KEY_BYTES);
        if (order < 0 || (behind && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int32_t iter_seek(struct zs_iter *it, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e)
{
    (void)e;
    it->at = find_key(it->version, key, false);
    it->end = it->version->n;
    return ZS_OK;
}

static int32_t iter_range(struct zs_iter *it, const uint8_t first[ZS_KEY_BYTES],
                          const uint8_t last[ZS_KEY_BYTES], struct zs_error *e)
{
    (void)e;
    it->at = find_key(it->version, first, false);
    it->end = find_key(it->version, last, true);
    return ZS_OK;
}

/* A call looks at so many records and then comes back, so that its caller can see to
 * a cancel request: some milliseconds' worth, or next to none to test callers with. */
#define LOOK_MAX       1000000u
#define SHORT_LOOK_MAX 16u

/* The values are stable for as long as the version is, so views of them are; with
 * STUB_STORE_COPIES they are copied where they fit, as the contract says. */
static int32_t iter_next(struct zs_iter *it, struct zs_record *records, uint64_t n, void *buf,
                         uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e)
{
    (void)e;
    bool copies = (it->store->options & STUB_STORE_COPIES) != 0;
    uint64_t looks = (it->store->options & STUB_STORE_SHORT_LOOKS) != 0 ? SHORT_LOOK_MAX : LOOK_MAX;
    uint64_t got = 0, used = 0;
    for (; it->at < it->end && got < n && looks > 0; it->at++, looks--) {
        const struct zs_record *r = &it->version->records[it->at];
        if (r->lsn <= it->after_lsn || r->lsn > it->upto_lsn)
            continue;
        bool fits = r->len <= buf_bytes - used;
        if (copies && !fits && got > 0)
            break;
        records[got] = *r;
        if (copies && fits && r->len > 0) {
            records[got].value = memcpy((char *)buf + used, r->value, r->len);
            used += r->len;
        }
        got++;
        if (copies && !fits) { /* the first one, alone, as a view */
            it->at++;
            break;
        }
    }
    *count = got;
    *more = it->at < it->end;
    return ZS_OK;
}

static void iter_close(struct zs_iter *it)
{
    version_release(it->version);
    count_handle(it->store, false);
    free(it);
}

/* ---- the host's own side ---------------------------------------------------------- */

int stub_store_branch_create(struct stub_store *store, const char *name,
                             const struct zs_timeline_id *timeline, struct zs_branch_info *info,
                             struct zs_error *e)
{
    struct zs_branch_info fresh = {.struct_size = sizeof fresh};
    TRY(branch_name_check(name, e));
    (void)stpcpy(fresh.name, name);
    if (timeline != NULL)
        fresh.timeline = *timeline;
    else
        TRY(timeline_random(&fresh.timeline, e));
    struct version *v = version_create(&fresh, e);
    if (v == NULL)
        return ZS_FAIL;
    int rc;
    stub_lock(store);
    if (stub_branch_named(store, name) != NULL)
        rc = stub_branch_exists(name, e);
    else if (stub_branch_of_timeline(store, fresh.timeline) != NULL)
        rc = error_set(e, ZS_ALREADY_EXISTS, "timeline %s exists already",
                       timeline_text(fresh.timeline).s);
    else
        rc = stub_branch_insert(store, v, e);
    stub_unlock(store);
    if (rc != ZS_OK)
        version_release(v);
    else if (info != NULL)
        *info = fresh;
    return rc;
}

int stub_store_branch_delete(struct stub_store *store, const char *name, struct zs_error *e)
{
    int rc = ZS_OK;
    stub_lock(store);
    struct stub_branch **at = &store->branches;
    while (*at != NULL && strcmp((*at)->now->info.name, name) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        rc = stub_no_such_branch(name, e);
    } else if (stub_ingest_is_open(store, name)) {
        error_set(e, ZS_BUSY, "branch \"%s\" is being written", name);
        rc = error_hint(e, "Try again when the transfer has ended.");
    } else {
        struct stub_branch *gone = *at;
        *at = gone->next;
        version_release(gone->now);
        free(gone);
        stub_stage_forget(store, name, false);
    }
    stub_unlock(store);
    return rc;
}

static int compare_for_sort(const void *a, const void *b)
{
    return record_compare(a, b);
}

/* Copy the records into *run, sorted, if they may follow `old`; fill in *end. */
static int take_own_records(const struct version *old, const struct zs_record *records, uint64_t n,
                            struct run *run, struct zs_point *end, struct zs_error *e)
{
    for (uint64_t i = 0; i < n; i++) {
        if (records[i].len > ZS_VALUE_MAX)
            return error_set(e, ZS_VALUE_TOO_LARGE, "value of %u bytes is too large",
                             records[i].len);
        if (records[i].lsn <= old->info.last_valid_lsn || records[i].lsn > end->lsn)
            return error_set(e, ZS_BAD_VALUE, "record at %s is not after %s and up to %s",
                             lsn_text(records[i].lsn).s, lsn_text(old->info.last_valid_lsn).s,
                             lsn_text(end->lsn).s);
        TRY(run_add(run, &records[i], e));
        end->bytes += records[i].len;
    }
    end->records += n;
    digest_add_records(&end->digest, records, n);
    if (n > 0)
        qsort(run->records, run->n, sizeof *run->records, compare_for_sort);
    for (uint64_t i = 1; i < n; i++)
        if (record_compare(&run->records[i - 1], &run->records[i]) == 0)
            return error_set(e, ZS_BAD_VALUE, "two records with one key are at %s",
                             lsn_text(run->records[i].lsn).s);
    return ZS_OK;
}

static int write_own(struct stub_store *store, struct stub_branch *b,
                     const struct stub_write *write, struct run *run, struct zs_error *e)
{
    const zs_lsn upto_lsn = write->upto_lsn;
    const struct zs_branch_info *old = &b->now->info;
    struct zs_point end = {
        .lsn = upto_lsn, .digest = old->digest, .records = old->records, .bytes = old->bytes};
    if (upto_lsn < old->last_valid_lsn)
        return error_set(e, ZS_BAD_VALUE, "branch \"%s\" is at %s already, which is above %s",
                         old->name, lsn_text(old->last_valid_lsn).s, lsn_text(upto_lsn).s);
    TRY(take_own_records(b->now, write->records, write->n, run, &end, e));
    TRY(blobs_check(write->blobs, write->nblobs, e));
    struct version *v = version_after(
        b->now,
        &(struct version_change){.run = run,
                                 .end = end,
                                 .gc_cutoff_lsn = old->gc_cutoff_lsn,
                                 .keep_points = stub_has_digest(store),
                                 .passing = (store->options & STUB_STORE_FEW_POINTS) != 0,
                                 .blobs = write->blobs,
                                 .nblobs = write->nblobs},
        e);
    if (v == NULL)
        return ZS_FAIL;
    version_release(b->now);
    b->now = v;
    return ZS_OK;
}

int stub_store_write_with(struct stub_store *store, const char *branch,
                          const struct stub_write *write, struct zs_error *e)
{
    struct run run;
    TRY(run_init(&run, e));
    stub_lock(store);
    struct stub_branch *b = stub_branch_named(store, branch);
    int rc = b == NULL ? stub_no_such_branch(branch, e) : write_own(store, b, write, &run, e);
    stub_unlock(store);
    run_fini(&run);
    return rc;
}

int stub_store_gc(struct stub_store *store, const char *branch, zs_lsn cutoff_lsn,
                  uint64_t *dropped, struct zs_error *e)
{
    int rc = ZS_OK;
    struct version *v = NULL;
    stub_lock(store);
    struct stub_branch *b = stub_branch_named(store, branch);
    if (b == NULL)
        rc = stub_no_such_branch(branch, e);
    else if (cutoff_lsn < b->now->info.gc_cutoff_lsn || cutoff_lsn > b->now->info.last_valid_lsn)
        rc = error_set(e, ZS_BAD_VALUE, "cutoff %s is not between %s and %s",
                       lsn_text(cutoff_lsn).s, lsn_text(b->now->info.gc_cutoff_lsn).s,
                       lsn_text(b->now->info.last_valid_lsn).s);
    else
        rc = (v = version_collected(b->now, cutoff_lsn, e)) == NULL ? ZS_FAIL : ZS_OK;
    if (v != NULL) {
        if (dropped != NULL)
            *dropped = b->now->n - v->n;
        version_release(b->now);
        b->now = v;
    }
    stub_unlock(store);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------ */

int stub_store_open(unsigned options, struct stub_store **out, struct zs_error *e)
{
    struct stub_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return error_memory(e);
    if (pthread_mutex_init(&store->mutex, NULL) != 0) {
        free(store);
        return error_memory(e);
    }
    store->options = options;
    store->table = (struct zs_store){
        .struct_size = sizeof store->table,
        .features =
            (stub_has_digest(store) ? ZS_STORE_DIGEST : 0) |
            ((options & STUB_STORE_NO_BLOBS) == 0 ? ZS_STORE_BLOBS : 0) |
            (stub_has_digest(store) && (options & STUB_STORE_NO_RESUME) == 0 ? ZS_STORE_RESUME : 0),
        .self = store,
        .branch_find = branch_find,
        .branch_list = branch_list,
        .snapshot_open = snapshot_open,
        .snapshot_close = snapshot_close,
        .snapshot_history = snapshot_history,
        .iter_open = iter_open,
        .iter_seek = iter_seek,
        .iter_next = iter_next,
        .iter_close = iter_close,
        .ingest_begin = stub_ingest_begin,
        .ingest_put = stub_ingest_put,
        .ingest_state = stub_ingest_state,
        .ingest_commit = stub_ingest_commit,
        .ingest_close = stub_ingest_close,
        .blob_read = blob_read,
        .blob_list = blob_list,
        .iter_range = iter_range,
        .ingest_sync = stub_ingest_sync,
        .stage_list = stub_stage_list,
        .ingest_resume = stub_ingest_resume,
        .stage_drop = stub_stage_drop,
        .ingest_keys = stub_ingest_keys,
    };
    *out = store;
    return ZS_OK;
}

void stub_store_close(struct stub_store *store)
{
    if (store == NULL)
        return;
    stub_stages_free(store);
    for (struct stub_branch *b = store->branches, *next; b != NULL; b = next) {
        next = b->next;
        version_release(b->now);
        free(b);
    }
    (void)pthread_mutex_destroy(&store->mutex);
    free(store);
}

const struct zs_store *stub_store_table(struct stub_store *store)
{
    return &store->table;
}
