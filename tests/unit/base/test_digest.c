/* test_digest.c - the history digest, against the vectors at the end of store.h, which
 * were computed by another program: XXH3_128bits in one call over the bytes in a row. */
#include "../../support/suite.h"

#include "base/digest.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#define XXH_INLINE_ALL /* as the compiler makes it, and not as libxxhash chooses */
#include <xxhash.h>

static uint8_t page[8192], zeros[8192];

static struct zs_record records[4];

static void fill(void)
{
    for (size_t i = 0; i < sizeof page; i++)
        page[i] = (uint8_t)(i * 7 + 1);
    records[0] = (struct zs_record){.kind = ZS_KIND_TOMBSTONE, .lsn = 1};
    records[1] =
        (struct zs_record){.kind = ZS_KIND_WAL, .lsn = 0x16B374D848, .value = "abc", .len = 3};
    records[2] = (struct zs_record){
        .kind = ZS_KIND_IMAGE, .lsn = UINT64_MAX, .value = zeros, .len = sizeof zeros};
    records[3] = (struct zs_record){
        .kind = ZS_KIND_IMAGE, .lsn = 0x0102030405060708, .value = page, .len = sizeof page};
    memset(records[2].key, 0xff, ZS_KEY_BYTES);
    for (size_t i = 0; i < ZS_KEY_BYTES; i++) {
        records[1].key[i] = (uint8_t)i;
        records[3].key[i] = (uint8_t)(0xa0 + i);
    }
}

static void assert_digest(struct zs_digest d, const char *want)
{
    char text[33];
    (void)snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, d.hi, d.lo);
    ASSERT_TEXT(text, want);
}

static void test_vectors(void)
{
    static const char *const want[] = {
        "2f8d4a628bf710ad0a045cf114d02e1d",
        "71852a80598d4f954f07d3d8fe3a405a",
        "3e9ca363d5b3c596c9620ff905083979",
        "6b8a434fa868ab47bae5cf0d55e7af92",
    };
    fill();
    for (size_t i = 0; i < 4; i++) {
        assert_digest(digest_record(&records[i]), want[i]);
        records[i].flags = 0xff; /* local: not hashed */
        assert_digest(digest_record(&records[i]), want[i]);
    }
}

static void test_a_value_of_any_length(void)
{
    uint8_t row[ZS_KEY_BYTES + 8 + 1 + sizeof page];
    struct zs_record r;
    fill();
    r = records[3];
    memcpy(row, r.key, ZS_KEY_BYTES);
    put_u64le(row + ZS_KEY_BYTES, r.lsn);
    row[ZS_KEY_BYTES + 8] = r.kind;
    memcpy(row + ZS_KEY_BYTES + 9, page, sizeof page);
    for (r.len = 1; r.len <= sizeof page; r.len += r.len < 1100 ? 1 : 997) {
        XXH128_hash_t want = XXH3_128bits(row, ZS_KEY_BYTES + 9 + r.len);
        struct zs_digest got = digest_record(&r);
        CU_ASSERT(got.lo == want.low64 && got.hi == want.high64);
    }
}

static void test_sum(void)
{
    struct zs_digest forwards = {0}, backwards = {0};
    fill();
    digest_add_records(&forwards, records, 4);
    for (size_t i = 4; i > 0; i--)
        digest_add_records(&backwards, &records[i - 1], 1);
    assert_digest(forwards, "4b395b9663a0d120dd540fd06dfa5782");
    CU_ASSERT(digest_equal(forwards, backwards));
}

static void test_every_part_counts(void)
{
    fill();
    struct zs_record r = records[3];
    struct zs_digest before = digest_record(&r);
    r.lsn++;
    CU_ASSERT(!digest_equal(before, digest_record(&r)));
    r = records[3];
    r.kind = ZS_KIND_WAL;
    CU_ASSERT(!digest_equal(before, digest_record(&r)));
    r = records[3];
    r.key[17] ^= 1;
    CU_ASSERT(!digest_equal(before, digest_record(&r)));
    r = records[3];
    r.len--;
    CU_ASSERT(!digest_equal(before, digest_record(&r)));
}

static void test_arithmetic_carries(void)
{
    static const struct {
        struct zs_digest a, b, sum;
    } cases[] = {
        {{1, 0}, {2, 0}, {3, 0}},
        {{UINT64_MAX, 0}, {1, 0}, {0, 1}},
        {{UINT64_MAX, UINT64_MAX}, {1, 0}, {0, 0}},
        {{UINT64_MAX, 5}, {UINT64_MAX, 6}, {UINT64_MAX - 1, 12}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_digest sum = digest_plus(cases[i].a, cases[i].b);
        CU_ASSERT(digest_equal(sum, cases[i].sum));
        CU_ASSERT(!digest_equal((struct zs_digest){sum.lo, sum.hi + 1}, sum));
        CU_ASSERT(digest_equal(digest_minus(sum, cases[i].b), cases[i].a));
        CU_ASSERT(digest_equal(digest_minus(sum, cases[i].a), cases[i].b));
    }
    CU_ASSERT(digest_is_zero((struct zs_digest){0, 0}));
    CU_ASSERT(!digest_is_zero((struct zs_digest){0, 1}));
    CU_ASSERT(!digest_is_zero((struct zs_digest){1, 0}));
}

SUITE("base/digest", {"a record's digest is the one in store.h, whatever its flags", test_vectors},
      {"a value of any length is hashed as one row with its head", test_a_value_of_any_length},
      {"a sum is the one in store.h, in any order", test_sum},
      {"key, lsn, kind and length all count", test_every_part_counts},
      {"sums and differences carry across the words", test_arithmetic_carries})
