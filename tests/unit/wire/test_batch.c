/* test_batch.c - what a writer makes of records, read back by the reader. */
#include "batch_fixture.h"

#include "base/digest.h"

/* Through one batch and back; what came back must be what went in. */
static void round_trip(int encoding, uint32_t n, uint32_t len, enum filling filling)
{
    struct zs_error e = {0};
    struct batch_writer *w = writer_open(encoding);
    struct batch_reader *reader = NULL;
    const struct zs_record *got = NULL;
    const void *message = NULL;
    uint64_t bytes = 0;
    uint32_t count = 0;
    struct zs_digest sum = {0}, told;
    ASSERT_OK(batch_reader_open(&reader, &e));
    for (uint32_t i = 0; i < n; i++) {
        struct zs_record r = record_make(i, len, filling);
        bool added = false;
        ASSERT_OK(batch_add(w, &r, &added, &e));
        CU_ASSERT(added);
        digest_add_records(&sum, &r, 1);
        record_free(&r);
    }
    CU_ASSERT(batch_count(w) == n && batch_raw_bytes(w) == (uint64_t)n * len);
    CU_ASSERT(digest_equal(batch_sum(w), sum));
    ASSERT_OK(batch_finish(w, &message, &bytes, &e));
    CU_ASSERT(batch_count(w) == 0 && batch_raw_bytes(w) == 0 && digest_is_zero(batch_sum(w)));
    uint64_t raw = BATCH_HEAD + (uint64_t)n * (len + BATCH_COLUMN_BYTES) +
                   (encoding == BATCH_SUMMED ? BATCH_SUM_BYTES : 0);
    CU_ASSERT(encoding == BATCH_NONE || encoding == BATCH_SUMMED ? bytes == raw : bytes <= raw);
    ASSERT_OK(batch_decode(reader, message, bytes, &got, &count, &e));
    CU_ASSERT(batch_reader_sum(reader, &told) == (encoding == BATCH_SUMMED));
    CU_ASSERT(encoding != BATCH_SUMMED || digest_equal(told, sum));
    CU_ASSERT(count == n);
    for (uint32_t i = 0; i < count && got != NULL; i++) {
        struct zs_record r = record_make(i, len, filling);
        CU_ASSERT(record_same(&r, &got[i]) && got[i].flags == 0);
        CU_ASSERT((got[i].value == NULL) == (len == 0));
        record_free(&r);
    }
    batch_writer_close(w);
    batch_reader_close(reader);
}

static void test_records_come_back_as_they_were(void)
{
    static const struct {
        uint32_t n, len;
    } shapes[] = {
        {1, 0},
        {1, 1},
        {1, 8192},
        {2, 0},
        {1000, 3},
        {BATCH_MAX_RECORDS, 0},
        {126, 8192},
        {BATCH_MAX_RECORDS, 63},
        {1, BATCH_VALUES_BYTES},
        {1, BATCH_VALUES_BYTES + 1},
        {2, BATCH_VALUES_BYTES / 2},
        {1, ZS_VALUE_MAX},
    };
    for (int encoding = BATCH_NONE; encoding <= BATCH_SUMMED; encoding++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            round_trip(encoding, shapes[i].n, shapes[i].len, FILL_TEXT);
            round_trip(encoding, shapes[i].n, shapes[i].len, FILL_NOISE);
        }
}

