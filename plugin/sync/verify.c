/* verify.c - see verify.h. */
#include "sync/verify.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/key.h"
#include "model/lsn.h"
#include "sync/cancel.h"
#include "sync/history.h"
#include "sync/resume.h"
#include "sync/verify_map.h"
#include "sync/verify_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE 128u

_Static_assert(VERIFY_POINTS % 2 == 0, "see read_history");

/* The records in (the next older point or 0, point]. */
struct interval {
    struct zs_point point;
    struct zs_digest sum;
};

struct verify {
    const struct verify_job *job;
    struct verify_result *result;
    struct snapshot snapshot;
    struct interval intervals[VERIFY_POINTS]; /* newest first */
    uint32_t n;
    struct verify_map map;
    uint64_t gaps;
};

const char *fault_kind_name(enum fault_kind kind)
{
    switch (kind) {
    case FAULT_FILE:
        return "file";
    case FAULT_READ:
        return "read";
    case FAULT_SUM:
        return "sum";
    case FAULT_COUNT:
        return "count";
    case FAULT_HISTORY:
        return "history";
    case FAULT_MAP:
        return "map";
    case FAULT_STAGE:
        return "stage";
    }
    return NULL;
}

static void tell(struct verify *v, const struct fault *fault)
{
    v->result->faults++;
    v->job->tell(v->job->context, fault);
}

static bool is_damage(const struct zs_error *e)
{
    return error_is(e, ZS_CORRUPT) || error_is(e, ZS_IO_ERROR) || error_is(e, ZS_INTERNAL_ERROR);
}

/* ---- the store's files, and the stage -------------------------------------------------- */

static int32_t take_file(void *context, const struct zs_error *error)
{
    struct verify *v = context;
    const struct fault fault = {.kind = FAULT_FILE, .error = *error};
    tell(v, &fault);
    return 0;
}

struct stage_search {
    const char *branch;
    bool found, good;
};

static int32_t look_at_stage(void *context, const struct zs_stage_info *info)
{
    struct stage_search *s = context;
    struct resume_token token;
    if (strcmp(info->branch, s->branch) != 0)
        return 0;
    s->found = true;
    s->good = resume_token_decode(info->token, info->token_bytes, &token) &&
              token.from.lsn == info->base_lsn && token.at.to.lsn == info->target_lsn;
    return 1;
}

static int verify_stage(struct verify *v, bool *found, struct zs_error *e)
{
    struct stage_search s = {.branch = v->job->branch};
    if (store_has(v->job->store, ZS_STORE_RESUME))
        TRY(store_stage_list(v->job->store, look_at_stage, &s, e));
    *found = s.found;
    if (!s.found || s.good)
        return ZS_OK;
    struct fault fault = {.kind = FAULT_STAGE};
    error_set(&fault.error, ZS_CORRUPT, "the token of the stage of branch \"%s\" is damaged",
              v->job->branch);
    error_hint(&fault.error,
               "Drop it with \"zenith branch drop-stage %s\": the next transfer starts again.",
               v->job->branch);
    tell(v, &fault);
    return ZS_OK;
}

/* ---- the history ------------------------------------------------------------------------ */

/* Every other one goes, but the newest stays. */
static void thin_out(struct verify *v)
{
    for (uint32_t i = 0; 2 * i < v->n; i++)
        v->intervals[i] = v->intervals[(size_t)2 * i];
    v->n = (v->n + 1) / 2;
}

static int read_history(struct verify *v, struct zs_error *e)
{
    struct zs_point page[PAGE];
    zs_lsn upto = v->snapshot.info.last_valid_lsn;
    uint64_t index = 0, stride = 1;
    for (;;) {
        uint64_t n = 0;
        TRY(cancel_check(v->job->cancel, e));
        TRY(snapshot_history(&v->snapshot, upto, page, PAGE, &n, e));
        for (uint64_t i = 0; i < n; i++, index++) {
            if (index % stride != 0)
                continue;
            if (v->n == VERIFY_POINTS) {
                thin_out(v); /* an even number of them: this one stays, too */
                stride *= 2;
            }
            v->intervals[v->n++] = (struct interval){.point = page[i]};
        }
        if (n < PAGE)
            return ZS_OK;
        upto = page[n - 1].lsn - 1;
    }
}

