/* epochs.c - see epochs.h.
 * An epoch's blob is named by where it ends; where it begins stands inside.  A range (X, Y]
 * is followed from Y down, by where epochs end: no part of it may be without one, and every
 * one that is about a part is taken in.  What a merged epoch knows besides is fine: bits
 * are hints, and a reader looks at LSNs. */
#include "sync/epochs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lsn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_POINTER(struct change_map, change_map_close)

#define PREFIX "changes/"

void epoch_name(zs_lsn to_lsn, char name[EPOCH_NAME_BYTES])
{
    (void)snprintf(name, EPOCH_NAME_BYTES, PREFIX "%016" PRIx64, to_lsn);
}

bool epoch_of_name(const char *name, zs_lsn *to_lsn)
{
    char again[EPOCH_NAME_BYTES];
    size_t prefix = strlen(PREFIX);
    if (strncmp(name, PREFIX, prefix) != 0)
        return false;
    *to_lsn = strtoull(name + prefix, NULL, 16);
    epoch_name(*to_lsn, again);
    return strcmp(name, again) == 0;
}

static int32_t list_one(void *context, const char *name, uint64_t len)
{
    struct epoch_list *list = context;
    zs_lsn to_lsn = 0;
    if (!epoch_of_name(name, &to_lsn))
        return 0;
    if (list->count == EPOCH_LIST_MAX) {
        list->overflow = true;
        return 1;
    }
    list->at[list->count].to_lsn = to_lsn;
    list->at[list->count++].bytes = len;
    return 0;
}

int epoch_list_read(const struct snapshot *s, struct epoch_list *out, struct zs_error *e)
{
    *out = (struct epoch_list){0};
    return snapshot_blobs(s, list_one, out, e);
}

int epoch_load(const struct snapshot *s, zs_lsn to_lsn, struct change_epoch *epoch,
               struct change_map **out, char *why, size_t why_bytes, struct zs_error *e)
{
    char name[EPOCH_NAME_BYTES];
    CLEANUP(free_ptr) uint8_t *data = NULL;
    uint64_t len = 0;
    struct zs_error fault = {0};
    *out = NULL;
    epoch_name(to_lsn, name);
    TRY(snapshot_blob(s, name, &data, &len, e));
    if (data == NULL) {
        (void)snprintf(why, why_bytes, "no change map ends at %s", lsn_text(to_lsn).s);
        return ZS_OK;
    }
    if (change_map_decode(data, len, epoch, out, &fault) != ZS_OK) {
        if (error_is(&fault, ZS_OUT_OF_MEMORY)) {
            *e = fault;
            return ZS_FAIL;
        }
        (void)snprintf(why, why_bytes, "the change map that ends at %s is damaged",
                       lsn_text(to_lsn).s);
        return ZS_OK;
    }
    if (epoch->to_lsn != to_lsn || epoch->from_lsn >= to_lsn ||
        !timeline_equal(epoch->timeline, s->info.timeline)) {
        change_map_close(*out);
        *out = NULL;
        (void)snprintf(why, why_bytes, "the change map that ends at %s is another timeline's",
                       lsn_text(to_lsn).s);
    }
    return ZS_OK;
}

int epochs_changed(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                   struct change_map **out, char *why, size_t why_bytes, struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *all = NULL;
    *out = NULL;
    if (!store_has(s->store, ZS_STORE_BLOBS)) {
        (void)snprintf(why, why_bytes, "this pageserver's store keeps no change map");
        return ZS_OK;
    }
    struct epoch_list list;
    TRY(epoch_list_read(s, &list, e));
    TRY(change_map_open(&all, e));
    zs_lsn at = upto_lsn; /* all above is accounted for */
    for (uint32_t i = list.count; i-- > 0 && list.at[i].to_lsn > after_lsn;) {
        CLEANUP(change_map_close_ptr) struct change_map *one = NULL;
        struct change_epoch epoch;
        if (list.at[i].to_lsn < at)
            break;
        TRY(epoch_load(s, list.at[i].to_lsn, &epoch, &one, why, why_bytes, e));
        if (one == NULL)
            return ZS_OK;
        if (epoch.from_lsn >= upto_lsn)
            continue;
        at = epoch.from_lsn < at ? epoch.from_lsn : at;
        TRY(change_map_merge(all, one, e));
        if (change_map_is_everything(all)) {
            (void)snprintf(why, why_bytes, "too much changed for a map");
            return ZS_OK;
        }
    }
    if (at > after_lsn) {
        (void)snprintf(why, why_bytes, "no change map ends at %s", lsn_text(at).s);
        return ZS_OK;
    }
    *out = all;
    all = NULL;
    return ZS_OK;
}

/* ---- what a commit keeps ------------------------------------------------------------------ */

/* Takes over `data`; NULL removes the epoch that ends there.  The last word counts. */
static void edit(struct epoch_edits *edits, zs_lsn to_lsn, const uint8_t *data, size_t len)
{
    char name[EPOCH_NAME_BYTES];
    uint64_t i = 0;
    epoch_name(to_lsn, name);
    while (i < edits->count && strcmp(edits->names[i], name) != 0)
        i++;
    if (i < edits->count)
        free((void *)(uintptr_t)edits->blobs[i].data);
    else
        memcpy(edits->names[edits->count++], name, sizeof name);
    edits->blobs[i] = (struct zs_blob){.name = edits->names[i], .data = data, .len = len};
}

