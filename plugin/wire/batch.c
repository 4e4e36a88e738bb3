/* batch.c - the writing half, and what both halves share; see batch.h. */
#include "wire/batch.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/batch_format.h"
#include "wire/batch_holes.h"
#include "wire/batch_pack.h"

#include <stdlib.h>
#include <string.h>

/* The buffer begins at this offset in its page: a large memcpy to an address 1 to 16
 * bytes past the source's page offset is 4 to 8 times slower on Zen 4, and a message
 * stands behind 5 bytes in libpq's buffer, which under TLS it passes through. */
#define PAGE_OFFSET 2048u

struct batch_writer {
    enum batch_encoding encoding;
    struct batch_buffer message; /* head | values | columns */
    struct batch_buffer packed;  /* head | compressed body; unused with BATCH_NONE */
    uint8_t *columns;            /* 18 B keys | lsns | lens | kinds, each for BATCH_MAX_RECORDS */
    uint32_t count;
    uint32_t values_len;
    uint32_t limit;   /* value bytes in a batch */
    uint32_t records; /* in a batch, at most */
    uint32_t holes_share;
    uint8_t *holes; /* as they travel; NULL until there are some */
    bool sums;
    struct zs_digest sum;
    struct batch_packer packer;
    uint64_t number;
};

uint64_t batch_checksum(const uint8_t *message, uint64_t body_len)
{
    XXH64_hash_t head = XXH3_64bits(message, BATCH_AT_CHECKSUM);
    uint64_t values = message[1] == BATCH_SUMMED ? get_u32le(message + BATCH_AT_VALUES_LEN) : 0;
    values = values < body_len ? values : body_len;
    return XXH3_64bits_withSeed(message + BATCH_HEAD + values, body_len - values, head);
}

const char *batch_encoding_name(enum batch_encoding encoding)
{
    switch (encoding) {
    case BATCH_NONE:
        return "none";
    case BATCH_LZ4:
        return "lz4";
    case BATCH_ZSTD:
        return "zstd";
    }
    return NULL;
}

bool batch_encoding_parse(const char *name, enum batch_encoding *out)
{
    for (int i = BATCH_NONE; i <= BATCH_ZSTD; i++)
        if (strcmp(name, batch_encoding_name((enum batch_encoding)i)) == 0) {
            *out = (enum batch_encoding)i;
            return true;
        }
    return false;
}

static int buffer_reserve(struct batch_buffer *b, size_t capacity, struct zs_error *e)
{
    if (b->capacity >= capacity)
        return ZS_OK;
    void *fresh = aligned_alloc(4096, (PAGE_OFFSET + capacity + 4095) / 4096 * 4096);
    if (fresh == NULL)
        return error_memory(e);
    free(b->allocated);
    b->allocated = fresh;
    b->bytes = (uint8_t *)fresh + PAGE_OFFSET;
    b->capacity = capacity;
    return ZS_OK;
}

#define NORMAL_CAPACITY                                                                            \
    (BATCH_HEAD + BATCH_VALUES_BYTES + (size_t)BATCH_MAX_RECORDS * BATCH_COLUMN_BYTES +            \
     BATCH_SUM_BYTES)

int batch_writer_open(enum batch_encoding encoding, struct batch_writer **out, struct zs_error *e)
{
    struct batch_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return error_memory(e);
    w->encoding = encoding;
    batch_writer_limit(w, UINT32_MAX);
    w->columns = malloc((size_t)BATCH_MAX_RECORDS * BATCH_COLUMN_BYTES);
    if (w->columns == NULL || buffer_reserve(&w->message, NORMAL_CAPACITY, e) != ZS_OK) {
        batch_writer_close(w);
        return error_memory(e);
    }
    *out = w;
    return ZS_OK;
}

void batch_writer_close(struct batch_writer *w)
{
    if (w == NULL)
        return;
    free(w->message.allocated);
    free(w->packed.allocated);
    free(w->columns);
    free(w->holes);
    batch_packer_fini(&w->packer);
    free(w);
}

void batch_writer_encoding(struct batch_writer *w, enum batch_encoding encoding)
{
    w->encoding = encoding;
}

void batch_writer_holes(struct batch_writer *w, uint32_t share)
{
    w->holes_share = share;
}

void batch_writer_sums(struct batch_writer *w, bool sums)
{
    w->sums = sums;
}

int batch_sample(struct batch_writer *w, enum batch_encoding encoding, double *ns, double *ratio,
                 struct zs_error *e)
{
    return batch_pack_sample(&w->packer, encoding, w->message.bytes + BATCH_HEAD, w->values_len, ns,
                             ratio, e);
}

