/* test_batch_holes.c - runs of zeros in values: found, left out, and made again. */
#include "batch_fixture.h"

#include "wire/batch_holes.h"

/* A value of noise without a zero, but for a hole. */
static uint8_t *value_make(uint32_t len, uint32_t at, uint32_t hole)
{
    uint8_t *value = malloc(len + 1u);
    if (value == NULL)
        abort();
    fill(value, len, len + at, FILL_NOISE);
    for (uint32_t i = 0; i < len; i++)
        value[i] |= 1;
    memset(value + at, 0, hole);
    return value;
}

static void test_the_longest_run_is_found(void)
{
    static const struct {
        uint32_t len, at, hole;
        bool found;
    } cases[] = {
        {0, 0, 0, false},         {1, 0, 1, false},        {7, 0, 7, false},
        {128, 0, 128, true},      {127, 0, 127, false},    {8192, 0, 0, false},
        {8192, 0, 8192, true},    {8192, 300, 7000, true}, {8192, 24, 8168, true},
        {8192, 7672, 520, true},  {8192, 1, 519, true},    {8192, 513, 519, true},
        {8192, 8184, 8, false},   {8192, 505, 519, true},  {8192, 4000, 100, false},
        {8192, 511, 1029, true},  {8193, 8100, 93, false}, {8388608, 5, 8388603, true},
        {8388608, 77, 600, true}, {600, 80, 519, true},    {600, 0, 600, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *value = value_make(cases[i].len, cases[i].at, cases[i].hole);
        struct batch_hole hole = batch_hole_find(value, cases[i].len);
        CU_ASSERT(cases[i].found ? hole.at == cases[i].at && hole.len == cases[i].hole
                                 : hole.len == 0);
        free(value);
    }
}

/* Where one run ended the next one is looked for at the next step, not behind it. */
static void test_a_run_right_behind_another_is_seen(void)
{
    uint8_t *value = value_make(8192, 0, 400);
    memset(value + 500, 0, 700);
    struct batch_hole hole = batch_hole_find(value, 8192);
    CU_ASSERT(hole.at == 500 && hole.len == 700);
    free(value);
}

static void test_of_two_runs_the_longer_one_is_taken(void)
{
    for (int longer = 0; longer < 2; longer++) {
        uint8_t *value = value_make(8192, 1000, longer == 0 ? 2000 : 1500);
        memset(value + 5000, 0, longer == 0 ? 1500 : 2000);
        struct batch_hole hole = batch_hole_find(value, 8192);
        CU_ASSERT(hole.at == (longer == 0 ? 1000 : 5000) && hole.len == 2000);
        free(value);
    }
}

/* Whatever the bytes: what is found is zero, lies within, and nothing beside it is. */
static void test_what_is_found_is_a_whole_run_of_zeros(void)
{
    static uint8_t value[4096];
    uint64_t x = 88172645463325252u;
    unsigned found = 0;
    for (int round = 0; round < 20000; round++) {
        for (uint32_t i = 0; i < sizeof value;) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            uint32_t run = (uint32_t)(x >> 20) % 900 + 1;
            run = run < sizeof value - i ? run : (uint32_t)sizeof value - i;
            memset(value + i, (x & 1) != 0 ? 0 : 1 + (int)(x >> 8 & 0x7f), run);
            i += run;
        }
        uint32_t len = (uint32_t)(x >> 30) % (sizeof value + 1);
        struct batch_hole h = batch_hole_find(value, len);
        if (h.len == 0)
            continue;
        found++;
        CU_ASSERT_FATAL(h.at + h.len <= len && h.len >= BATCH_HOLE_LEAST);
        for (uint32_t i = 0; i < h.len; i++)
            CU_ASSERT_FATAL(value[h.at + i] == 0);
        CU_ASSERT(h.at == 0 || value[h.at - 1] != 0);
        CU_ASSERT(h.at + h.len == len || value[h.at + h.len] != 0);
    }
    CU_ASSERT(found > 10000);
}

/* ---- through a batch --------------------------------------------------------------------- */

struct shape {
    uint32_t n, len, at, hole, every; /* each every-th value has the hole */
};

