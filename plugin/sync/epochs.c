/* epochs.c - see epochs.h.
 * An epoch's blob is named by where it ends; where it begins stands inside.  A chain
 * (X, Y] is followed from Y down: each epoch's beginning must be another's end, or lie in
 * another one, or at or below X.  What a merged epoch knows besides is fine: bits are
 * hints, and a reader looks at LSNs. */
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

/* Where the epoch ends that `at` may be in: the first end at or above it. */
static zs_lsn end_above(const struct epoch_list *list, zs_lsn at)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].to_lsn >= at)
            return list->at[i].to_lsn;
    return at;
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
    for (zs_lsn at = upto_lsn; at > after_lsn;) {
        CLEANUP(change_map_close_ptr) struct change_map *one = NULL;
        struct change_epoch epoch;
        TRY(epoch_load(s, end_above(&list, at), &epoch, &one, why, why_bytes, e));
        if (one == NULL)
            return ZS_OK;
        if (epoch.from_lsn >= at) {
            (void)snprintf(why, why_bytes, "no change map ends at %s", lsn_text(at).s);
            return ZS_OK;
        }
        at = epoch.from_lsn;
        if (all == NULL) {
            all = one;
            one = NULL;
        } else {
            TRY(change_map_merge(all, one, e));
        }
        if (change_map_is_everything(all)) {
            (void)snprintf(why, why_bytes, "too much changed for a map");
            return ZS_OK;
        }
    }
    *out = all;
    all = NULL;
    return ZS_OK;
}

/* ---- what a commit keeps ------------------------------------------------------------------ */

/* Takes over `data`; NULL removes the epoch that ends there. */
static void edit(struct epoch_edits *edits, zs_lsn to_lsn, const uint8_t *data, size_t len)
{
    struct zs_blob *b = &edits->blobs[edits->count];
    epoch_name(to_lsn, edits->names[edits->count]);
    *b = (struct zs_blob){.name = edits->names[edits->count], .data = data, .len = len};
    edits->count++;
}

void epoch_edits_close(struct epoch_edits *edits)
{
    for (uint64_t i = 0; i < edits->count; i++)
        free((void *)(uintptr_t)edits->blobs[i].data);
    edits->count = 0;
}

/* Make one of the two oldest.  If they are no neighbours, or what they hold together
 * outgrows an epoch, the older one goes: its range is scanned from then on. */
static int merge_oldest(const struct snapshot *s, const struct epoch_list *list,
                        struct epoch_edits *out, struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *older = NULL, *newer = NULL;
    struct change_epoch first, second;
    char why[128];
    uint8_t *data = NULL;
    size_t len = 0;
    TRY(epoch_load(s, list->at[0].to_lsn, &first, &older, why, sizeof why, e));
    TRY(epoch_load(s, list->at[1].to_lsn, &second, &newer, why, sizeof why, e));
    if (older != NULL && newer != NULL && first.to_lsn == second.from_lsn) {
        TRY(change_map_merge(newer, older, e));
        second.from_lsn = first.from_lsn;
        TRY(change_map_encode(newer, &second, &data, &len, e));
    }
    if (data != NULL)
        edit(out, second.to_lsn, data, len);
    edit(out, list->at[0].to_lsn, NULL, 0);
    return ZS_OK;
}

int epoch_edits_make(const struct zs_store *store, const char *branch, const struct change_map *map,
                     const struct change_epoch *epoch, struct epoch_edits *out, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct epoch_list list = {0};
    uint8_t *data = NULL;
    size_t len = 0;
    uint64_t bytes = 0;
    out->count = 0;
    TRY(change_map_encode(map, epoch, &data, &len, e));
    if (data != NULL)
        edit(out, epoch->to_lsn, data, len);
    TRY(snapshot_open(store, branch, &s, e));
    TRY(epoch_list_read(&s, &list, e));
    for (uint32_t i = 0; i < list.count; i++)
        bytes += list.at[i].bytes;
    if (list.overflow || bytes + len > EPOCHS_MAX_BYTES)
        edit(out, list.at[0].to_lsn, NULL, 0);
    else if (list.count >= EPOCHS_MAX)
        return merge_oldest(&s, &list, out, e);
    return ZS_OK;
}
