/* kv_iter.c - the records of a snapshot with after_lsn < lsn <= upto_lsn, in order.
 *
 * Two ways to read, by what the caller does:
 *   scan    2 MiB of readahead; from iter_open, and again once SCAN_AFTER_BYTES were
 *           read in a row
 *   seek    no readahead of ours, as each seek would read 2 MiB for one page
 * A scan that met a value of KV_LARGE_BYTES goes on without readahead: the engine reads ahead
 * for every sorted run of its own, into a buffer that grows by the largest value (8 MiB
 * values in 6 runs: 124 MiB of buffers and blocks, and 17 without).  For the same reason
 * files have the kind of index that lets a run wait without its next block (kv_table.h).
 * Nothing is read before the first iter_next, so that an iter_seek right after
 * iter_open costs no scan.
 * Versions outside the range are stepped over; after SKIP_STEPS of the same key the
 * rest of them is jumped over with one seek (a step costs its block, a seek some 10 us).
 * Copies: one, from RocksDB's block into the caller's buffer.  A value that is handed
 * out as a view stays RocksDB's current one until the next call.
 * Threads: one per iterator; several iterators of one snapshot at once. */
#include "kv/kv_internal.h"
#include "kv/kv_table.h"

#include "base/clock.h"
#include <string.h>
#include <time.h>

#define READAHEAD_BYTES  ((size_t)2 << 20)
#define SCAN_AFTER_BYTES ((uint64_t)1 << 20)
#define SKIP_STEPS       8
#define LOOK_NS          ((int64_t)50 * 1000000)
#define LOOKS_PER_CLOCK  16

struct zs_iter {
    struct zs_snapshot *snapshot;
    zs_lsn after_lsn, upto_lsn;
    struct kv_key end; /* the engine borrows it as its upper bound */
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *it;        /* NULL: none yet */
    char target[KV_RECORD_KEY];    /* where to stand when `it` is made or `seek` is set */
    bool seek;                     /* go to target before the next record */
    bool scan;                     /* how to read */
    bool large;                    /* a large value was met */
    bool ahead;                    /* how `it` reads: with readahead */
    bool step;                     /* the current record was handed out as a view */
    uint64_t in_a_row;             /* bytes read since the last seek */
    uint8_t skipped[ZS_KEY_BYTES]; /* whose versions were stepped over */
    int skips;
    uint8_t bound[ZS_KEY_BYTES]; /* nothing above it, if bounded */
    bool bounded;
};

int kv_iter_open(struct zs_snapshot *snapshot, zs_lsn after_lsn, zs_lsn upto_lsn,
                 struct zs_iter **out, struct zs_error *e)
{
    static const uint8_t first[ZS_KEY_BYTES] = {0};
    struct zs_iter *iter = calloc(1, sizeof *iter);
    if (iter == NULL)
        return error_memory(e);
    zs_lsn last = snapshot->meta.last_valid_lsn;
    iter->snapshot = snapshot;
    iter->after_lsn = after_lsn;
    iter->upto_lsn = upto_lsn < last ? upto_lsn : last;
    iter->end = kv_key_space(KV_TAG_RECORD, snapshot->meta.space + 1);
    iter->seek = true;
    iter->scan = true;
    kv_key_record(iter->target, snapshot->meta.space, first, 0, 0);
    *out = iter;
    return ZS_OK;
}

static void engine_close(struct zs_iter *iter)
{
    if (iter->it != NULL)
        rocksdb_iter_destroy(iter->it);
    if (iter->options != NULL)
        rocksdb_readoptions_destroy(iter->options);
    iter->it = NULL;
    iter->options = NULL;
    iter->ahead = false;
}

static bool wants_ahead(const struct zs_iter *iter)
{
    return iter->scan && !iter->large;
}

static int engine_open(struct zs_iter *iter, struct zs_error *e)
{
    iter->options = rocksdb_readoptions_create();
    if (iter->options == NULL)
        return error_memory(e);
    rocksdb_readoptions_set_snapshot(iter->options, iter->snapshot->at);
    rocksdb_readoptions_set_fill_cache(iter->options, 0);
    rocksdb_readoptions_set_verify_checksums(iter->options, 1);
    iter->ahead = wants_ahead(iter);
    rocksdb_readoptions_set_readahead_size(iter->options, iter->ahead ? READAHEAD_BYTES : 0);
    rocksdb_readoptions_set_iterate_upper_bound(iter->options, iter->end.bytes, iter->end.len);
    iter->it = rocksdb_create_iterator(iter->snapshot->kv->db, iter->options);
    return iter->it == NULL ? error_memory(e) : ZS_OK;
}

int kv_iter_seek(struct zs_iter *iter, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e)
{
    (void)e;
    kv_key_record(iter->target, iter->snapshot->meta.space, key, 0, 0);
    if (iter->ahead)
        engine_close(iter);
    iter->scan = false;
    iter->seek = true;
    iter->step = false;
    iter->bounded = false;
    return ZS_OK;
}

int kv_iter_range(struct zs_iter *iter, const uint8_t first[ZS_KEY_BYTES],
                  const uint8_t last[ZS_KEY_BYTES], struct zs_error *e)
{
    TRY(kv_iter_seek(iter, first, e));
    memcpy(iter->bound, last, ZS_KEY_BYTES);
    iter->bounded = true;
    return ZS_OK;
}