/* Values and records are bounded apart: whatever a store puts into the room that it was
 * given fits, so that no value ever waits there while the batch before it is closed. */
void batch_writer_limit(struct batch_writer *w, uint32_t message_bytes)
{
    uint32_t values = message_bytes > BATCH_AROUND ? message_bytes - BATCH_AROUND : 1;
    uint32_t records = message_bytes / 8 / BATCH_COLUMN_BYTES;
    w->limit = values < BATCH_VALUES_BYTES ? values : BATCH_VALUES_BYTES;
    w->records = records < BATCH_MAX_RECORDS ? records : BATCH_MAX_RECORDS;
    w->records = w->records > 0 ? w->records : 1;
}

void *batch_room(struct batch_writer *w, uint64_t *room_bytes)
{
    *room_bytes = w->values_len < w->limit ? w->limit - w->values_len : 0;
    return w->message.bytes + BATCH_HEAD + w->values_len;
}

uint64_t batch_room_records(const struct batch_writer *w)
{
    return w->records - w->count;
}

int batch_add(struct batch_writer *w, const struct zs_record *record, bool *added,
              struct zs_error *e)
{
    *added = false;
    if (record->len > ZS_VALUE_MAX)
        return error_set(e, ZS_VALUE_TOO_LARGE, "a value of %u bytes is too large; at most %u",
                         record->len, ZS_VALUE_MAX);
    bool fits = w->values_len + (uint64_t)record->len <= w->limit;
    if (w->count == w->records || (w->count > 0 && !fits))
        return ZS_OK;
    if (!fits) /* alone, and larger than a batch */
        TRY(buffer_reserve(&w->message, BATCH_AROUND + record->len, e));

    uint8_t *place = w->message.bytes + BATCH_HEAD + w->values_len;
    if (record->len > 0 && record->value != place)
        memcpy(place, record->value, record->len);
    const size_t max = BATCH_MAX_RECORDS;
    memcpy(w->columns + (size_t)w->count * ZS_KEY_BYTES, record->key, ZS_KEY_BYTES);
    put_u64le(w->columns + max * 18 + (size_t)w->count * 8, record->lsn);
    put_u32le(w->columns + max * 26 + (size_t)w->count * 4, record->len);
    w->columns[max * 30 + w->count] = record->kind;
    w->count++;
    w->values_len += record->len;
    digest_add_records(&w->sum, record, 1);
    *added = true;
    return ZS_OK;
}

uint32_t batch_count(const struct batch_writer *w)
{
    return w->count;
}

uint64_t batch_raw_bytes(const struct batch_writer *w)
{
    return w->values_len;
}

struct zs_digest batch_sum(const struct batch_writer *w)
{
    return w->sum;
}

/* ---- closing a batch ------------------------------------------------------------------ */

/* Compress the body; *packed is 0 if that does not make it smaller. */
static int pack(struct batch_writer *w, size_t raw, size_t *packed, struct zs_error *e)
{
    TRY(buffer_reserve(&w->packed, BATCH_HEAD + batch_pack_bound(w->encoding, raw), e));
    TRY(batch_pack(&w->packer, w->encoding, w->message.bytes + BATCH_HEAD, raw,
                   w->packed.bytes + BATCH_HEAD, packed, e));
    if (*packed >= raw)
        *packed = 0;
    return ZS_OK;
}

/* Note each value's hole; *left_out is the sum of their lengths. */
static int find_holes(struct batch_writer *w, uint32_t *holes, uint32_t *left_out,
                      struct zs_error *e)
{
    const uint8_t *value = w->message.bytes + BATCH_HEAD;
    const uint8_t *lens = w->columns + (size_t)BATCH_MAX_RECORDS * 26;
    *holes = *left_out = 0;
    for (uint32_t i = 0; w->holes_share > 0 && i < w->count; i++) {
        uint32_t len = get_u32le(lens + (size_t)i * 4);
        struct batch_hole hole = batch_hole_find(value, len);
        value += len;
        if (hole.len == 0)
            continue;
        if (w->holes == NULL &&
            (w->holes = malloc((size_t)BATCH_MAX_RECORDS * BATCH_HOLE_BYTES)) == NULL)
            return error_memory(e);
        uint8_t *entry = w->holes + (size_t)*holes * BATCH_HOLE_BYTES;
        put_u32le(entry, i);
        put_u32le(entry + 4, hole.at);
        put_u32le(entry + 8, hole.len);
        *left_out += hole.len;
        ++*holes;
    }
    if ((uint64_t)*left_out * w->holes_share < w->values_len)
        *holes = *left_out = 0;
    return ZS_OK;
}

