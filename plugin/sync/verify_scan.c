/* verify_scan.c - see verify_scan.h. */
#include "sync/verify_scan.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/key.h"
#include "sync/cancel.h"

#include <string.h>

enum { RECORDS = 256, BYTES = 512 * 1024 };

/* After so many more that were read one by one, damage that does not come again is forgotten.
 * Those that were handed on before do not count: a key may have any number of versions, and who
 * stops being careful in front of the damage comes back to it for ever. */
#define CAREFUL_RECORDS (4u * RECORDS)

struct scan {
    const struct zs_cancel *cancel;
    const struct scan_visitor *visitor;
    struct iter it;
    struct zs_record *records;
    void *buf;
    bool begun; /* last_key is one that was read, or was found to be readable */
    uint8_t last_key[ZS_KEY_BYTES];
    zs_lsn last_lsn;  /* handed on up to here */
    uint32_t careful; /* so many more are handed on one by one */
    uint32_t gaps;
};

/* Is it the stored data that is bad?  A store that breaks its contract gave such data. */
static bool is_damage(const struct zs_error *e)
{
    return error_is(e, ZS_CORRUPT) || error_is(e, ZS_IO_ERROR) || error_is(e, ZS_INTERNAL_ERROR);
}

/* Hand on what was not handed on before. */
static void hand_on(struct scan *c, uint64_t n)
{
    const struct zs_record *r = c->records;
    while (n > 0 && c->begun) {
        int order = memcmp(r->key, c->last_key, ZS_KEY_BYTES);
        if (order > 0 || (order == 0 && r->lsn > c->last_lsn))
            break;
        r++;
        n--;
    }
    if (n == 0)
        return;
    c->visitor->records(c->visitor->context, r, n);
    c->begun = true;
    memcpy(c->last_key, r[n - 1].key, ZS_KEY_BYTES);
    c->last_lsn = r[n - 1].lsn;
    c->careful -= n < c->careful ? (uint32_t)n : c->careful;
}

/* Can the first record at or behind `key` be read?  *there: there is one, and `key` becomes
 * its. */
static int probe(struct scan *c, uint8_t key[ZS_KEY_BYTES], bool *readable, bool *there,
                 struct zs_error *e)
{
    struct zs_error fault = {0};
    uint64_t n = 0;
    bool more = true;
    *readable = *there = false;
    int rc = iter_seek(&c->it, key, &fault);
    while (rc == ZS_OK && more && n == 0) {
        TRY(cancel_check(c->cancel, e));
        rc = iter_next(&c->it, c->records, 1, c->buf, BYTES, &n, &more, &fault);
    }
    if (rc != ZS_OK && !is_damage(&fault)) {
        *e = fault;
        return ZS_FAIL;
    }
    *readable = rc == ZS_OK;
    *there = rc == ZS_OK && n > 0;
    if (*there)
        memcpy(key, c->records[0].key, ZS_KEY_BYTES);
    return ZS_OK;
}

/* The first key behind `low`, which cannot be read from, that can be: found by doubling
 * steps, then back by halving them.  *there false: there is none. */
static int find_behind(struct scan *c, uint8_t low[ZS_KEY_BYTES], uint8_t found[ZS_KEY_BYTES],
                       bool *there, struct zs_error *e)
{
    bool readable = false, any = false;
    unsigned bit = 0;
    uint8_t key[ZS_KEY_BYTES];
    *there = false;
    for (;; bit++) {
        memcpy(key, low, sizeof key);
        if (!key_add(key, bit))
            return ZS_OK; /* nothing behind can be read */
        TRY(probe(c, key, &readable, &any, e));
        if (readable)
            break;
    }
    memcpy(found, key, sizeof key);
    *there = any;
    if (bit == 0)
        return ZS_OK;
    (void)key_add(low, bit - 1); /* it could be added to twice that */
    for (unsigned step = bit - 1; step-- > 0;) {
        memcpy(key, low, sizeof key);
        if (!key_add(key, step))
            continue;
        uint8_t place[ZS_KEY_BYTES];
        memcpy(place, key, sizeof place);
        TRY(probe(c, key, &readable, &any, e));
        if (readable) {
            memcpy(found, key, sizeof key);
            *there = any;
        } else {
            memcpy(low, place, sizeof place);
        }
    }
    return ZS_OK;
}

/* The record behind (last_key, last_lsn) cannot be read: tell, and stand behind. */
static int leap(struct scan *c, const struct zs_error *why, bool *more, struct zs_error *e)
{
    uint8_t low[ZS_KEY_BYTES], next[ZS_KEY_BYTES];
    bool there = false;
    memcpy(low, c->last_key, sizeof low);
    TRY(find_behind(c, low, next, &there, e));
    bool last = ++c->gaps >= VERIFY_SCAN_MAX_GAPS;
    const struct scan_gap gap = {.after = c->begun ? c->last_key : NULL,
                                 .after_lsn = c->last_lsn,
                                 .before = there ? next : NULL,
                                 .last = last,
                                 .why = why};
    c->visitor->gap(c->visitor->context, &gap);
    *more = there && !last;
    if (!*more)
        return ZS_OK;
    memcpy(c->last_key, next, sizeof next);
    c->last_lsn = 0;
    c->begun = true;
    c->careful = 0;
    return iter_seek(&c->it, next, e);
}

static int step(struct scan *c, bool *more, struct zs_error *e)
{
    struct zs_error fault = {0};
    uint64_t n = 0;
    TRY(cancel_check(c->cancel, e));
    if (iter_next(&c->it, c->records, c->careful > 0 ? 1 : RECORDS, c->buf, BYTES, &n, more,
                  &fault) == ZS_OK) {
        hand_on(c, n);
        return ZS_OK;
    }
    if (!is_damage(&fault)) {
        *e = fault;
        return ZS_FAIL;
    }
    if (c->careful > 0)
        return leap(c, &fault, more, e);
    c->careful = CAREFUL_RECORDS;
    *more = true;
    return iter_seek(&c->it, c->last_key, e);
}

int verify_scan(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                const struct zs_cancel *cancel, const struct scan_visitor *visitor,
                struct zs_error *e)
{
    struct scan c = {.cancel = cancel, .visitor = visitor};
    CLEANUP(free_ptr) void *buf = malloc(BYTES);
    CLEANUP(free_ptr) struct zs_record *records = calloc(RECORDS, sizeof *records);
    if (buf == NULL || records == NULL)
        return error_memory(e);
    c.buf = buf;
    c.records = records;
    TRY(iter_open(s, after_lsn, upto_lsn, &c.it, e));
    int rc = ZS_OK;
    for (bool more = true; more && rc == ZS_OK;)
        rc = step(&c, &more, e);
    iter_close(&c.it);
    return rc;
}
