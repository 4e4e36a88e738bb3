/* selection.c - see selection.h. */
#include "sync/selection.h"

#include "base/error.h"
#include "sync/epochs.h"

#include <string.h>

/* Measured on RocksDB with 8 KiB pages in memory, 2 cores: a seek to a run 20 to 30 us,
 * a scan 3 to 5 GB/s and some 0.3 us per record.  On a disk both grow alike. */
#define SEEK_US        25.0
#define SCAN_BYTE_US   0.0003
#define SCAN_RECORD_US 0.3

bool selection_pays(uint64_t runs, uint64_t records, uint64_t bytes)
{
    if (records == 0 && bytes == 0)
        return true;
    double seek_us = (double)runs * SEEK_US;
    double scan_us = (double)bytes * SCAN_BYTE_US + (double)records * SCAN_RECORD_US;
    return seek_us < scan_us;
}

int selection_open(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn, bool use_map,
                   struct selection *out, char *why, size_t why_bytes, struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    why[0] = '\0';
    if (use_map && after_lsn > 0)
        TRY(epochs_changed(s, after_lsn, upto_lsn, &out->map, why, why_bytes, e));
    if (!store_has(s->store, ZS_STORE_BLOBS))
        why[0] = '\0'; /* nobody expected a map of it */
    if (out->map != NULL &&
        !selection_pays(change_map_runs(out->map), s->info.records, s->info.bytes)) {
        change_map_close(out->map);
        out->map = NULL;
    }
    out->walk.map = out->map;
    if (iter_open(s, after_lsn, upto_lsn, &out->iter, e) == ZS_OK)
        return ZS_OK;
    selection_close(out);
    return ZS_FAIL;
}

int selection_skip(struct selection *sel, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                   struct zs_error *e)
{
    sel->skipping = true;
    memcpy(sel->key, key, ZS_KEY_BYTES);
    sel->lsn = lsn;
    return sel->map == NULL ? iter_seek(&sel->iter, key, e) : ZS_OK;
}

/* The next run of changed blocks; one that is skipped in part begins later. */
static int enter_run(struct selection *sel, bool *found, struct zs_error *e)
{
    uint8_t first[ZS_KEY_BYTES], last[ZS_KEY_BYTES];
    do {
        *found = change_walk_next(&sel->walk, first, last);
    } while (*found && sel->skipping && memcmp(last, sel->key, ZS_KEY_BYTES) < 0);
    if (!*found)
        return ZS_OK;
    if (sel->skipping && memcmp(first, sel->key, ZS_KEY_BYTES) < 0)
        memcpy(first, sel->key, ZS_KEY_BYTES);
    return iter_range(&sel->iter, first, last, e);
}

/* One record at a time and as a view, so that what is skipped leaves no gap in a buffer. */
static int skip_next(struct selection *sel, struct zs_record *record, uint64_t *count, bool *more,
                     struct zs_error *e)
{
    TRY(iter_next(&sel->iter, record, 1, NULL, 0, count, more, e));
    if (*count == 0)
        return ZS_OK;
    int order = memcmp(record->key, sel->key, ZS_KEY_BYTES);
    if (order < 0 || (order == 0 && record->lsn <= sel->lsn))
        *count = 0;
    else
        sel->skipping = false;
    return ZS_OK;
}

int selection_next(struct selection *sel, struct zs_record *records, uint64_t n, void *buf,
                   uint64_t buf_bytes, uint64_t *count, bool *more, struct zs_error *e)
{
    bool found = true;
    *count = 0;
    *more = false;
    if (sel->map != NULL && !sel->in_run)
        TRY(enter_run(sel, &found, e));
    if (!found)
        return ZS_OK;
    if (sel->skipping && n > 0)
        TRY(skip_next(sel, records, count, more, e));
    else
        TRY(iter_next(&sel->iter, records, n, buf, buf_bytes, count, more, e));
    if (sel->map != NULL) {
        sel->in_run = *more;
        *more = true; /* another run may follow */
    }
    return ZS_OK;
}

void selection_close(struct selection *sel)
{
    iter_close(&sel->iter);
    change_map_close(sel->map);
    sel->map = NULL;
}