/* What can be read of it is used; the newest point is the branch's own. */
static int load_history(struct verify *v, struct zs_error *e)
{
    struct fault fault = {.kind = FAULT_HISTORY};
    if (read_history(v, &fault.error) != ZS_OK) {
        if (!is_damage(&fault.error)) {
            *e = fault.error;
            return ZS_FAIL;
        }
        tell(v, &fault);
    }
    if (v->n == 0 && v->snapshot.info.last_valid_lsn > 0)
        v->intervals[v->n++].point = history_last(&v->snapshot);
    return ZS_OK;
}

/* ---- the change map ----------------------------------------------------------------------- */

static void map_fault(void *context, zs_lsn to_lsn, const char *what)
{
    struct verify *v = context;
    struct fault fault = {.kind = FAULT_MAP, .has_lsns = true, .to_lsn = to_lsn};
    error_set(&fault.error, ZS_CORRUPT,
              "the change map of branch \"%s\" that ends at %s is damaged: %s", v->job->branch,
              lsn_text(to_lsn).s, what);
    error_hint(&fault.error,
               "\"zenith branch rebuild-map %s\" makes it anew; no record is affected.",
               v->job->branch);
    tell(v, &fault);
}

static int load_map(struct verify *v, struct zs_error *e)
{
    struct fault fault = {.kind = FAULT_MAP};
    if (verify_map_open(&v->snapshot, &v->map, map_fault, v, &fault.error) == ZS_OK)
        return ZS_OK;
    if (!is_damage(&fault.error)) {
        *e = fault.error;
        return ZS_FAIL;
    }
    tell(v, &fault);
    return ZS_OK;
}

static void compare_map(struct verify *v)
{
    v->result->epochs = v->map.count;
    for (uint32_t i = 0; i < v->map.count; i++) {
        const struct verify_epoch *m = &v->map.at[i];
        struct fault fault = {.kind = FAULT_MAP,
                              .has_lsns = true,
                              .from_lsn = m->epoch.from_lsn,
                              .to_lsn = m->epoch.to_lsn};
        if (m->missed == 0)
            continue;
        error_set(&fault.error, ZS_CORRUPT,
                  "the change map of branch \"%s\" for %s..%s does not know of %" PRIu64
                  " record%s",
                  v->job->branch, lsn_text(m->epoch.from_lsn).s, lsn_text(m->epoch.to_lsn).s,
                  m->missed, m->missed == 1 ? "" : "s");
        error_detail(&fault.error, "The first one is of key %s.", key_text(m->first).s);
        error_hint(&fault.error,
                   "\"zenith branch rebuild-map %s\" makes it anew; no record is affected.",
                   v->job->branch);
        tell(v, &fault);
    }
}

/* ---- the records ---------------------------------------------------------------------------- */

static struct interval *interval_of(struct verify *v, zs_lsn lsn)
{
    uint32_t low = 0, high = v->n; /* the oldest point that is not below lsn */
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (v->intervals[mid].point.lsn >= lsn)
            low = mid;
        else
            high = mid;
    }
    return &v->intervals[low];
}

static void take_records(void *context, const struct zs_record *records, uint64_t n)
{
    struct verify *v = context;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < n; i++) {
        struct zs_digest one = digest_record(&records[i]);
        struct interval *in = interval_of(v, records[i].lsn);
        in->sum = digest_plus(in->sum, one);
        v->result->digest = digest_plus(v->result->digest, one);
        verify_map_record(&v->map, &records[i]);
        bytes += records[i].len;
    }
    v->result->records += n;
    v->result->bytes += bytes;
    transfer_count(v->job->transfer, n, bytes, 0);
    progress_tell(v->job->progress);
}

static void take_gap(void *context, const struct scan_gap *gap)
{
    struct verify *v = context;
    struct fault fault = {.kind = FAULT_READ};
    char after[80] = "the start", before[64] = "the end";
    v->gaps++;
    if (gap->after != NULL) {
        fault.has_after = true;
        memcpy(fault.after, gap->after, ZS_KEY_BYTES);
        (void)snprintf(after, sizeof after, "%s", key_text(gap->after).s);
        if (gap->after_lsn > 0) {
            size_t used = strlen(after);
            (void)snprintf(after + used, sizeof after - used, " at %s", lsn_text(gap->after_lsn).s);
        }
    }
    if (gap->before != NULL) {
        fault.has_before = true;
        memcpy(fault.before, gap->before, ZS_KEY_BYTES);
        (void)snprintf(before, sizeof before, "%s", key_text(gap->before).s);
    }
    error_set(&fault.error, gap->why->sqlstate,
              "records of branch \"%s\" cannot be read: behind %s, before %s", v->job->branch,
              after, before);
    error_detail(&fault.error, "%s.%s%s%s", gap->why->message, gap->why->detail[0] ? " " : "",
                 gap->why->detail,
                 gap->last ? " So much is damaged that no more was looked at." : "");
    tell(v, &fault);
}