/* Through one batch; the message's size. */
static uint64_t round_trip(const struct shape *s, enum batch_encoding encoding, uint32_t share,
                           uint16_t *holes)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    struct batch_reader *reader = NULL;
    const struct zs_record *got = NULL;
    const void *message = NULL;
    uint64_t bytes = 0;
    uint32_t count = 0;
    ASSERT_OK(batch_writer_open(encoding, &w, &e));
    ASSERT_OK(batch_reader_open(&reader, &e));
    batch_writer_holes(w, share);
    for (uint32_t round = 0; round < 2; round++) { /* nothing of the first is in the second */
        for (uint32_t i = 0; i < s->n; i++) {
            struct zs_record r = record_make(i, 0, FILL_NOISE);
            bool added = false;
            uint8_t *value = value_make(s->len, s->at, (i + round) % s->every == 0 ? s->hole : 0);
            record_free(&r);
            r.kind = ZS_KIND_IMAGE;
            r.len = s->len;
            r.value = value;
            ASSERT_OK(batch_add(w, &r, &added, &e));
            CU_ASSERT(added);
            free(value);
        }
        ASSERT_OK(batch_finish(w, &message, &bytes, &e));
        *holes = get_u16le((const uint8_t *)message + BATCH_AT_HOLES);
        ASSERT_OK(batch_decode(reader, message, bytes, &got, &count, &e));
        CU_ASSERT_FATAL(count == s->n);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t *value = value_make(s->len, s->at, (i + round) % s->every == 0 ? s->hole : 0);
            CU_ASSERT(got[i].len == s->len && memcmp(got[i].value, value, s->len) == 0);
            free(value);
        }
    }
    batch_writer_close(w);
    batch_reader_close(reader);
    return bytes;
}

static void test_values_come_back_with_their_holes(void)
{
    static const struct shape shapes[] = {
        {126, 8192, 300, 4000, 1},
        {126, 8192, 300, 7892, 3},
        {126, 8192, 0, 8192, 1},
        {126, 8192, 0, 4000, 126},
        {1, 8192, 4192, 4000, 1},
        {1, ZS_VALUE_MAX, 9, 5000000, 1},
        {1, ZS_VALUE_MAX, 0, ZS_VALUE_MAX, 1},
        {2, 500000, 1000, 499000, 2},
        {1000, 600, 0, 600, 2},
    };
    for (int encoding = BATCH_NONE; encoding <= BATCH_ZSTD; encoding++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const struct shape *s = &shapes[i];
            uint16_t holes = 0;
            uint64_t with = round_trip(s, (enum batch_encoding)encoding, 1000, &holes);
            CU_ASSERT(holes >= s->n / s->every && holes <= s->n / s->every + 1);
            uint64_t plain = BATCH_HEAD + (uint64_t)s->n * (s->len + BATCH_COLUMN_BYTES);
            uint64_t least = (uint64_t)holes * (s->hole - BATCH_HOLE_BYTES);
            CU_ASSERT(encoding == BATCH_NONE ? with == plain - least : with <= plain - least);
        }
}

static void test_holes_stay_where_they_are_few_or_not_wanted(void)
{
    static const struct {
        uint32_t share, hole;
        bool left_out;
    } cases[] = {{0, 8192, false}, {4, 8192, true}, {4, 2048, true},
                 {4, 2047, false}, {64, 128, true}, {64, 8000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct shape s = {100, 8192, 0, cases[i].hole, 1};
        uint16_t holes = 0;
        uint64_t bytes = round_trip(&s, BATCH_NONE, cases[i].share, &holes);
        CU_ASSERT(holes == (cases[i].left_out ? 100 : 0));
        CU_ASSERT(bytes <= BATCH_HEAD + (uint64_t)100 * (8192 + BATCH_COLUMN_BYTES));
    }
}

/* ---- what a peer may send ------------------------------------------------------------------ */

/* A batch of 3 values of 1000 bytes, the first and the last with a hole of 600 at 100, and
 * its holes' entries changed. */
static int decode_changed(uint32_t at, uint32_t value, uint16_t holes, struct zs_error *e)
{
    struct batch_writer *w = NULL;
    struct batch_reader *reader = NULL;
    const void *message = NULL;
    const struct zs_record *got = NULL;
    uint64_t bytes = 0;
    uint32_t count = 0;
    *e = (struct zs_error){0};
    CU_ASSERT_FATAL(batch_writer_open(BATCH_NONE, &w, e) == ZS_OK);
    CU_ASSERT_FATAL(batch_reader_open(&reader, e) == ZS_OK);
    batch_writer_holes(w, 1000);
    for (uint32_t i = 0; i < 3; i++) {
        bool added = false;
        uint8_t *bytes_of = value_make(1000, 100, i == 1 ? 0 : 600);
        struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1000, .lsn = i + 1, .value = bytes_of};
        CU_ASSERT_FATAL(batch_add(w, &r, &added, e) == ZS_OK && added);
        free(bytes_of);
    }
    CU_ASSERT_FATAL(batch_finish(w, &message, &bytes, e) == ZS_OK);
    uint8_t *m = malloc(bytes);
    if (m == NULL)
        abort();
    memcpy(m, message, bytes);
    CU_ASSERT_FATAL(get_u16le(m + BATCH_AT_HOLES) == 2);
    put_u16le(m + BATCH_AT_HOLES, holes);
    put_u32le(m + bytes - (size_t)2 * BATCH_HOLE_BYTES + at, value);
    put_u64le(m + BATCH_AT_CHECKSUM, batch_checksum(m, bytes - BATCH_HEAD));
    int rc = batch_decode(reader, m, bytes, &got, &count, e);
    free(m);
    batch_writer_close(w);
    batch_reader_close(reader);
    return rc;
}

