/* rebuild.c - see rebuild.h. */
#include "sync/rebuild.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lsn.h"
#include "sync/cancel.h"
#include "sync/epochs.h"
#include "sync/history.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS = 256, BUFFER = 256 * 1024, WAIT_MS = 100, TRIES = 16 };

/* Neighbouring ranges, newest first: the i-th is (ends[i + 1], ends[i]], the last one
 * begins at 0. */
struct ranges {
    uint32_t count;
    zs_lsn ends[REBUILD_EPOCHS];
    struct change_map *maps[REBUILD_EPOCHS];
    uint64_t cost; /* of all maps */
};

static void ranges_fini(struct ranges *ranges)
{
    for (uint32_t i = 0; i < ranges->count; i++)
        change_map_close(ranges->maps[i]);
}

static int ranges_open(struct ranges *ranges, const struct snapshot *s, struct zs_error *e)
{
    struct point_list points;
    zs_lsn last = s->info.last_valid_lsn;
    TRY(history_thin(s, 0, last, &points, e));
    if (last == 0)
        return ZS_OK;
    ranges->ends[ranges->count++] = last;
    for (uint32_t i = 0; i < points.count && ranges->count < REBUILD_EPOCHS; i++)
        if (points.at[i].lsn < ranges->ends[ranges->count - 1])
            ranges->ends[ranges->count++] = points.at[i].lsn;
    for (uint32_t i = 0; i < ranges->count; i++)
        TRY(change_map_open(&ranges->maps[i], e));
    return ZS_OK;
}

/* The range that an LSN is in. */
static uint32_t range_of(const struct ranges *ranges, zs_lsn lsn)
{
    uint32_t low = 0, high = ranges->count - 1;
    while (low < high) { /* the last one that ends at or above it */
        uint32_t mid = low + (high - low + 1) / 2;
        if (ranges->ends[mid] >= lsn)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

/* What was charged passed the bound: is it taken?  If it is, or nearly, the largest goes. */
static void settle(struct ranges *ranges)
{
    ranges->cost = 0;
    for (uint32_t i = 0; i < ranges->count; i++) {
        change_map_compact(ranges->maps[i]);
        ranges->cost += change_map_cost(ranges->maps[i]);
    }
    while (ranges->cost > REBUILD_MAX_BYTES - REBUILD_MAX_BYTES / 4) {
        uint32_t largest = 0;
        for (uint32_t i = 1; i < ranges->count; i++)
            if (change_map_cost(ranges->maps[i]) > change_map_cost(ranges->maps[largest]))
                largest = i;
        ranges->cost -= change_map_cost(ranges->maps[largest]);
        change_map_become_everything(ranges->maps[largest]);
    }
}

static int note(struct ranges *ranges, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                struct zs_error *e)
{
    struct change_map *m = ranges->maps[range_of(ranges, lsn)];
    uint64_t before = change_map_cost(m);
    TRY(change_map_add(m, key, e));
    ranges->cost = ranges->cost + change_map_cost(m) - before;
    if (ranges->cost > REBUILD_MAX_BYTES)
        settle(ranges);
    return ZS_OK;
}

static void tell(struct rebuild *r)
{
    if (r->tell != NULL)
        r->tell(r->context, r);
}

/* What the store puts into one look. */
struct look {
    struct zs_record records[RECORDS];
    uint8_t values[BUFFER];
};

static int scan(struct rebuild *r, const struct snapshot *s, struct ranges *ranges,
                struct zs_error *e)
{
    CLEANUP(iter_close) struct iter it = {0};
    CLEANUP(free_ptr) struct look *look = malloc(sizeof *look);
    if (look == NULL)
        return error_memory(e);
    TRY(iter_open(s, 0, s->info.last_valid_lsn, &it, e));
    for (bool more = true; more;) {
        uint64_t n = 0;
        TRY(cancel_check(r->cancel, e));
        TRY(iter_next(&it, look->records, RECORDS, look->values, BUFFER, &n, &more, e));
        for (uint64_t i = 0; i < n; i++) {
            TRY(note(ranges, look->records[i].key, look->records[i].lsn, e));
            r->bytes += look->records[i].len;
        }
        r->records += n;
        tell(r);
    }
    return ZS_OK;
}

/* ---- the commit ----------------------------------------------------------------------------- */

struct edits {
    struct zs_blob *blobs;
    char (*names)[EPOCH_NAME_BYTES];
    uint64_t count;
};

static void edits_fini(struct edits *edits)
{
    for (uint64_t i = 0; i < edits->count; i++)
        free((void *)(uintptr_t)edits->blobs[i].data);
    free(edits->blobs);
    free(edits->names);
}

static void edit(struct edits *edits, zs_lsn to_lsn, const uint8_t *data, size_t len)
{
    char *name = edits->names[edits->count];
    epoch_name(to_lsn, name);
    edits->blobs[edits->count++] = (struct zs_blob){.name = name, .data = data, .len = len};
}

/* Each map is given up when it is encoded. */
static int encode(struct rebuild *r, const struct snapshot *s, struct ranges *ranges,
                  struct edits *edits, struct zs_error *e)
{
    const size_t most = REBUILD_EPOCHS + EPOCH_LIST_MAX;
    edits->blobs = calloc(most, sizeof *edits->blobs);
    edits->names = calloc(most, sizeof *edits->names);
    if (edits->blobs == NULL || edits->names == NULL)
        return error_memory(e);
    for (uint32_t i = 0; i < ranges->count; i++) {
        struct change_epoch epoch = {.timeline = s->info.timeline,
                                     .from_lsn = i + 1 < ranges->count ? ranges->ends[i + 1] : 0,
                                     .to_lsn = ranges->ends[i]};
        uint8_t *data = NULL;
        size_t len = 0;
        TRY(change_map_encode(ranges->maps[i], &epoch, &data, &len, e));
        change_map_become_everything(ranges->maps[i]);
        edit(edits, epoch.to_lsn, data, len); /* too much changed: what is there goes */
        r->left_out += data == NULL;
        r->epochs += data != NULL;
        r->map_bytes += len;
    }
    return ZS_OK;
}

/* What is listed now, was there when the scan began, and is not written again. */
static int remove_others(const struct zs_store *store, const char *branch,
                         const struct ranges *ranges, struct edits *edits, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct epoch_list list;
    edits->count = ranges->count;
    TRY(snapshot_open(store, branch, &s, e));
    TRY(epoch_list_read(&s, &list, e));
    for (uint32_t i = 0; i < list.count; i++) {
        bool again = ranges->count == 0 || list.at[i].to_lsn > ranges->ends[0];
        for (uint32_t k = 0; k < ranges->count && !again; k++)
            again = ranges->ends[k] == list.at[i].to_lsn;
        if (!again)
            edit(edits, list.at[i].to_lsn, NULL, 0);
    }
    return ZS_OK;
}

static int32_t is_waiting(void *context, const struct zs_stage_info *info)
{
    const char **branch = context;
    if (strcmp(info->branch, *branch) != 0)
        return 0;
    *branch = NULL;
    return 1;
}

static int check_no_stage(const struct rebuild *r, struct zs_error *e)
{
    const char *branch = r->branch;
    if (store_has(r->store, ZS_STORE_RESUME))
        TRY(store_stage_list(r->store, is_waiting, &branch, e));
    if (branch != NULL)
        return ZS_OK;
    error_set(e, ZS_BUSY, "an interrupted transfer of branch \"%s\" waits here", r->branch);
    return error_hint(e, "Run it again first, or drop it with: zenith branch drop-stage %s",
                      r->branch);
}

static int try_commit(const struct rebuild *r, const struct snapshot *s,
                      const struct ranges *ranges, struct edits *edits, struct zs_error *e)
{
    CLEANUP(ingest_close) struct ingest in = {0};
    struct zs_branch_info now;
    TRY(check_no_stage(r, e));
    TRY(store_branch_find(r->store, r->branch, &now, e));
    if (!timeline_equal(now.timeline, s->info.timeline)) {
        error_set(e, ZS_MOVED_MEANWHILE, "branch \"%s\" was replaced meanwhile", r->branch);
        return error_hint(e, "Run the command again.");
    }
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = r->branch,
                                  .timeline = now.timeline,
                                  .base_lsn = now.last_valid_lsn,
                                  .target_lsn = now.last_valid_lsn};
    TRY(ingest_begin(r->store, &spec, &in, e));
    TRY(remove_others(r->store, r->branch, ranges, edits, e));
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = now.last_valid_lsn,
                               .gc_cutoff_lsn = now.gc_cutoff_lsn,
                               .end = in.state.base,
                               .blobs = edits->blobs,
                               .nblobs = edits->count};
    return ingest_commit(&in, &commit, e);
}

