/* visible.c - see visible.h.
 * Versions of a key come next to each other, oldest first, so the newest is the one
 * whose successor has another key.  The last record of a batch may have its successor in
 * the next batch, which overwrites the buffer: that record is set aside meanwhile. */
#include "pgdata/visible.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS = 512, BUFFER_BYTES = 1 << 20 };

struct visible {
    struct iter iter;
    const struct pgdata_watch *watch;
    uint64_t done_bytes;
    uint64_t at, count; /* in records */
    bool more;          /* behind those */
    bool end;
    struct zs_record aside;
    uint8_t *aside_value;
    size_t aside_bytes; /* allocated */
    struct zs_record records[RECORDS];
    uint8_t buffer[BUFFER_BYTES];
};

uint64_t visible_done_bytes(const struct visible *v)
{
    return v->done_bytes;
}

static bool same_key(const struct zs_record *a, const struct zs_record *b)
{
    return memcmp(a->key, b->key, ZS_KEY_BYTES) == 0;
}

int visible_open(const struct snapshot *snapshot, zs_lsn upto_lsn, const struct pgdata_watch *watch,
                 struct visible **out, struct zs_error *e)
{
    struct visible *v = malloc(sizeof *v);
    if (v == NULL)
        return error_memory(e);
    memset(v, 0, offsetof(struct visible, records));
    v->watch = watch;
    v->more = true;
    if (upto_lsn == 0) {
        v->end = true;
    } else if (iter_open(snapshot, 0, upto_lsn, &v->iter, e) != ZS_OK) {
        free(v);
        return ZS_FAIL;
    }
    *out = v;
    return ZS_OK;
}

void visible_close(struct visible *v)
{
    if (v == NULL)
        return;
    iter_close(&v->iter);
    free(v->aside_value);
    free(v);
}

static int fill(struct visible *v, struct zs_error *e)
{
    v->at = 0;
    v->count = 0;
    while (v->more && v->count == 0) {
        TRY(watch_poll(v->watch, e));
        TRY(iter_next(&v->iter, v->records, RECORDS, v->buffer, sizeof v->buffer, &v->count,
                      &v->more, e));
    }
    for (uint64_t i = 0; i < v->count; i++)
        v->done_bytes += v->records[i].len;
    v->end = v->count == 0;
    return ZS_OK;
}

static int set_aside(struct visible *v, const struct zs_record *r, struct zs_error *e)
{
    if (r->len > v->aside_bytes) {
        uint8_t *bigger = realloc(v->aside_value, r->len);
        if (bigger == NULL)
            return error_memory(e);
        v->aside_value = bigger;
        v->aside_bytes = r->len;
    }
    v->aside = *r;
    if (r->len > 0)
        memcpy(v->aside_value, r->value, r->len);
    v->aside.value = v->aside_value;
    return ZS_OK;
}

/* The next key's newest version, gone or not. */
static int next_key(struct visible *v, const struct zs_record **out, struct zs_error *e)
{
    *out = NULL;
    for (;;) {
        if (v->at == v->count && !v->end)
            TRY(fill(v, e));
        if (v->end)
            return ZS_OK;
        const struct zs_record *r = &v->records[v->at++];
        if (v->at < v->count) {
            if (same_key(r, r + 1))
                continue;
            *out = r;
            return ZS_OK;
        }
        TRY(set_aside(v, r, e));
        TRY(fill(v, e));
        if (v->end || !same_key(&v->aside, &v->records[0])) {
            *out = &v->aside;
            return ZS_OK;
        }
    }
}

int visible_next(struct visible *v, const struct zs_record **out, struct zs_error *e)
{
    do
        TRY(next_key(v, out, e));
    while (*out != NULL && (*out)->kind == ZS_KIND_TOMBSTONE);
    return ZS_OK;
}

int visible_get(const struct snapshot *snapshot, zs_lsn upto_lsn, const uint8_t key[ZS_KEY_BYTES],
                void *buf, size_t buf_bytes, struct zs_record *record, int *found,
                struct zs_error *e)
{
    enum { FEW = 16, BYTES = 1 << 18 };
    CLEANUP(iter_close) struct iter it = {0};
    CLEANUP(free_ptr) uint8_t *values = malloc(BYTES);
    struct zs_record records[FEW];
    uint64_t count;
    bool here = true, more = true;

    *found = 0;
    if (values == NULL)
        return error_memory(e);
    if (upto_lsn == 0)
        return ZS_OK;
    TRY(iter_open(snapshot, 0, upto_lsn, &it, e));
    TRY(iter_seek(&it, key, e));
    while (here && more) {
        TRY(iter_next(&it, records, FEW, values, BYTES, &count, &more, e));
        for (uint64_t i = 0; i < count && here; i++) {
            here = memcmp(records[i].key, key, ZS_KEY_BYTES) == 0;
            if (!here)
                break;
            *found = 1;
            *record = records[i];
            size_t len = records[i].len < buf_bytes ? records[i].len : buf_bytes;
            if (len > 0)
                memcpy(buf, records[i].value, len);
            record->value = buf;
        }
    }
    return ZS_OK;
}
