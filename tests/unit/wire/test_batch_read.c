/* test_batch_read.c - what a reader makes of bytes that a peer chose. */
#include "batch_fixture.h"

#include "base/digest.h"

#include <dlfcn.h>
#include <zstd.h>

/* The library's, for this program: how many were made, and that there is no memory for one. */
static struct {
    unsigned made;
    bool no_memory;
} contexts;

ZSTD_DCtx *ZSTD_createDCtx(void)
{
    ZSTD_DCtx *(*real)(void) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "ZSTD_createDCtx");
    if (contexts.no_memory || real == NULL)
        return NULL;
    contexts.made++;
    return real();
}

/* As a hostile peer would: change something, and make the checksum fit again. */
static void reseal(uint8_t *message, uint64_t bytes)
{
    put_u64le(message + BATCH_AT_CHECKSUM, batch_checksum(message, bytes - BATCH_HEAD));
}

/* Decode with a fresh reader, and hold what comes to its sum, as whoever puts it does; from memory
 * of exactly that size, so that a read past the end is seen by the address sanitizer. */
static int decode(const uint8_t *message, uint64_t bytes, struct zs_error *e)
{
    struct zs_error opening = {0};
    struct batch_reader *reader = NULL;
    const struct zs_record *records = NULL;
    uint32_t count = 0;
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
    if (exact == NULL || batch_reader_open(&reader, &opening) != ZS_OK)
        abort();
    memcpy(exact, message, bytes);
    *e = (struct zs_error){0};
    int rc = batch_decode(reader, exact, bytes, &records, &count, e);
    if (rc != ZS_OK)
        CU_ASSERT(records == NULL && count == 0); /* untouched */
    struct zs_digest wanted, sum = {0};
    if (rc == ZS_OK && batch_reader_sum(reader, &wanted)) {
        digest_add_records(&sum, records, count);
        rc = digest_equal(sum, wanted) ? ZS_OK : error_set(e, ZS_CORRUPT, "another sum");
    }
    batch_reader_close(reader);
    free(exact);
    return rc;
}

static bool is_refusal(int rc, const struct zs_error *e)
{
    return rc != ZS_OK && e->message[0] != '\0' &&
           (error_is(e, ZS_PROTOCOL_VIOLATION) || error_is(e, ZS_CORRUPT) ||
            error_is(e, ZS_VALUE_TOO_LARGE));
}

static void test_every_truncation_is_refused(void)
{
    for (int encoding = BATCH_NONE; encoding <= BATCH_SUMMED; encoding++) {
        uint64_t bytes = 0;
        struct zs_error e;
        uint8_t *m = encode(encoding, 0, 3, 100, &bytes);
        CU_ASSERT(decode(m, bytes, &e) == ZS_OK);
        for (uint64_t cut = 0; cut < bytes; cut++) {
            CU_ASSERT(is_refusal(decode(m, cut, &e), &e));
            if (cut < BATCH_HEAD)
                continue;
            /* and with a head that was made to fit */
            uint8_t *fitted = malloc(cut);
            if (fitted == NULL)
                abort();
            memcpy(fitted, m, cut);
            put_u32le(fitted + BATCH_AT_BODY_LEN, (uint32_t)(cut - BATCH_HEAD));
            reseal(fitted, cut);
            CU_ASSERT(is_refusal(decode(fitted, cut, &e), &e));
            free(fitted);
        }
        free(m);
    }
}

