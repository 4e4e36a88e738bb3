/* batch_read.c - the reading half of batch.h.
 * Every length is the peer's: each is checked against what arrived, or against the
 * limits, before anything is allocated or read. */
#include "base/bytes.h"
#include "base/error.h"
#include "wire/batch.h"
#include "wire/batch_format.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct batch_reader {
    struct zs_record *records; /* BATCH_MAX_RECORDS */
    uint8_t *raw;              /* a decoded body */
    size_t raw_capacity;
    uint64_t due; /* the next batch's number */
};

struct head {
    enum batch_encoding encoding;
    uint32_t count, values_len, body_len;
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
    free(r);
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
    *h = (struct head){.encoding = (enum batch_encoding)m[1],
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
    if (h->encoding > BATCH_ZSTD)
        return malformed(e, r, "the encoding", h->encoding, "0 to 2 are known");
    if (h->count == 0 || h->count > BATCH_MAX_RECORDS)
        return malformed(e, r, "count", h->count, "1 to 16384 are allowed");
    if (h->values_len > BATCH_VALUES_BYTES && h->count > 1)
        return malformed(e, r, "values_len", h->values_len, "only a single record may be so long");
    if (h->values_len > ZS_VALUE_MAX)
        return error_set(e, ZS_VALUE_TOO_LARGE,
                         "the far side sent a value of %u bytes; at most %u are allowed",
                         h->values_len, ZS_VALUE_MAX);
    h->raw_len = h->values_len + (uint64_t)h->count * BATCH_COLUMN_BYTES;
    if (h->encoding == BATCH_NONE && h->raw_len != h->body_len)
        return malformed(e, r, "body_len", h->body_len, "values and columns have another length");
    return ZS_OK;
}

/* raw_len is bounded by head_check, so what is allocated and what a decoder may
 * produce is bounded too. */
static int unpack(struct batch_reader *r, const struct head *h, const uint8_t *body,
                  struct zs_error *e)
{
    if (r->raw_capacity < h->raw_len) {
        uint8_t *grown = realloc(r->raw, h->raw_len);
        if (grown == NULL)
            return error_memory(e);
        r->raw = grown;
        r->raw_capacity = h->raw_len;
    }
    size_t got = 0;
    if (h->encoding == BATCH_LZ4) {
        int n = LZ4_decompress_safe((const char *)body, (char *)r->raw, (int)h->body_len,
                                    (int)h->raw_len);
        got = n < 0 ? SIZE_MAX : (size_t)n;
    } else {
        got = ZSTD_decompress(r->raw, h->raw_len, body, h->body_len);
    }
    if (got != h->raw_len)
        return malformed(e, r, "the decoded length", got, "the head says another");
    return ZS_OK;
}

int batch_decode(struct batch_reader *r, const uint8_t *message, uint64_t bytes,
                 const struct zs_record **records, uint32_t *count, struct zs_error *e)
{
    struct head h = {0};
    TRY(head_check(r, message, bytes, &h, e));
    const uint8_t *body = message + BATCH_HEAD;
    if (h.encoding != BATCH_NONE) {
        TRY(unpack(r, &h, body, e));
        body = r->raw;
    }
    const uint8_t *value = body;
    const uint8_t *keys = body + h.values_len;
    const uint8_t *lsns = keys + (size_t)h.count * 18;
    const uint8_t *lens = lsns + (size_t)h.count * 8;
    const uint8_t *kinds = lens + (size_t)h.count * 4;
    uint64_t left = h.values_len;
    for (uint32_t i = 0; i < h.count; i++) {
        struct zs_record *rec = &r->records[i];
        memcpy(rec->key, keys + (size_t)i * ZS_KEY_BYTES, ZS_KEY_BYTES);
        rec->lsn = get_u64le(lsns + (size_t)i * 8);
        rec->len = get_u32le(lens + (size_t)i * 4);
        rec->kind = kinds[i];
        rec->flags = 0;
        if (rec->len > left)
            return malformed(e, r, "a value's length", rec->len, "the values end before");
        if (rec->kind < ZS_KIND_IMAGE || rec->kind > ZS_KIND_TOMBSTONE)
            return malformed(e, r, "a record's kind", rec->kind, "1 to 3 are known");
        if (rec->kind == ZS_KIND_TOMBSTONE && rec->len > 0)
            return malformed(e, r, "a tombstone's length", rec->len, "it has no value");
        rec->value = rec->len > 0 ? value : NULL;
        value += rec->len;
        left -= rec->len;
    }
    if (left != 0)
        return malformed(e, r, "values_len", h.values_len, "the records' values are shorter");
    r->due++;
    *records = r->records;
    *count = h.count;
    return ZS_OK;
}