/* ---- what they should add up to ----------------------------------------------------------------
 */

static void sum_fault(struct verify *v, zs_lsn from_lsn, zs_lsn to_lsn, struct zs_digest got,
                      struct zs_digest want)
{
    struct fault fault = {
        .kind = FAULT_SUM, .has_lsns = true, .from_lsn = from_lsn, .to_lsn = to_lsn};
    error_set(&fault.error, ZS_CORRUPT,
              "the records of branch \"%s\" in %s..%s are not those that were written",
              v->job->branch, lsn_text(from_lsn).s, lsn_text(to_lsn).s);
    error_detail(&fault.error, "They sum to %s, and by the history to %s.", digest_text(got).s,
                 digest_text(want).s);
    error_hint(&fault.error,
               "\"zenith verify %s ORIGIN\" names the records, where ORIGIN has "
               "them whole.",
               v->job->branch);
    tell(v, &fault);
}

static void compare_sums(struct verify *v)
{
    if (!store_has(v->job->store, ZS_STORE_DIGEST))
        return;
    for (uint32_t i = v->n; i-- > 0;) { /* oldest first */
        const struct interval *in = &v->intervals[i];
        struct zs_point from = i + 1 < v->n ? v->intervals[i + 1].point : (struct zs_point){0};
        if (from.lsn < v->snapshot.info.gc_cutoff_lsn)
            continue;
        struct zs_digest want = digest_minus(in->point.digest, from.digest);
        v->result->intervals++;
        if (!digest_equal(in->sum, want))
            sum_fault(v, from.lsn, in->point.lsn, in->sum, want);
    }
}

static void compare_counts(struct verify *v)
{
    const struct zs_branch_info *info = &v->snapshot.info;
    const struct verify_result *r = v->result;
    if (info->gc_cutoff_lsn > 0 || info->records == 0 ||
        (info->records == r->records && info->bytes == r->bytes))
        return;
    struct fault fault = {.kind = FAULT_COUNT};
    error_set(&fault.error, ZS_CORRUPT,
              "branch \"%s\" has %" PRIu64 " records with %" PRIu64 " bytes, and should have "
              "%" PRIu64 " with %" PRIu64,
              v->job->branch, r->records, r->bytes, info->records, info->bytes);
    tell(v, &fault);
}

static int verify_records(struct verify *v, struct zs_error *e)
{
    const struct zs_branch_info *info = &v->snapshot.info;
    const struct scan_visitor visitor = {.context = v, .records = take_records, .gap = take_gap};
    v->result->last_lsn = info->last_valid_lsn;
    transfer_expect(v->job->transfer, info->records, info->bytes);
    TRY(load_history(v, e));
    TRY(load_map(v, e));
    if (v->n > 0)
        TRY(verify_scan(&v->snapshot, 0, info->last_valid_lsn, v->job->cancel, &visitor, e));
    compare_sums(v);
    compare_counts(v);
    compare_map(v);
    return ZS_OK;
}

static void verify_close(struct verify **v)
{
    if (*v == NULL)
        return;
    verify_map_close(&(*v)->map);
    snapshot_close(&(*v)->snapshot);
    free(*v);
}

int verify_run(const struct verify_job *job, struct verify_result *result, struct zs_error *e)
{
    CLEANUP(verify_close) struct verify *v = calloc(1, sizeof *v);
    struct zs_error missing = {0};
    bool staged = false;
    *result = (struct verify_result){0};
    if (v == NULL)
        return error_memory(e);
    v->job = job;
    v->result = result;
    transfer_phase(job->transfer, PHASE_VERIFY);
    if (snapshot_open(job->store, job->branch, &v->snapshot, &missing) == ZS_OK)
        result->exists = true;
    else if (!error_is(&missing, ZS_NO_SUCH_BRANCH)) {
        *e = missing;
        return ZS_FAIL;
    }
    TRY(store_branch_verify(job->store, job->branch, job->cancel, take_file, v, e));
    TRY(verify_stage(v, &staged, e));
    if (result->exists)
        return verify_records(v, e);
    if (staged)
        return ZS_OK;
    *e = missing;
    return ZS_FAIL;
}