void epoch_edits_close(struct epoch_edits *edits)
{
    for (uint64_t i = 0; i < edits->count; i++)
        free((void *)(uintptr_t)edits->blobs[i].data);
    edits->count = 0;
}

/* The epochs that stay, as a commit is put together. */
struct keeping {
    const struct snapshot *snapshot;
    struct epoch_list list; /* at[first] is the oldest that stays; bytes 0: merged into the next */
    uint32_t first, count;  /* count: of those that stay, with the new one */
    uint64_t bytes;         /* likewise */
};

static void drop_oldest(struct keeping *k, struct epoch_edits *out)
{
    bool stays = k->list.at[k->first].bytes > 0;
    if (stays) {
        edit(out, k->list.at[k->first].to_lsn, NULL, 0);
        k->bytes -= k->list.at[k->first].bytes;
        k->count--;
    }
    k->first++;
}

/* Two neighbours of the older half that are smallest together and fit into one; those that were
 * tried in this commit are left `alone`.  False: there are none. */
static bool smallest_pair(const struct keeping *k, const bool *alone, uint32_t *a, uint32_t *b)
{
    uint64_t best = CHANGE_MAP_MAX_BYTES;
    uint32_t older = UINT32_MAX, end = k->first + (k->list.count - k->first) / 2;
    bool found = false;
    for (uint32_t i = k->first; i <= end; i++) {
        if (k->list.at[i].bytes == 0)
            continue;
        if (alone[i]) {
            older = UINT32_MAX;
            continue;
        }
        uint64_t both = older == UINT32_MAX ? best : k->list.at[older].bytes + k->list.at[i].bytes;
        if (both < best) {
            best = both;
            *a = older;
            *b = i;
            found = true;
        }
        older = i;
    }
    return found;
}

enum merging { MERGED, BROKEN, TOO_MUCH }; /* BROKEN: no neighbours, or one cannot be read */

/* Make the older one a part of the newer. */
static int merge_pair(const struct keeping *k, uint32_t a, uint32_t b, struct epoch_edits *out,
                      enum merging *how, struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *older = NULL, *newer = NULL;
    struct change_epoch first, second;
    char why[128];
    uint8_t *data = NULL;
    size_t len = 0;
    *how = BROKEN;
    TRY(epoch_load(k->snapshot, k->list.at[a].to_lsn, &first, &older, why, sizeof why, e));
    TRY(epoch_load(k->snapshot, k->list.at[b].to_lsn, &second, &newer, why, sizeof why, e));
    if (older == NULL || newer == NULL || first.to_lsn < second.from_lsn)
        return ZS_OK;
    TRY(change_map_merge(newer, older, e));
    if (first.from_lsn < second.from_lsn)
        second.from_lsn = first.from_lsn;
    TRY(change_map_encode(newer, &second, &data, &len, e));
    *how = data != NULL ? MERGED : TOO_MUCH;
    if (data == NULL)
        return ZS_OK;
    edit(out, first.to_lsn, NULL, 0);
    edit(out, second.to_lsn, data, len);
    return ZS_OK;
}

/* Below a gap nothing is of use to anybody who is not there yet: what it begins with goes, with
 * all that is older.  Where nothing can be merged, the oldest goes. */
static int bring_down(struct keeping *k, struct epoch_edits *out, struct zs_error *e)
{
    bool alone[EPOCH_LIST_MAX] = {false}, fewer = false;
    while (k->bytes > EPOCHS_MAX_BYTES) /* the new one alone is never so large */
        drop_oldest(k, out);
    for (uint32_t n = 0; n < EPOCH_MERGES && k->count > EPOCHS_MAX; n++) {
        uint32_t a = k->first, b = a;
        enum merging how = BROKEN;
        if (smallest_pair(k, alone, &a, &b))
            TRY(merge_pair(k, a, b, out, &how, e));
        switch (how) {
        case MERGED:
            k->bytes -= k->list.at[a].bytes + k->list.at[b].bytes;
            k->list.at[a].bytes = 0;
            k->list.at[b].bytes = out->blobs[out->count - 1].len; /* the last edit */
            k->bytes += k->list.at[b].bytes;
            k->count--;
            alone[b] = fewer = true;
            break;
        case TOO_MUCH:
            alone[a] = alone[b] = true;
            break;
        case BROKEN:
            while (k->first <= a)
                drop_oldest(k, out);
            fewer = true;
            break;
        }
    }
    if (k->count > EPOCHS_MAX && !fewer)
        drop_oldest(k, out);
    return ZS_OK;
}

int epoch_edits_make(const struct zs_store *store, const char *branch, const struct change_map *map,
                     const struct change_epoch *epoch, struct epoch_edits *out, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct keeping k = {.snapshot = &s};
    uint8_t *data = NULL;
    size_t len = 0;
    out->count = 0;
    TRY(change_map_encode(map, epoch, &data, &len, e));
    if (data != NULL)
        edit(out, epoch->to_lsn, data, len);
    TRY(snapshot_open(store, branch, &s, e));
    TRY(epoch_list_read(&s, &k.list, e));
    k.count = k.list.count + 1;
    k.bytes = len;
    for (uint32_t i = 0; i < k.list.count; i++)
        k.bytes += k.list.at[i].bytes;
    return bring_down(&k, out, e);
}
