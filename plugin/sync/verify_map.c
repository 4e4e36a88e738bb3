/* verify_map.c - see verify_map.h. */
#include "sync/verify_map.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lsn.h"

#include <string.h>

/* The newest epochs' ends; older ones make room. */
struct ends {
    uint32_t count;
    zs_lsn at[VERIFY_MAP_EPOCHS];
};

static int32_t list_one(void *context, const char *name, uint64_t len)
{
    struct ends *ends = context;
    zs_lsn to_lsn = 0;
    (void)len;
    if (!epoch_of_name(name, &to_lsn))
        return 0;
    if (ends->count == VERIFY_MAP_EPOCHS)
        memmove(ends->at, ends->at + 1, (size_t)--ends->count * sizeof *ends->at);
    ends->at[ends->count++] = to_lsn; /* ascending, as names are */
    return 0;
}

/* NULL: good. */
static const char *fault_of(const struct snapshot *s, const struct change_epoch *epoch, zs_lsn end)
{
    if (!timeline_equal(epoch->timeline, s->info.timeline))
        return "it is another timeline's";
    if (epoch->to_lsn != end || epoch->from_lsn >= end || end > s->info.last_valid_lsn)
        return "it is about other LSNs than it should be";
    return NULL;
}

/* One epoch; *bytes is what is left of the bound. */
static int read_one(const struct snapshot *s, zs_lsn end, uint64_t *left, struct verify_epoch *out,
                    const char **what, struct zs_error *e)
{
    char name[EPOCH_NAME_BYTES];
    CLEANUP(free_ptr) uint8_t *data = NULL;
    uint64_t len = 0;
    struct zs_error fault = {0};
    *what = NULL;
    out->map = NULL;
    epoch_name(end, name);
    if (snapshot_blob(s, name, &data, &len, &fault) != ZS_OK) {
        if (!error_is(&fault, ZS_CORRUPT) && !error_is(&fault, ZS_IO_ERROR)) {
            *e = fault;
            return ZS_FAIL;
        }
        *what = "it cannot be read";
        return ZS_OK;
    }
    if (data == NULL || len > *left) {
        *left = 0;
        return ZS_OK;
    }
    *left -= len;
    if (change_map_decode(data, len, &out->epoch, &out->map, &fault) != ZS_OK) {
        if (error_is(&fault, ZS_OUT_OF_MEMORY)) {
            *e = fault;
            return ZS_FAIL;
        }
        *what = "it is not as it was written";
        return ZS_OK;
    }
    *what = fault_of(s, &out->epoch, end);
    if (*what == NULL)
        return ZS_OK;
    change_map_close(out->map);
    out->map = NULL;
    return ZS_OK;
}

int verify_map_open(const struct snapshot *s, struct verify_map *m,
                    void (*fault)(void *context, zs_lsn to_lsn, const char *what), void *context,
                    struct zs_error *e)
{
    struct ends ends = {0};
    uint64_t left = EPOCHS_MAX_BYTES;
    uint32_t at = VERIFY_MAP_EPOCHS;
    memset(m, 0, sizeof *m);
    if (!store_has(s->store, ZS_STORE_BLOBS))
        return ZS_OK;
    TRY(snapshot_blobs(s, list_one, &ends, e));
    for (uint32_t i = ends.count; i > 0 && left > 0; i--) { /* newest first */
        const char *what = NULL;
        struct verify_epoch one = {0};
        int rc = read_one(s, ends.at[i - 1], &left, &one, &what, e);
        if (what != NULL)
            fault(context, ends.at[i - 1], what);
        if (one.map != NULL)
            m->at[--at] = one;
        if (rc != ZS_OK) {
            m->count = VERIFY_MAP_EPOCHS;
            verify_map_close(m);
            return ZS_FAIL;
        }
    }
    m->count = VERIFY_MAP_EPOCHS - at;
    memmove(m->at, m->at + at, m->count * sizeof *m->at);
    memset(m->at + m->count, 0, at * sizeof *m->at);
    return ZS_OK;
}

void verify_map_close(struct verify_map *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        change_map_close(m->at[i].map);
    m->count = 0;
}

void verify_map_record(struct verify_map *m, const struct zs_record *r)
{
    uint32_t low = 0, high = m->count; /* the first that does not end below it */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (m->at[mid].epoch.to_lsn < r->lsn)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == m->count || m->at[low].epoch.from_lsn >= r->lsn ||
        change_map_has(m->at[low].map, r->key))
        return;
    if (m->at[low].missed++ == 0)
        memcpy(m->at[low].first, r->key, ZS_KEY_BYTES);
}