/* The scan was long, so that a branch which is written to meanwhile is waited for. */
static int commit(struct rebuild *r, const struct snapshot *s, const struct ranges *ranges,
                  struct edits *edits, struct zs_error *e)
{
    for (unsigned moved = 0;;) {
        struct zs_error fault = {0};
        if (try_commit(r, s, ranges, edits, &fault) == ZS_OK)
            return ZS_OK;
        struct zs_error stage = {0};
        bool busy = error_is(&fault, ZS_BUSY) && check_no_stage(r, &stage) == ZS_OK;
        if (!busy && (!error_is(&fault, ZS_MOVED_MEANWHILE) || ++moved == TRIES)) {
            *e = fault;
            return ZS_FAIL;
        }
        r->waiting = busy;
        tell(r);
        TRY(cancel_sleep(r->cancel, WAIT_MS * INT64_C(1000000), e));
    }
}

int rebuild_run(struct rebuild *r, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(ranges_fini) struct ranges ranges = {0};
    CLEANUP(edits_fini) struct edits edits = {0};
    if (!store_has(r->store, ZS_STORE_BLOBS))
        return error_set(e, ZS_NOT_SUPPORTED, "this pageserver's store keeps no change map");
    TRY(check_no_stage(r, e));
    TRY(snapshot_open(r->store, r->branch, &s, e));
    r->upto_lsn = s.info.last_valid_lsn;
    r->total_records = s.info.records;
    r->total_bytes = s.info.bytes;
    TRY(ranges_open(&ranges, &s, e));
    if (ranges.count > 0)
        TRY(scan(r, &s, &ranges, e));
    TRY(encode(r, &s, &ranges, &edits, e));
    return ranges.count > 0 ? commit(r, &s, &ranges, &edits, e) : ZS_OK;
}
