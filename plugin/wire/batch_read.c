/* batch_read.c - the reading half of batch.h.
 * Every length is the peer's: each is checked against what arrived, or against the
 * limits, before anything is allocated or read. */
#include "base/bytes.h"
#include "base/error.h"
#include "wire/batch.h"
#include "wire/batch_format.h"
#include "wire/batch_holes.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* What a batch of many records takes, packed and with holes, is no more than this. */
#define RAW_NORMAL ((size_t)3 << 20)

struct batch_reader {
    struct zs_record *records; /* BATCH_MAX_RECORDS */
    uint8_t *raw;              /* a decoded body, and values made whole */
    size_t raw_capacity;
    ZSTD_DCtx *zstd; /* made for the first batch that needs it */
    uint64_t due;    /* the next batch's number */
    bool summed;     /* the last one */
    struct zs_digest sum;
};

struct head {
    enum batch_encoding encoding; /* BATCH_NONE of a summed one, too */
    bool summed;
    uint32_t holes, count, values_len, body_len;
    uint64_t raw_len;
};

int batch_reader_open(struct batch_reader **out, struct zs_error *e)
{
    struct batch_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return error_memory(e);
    r->records = calloc(BATCH_MAX_RECORDS, sizeof *r->records);
    if (r->records == NULL) {
        batch_reader_close(r);
        return error_memory(e);
    }
    *out = r;
    return ZS_OK;
}

void batch_reader_close(struct batch_reader *r)
{
    if (r == NULL)
        return;
    free(r->records);
    free(r->raw);
    (void)ZSTD_freeDCtx(r->zstd);
    free(r);
}

bool batch_reader_sum(const struct batch_reader *r, struct zs_digest *sum)
{
    *sum = r->sum;
    return r->summed;
}

void batch_reader_expect(struct batch_reader *r, uint64_t number)
{
    r->due = number;
}

void batch_reader_trim(struct batch_reader *r)
{
    if (r->raw_capacity <= RAW_NORMAL)
        return;
    free(r->raw);
    r->raw = NULL;
    r->raw_capacity = 0;
}

static int malformed(struct zs_error *e, const struct batch_reader *r, const char *what,
                     unsigned long long value, const char *wanted)
{
    error_set(e, ZS_PROTOCOL_VIOLATION, "the far side sent a malformed BATCH");
    return error_detail(e, "Batch %llu: %s is %llu, but %s.", (unsigned long long)r->due, what,
                        value, wanted);
}

static int head_check(const struct batch_reader *r, const uint8_t *m, uint64_t bytes,
                      struct head *h, struct zs_error *e)
{
    if (bytes < BATCH_HEAD)
        return malformed(e, r, "the message's length", bytes, "its head alone has 32");
    *h = (struct head){.summed = m[1] == BATCH_SUMMED,
                       .holes = get_u16le(m + BATCH_AT_HOLES),
                       .count = get_u32le(m + BATCH_AT_COUNT),
                       .values_len = get_u32le(m + BATCH_AT_VALUES_LEN),
                       .body_len = get_u32le(m + BATCH_AT_BODY_LEN)};
    if (h->body_len != bytes - BATCH_HEAD)
        return malformed(e, r, "body_len", h->body_len, "the message has another length");
    if (batch_checksum(m, h->body_len) != get_u64le(m + BATCH_AT_CHECKSUM)) {
        error_set(e, ZS_CORRUPT, "a batch was damaged on its way: its checksum does not fit");
        error_detail(e, "Batch %llu of %llu bytes.", (unsigned long long)r->due,
                     (unsigned long long)bytes);
        return error_hint(e, "Nothing was changed; run the command again.");
    }
    if (get_u64le(m + BATCH_AT_NUMBER) != r->due)
        return malformed(e, r, "its number", get_u64le(m + BATCH_AT_NUMBER), "another was due");
    if (m[1] > BATCH_SUMMED)
        return malformed(e, r, "the encoding", m[1], "0 to 3 are known");
    h->encoding = h->summed ? BATCH_NONE : (enum batch_encoding)m[1];
    if (h->count == 0 || h->count > BATCH_MAX_RECORDS)
        return malformed(e, r, "count", h->count, "1 to 16384 are allowed");
    if (h->holes > h->count)
        return malformed(e, r, "the number of holes", h->holes, "there are fewer records");
    if (h->values_len > BATCH_VALUES_BYTES && h->count > 1)
        return malformed(e, r, "values_len", h->values_len, "only a single record may be so long");
    if (h->values_len > ZS_VALUE_MAX)
        return error_set(e, ZS_VALUE_TOO_LARGE,
                         "the far side sent a value of %u bytes; at most %u are allowed",
                         h->values_len, ZS_VALUE_MAX);
    h->raw_len = h->values_len + (uint64_t)h->count * BATCH_COLUMN_BYTES +
                 (uint64_t)h->holes * BATCH_HOLE_BYTES + (h->summed ? BATCH_SUM_BYTES : 0);
    if (h->encoding == BATCH_NONE && h->raw_len != h->body_len)
        return malformed(e, r, "body_len", h->body_len, "values and columns have another length");
    return ZS_OK;
}

/* `raw` has room for so much, which head_check and check_holes bound; what is in it stays. */
static int reserve(struct batch_reader *r, uint64_t capacity, struct zs_error *e)
{
    if (r->raw_capacity >= capacity)
        return ZS_OK;
    uint8_t *grown = realloc(r->raw, capacity);
    if (grown == NULL)
        return error_memory(e);
    r->raw = grown;
    r->raw_capacity = capacity;
    return ZS_OK;
}

