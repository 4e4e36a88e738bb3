/* coverage.c - see coverage.h. */
#include "sync/coverage.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "sync/epochs.h"

#include <stdio.h>

CLEANUP_POINTER(struct change_map, change_map_close)

static void add_gap(struct coverage *c, zs_lsn from_lsn, zs_lsn to_lsn, const char *why)
{
    if (c->ngaps == 0)
        (void)snprintf(c->why, sizeof c->why, "%s", why);
    if (c->ngaps < COVERAGE_GAPS)
        c->gaps[c->ngaps] = (struct coverage_gap){.from_lsn = from_lsn, .to_lsn = to_lsn};
    c->ngaps++;
}

/* From the newest down.  What lies below the oldest epoch is no gap: the map begins there. */
int coverage_read(const struct snapshot *s, struct coverage *out, struct zs_error *e)
{
    struct epoch_list list;
    zs_lsn at = s->info.last_valid_lsn; /* all above is accounted for */
    char why[128] = "", first_why[128] = "";
    *out = (struct coverage){.from_lsn = at};
    if (!store_has(s->store, ZS_STORE_BLOBS))
        return ZS_OK;
    TRY(epoch_list_read(s, &list, e));
    if (at > 0 && (list.count == 0 || list.at[list.count - 1].to_lsn != at))
        (void)snprintf(first_why, sizeof first_why, "it was written past the change map");
    for (uint32_t i = list.count; i-- > 0;) {
        CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
        struct change_epoch epoch;
        out->bytes += list.at[i].bytes;
        TRY(epoch_load(s, list.at[i].to_lsn, &epoch, &map, why, sizeof why, e));
        if (map == NULL) {
            if (first_why[0] == '\0')
                (void)snprintf(first_why, sizeof first_why, "%s", why);
            continue;
        }
        if (epoch.to_lsn < at)
            add_gap(out, epoch.to_lsn, at,
                    first_why[0] != '\0' ? first_why : "it was written past the change map");
        out->epochs++;
        at = epoch.from_lsn < at ? epoch.from_lsn : at;
        out->from_lsn = at;
    }
    return ZS_OK;
}
