/* history.c - see history.h. */
#include "sync/history.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "sync/cancel.h"
#include "sync/selection.h"

#define NEWEST 32u
#define PAGE   128u

struct zs_point history_last(const struct snapshot *s)
{
    return (struct zs_point){.lsn = s->info.last_valid_lsn,
                             .digest = s->info.digest,
                             .records = s->info.records,
                             .bytes = s->info.bytes};
}

/* Gaps grow by half each time, so 32 places behind the newest 32 reach back over more
 * than a million commits. */
static uint64_t next_wanted(uint64_t index, uint64_t *gap)
{
    if (index + 1 < NEWEST)
        return index + 1;
    *gap += *gap / 2 + 1;
    return index + *gap;
}

int history_thin(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                 struct point_list *out, struct zs_error *e)
{
    struct zs_point page[PAGE];
    uint64_t index = 0, wanted = 0, gap = 0;
    out->count = 0;
    for (;;) {
        uint64_t n = 0;
        TRY(snapshot_history(s, upto_lsn, page, PAGE, &n, e));
        for (uint64_t i = 0; i < n; i++, index++) {
            if (page[i].lsn <= after_lsn || out->count == CONTROL_MAX_POINTS)
                return ZS_OK;
            if (index == wanted) {
                out->at[out->count++] = page[i];
                wanted = next_wanted(index, &gap);
            }
        }
        if (n < PAGE || page[n - 1].lsn == 0)
            return ZS_OK;
        upto_lsn = page[n - 1].lsn - 1;
    }
}

int history_find(const struct snapshot *s, zs_lsn lsn, bool *found, struct zs_point *point,
                 struct zs_error *e)
{
    uint64_t n = 0;
    *found = false;
    TRY(snapshot_history(s, lsn, point, 1, &n, e));
    *found = n == 1 && point->lsn == lsn;
    return ZS_OK;
}

int history_common(const struct snapshot *s, const struct point_list *points, zs_lsn *common_lsn,
                   struct zs_error *e)
{
    *common_lsn = 0;
    for (uint32_t i = 0; i < points->count; i++) {
        struct zs_point mine;
        bool found = false;
        TRY(history_find(s, points->at[i].lsn, &found, &mine, e));
        if (found && digest_equal(mine.digest, points->at[i].digest)) {
            *common_lsn = mine.lsn;
            return ZS_OK;
        }
    }
    return ZS_OK;
}

/* *mapped: by the change map, which may lie. */
static int sum_above(const struct snapshot *s, zs_lsn lsn, bool use_map,
                     const struct zs_cancel *cancel, struct conn *line, struct zs_digest *sum,
                     bool *mapped, struct zs_error *e)
{
    enum { RECORDS = 256, BYTES = 256 * 1024 };
    CLEANUP(selection_close) struct selection selection = {0};
    char unsaid[128];
    CLEANUP(free_ptr) void *buf = malloc(BYTES);
    CLEANUP(free_ptr) struct zs_record *records = calloc(RECORDS, sizeof *records);
    if (buf == NULL || records == NULL)
        return error_memory(e);
    *sum = (struct zs_digest){0};
    TRY(selection_open(s, lsn, s->info.last_valid_lsn, use_map, &selection, unsaid, sizeof unsaid,
                       e));
    *mapped = selection.map != NULL;
    for (;;) {
        uint64_t n = 0;
        bool more = false;
        TRY(cancel_check(cancel, e));
        if (line != NULL)
            TRY(conn_keep_alive(line, e));
        TRY(selection_next(&selection, records, RECORDS, buf, BYTES, &n, &more, e));
        digest_add_records(sum, records, n);
        if (!more)
            return ZS_OK;
    }
}

static int too_many_sums(struct zs_error *e)
{
    error_set(e, ZS_LIMIT_EXCEEDED, "%u branches are being read already to compare their histories",
              TRANSFER_SUMS_MAX);
    return error_hint(e, "Run the command again when \"zenith status\" on that server shows fewer "
                         "transfers.");
}

int history_digest_at(const struct snapshot *s, zs_lsn lsn, struct zs_digest hoped,
                      struct transfer *transfer, const struct zs_cancel *cancel, struct conn *line,
                      struct maybe_digest *out, struct zs_error *e)
{
    struct zs_point point;
    *out = (struct maybe_digest){0};
    TRY(history_find(s, lsn, &out->known, &point, e));
    if (out->known) {
        out->digest = point.digest;
        return ZS_OK;
    }
    if (lsn < s->info.gc_cutoff_lsn)
        return ZS_OK;
    struct zs_digest above = {0};
    if (transfer != NULL && !transfer_sum_begin(transfer))
        return too_many_sums(e);
    bool mapped = false;
    TRY(sum_above(s, lsn, true, cancel, line, &above, &mapped, e));
    if (mapped && !digest_equal(digest_minus(s->info.digest, above), hoped))
        TRY(sum_above(s, lsn, false, cancel, line, &above, &mapped, e));
    if (transfer != NULL)
        transfer_phase(transfer, PHASE_NEGOTIATE);
    *out = (struct maybe_digest){.known = true, .digest = digest_minus(s->info.digest, above)};
    return ZS_OK;
}