static int unpack(struct batch_reader *r, const struct head *h, const uint8_t *body,
                  struct zs_error *e)
{
    TRY(reserve(r, h->raw_len, e));
    size_t got = 0;
    if (h->encoding == BATCH_LZ4) {
        int n = LZ4_decompress_safe((const char *)body, (char *)r->raw, (int)h->body_len,
                                    (int)h->raw_len);
        got = n < 0 ? SIZE_MAX : (size_t)n;
    } else {
        if (r->zstd == NULL && (r->zstd = ZSTD_createDCtx()) == NULL)
            return error_memory(e);
        got = ZSTD_decompressDCtx(r->zstd, r->raw, h->raw_len, body, h->body_len);
    }
    if (got != h->raw_len)
        return malformed(e, r, "the decoded length", got, "the head says another");
    return ZS_OK;
}

/* ---- holes ---------------------------------------------------------------------------- */

static uint32_t hole_word(const uint8_t *holes, uint32_t i, size_t at)
{
    return get_u32le(holes + (size_t)i * BATCH_HOLE_BYTES + at);
}

/* Do they lie in their records' values, and do those keep to the limits?  *made is what the
 * values take that have one. */
static int check_holes(const struct batch_reader *r, const struct head *h, const uint8_t *lens,
                       const uint8_t *holes, uint64_t *made, struct zs_error *e)
{
    uint64_t sum = h->values_len;
    *made = 0;
    for (uint32_t i = 0; i < h->holes; i++) {
        uint32_t record = hole_word(holes, i, 0), at = hole_word(holes, i, 4),
                 len = hole_word(holes, i, 8);
        if (record >= h->count || (i > 0 && record <= hole_word(holes, i - 1, 0)))
            return malformed(e, r, "a hole's record", record, "they ascend, and are there");
        uint32_t whole = get_u32le(lens + (size_t)record * 4);
        if (len == 0 || (uint64_t)at + len > whole)
            return malformed(e, r, "a hole's length", len, "it lies within its value");
        sum += len;
        *made += whole;
    }
    if (sum > (h->count > 1 ? BATCH_VALUES_BYTES : ZS_VALUE_MAX) || *made > sum)
        return malformed(e, r, "the values' length with their holes", sum > *made ? sum : *made,
                         "a batch has less");
    return ZS_OK;
}

/* The value with zeros where its hole is. */
static void make_whole(uint8_t *to, const uint8_t *from, uint32_t len, struct batch_hole hole)
{
    memcpy(to, from, hole.at);
    memset(to + hole.at, 0, hole.len);
    memcpy(to + hole.at + hole.len, from + hole.at, len - hole.at - hole.len);
}

int batch_decode(struct batch_reader *r, const uint8_t *message, uint64_t bytes,
                 const struct zs_record **records, uint32_t *count, struct zs_error *e)
{
    struct head h = {0};
    uint64_t made = 0;
    TRY(head_check(r, message, bytes, &h, e));
    const uint8_t *body = message + BATCH_HEAD;
    bool packed = h.encoding != BATCH_NONE;
    if (packed) {
        TRY(unpack(r, &h, body, e));
        body = r->raw;
    }
    if (h.holes > 0) {
        const uint8_t *columns = body + h.values_len;
        TRY(check_holes(r, &h, columns + (size_t)h.count * 26,
                        columns + (size_t)h.count * BATCH_COLUMN_BYTES, &made, e));
        TRY(reserve(r, (packed ? h.raw_len : 0) + made, e));
        body = packed ? r->raw : body; /* it may have moved */
    }
    const uint8_t *value = body;
    const uint8_t *keys = body + h.values_len;
    const uint8_t *lsns = keys + (size_t)h.count * 18;
    const uint8_t *lens = lsns + (size_t)h.count * 8;
    const uint8_t *kinds = lens + (size_t)h.count * 4;
    const uint8_t *holes = kinds + h.count;
    uint8_t *whole = packed && made > 0 ? r->raw + h.raw_len : r->raw;
    uint32_t hole = 0;
    uint64_t left = h.values_len;
    for (uint32_t i = 0; i < h.count; i++) {
        struct zs_record *rec = &r->records[i];
        struct batch_hole gap = {0};
        if (hole < h.holes && hole_word(holes, hole, 0) == i) {
            gap = (struct batch_hole){hole_word(holes, hole, 4), hole_word(holes, hole, 8)};
            hole++;
        }
        memcpy(rec->key, keys + (size_t)i * ZS_KEY_BYTES, ZS_KEY_BYTES);
        rec->lsn = get_u64le(lsns + (size_t)i * 8);
        rec->len = get_u32le(lens + (size_t)i * 4);
        rec->kind = kinds[i];
        rec->flags = 0;
        if (rec->len - gap.len > left)
            return malformed(e, r, "a value's length", rec->len, "the values end before");
        if (rec->kind < ZS_KIND_IMAGE || rec->kind > ZS_KIND_TOMBSTONE)
            return malformed(e, r, "a record's kind", rec->kind, "1 to 3 are known");
        if (rec->kind == ZS_KIND_TOMBSTONE && rec->len > 0)
            return malformed(e, r, "a tombstone's length", rec->len, "it has no value");
        rec->value = rec->len > 0 ? value : NULL;
        if (gap.len > 0) {
            make_whole(whole, value, rec->len, gap);
            rec->value = whole;
            whole += rec->len;
        }
        value += rec->len - gap.len;
        left -= rec->len - gap.len;
    }
    if (left != 0)
        return malformed(e, r, "values_len", h.values_len, "the records' values are shorter");
    const uint8_t *sum = holes + (size_t)h.holes * BATCH_HOLE_BYTES;
    r->summed = h.summed;
    if (h.summed)
        r->sum = (struct zs_digest){.lo = get_u64le(sum), .hi = get_u64le(sum + 8)};
    r->due++;
    *records = r->records;
    *count = h.count;
    return ZS_OK;
}