/* Does the engine stand on a record that may be given? */
static bool inside(const struct zs_iter *iter)
{
    size_t len = 0;
    if (!rocksdb_iter_valid(iter->it))
        return false;
    if (!iter->bounded)
        return true;
    const char *key = rocksdb_iter_key(iter->it, &len);
    return len != KV_RECORD_KEY || memcmp(key + KV_SPACE_KEY, iter->bound, ZS_KEY_BYTES) <= 0;
}

/* The engine's iterator made anew where it stands, to read in another way. */
static int reopen(struct zs_iter *iter, struct zs_error *e)
{
    size_t len = 0;
    const char *key = rocksdb_iter_key(iter->it, &len);
    if (len != KV_RECORD_KEY)
        return error_set(e, ZS_CORRUPT, "a record in the store is damaged");
    memcpy(iter->target, key, KV_RECORD_KEY);
    engine_close(iter);
    TRY(engine_open(iter, e));
    rocksdb_iter_seek(iter->it, iter->target, KV_RECORD_KEY);
    return ZS_OK;
}

/* Stand where the caller is. */
static int settle(struct zs_iter *iter, struct zs_error *e)
{
    if (iter->step)
        rocksdb_iter_next(iter->it);
    iter->step = false;
    if (!iter->seek && !iter->scan && iter->in_a_row >= SCAN_AFTER_BYTES) {
        iter->scan = true;
        if (wants_ahead(iter) && rocksdb_iter_valid(iter->it))
            return reopen(iter, e);
    }
    if (iter->it == NULL)
        TRY(engine_open(iter, e));
    if (iter->seek) {
        rocksdb_iter_seek(iter->it, iter->target, KV_RECORD_KEY);
        iter->in_a_row = 0;
        iter->skips = 0;
    }
    iter->seek = false;
    return ZS_OK;
}

/* Leave a version that is out of range. */
static void skip(struct zs_iter *iter, const struct zs_record *record)
{
    if (memcmp(record->key, iter->skipped, ZS_KEY_BYTES) != 0) {
        memcpy(iter->skipped, record->key, ZS_KEY_BYTES);
        iter->skips = 0;
    }
    if (++iter->skips < SKIP_STEPS) {
        rocksdb_iter_next(iter->it);
        return;
    }
    char target[KV_RECORD_KEY];
    iter->skips = 0;
    if (record->lsn <= iter->after_lsn) /* < upto_lsn, so that + 1 is no overflow */
        kv_key_record(target, iter->snapshot->meta.space, record->key, iter->after_lsn + 1, 0);
    else
        kv_key_record(target, iter->snapshot->meta.space, record->key, UINT64_MAX, UINT8_MAX);
    rocksdb_iter_seek(iter->it, target, sizeof target);
}

/* The record that the engine stands on, its value a view.  Checked: the engine's
 * checksums guard against the disk, this against ourselves. */
static int current(struct zs_iter *iter, struct zs_record *record, struct zs_error *e)
{
    size_t key_len = 0;
    size_t len = 0;
    const char *key = rocksdb_iter_key(iter->it, &key_len);
    record->flags = 0;
    record->value = rocksdb_iter_value(iter->it, &len);
    record->len = (uint32_t)len;
    if (!kv_record_of_key(key, key_len, record) || len > ZS_VALUE_MAX)
        return error_set(e, ZS_CORRUPT, "a record of branch \"%s\" is damaged",
                         iter->snapshot->name);
    return ZS_OK;
}

/* Step over what is out of range.  False: looked for LOOK_NS, or at the end. */
static int find_next(struct zs_iter *iter, int64_t until_ns, struct zs_record *record, bool *found,
                     struct zs_error *e)
{
    *found = false;
    for (int looked = 1; inside(iter); looked++) {
        TRY(current(iter, record, e));
        if (record->len >= KV_LARGE_BYTES && !iter->large) {
            iter->large = true;
            if (iter->ahead) {
                TRY(reopen(iter, e));
                continue;
            }
        }
        iter->in_a_row += record->len;
        *found = record->lsn > iter->after_lsn && record->lsn <= iter->upto_lsn;
        if (*found || (looked % LOOKS_PER_CLOCK == 0 && clock_now_ns() >= until_ns))
            return ZS_OK;
        skip(iter, record);
    }
    return snapshot_check(iter->snapshot, iter->it, "", e);
}

int kv_iter_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                 uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e)
{
    char *to = buf;
    uint64_t left = buf_bytes;
    int64_t until_ns = clock_now_ns() + LOOK_NS;
    bool found = true;
    *count = 0;
    *more = 0;
    if (iter->upto_lsn <= iter->after_lsn)
        return ZS_OK;
    TRY(settle(iter, e));
    while (*count < n) {
        struct zs_record *r = &records[*count];
        TRY(find_next(iter, until_ns, r, &found, e));
        if (!found)
            break;
        if (r->len > left) {
            iter->step = *count == 0; /* alone, as a view */
            *count += iter->step;
            break;
        }
        if (r->len > 0)
            memcpy(to, r->value, r->len);
        r->value = r->len > 0 ? to : NULL;
        to += r->len;
        left -= r->len;
        (*count)++;
        rocksdb_iter_next(iter->it);
    }
    *more = inside(iter);
    if (*more != 0)
        return ZS_OK;
    return snapshot_check(iter->snapshot, iter->it, "", e);
}

void kv_iter_close(struct zs_iter *iter)
{
    if (iter == NULL)
        return;
    engine_close(iter);
    free(iter);
}