static void test_compression_is_left_out_where_it_does_not_help(void)
{
    static const struct {
        enum batch_encoding asked;
        enum filling filling;
        bool sums;
        uint8_t used;
    } cases[] = {
        {BATCH_NONE, FILL_TEXT, false, 0}, {BATCH_LZ4, FILL_TEXT, false, 1},
        {BATCH_ZSTD, FILL_TEXT, false, 2}, {BATCH_LZ4, FILL_NOISE, false, 0},
        {BATCH_NONE, FILL_TEXT, true, 3},  {BATCH_LZ4, FILL_TEXT, true, 1},
        {BATCH_ZSTD, FILL_TEXT, true, 2},  {BATCH_ZSTD, FILL_NOISE, true, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct batch_writer *w = NULL;
        const void *message = NULL;
        uint64_t bytes = 0;
        bool added = false;
        struct zs_record r = record_make(1, 300000, cases[i].filling);
        ASSERT_OK(batch_writer_open(cases[i].asked, &w, &e));
        batch_writer_sums(w, cases[i].sums);
        ASSERT_OK(batch_add(w, &r, &added, &e));
        ASSERT_OK(batch_finish(w, &message, &bytes, &e));
        CU_ASSERT(((const uint8_t *)message)[1] == cases[i].used);
        uint64_t plain =
            BATCH_HEAD + 300000 + BATCH_COLUMN_BYTES + (cases[i].sums ? BATCH_SUM_BYTES : 0);
        bool packed = cases[i].used == BATCH_LZ4 || cases[i].used == BATCH_ZSTD;
        CU_ASSERT(packed ? bytes < 10000 : bytes == plain);
        record_free(&r);
        batch_writer_close(w);
    }
}

static void test_a_value_that_stands_in_its_place_is_not_copied(void)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    struct batch_reader *reader = NULL;
    uint64_t room = 0, bytes = 0;
    bool added = false;
    ASSERT_OK(batch_writer_open(BATCH_NONE, &w, &e));
    uint8_t *first = batch_room(w, &room);
    CU_ASSERT_FATAL(room == BATCH_VALUES_BYTES);
    struct zs_record a = record_make(1, 100, FILL_NOISE), b = record_make(2, 200, FILL_NOISE);
    memcpy(first, a.value, a.len); /* as a store does: one after the other, without gaps */
    memcpy(first + a.len, b.value, b.len);
    struct zs_record placed_a = a, placed_b = b;
    placed_a.value = first;
    placed_b.value = first + a.len;
    ASSERT_OK(batch_add(w, &placed_a, &added, &e));
    ASSERT_OK(batch_add(w, &placed_b, &added, &e));
    uint8_t *next = batch_room(w, &room);
    CU_ASSERT(next == first + 300 && room == BATCH_VALUES_BYTES - 300);
    CU_ASSERT(batch_room_records(w) == BATCH_MAX_RECORDS - 2);
    const void *message = NULL;
    ASSERT_OK(batch_finish(w, &message, &bytes, &e));
    CU_ASSERT((const uint8_t *)message + BATCH_HEAD == first); /* sent from where it was put */
    const struct zs_record *got = NULL;
    uint32_t count = 0;
    ASSERT_OK(batch_reader_open(&reader, &e));
    ASSERT_OK(batch_decode(reader, message, bytes, &got, &count, &e));
    CU_ASSERT_FATAL(count == 2);
    CU_ASSERT(record_same(&got[0], &a) && record_same(&got[1], &b));
    record_free(&a);
    record_free(&b);
    batch_reader_close(reader);
    batch_writer_close(w);
}

