/* key_sums.c - see key_sums.h. */
#include "sync/key_sums.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "sync/cancel.h"

#include <string.h>

enum { RECORDS = 256, BYTES = 512 * 1024 };

#define FIRST_STRIDE 4u

static bool is_all_keys(const struct ask_message *ask)
{
    static const uint8_t first[ZS_KEY_BYTES] = {0};
    uint8_t last[ZS_KEY_BYTES];
    memset(last, 0xff, sizeof last);
    return memcmp(ask->first, first, sizeof first) == 0 &&
           memcmp(ask->last, last, sizeof last) == 0;
}

/* All keys are a scan; the store may read ahead then. */
static int go_to_range(struct iter *it, const struct ask_message *ask, struct zs_error *e)
{
    if (is_all_keys(ask))
        return ZS_OK;
    if (store_has(it->store, ZS_STORE_BLOBS))
        return iter_range(it, ask->first, ask->last, e);
    return iter_seek(it, ask->first, e);
}

int key_read(const struct key_reader *r, const struct ask_message *ask,
             void (*take)(void *context, const struct zs_record *record), void *context,
             struct zs_error *e)
{
    CLEANUP(iter_close) struct iter it = {0};
    CLEANUP(free_ptr) void *buf = malloc(BYTES);
    CLEANUP(free_ptr) struct zs_record *records = calloc(RECORDS, sizeof *records);
    if (buf == NULL || records == NULL)
        return error_memory(e);
    if (ask->upto_lsn <= ask->after_lsn)
        return ZS_OK;
    TRY(iter_open(r->snapshot, ask->after_lsn, ask->upto_lsn, &it, e));
    TRY(go_to_range(&it, ask, e));
    for (bool more = true; more;) {
        uint64_t n = 0, bytes = 0;
        TRY(cancel_check(r->cancel, e));
        TRY(iter_next(&it, records, RECORDS, buf, BYTES, &n, &more, e));
        for (uint64_t i = 0; i < n; i++) {
            if (memcmp(records[i].key, ask->last, ZS_KEY_BYTES) > 0) {
                more = false;
                n = i;
                break;
            }
            bytes += records[i].len;
            take(context, &records[i]);
        }
        transfer_count(r->transfer, n, bytes, r->conn->sent_bytes + r->conn->received_bytes);
        progress_tell(r->progress);
        TRY(conn_keep_alive(r->conn, e));
    }
    return ZS_OK;
}

/* ---- in parts of its own choice --------------------------------------------------------- */

/* Two neighbours become one. */
static void halve(struct key_splitter *s)
{
    struct sums_message *m = s->out;
    for (uint32_t i = 0; i < m->count / 2; i++) {
        const struct sum_part *a = &m->parts[(size_t)2 * i], *b = a + 1;
        struct sum_part both = {.records = a->records + b->records,
                                .sum = digest_plus(a->sum, b->sum)};
        memcpy(both.last, b->last, ZS_KEY_BYTES);
        m->parts[i] = both;
    }
    m->count /= 2;
    s->stride *= 2;
}

void key_split(struct key_splitter *s, const uint8_t key[ZS_KEY_BYTES], struct zs_digest sum)
{
    struct sums_message *m = s->out;
    struct sum_part *p = m->count == 0 ? NULL : &m->parts[m->count - 1];
    bool full = p == NULL || (p->records >= s->stride && memcmp(p->last, key, ZS_KEY_BYTES) != 0);
    if (full && m->count == SUMS_MAX) {
        halve(s);
        p = &m->parts[m->count - 1];
        full = p->records >= s->stride;
    }
    if (full) {
        p = &m->parts[m->count++];
        *p = (struct sum_part){0};
    }
    memcpy(p->last, key, ZS_KEY_BYTES);
    p->records++;
    p->sum = digest_plus(p->sum, sum);
}

struct summing {
    struct sums_message *out;
    struct key_splitter splitter;
    struct sum_record list[SUMS_MAX];
};

static void sum_one(void *context, const struct zs_record *record)
{
    struct summing *s = context;
    struct zs_digest sum = digest_record(record);
    if (s->out->records < SUMS_MAX) {
        struct sum_record *r = &s->list[s->out->records];
        *r = (struct sum_record){.lsn = record->lsn, .sum = sum};
        memcpy(r->key, record->key, ZS_KEY_BYTES);
    }
    s->out->records++;
    s->out->bytes += record->len;
    s->out->sum = digest_plus(s->out->sum, sum);
    key_split(&s->splitter, record->key, sum);
}

int key_sums(const struct key_reader *r, const struct ask_message *ask, struct sums_message *out,
             struct zs_error *e)
{
    CLEANUP(free_ptr) struct summing *s = calloc(1, sizeof *s);
    *out = (struct sums_message){0};
    if (s == NULL)
        return error_memory(e);
    s->out = out;
    s->splitter = (struct key_splitter){.out = out, .stride = FIRST_STRIDE};
    TRY(key_read(r, ask, sum_one, s, e));
    if (out->records > SUMS_MAX)
        return ZS_OK;
    out->listed = true;
    out->count = (uint32_t)out->records;
    memcpy(out->list, s->list, out->count * sizeof *s->list);
    return ZS_OK;
}

/* ---- in the other side's parts ------------------------------------------------------------ */

struct matching {
    const struct sums_message *parts;
    struct sum_part *mine;
    uint32_t at;
    uint64_t records, bytes;
};

static void match_one(void *context, const struct zs_record *record)
{
    struct matching *m = context;
    while (m->at + 1 < m->parts->count &&
           memcmp(record->key, m->parts->parts[m->at].last, ZS_KEY_BYTES) > 0)
        m->at++;
    m->mine[m->at].records++;
    m->mine[m->at].sum = digest_plus(m->mine[m->at].sum, digest_record(record));
    m->records++;
    m->bytes += record->len;
}

int key_sums_by(const struct key_reader *r, const struct ask_message *ask,
                const struct sums_message *parts, struct sum_part *mine, uint64_t *records,
                uint64_t *bytes, struct zs_error *e)
{
    struct matching m = {.parts = parts, .mine = mine};
    for (uint32_t i = 0; i < parts->count; i++) {
        mine[i] = (struct sum_part){0};
        memcpy(mine[i].last, parts->parts[i].last, ZS_KEY_BYTES);
    }
    TRY(key_read(r, ask, match_one, &m, e));
    *records = m.records;
    *bytes = m.bytes;
    return ZS_OK;
}
