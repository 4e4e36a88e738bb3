/* fuzz_batch.c - BATCH messages from a peer (wire/batch.h).
 * Input: a byte of mode, then the message.  Mode, by bits: 1 mend number, length and
 * checksum; 2, 4 pack the body with lz4, zstd first; 8 make values_len fit count, holes and sum.
 * Holds: a failure leaves the outputs; what decodes keeps to the limits, its values lie
 * where they may, and encoding it, holes left out, and once with a sum, gives a batch that decodes
 * to the same. */
#include "support.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "wire/batch.h"
#include "wire/batch_format.h"

#include <lz4.h>
#include <stdlib.h>
#include <zstd.h>

enum { MEND = 1, PACK_LZ4 = 2, PACK_ZSTD = 4, FIT = 8 };
#define ROOM (FUZZ_INPUT_MAX - 64)

static size_t shape(uint8_t mode, const uint8_t *data, size_t size, uint8_t *out)
{
    memcpy(out, data, size);
    if (size < BATCH_HEAD || (mode & MEND) == 0)
        return size;
    size_t body = size - BATCH_HEAD;
    uint32_t count = get_u32le(out + BATCH_AT_COUNT) % (BATCH_MAX_RECORDS + 2);
    uint32_t holes = get_u16le(out + BATCH_AT_HOLES) % (count + 2);
    uint32_t beside = count * BATCH_COLUMN_BYTES + holes * BATCH_HOLE_BYTES +
                      (out[1] == BATCH_SUMMED ? BATCH_SUM_BYTES : 0);
    if (mode & FIT && beside <= body) {
        put_u16le(out + BATCH_AT_HOLES, (uint16_t)holes);
        put_u32le(out + BATCH_AT_VALUES_LEN, (uint32_t)body - beside);
    }
    if (mode & PACK_LZ4) {
        int n = LZ4_compress_default((const char *)data + BATCH_HEAD, (char *)out + BATCH_HEAD,
                                     (int)body, (int)(ROOM - BATCH_HEAD));
        body = n > 0 ? (size_t)n : body;
        out[1] = BATCH_LZ4;
    } else if (mode & PACK_ZSTD) {
        size_t n = ZSTD_compress(out + BATCH_HEAD, ROOM - BATCH_HEAD, data + BATCH_HEAD, body, 1);
        body = ZSTD_isError(n) ? body : n;
        out[1] = BATCH_ZSTD;
    }
    put_u32le(out + BATCH_AT_BODY_LEN, (uint32_t)body);
    put_u64le(out + BATCH_AT_NUMBER, 0);
    put_u64le(out + BATCH_AT_CHECKSUM, batch_checksum(out, body));
    return BATCH_HEAD + body;
}

static void check_records(const struct zs_record *records, uint32_t count)
{
    uint64_t sum = 0;
    static volatile uint8_t seen; /* so that each byte is read */
    HOLDS(count >= 1 && count <= BATCH_MAX_RECORDS);
    for (uint32_t i = 0; i < count; i++) {
        const struct zs_record *r = &records[i];
        HOLDS(r->kind >= ZS_KIND_IMAGE && r->kind <= ZS_KIND_TOMBSTONE && r->flags == 0);
        HOLDS(r->len <= ZS_VALUE_MAX && (r->kind != ZS_KIND_TOMBSTONE || r->len == 0));
        HOLDS((r->value == NULL) == (r->len == 0));
        for (uint32_t k = 0; k < r->len; k++)
            seen = seen ^ ((const uint8_t *)r->value)[k];
        sum += r->len;
    }
    HOLDS(sum <= BATCH_VALUES_BYTES || count == 1);
}

/* A writer and a reader that stay in step, batch by batch. */
static void check_again(const struct zs_record *records, uint32_t count, bool sums)
{
    static struct batch_writer *writer;
    static struct batch_reader *reader;
    struct zs_error e = {0};
    const void *message = NULL;
    uint64_t bytes = 0;
    const struct zs_record *again = NULL;
    uint32_t n = 0;
    if (writer == NULL)
        HOLDS(batch_writer_open(BATCH_NONE, &writer, &e) == ZS_OK &&
              batch_reader_open(&reader, &e) == ZS_OK);
    batch_writer_holes(writer, 1000);
    batch_writer_sums(writer, sums);
    for (uint32_t i = 0; i < count; i++) {
        bool added = false;
        HOLDS(batch_add(writer, &records[i], &added, &e) == ZS_OK && added);
    }
    HOLDS(batch_finish(writer, &message, &bytes, &e) == ZS_OK);
    HOLDS(batch_decode(reader, message, bytes, &again, &n, &e) == ZS_OK && n == count);
    struct zs_digest sum = {0}, told;
    digest_add_records(&sum, records, count);
    HOLDS(batch_reader_sum(reader, &told) == sums && (!sums || digest_equal(told, sum)));
    for (uint32_t i = 0; i < n; i++) {
        HOLDS(memcmp(again[i].key, records[i].key, ZS_KEY_BYTES) == 0);
        HOLDS(again[i].lsn == records[i].lsn && again[i].kind == records[i].kind);
        HOLDS(again[i].len == records[i].len &&
              (again[i].len == 0 || memcmp(again[i].value, records[i].value, again[i].len) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct batch_reader *reader;
    static uint8_t message[ROOM];
    struct zs_error e;
    const struct zs_record *records = NULL;
    uint32_t count = 77;
    if (size < 1 || size > ROOM / 2)
        return 0;
    fuzz_error_before(&e);
    if (reader == NULL)
        HOLDS(batch_reader_open(&reader, &e) == ZS_OK);
    size_t bytes = shape(data[0], data + 1, size - 1, message);
    int rc = batch_decode(reader, fuzz_bytes(0, message, bytes), bytes, &records, &count, &e);
    if (!fuzz_error_after(rc, &e)) {
        HOLDS(records == NULL && count == 77);
        return 0;
    }
    check_records(records, count);
    check_again(records, count, false);
    check_again(records, count, true);
    batch_reader_close(reader); /* the next one is number 0 again */
    reader = NULL;
    return 0;
}