/* Which records fit behind what is there already. */
static void test_a_batch_takes_what_fits_and_no_more(void)
{
    static const struct {
        uint32_t limit, before, len;
        bool fits;
    } cases[] = {
        {UINT32_MAX, 0, BATCH_VALUES_BYTES, true},
        {UINT32_MAX, 1, BATCH_VALUES_BYTES - 1, true},
        {UINT32_MAX, 1, BATCH_VALUES_BYTES, false},
        {UINT32_MAX, 0, ZS_VALUE_MAX, true},
        {UINT32_MAX, 1, ZS_VALUE_MAX, false},
        {UINT32_MAX, BATCH_VALUES_BYTES, 1, false},
        {UINT32_MAX, BATCH_VALUES_BYTES, 0, true},
        {8271, 0, 8192, true},   /* with a head of 32, columns of 31 and a sum of 16 */
        {8271, 0, 100000, true}, /* alone, whatever the limit */
        {8271, 1, 8192, false},
        {8271, 8191, 1, true},
        {8271, 8192, 0, true},
        {8271, 100000, 0, false},
        {1, 0, 0, true},
        {1, 0, 1, true},
        {1, 1, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct batch_writer *w = writer_open(BATCH_SUMMED);
        bool added = false;
        uint64_t room = 0;
        struct zs_record before = record_make(1, cases[i].before, FILL_TEXT);
        struct zs_record r = record_make(2, cases[i].len, FILL_TEXT);
        batch_writer_limit(w, cases[i].limit);
        if (cases[i].before > 0)
            ASSERT_OK(batch_add(w, &before, &added, &e));
        (void)batch_room(w, &room);
        ASSERT_OK(batch_add(w, &r, &added, &e));
        CU_ASSERT(added == cases[i].fits);
        CU_ASSERT(batch_count(w) == (cases[i].before > 0 ? 1u : 0u) + (added ? 1u : 0u));
        CU_ASSERT(room <= BATCH_VALUES_BYTES);
        const void *message = NULL;
        uint64_t bytes = 0;
        ASSERT_OK(batch_finish(w, &message, &bytes, &e));
        uint64_t most = cases[i].limit + (uint64_t)cases[i].limit / 8;
        CU_ASSERT(bytes <= most || batch_count(w) <= 1 || cases[i].before == 0 || !cases[i].fits);
        record_free(&before);
        record_free(&r);
        batch_writer_close(w);
    }
}

static void test_a_batch_takes_so_many_records_and_no_more(void)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    bool added = true;
    struct zs_record r = record_make(1, 0, FILL_TEXT);
    ASSERT_OK(batch_writer_open(BATCH_NONE, &w, &e));
    for (uint32_t i = 0; i < BATCH_MAX_RECORDS && added; i++)
        ASSERT_OK(batch_add(w, &r, &added, &e));
    CU_ASSERT(added && batch_room_records(w) == 0);
    ASSERT_OK(batch_add(w, &r, &added, &e));
    CU_ASSERT(!added && batch_count(w) == BATCH_MAX_RECORDS);
    record_free(&r);
    batch_writer_close(w);
}

/* A store fills the room that it was given, with as many records as it may: all of them must
 * go into this batch, for closing it writes where the next value would wait. */
static void test_what_is_put_into_the_room_fits(void)
{
    static const uint32_t limits[] = {1, 8271, 20000, 100000, 419430, 1000000, 1048576, UINT32_MAX};
    static const uint32_t lens[] = {1, 31, 63, 500, 8192};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
            struct zs_error e = {0};
            struct batch_writer *w = writer_open(BATCH_SUMMED);
            const void *message = NULL;
            uint64_t room = 0, bytes = 0;
            batch_writer_limit(w, limits[i]);
            uint8_t *at = batch_room(w, &room);
            uint64_t n = batch_room_records(w);
            n = n < room / lens[k] ? n : room / lens[k];
            memset(at, 'v', n * lens[k]);
            for (uint64_t r = 0; r < n; r++) {
                bool added = false;
                struct zs_record rec = {
                    .kind = ZS_KIND_IMAGE, .len = lens[k], .lsn = 1, .value = at + r * lens[k]};
                ASSERT_OK(batch_add(w, &rec, &added, &e));
                CU_ASSERT_FATAL(added);
            }
            ASSERT_OK(batch_finish(w, &message, &bytes, &e));
            CU_ASSERT(n <= 1 || bytes <= limits[i] + (uint64_t)limits[i] / 8);
            batch_writer_close(w);
        }
}

static void test_a_value_too_large_is_refused(void)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    bool added = true;
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .lsn = 1, .len = ZS_VALUE_MAX + 1, .value = "x"};
    ASSERT_OK(batch_writer_open(BATCH_NONE, &w, &e));
    ASSERT_FAILS(batch_add(w, &r, &added, &e), ZS_VALUE_TOO_LARGE);
    CU_ASSERT(!added && batch_count(w) == 0);
    batch_writer_close(w);
}