static void test_holes_that_lie_are_refused(void)
{
    static const struct {
        uint32_t at, value;
        uint16_t holes;
        const char *detail; /* NULL: it is good */
    } cases[] = {
        {0, 0, 2, NULL},
        {4, 99, 2, NULL}, /* another place is another value, for the digest to find */
        {0, 2, 2, "a hole's record is 2"},
        {12, 0, 2, "a hole's record is 0"},
        {12, 3, 2, "a hole's record is 3"},
        {12, UINT32_MAX, 2, "a hole's record is 4294967295"},
        {4, 401, 2, "a hole's length is 600"},
        {4, UINT32_MAX, 2, "a hole's length is 600"},
        {8, 0, 2, "a hole's length is 0"},
        {8, 901, 2, "a hole's length is 901"},
        {8, UINT32_MAX, 2, "a hole's length is 4294967295"},
        {8, 599, 2, "a value's length"},
        {8, 601, 2, "values_len"},
        {12, 1, 2, NULL},
        {0, 0, 1, "body_len"},
        {0, 0, 3, "body_len"},
        {0, 0, 4, "the number of holes is 4"},
        {0, 0, UINT16_MAX, "the number of holes is 65535"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        int rc = decode_changed(cases[i].at, cases[i].value, cases[i].holes, &e);
        if (cases[i].detail == NULL) {
            assert_ok(rc, &e, "holes", __FILE__, __LINE__);
            continue;
        }
        assert_fails(rc, &e, ZS_PROTOCOL_VIOLATION, cases[i].detail, __FILE__, __LINE__);
        CU_ASSERT(strstr(e.detail, cases[i].detail) != NULL);
        if (strstr(e.detail, cases[i].detail) == NULL)
            (void)printf("case %zu: %s\n", i, e.detail);
    }
}

/* A few bytes that would become a GiB: each value of 16384 is 64 KiB, all of it hole. */
static void test_holes_do_not_blow_a_batch_up(void)
{
    static const struct {
        uint32_t n, len;
    } cases[] = {
        {16384, 65536}, {2, BATCH_VALUES_BYTES / 2 + 1}, {1, ZS_VALUE_MAX + 1}, {1, UINT32_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t n = cases[i].n;
        size_t body = (size_t)n * (BATCH_COLUMN_BYTES + BATCH_HOLE_BYTES);
        uint8_t *m = calloc(1, BATCH_HEAD + body);
        struct batch_reader *reader = NULL;
        const struct zs_record *got = NULL;
        uint32_t count = 0;
        struct zs_error e = {0};
        if (m == NULL)
            abort();
        m[0] = 'B';
        put_u16le(m + BATCH_AT_HOLES, (uint16_t)n);
        put_u32le(m + BATCH_AT_COUNT, n);
        put_u32le(m + BATCH_AT_BODY_LEN, (uint32_t)body);
        for (uint32_t k = 0; k < n; k++) {
            uint8_t *hole =
                m + BATCH_HEAD + (size_t)n * BATCH_COLUMN_BYTES + (size_t)k * BATCH_HOLE_BYTES;
            put_u32le(m + BATCH_HEAD + (size_t)n * 26 + (size_t)k * 4, cases[i].len);
            m[BATCH_HEAD + (size_t)n * 30 + k] = ZS_KIND_IMAGE;
            put_u32le(hole, k);
            put_u32le(hole + 8, cases[i].len);
        }
        put_u64le(m + BATCH_AT_CHECKSUM, batch_checksum(m, body));
        ASSERT_OK(batch_reader_open(&reader, &e));
        ASSERT_FAILS(batch_decode(reader, m, BATCH_HEAD + body, &got, &count, &e),
                     ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.detail, "with their holes") != NULL);
        batch_reader_close(reader);
        free(m);
    }
}

SUITE("wire/batch_holes", {"the longest run is found", test_the_longest_run_is_found},
      {"a run right behind another is seen", test_a_run_right_behind_another_is_seen},
      {"of two runs the longer one is taken", test_of_two_runs_the_longer_one_is_taken},
      {"what is found is a whole run of zeros", test_what_is_found_is_a_whole_run_of_zeros},
      {"values come back with their holes", test_values_come_back_with_their_holes},
      {"holes stay where they are few or not wanted",
       test_holes_stay_where_they_are_few_or_not_wanted},
      {"holes that lie are refused", test_holes_that_lie_are_refused},
      {"holes do not blow a batch up", test_holes_do_not_blow_a_batch_up})