/* Move what stands behind the holes up; values_len is then what is left. */
static void close_holes(struct batch_writer *w, uint32_t holes)
{
    const uint8_t *lens = w->columns + (size_t)BATCH_MAX_RECORDS * 26;
    uint8_t *values = w->message.bytes + BATCH_HEAD;
    uint32_t to = 0, from = 0, record = 0, start = 0; /* of the record, as it was */
    for (uint32_t h = 0; h < holes; h++) {
        const uint8_t *entry = w->holes + (size_t)h * BATCH_HOLE_BYTES;
        for (; record < get_u32le(entry); record++)
            start += get_u32le(lens + (size_t)record * 4);
        uint32_t upto = start + get_u32le(entry + 4);
        if (to != from)
            memmove(values + to, values + from, upto - from);
        to += upto - from;
        from = upto + get_u32le(entry + 8);
    }
    if (to != from)
        memmove(values + to, values + from, w->values_len - from);
    w->values_len -= from - to;
}

int batch_finish(struct batch_writer *w, const void **message, uint64_t *bytes, struct zs_error *e)
{
    const size_t max = BATCH_MAX_RECORDS;
    uint32_t holes, left_out;
    TRY(find_holes(w, &holes, &left_out, e));
    if (holes > 0)
        close_holes(w, holes);
    uint8_t *at = w->message.bytes + BATCH_HEAD + w->values_len;
    /* Columns that were staged apart by BATCH_MAX_RECORDS close up to `count`. */
    memcpy(at, w->columns, (size_t)w->count * 18);
    memcpy(at + (size_t)w->count * 18, w->columns + max * 18, (size_t)w->count * 8);
    memcpy(at + (size_t)w->count * 26, w->columns + max * 26, (size_t)w->count * 4);
    memcpy(at + (size_t)w->count * 30, w->columns + max * 30, w->count);
    size_t body = w->values_len + (size_t)w->count * BATCH_COLUMN_BYTES;
    if (holes > 0)
        memcpy(w->message.bytes + BATCH_HEAD + body, w->holes, (size_t)holes * BATCH_HOLE_BYTES);
    body += (size_t)holes * BATCH_HOLE_BYTES;

    uint8_t *head = w->message.bytes;
    int encoding = BATCH_NONE;
    if (w->encoding != BATCH_NONE) {
        size_t packed;
        TRY(pack(w, body, &packed, e));
        if (packed > 0) {
            head = w->packed.bytes;
            body = packed;
            encoding = (int)w->encoding;
        }
    }
    if (w->sums && encoding == BATCH_NONE) {
        encoding = BATCH_SUMMED;
        put_u64le(head + BATCH_HEAD + body, w->sum.lo);
        put_u64le(head + BATCH_HEAD + body + 8, w->sum.hi);
        body += BATCH_SUM_BYTES;
    }
    head[0] = 'B';
    head[1] = (uint8_t)encoding;
    put_u16le(head + BATCH_AT_HOLES, (uint16_t)holes);
    put_u32le(head + BATCH_AT_COUNT, w->count);
    put_u32le(head + BATCH_AT_VALUES_LEN, w->values_len);
    put_u32le(head + BATCH_AT_BODY_LEN, (uint32_t)body);
    put_u64le(head + BATCH_AT_NUMBER, w->number++);
    put_u64le(head + BATCH_AT_CHECKSUM, batch_checksum(head, body));
    *message = head;
    *bytes = BATCH_HEAD + body;
    w->count = 0;
    w->values_len = 0;
    w->sum = (struct zs_digest){0};
    return ZS_OK;
}

int batch_writer_swap(struct batch_writer *w, struct batch_memory *m, struct zs_error *e)
{
    struct batch_memory mine = {.message = w->message, .packed = w->packed};
    TRY(buffer_reserve(&m->message, NORMAL_CAPACITY, e));
    w->message = m->message;
    w->packed = m->packed;
    *m = mine;
    return ZS_OK;
}

static void buffer_free(struct batch_buffer *b)
{
    free(b->allocated);
    *b = (struct batch_buffer){0};
}

void batch_memory_trim(struct batch_memory *m)
{
    if (m->message.capacity > NORMAL_CAPACITY)
        buffer_free(&m->message);
    if (m->packed.capacity > 2 * NORMAL_CAPACITY)
        buffer_free(&m->packed);
}

void batch_memory_free(struct batch_memory *m)
{
    buffer_free(&m->message);
    buffer_free(&m->packed);
}