/* A writer is used for a whole transfer: a large batch must not spoil the next ones. */
static void test_batches_follow_each_other_in_one_writer_and_reader(void)
{
    static const uint32_t lens[] = {5, ZS_VALUE_MAX, 0, 8192, BATCH_VALUES_BYTES + 77, 1};
    for (int encoding = BATCH_NONE; encoding <= BATCH_SUMMED; encoding++) {
        struct zs_error e = {0};
        struct batch_writer *w = writer_open(encoding);
        struct batch_reader *reader = NULL;
        ASSERT_OK(batch_reader_open(&reader, &e));
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            const void *message = NULL;
            const struct zs_record *got = NULL;
            uint64_t bytes = 0;
            uint32_t count = 0;
            bool added = false;
            struct zs_record r = record_make(i, lens[i], FILL_TEXT);
            ASSERT_OK(batch_add(w, &r, &added, &e));
            ASSERT_OK(batch_finish(w, &message, &bytes, &e));
            CU_ASSERT(get_u64le((const uint8_t *)message + BATCH_AT_NUMBER) == i);
            ASSERT_OK(batch_decode(reader, message, bytes, &got, &count, &e));
            CU_ASSERT(added && count == 1 && record_same(&got[0], &r));
            record_free(&r);
        }
        batch_writer_close(w);
        batch_reader_close(reader);
    }
}

static void test_encodings_have_names(void)
{
    for (int i = BATCH_NONE; i <= BATCH_ZSTD; i++) {
        enum batch_encoding back = BATCH_NONE;
        CU_ASSERT(batch_encoding_parse(batch_encoding_name((enum batch_encoding)i), &back));
        CU_ASSERT((int)back == i);
    }
    static const char *const bad[] = {"", "gzip", "LZ4 ", "zstd1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum batch_encoding out = BATCH_LZ4;
        CU_ASSERT(!batch_encoding_parse(bad[i], &out) && out == BATCH_LZ4);
    }
}

/* Around the point from which it pays: what goes packed is shorter than it was. */
static void test_what_is_packed_is_shorter(void)
{
    uint8_t value[160];
    for (int encoding = BATCH_LZ4; encoding <= BATCH_ZSTD; encoding++)
        for (uint32_t noise = 20; noise < 100; noise++)
            for (uint32_t same = 0; same < 60; same++) {
                struct zs_error e = {0};
                struct batch_writer *w = NULL;
                struct zs_record r = {.kind = ZS_KIND_IMAGE,
                                      .len = noise + same,
                                      .lsn = 0x123456789abcdef,
                                      .value = value};
                const void *message = NULL;
                uint64_t bytes = 0, raw = BATCH_HEAD + r.len + BATCH_COLUMN_BYTES;
                bool added = false;
                fill(r.key, sizeof r.key, 99, FILL_NOISE);
                fill(value, noise, noise, FILL_NOISE);
                memset(value + noise, 'x', same);
                ASSERT_OK(batch_writer_open((enum batch_encoding)encoding, &w, &e));
                ASSERT_OK(batch_add(w, &r, &added, &e));
                ASSERT_OK(batch_finish(w, &message, &bytes, &e));
                bool packed = ((const uint8_t *)message)[1] != BATCH_NONE;
                CU_ASSERT(packed ? bytes < raw : bytes == raw);
                batch_writer_close(w);
            }
}

/* Where there is nothing to try on, packing costs nothing and gains nothing. */
static void test_a_sample_of_nothing(void)
{
    for (int encoding = BATCH_LZ4; encoding <= BATCH_ZSTD; encoding++) {
        struct zs_error e = {0};
        struct batch_writer *w = NULL;
        double ns = -1, ratio = -1;
        ASSERT_OK(batch_writer_open(BATCH_NONE, &w, &e));
        ASSERT_OK(batch_sample(w, (enum batch_encoding)encoding, &ns, &ratio, &e));
        CU_ASSERT(!(ns < 0 || ns > 0) && !(ratio < 1 || ratio > 1));
        batch_writer_close(w);
    }
}