/* The type byte has been read before; all the rest is guarded by the checksum, or by the sum. */
static void test_every_flipped_bit_is_refused(void)
{
    for (int encoding = BATCH_NONE; encoding <= BATCH_SUMMED; encoding++) {
        uint64_t bytes = 0;
        struct zs_error e;
        uint8_t *m = encode(encoding, 0, 3, 40, &bytes);
        for (uint64_t bit = 0; bit < bytes * 8; bit++) {
            m[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CU_ASSERT(is_refusal(decode(m, bytes, &e), &e));
            m[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        CU_ASSERT(decode(m, bytes, &e) == ZS_OK);
        free(m);
    }
}

/* Bits flipped by somebody who can compute the checksum: an error or not, but never a
 * read outside of the message, and never a record that breaks the limits. */
static void test_flipped_bits_behind_a_good_checksum_do_no_harm(void)
{
    for (int encoding = BATCH_NONE; encoding <= BATCH_SUMMED; encoding++) {
        uint64_t bytes = 0;
        struct zs_error e;
        uint8_t *m = encode(encoding, 0, 3, 40, &bytes);
        for (uint64_t bit = 8; bit < bytes * 8; bit++) {
            m[bit / 8] ^= (uint8_t)(1u << bit % 8);
            reseal(m, bytes);
            int rc = decode(m, bytes, &e);
            CU_ASSERT(rc == ZS_OK || is_refusal(rc, &e));
            m[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(m);
    }
}

static void test_a_hostile_head_is_refused(void)
{
    static const struct {
        uint32_t at, value;
        const char *sqlstate, *detail; /* a part of it; NULL: not looked at */
    } cases[] = {
        {BATCH_AT_COUNT, 0, ZS_PROTOCOL_VIOLATION, "count is 0"},
        {BATCH_AT_COUNT, BATCH_MAX_RECORDS + 1, ZS_PROTOCOL_VIOLATION, "count is 16385"},
        {BATCH_AT_COUNT, UINT32_MAX, ZS_PROTOCOL_VIOLATION, "count is 4294967295"},
        {BATCH_AT_COUNT, 2, ZS_PROTOCOL_VIOLATION, "body_len"},
        {BATCH_AT_COUNT, 4, ZS_PROTOCOL_VIOLATION, "body_len"},
        {BATCH_AT_VALUES_LEN, 0, ZS_PROTOCOL_VIOLATION, "body_len"},
        {BATCH_AT_VALUES_LEN, BATCH_VALUES_BYTES + 1, ZS_PROTOCOL_VIOLATION, "values_len"},
        {BATCH_AT_VALUES_LEN, UINT32_MAX, ZS_PROTOCOL_VIOLATION, "values_len"},
        {BATCH_AT_BODY_LEN, 0, ZS_PROTOCOL_VIOLATION, "body_len is 0"},
        {BATCH_AT_BODY_LEN, UINT32_MAX, ZS_PROTOCOL_VIOLATION, "body_len"},
        {BATCH_AT_NUMBER, 1, ZS_PROTOCOL_VIOLATION, "its number is 1, but another was due"},
        {BATCH_AT_NUMBER + 4, 1, ZS_PROTOCOL_VIOLATION, "its number is 4294967296, but"},
        {0, 'B' | 3 << 8, ZS_PROTOCOL_VIOLATION, "body_len"}, /* there is no sum */
        {0, 'B' | 4 << 8, ZS_PROTOCOL_VIOLATION, "encoding is 4"},
        {0, 'B' | 255 << 8, ZS_PROTOCOL_VIOLATION, "encoding is 255"},
        {0, 'B' | 1 << 8, ZS_PROTOCOL_VIOLATION, NULL}, /* not lz4 at all */
        {0, 'B' | 2 << 8, ZS_PROTOCOL_VIOLATION, NULL}, /* nor zstd */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 0;
        struct zs_error e;
        uint8_t *m = encode(BATCH_NONE, 0, 3, 100, &bytes);
        put_u32le(m + cases[i].at, cases[i].value);
        reseal(m, bytes);
        ASSERT_FAILS(decode(m, bytes, &e), cases[i].sqlstate);
        CU_ASSERT(cases[i].detail == NULL || strstr(e.detail, cases[i].detail) != NULL);
        CU_ASSERT(strstr(e.detail, "Batch 0") != NULL);
        free(m);
    }
}

/* A head of one record that claims a value above the limit. */
static void test_a_single_value_that_is_too_large_is_refused_before_memory_is_taken(void)
{
    for (int encoding = BATCH_LZ4; encoding <= BATCH_ZSTD; encoding++) {
        uint64_t bytes = 0;
        struct zs_error e;
        uint8_t *m = encode(BATCH_NONE, 0, 1, 100, &bytes);
        m[1] = (uint8_t)encoding;
        put_u32le(m + BATCH_AT_VALUES_LEN, ZS_VALUE_MAX + 1);
        reseal(m, bytes);
        ASSERT_FAILS(decode(m, bytes, &e), ZS_VALUE_TOO_LARGE);
        put_u32le(m + BATCH_AT_VALUES_LEN, UINT32_MAX);
        reseal(m, bytes);
        ASSERT_FAILS(decode(m, bytes, &e), ZS_VALUE_TOO_LARGE);
        free(m);
    }
}

/* What a compressed body becomes is bounded by the head, which is bounded itself. */
static void test_a_decompression_bomb_is_refused(void)
{
    static const struct {
        uint32_t claimed; /* instead of 8 MiB of nothing but one letter */
    } cases[] = {{0}, {1}, {1000}, {BATCH_VALUES_BYTES}, {ZS_VALUE_MAX - 1}};
    for (int encoding = BATCH_LZ4; encoding <= BATCH_ZSTD; encoding++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            uint64_t bytes = 0;
            struct zs_error e;
            uint8_t *m = encode(encoding, 0, 1, ZS_VALUE_MAX, &bytes);
            CU_ASSERT(bytes < 65536 && m[1] == encoding);
            CU_ASSERT(decode(m, bytes, &e) == ZS_OK);
            put_u32le(m + BATCH_AT_VALUES_LEN, cases[i].claimed);
            reseal(m, bytes);
            ASSERT_FAILS(decode(m, bytes, &e), ZS_PROTOCOL_VIOLATION);
            CU_ASSERT(strstr(e.detail, "decoded length") != NULL);
            free(m);
        }
}

/* A batch of one record around a body that is zstd's, and not as our writer makes it. */
static uint8_t *batch_of(const void *body, size_t len, uint32_t claimed, uint64_t *bytes)
{
    uint8_t *m = calloc(1, BATCH_HEAD + len);
    if (m == NULL)
        abort();
    m[0] = 'B';
    m[1] = BATCH_ZSTD;
    put_u32le(m + BATCH_AT_COUNT, 1);
    put_u32le(m + BATCH_AT_VALUES_LEN, claimed);
    put_u32le(m + BATCH_AT_BODY_LEN, (uint32_t)len);
    memcpy(m + BATCH_HEAD, body, len);
    *bytes = BATCH_HEAD + len;
    reseal(m, *bytes);
    return m;
}

/* Frames that do not say how much is in them, that want a window of 128 MiB, several of them,
 * and ones that are skipped: what they become is bounded by the head, too. */
static void test_frames_that_do_not_say_their_size_are_bounded(void)
{
    static uint8_t nothing[ZS_VALUE_MAX], body[65536];
    static const struct {
        int content_size, window_log, frames;
    } cases[] = {{0, 0, 1}, {0, 27, 1}, {1, 27, 1}, {0, 0, 3}, {1, 0, 40}};
    static const uint32_t claims[] = {0, 1000, BATCH_VALUES_BYTES, ZS_VALUE_MAX};
    static const uint8_t skipped[] = {0x50, 0x2A, 0x4D, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ZSTD_CCtx *c = ZSTD_createCCtx();
        size_t len = 0;
        CU_ASSERT_FATAL(c != NULL);
        (void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, cases[i].content_size);
        (void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, cases[i].window_log);
        for (int k = 0; k < cases[i].frames; k++) {
            size_t n = ZSTD_compress2(c, body + len, sizeof body - len, nothing, sizeof nothing);
            CU_ASSERT_FATAL(!ZSTD_isError(n));
            len += n;
        }
        ZSTD_freeCCtx(c);
        for (size_t k = 0; k < sizeof claims / sizeof *claims; k++) {
            struct zs_error e;
            uint64_t bytes = 0;
            uint8_t *m = batch_of(body, len, claims[k], &bytes);
            ASSERT_FAILS(decode(m, bytes, &e), ZS_PROTOCOL_VIOLATION);
            CU_ASSERT(strstr(e.detail, "decoded length") != NULL);
            free(m);
        }
    }
    struct zs_error e;
    uint64_t bytes = 0;
    uint8_t *m = batch_of(skipped, sizeof skipped, 0, &bytes);
    ASSERT_FAILS(decode(m, bytes, &e), ZS_PROTOCOL_VIOLATION);
    free(m);
}

/* The columns of an uncompressed batch of 3 records of 100 bytes. */
static void test_columns_that_lie_are_refused(void)
{
    enum { N = 3, LSNS = BATCH_HEAD + N * 100 + N * 18, LENS = LSNS + N * 8, KINDS = LENS + N * 4 };
    static const struct {
        uint32_t at, bytes;
        uint64_t value;
        const char *detail;
    } cases[] = {
        {LENS, 4, 301, "a value's length is 301"},
        {LENS, 4, UINT32_MAX, "a value's length is 4294967295"},
        {LENS + 8, 4, 101, "a value's length is 101"},
        {LENS + 8, 4, 99, "values_len"},
        {LENS, 4, 0, "values_len"},
        {KINDS, 1, 0, "kind is 0"},
        {KINDS + 2, 1, 4, "kind is 4"},
        {KINDS + 1, 1, 255, "kind is 255"},
        {KINDS + 1, 1, ZS_KIND_TOMBSTONE, "a tombstone's length is 100"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 0;
        struct zs_error e;
        uint8_t *m = encode(BATCH_NONE, 0, N, 100, &bytes);
        memcpy(m + cases[i].at, &cases[i].value, cases[i].bytes);
        reseal(m, bytes);
        ASSERT_FAILS(decode(m, bytes, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.detail, cases[i].detail) != NULL);
        free(m);
    }
}

/* All but the values of a summed batch is guarded before its records are told, and a head that
 * says that there are more values than bytes is one that was damaged. */
static void test_what_a_sum_leaves_unguarded_is_the_values(void)
{
    enum { N = 3, LEN = 40, VALUES = N * LEN };
    uint64_t bytes = 0;
    struct zs_error e;
    struct batch_reader *reader = NULL;
    uint8_t *m = encode(BATCH_SUMMED, 0, N, LEN, &bytes);
    CU_ASSERT(m[1] == BATCH_SUMMED);
    CU_ASSERT(bytes == BATCH_HEAD + VALUES + N * BATCH_COLUMN_BYTES + BATCH_SUM_BYTES);
    for (uint64_t at = 1; at < bytes; at++) {
        const struct zs_record *records = NULL;
        uint32_t count = 0;
        bool value = at >= BATCH_HEAD && at < BATCH_HEAD + VALUES;
        ASSERT_OK(batch_reader_open(&reader, &e));
        m[at] ^= 0x80;
        if (value)
            ASSERT_OK(batch_decode(reader, m, bytes, &records, &count, &e));
        else
            CU_ASSERT(is_refusal(batch_decode(reader, m, bytes, &records, &count, &e), &e));
        m[at] ^= 0x80;
        batch_reader_close(reader);
    }
    put_u32le(m + BATCH_AT_VALUES_LEN, UINT32_MAX);
    ASSERT_FAILS(decode(m, bytes, &e), ZS_CORRUPT);
    free(m);
}

/* A reader that was told a sum does not tell it of the next batch, which has none. */
static void test_a_sum_is_the_last_batch_s(void)
{
    static const int encodings[] = {BATCH_SUMMED, BATCH_NONE, BATCH_SUMMED, BATCH_LZ4};
    struct zs_error e = {0};
    struct batch_reader *reader = NULL;
    ASSERT_OK(batch_reader_open(&reader, &e));
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        uint64_t bytes = 0;
        const struct zs_record *records = NULL;
        struct zs_digest sum, wanted = {0};
        uint32_t count = 0;
        uint8_t *m = encode(encodings[i], i, 2, 100 + (uint32_t)i, &bytes);
        ASSERT_OK(batch_decode(reader, m, bytes, &records, &count, &e));
        digest_add_records(&wanted, records, count);
        CU_ASSERT(batch_reader_sum(reader, &sum) == (encodings[i] == BATCH_SUMMED));
        CU_ASSERT(encodings[i] != BATCH_SUMMED || digest_equal(sum, wanted));
        free(m);
    }
    batch_reader_close(reader);
}

static void test_a_batch_out_of_turn_is_refused(void)
{
    struct zs_error e = {0};
    struct batch_reader *reader = NULL;
    uint8_t *m[3];
    uint64_t bytes[3];
    const struct zs_record *records = NULL;
    uint32_t count = 0;
    for (uint64_t i = 0; i < 3; i++)
        m[i] = encode(BATCH_NONE, i, 1, 10, &bytes[i]);
    ASSERT_OK(batch_reader_open(&reader, &e));
    ASSERT_OK(batch_decode(reader, m[0], bytes[0], &records, &count, &e));
    ASSERT_FAILS(batch_decode(reader, m[0], bytes[0], &records, &count, &e),
                 ZS_PROTOCOL_VIOLATION); /* twice */
    ASSERT_FAILS(batch_decode(reader, m[2], bytes[2], &records, &count, &e),
                 ZS_PROTOCOL_VIOLATION); /* one left out */
    CU_ASSERT(strstr(e.detail, "Batch 1") != NULL);
    ASSERT_OK(batch_decode(reader, m[1], bytes[1], &records, &count, &e));
    ASSERT_OK(batch_decode(reader, m[2], bytes[2], &records, &count, &e));
    for (size_t i = 0; i < 3; i++)
        free(m[i]);
    batch_reader_close(reader);
}

/* zstd's context is made once per reader; without memory for it nobody sent nonsense. */
static void test_a_reader_has_one_context(void)
{
    struct zs_error e = {0};
    struct batch_reader *reader = NULL;
    const struct zs_record *records = NULL;
    uint32_t count = 0;
    contexts.made = 0;
    ASSERT_OK(batch_reader_open(&reader, &e));
    for (uint64_t number = 0; number < 3; number++) {
        uint64_t bytes = 0;
        uint8_t *m = encode(BATCH_ZSTD, number, 3, 100, &bytes);
        contexts.no_memory = number == 0;
        if (number == 0)
            ASSERT_FAILS(batch_decode(reader, m, bytes, &records, &count, &e), ZS_OUT_OF_MEMORY);
        contexts.no_memory = false;
        ASSERT_OK(batch_decode(reader, m, bytes, &records, &count, &e));
        CU_ASSERT(count == 3 && contexts.made == 1);
        free(m);
    }
    batch_reader_close(reader);
}

SUITE("wire/batch_read", {"every truncation is refused", test_every_truncation_is_refused},
      {"every flipped bit is refused", test_every_flipped_bit_is_refused},
      {"flipped bits behind a good checksum do no harm",
       test_flipped_bits_behind_a_good_checksum_do_no_harm},
      {"what a sum leaves unguarded is the values", test_what_a_sum_leaves_unguarded_is_the_values},
      {"a sum is the last batch's", test_a_sum_is_the_last_batch_s},
      {"a hostile head is refused", test_a_hostile_head_is_refused},
      {"a single value that is too large is refused before memory is taken",
       test_a_single_value_that_is_too_large_is_refused_before_memory_is_taken},
      {"a decompression bomb is refused", test_a_decompression_bomb_is_refused},
      {"frames that do not say their size are bounded",
       test_frames_that_do_not_say_their_size_are_bounded},
      {"columns that lie are refused", test_columns_that_lie_are_refused},
      {"a batch out of turn is refused", test_a_batch_out_of_turn_is_refused},
      {"a reader has one zstd context, and says when there is no memory for it",
       test_a_reader_has_one_context})