/* A sample tells what packing would gain, which is never less than nothing. */
static void test_a_sample_of_what_cannot_be_packed(void)
{
    for (int encoding = BATCH_LZ4; encoding <= BATCH_ZSTD; encoding++)
        for (int filling = FILL_TEXT; filling <= FILL_NOISE; filling++) {
            struct zs_error e = {0};
            struct batch_writer *w = NULL;
            struct zs_record r = record_make(1, 100000, (enum filling)filling);
            double ns = 0, ratio = 0;
            bool added = false;
            ASSERT_OK(batch_writer_open(BATCH_NONE, &w, &e));
            ASSERT_OK(batch_add(w, &r, &added, &e));
            ASSERT_OK(batch_sample(w, (enum batch_encoding)encoding, &ns, &ratio, &e));
            CU_ASSERT(filling == FILL_NOISE ? ratio >= 1 && ratio <= 1 : ratio > 0 && ratio < 0.1);
            batch_writer_close(w);
            record_free(&r);
        }
}

/* What a message of normal size stood in is used again; only what a large record took goes. */
static void test_memory_is_kept_for_the_next_message(void)
{
    static const struct {
        uint32_t len;
        enum batch_encoding encoding;
        bool message_kept, packed_kept;
    } cases[] = {{100, BATCH_NONE, true, false},
                 {100, BATCH_LZ4, true, true},
                 {4 * BATCH_VALUES_BYTES, BATCH_NONE, false, false},
                 {4 * BATCH_VALUES_BYTES, BATCH_LZ4, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct batch_writer *w = NULL;
        struct batch_memory memory = {0};
        struct zs_record r = record_make(1, cases[i].len, FILL_TEXT);
        const void *message = NULL;
        uint64_t bytes = 0;
        bool added = false;
        ASSERT_OK(batch_writer_open(cases[i].encoding, &w, &e));
        ASSERT_OK(batch_add(w, &r, &added, &e));
        ASSERT_OK(batch_finish(w, &message, &bytes, &e));
        ASSERT_OK(batch_writer_swap(w, &memory, &e));
        batch_memory_trim(&memory);
        CU_ASSERT((memory.message.allocated != NULL) == cases[i].message_kept);
        CU_ASSERT((memory.packed.allocated != NULL) == cases[i].packed_kept);
        batch_memory_free(&memory);
        CU_ASSERT(memory.message.allocated == NULL && memory.packed.allocated == NULL);
        batch_writer_close(w);
        record_free(&r);
    }
}

SUITE("wire/batch",
      {"memory is kept for the next message", test_memory_is_kept_for_the_next_message},
      {"a sample of what cannot be packed", test_a_sample_of_what_cannot_be_packed},
      {"what is packed is shorter", test_what_is_packed_is_shorter},
      {"a sample of nothing", test_a_sample_of_nothing},
      {"what is put into the room fits", test_what_is_put_into_the_room_fits},
      {"records come back as they were", test_records_come_back_as_they_were},
      {"compression is left out where it does not help",
       test_compression_is_left_out_where_it_does_not_help},
      {"a value that stands in its place is not copied",
       test_a_value_that_stands_in_its_place_is_not_copied},
      {"a batch takes what fits and no more", test_a_batch_takes_what_fits_and_no_more},
      {"a batch takes so many records and no more", test_a_batch_takes_so_many_records_and_no_more},
      {"a value that is too large is refused", test_a_value_too_large_is_refused},
      {"batches follow each other in one writer and one reader",
       test_batches_follow_each_other_in_one_writer_and_reader},
      {"encodings have names", test_encodings_have_names})
