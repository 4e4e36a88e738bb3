/* test_kv_layout.c - engine keys and the encoding of metadata. */
#include "../../support/suite.h"

#include "kv/kv_layout.h"

#include <string.h>

static int compare(const char *a, size_t na, const char *b, size_t nb)
{
    int order = memcmp(a, b, na < nb ? na : nb);
    return order != 0 ? order : (na > nb) - (na < nb);
}

static void test_records_sort_by_space_key_lsn(void)
{
    static const struct {
        uint64_t space;
        uint8_t key; /* the last byte */
        zs_lsn lsn;
    } ascending[] = {
        {1, 0, 1},          {1, 0, 2},
        {1, 0, 255},        {1, 0, 256},
        {1, 0, UINT64_MAX}, {1, 1, 1},
        {1, 255, 1},        {2, 0, 1},
        {255, 0, 1},        {256, 0, 1},
        {257, 3, 9},        {258, 3, 8},
        {1u << 31, 0, 1},   {UINT64_MAX - 1, 0, 1},
    };
    char before[KV_RECORD_KEY] = {0};
    for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
        uint8_t key[ZS_KEY_BYTES] = {[ZS_KEY_BYTES - 1] = ascending[i].key};
        char now[KV_RECORD_KEY];
        kv_key_record(now, ascending[i].space, key, ascending[i].lsn, ZS_KIND_WAL);
        CU_ASSERT(memcmp(before, now, sizeof now) < 0);
        memcpy(before, now, sizeof now);
    }
}

static void test_record_key_reads_back(void)
{
    uint8_t key[ZS_KEY_BYTES];
    memset(key, 0xA5, sizeof key);
    char bytes[KV_RECORD_KEY];
    struct zs_record r = {.flags = 7};
    kv_key_record(bytes, 77, key, 0x123456789ABCDEF0, ZS_KIND_TOMBSTONE);
    CU_ASSERT(kv_record_of_key(bytes, sizeof bytes, &r));
    CU_ASSERT(memcmp(r.key, key, sizeof key) == 0);
    CU_ASSERT(r.lsn == 0x123456789ABCDEF0 && r.kind == ZS_KIND_TOMBSTONE && r.flags == 7);
    CU_ASSERT(kv_lsn_of_key(bytes) == r.lsn);
    CU_ASSERT(!kv_record_of_key(bytes, sizeof bytes - 1, &r));
    bytes[KV_RECORD_KEY - 1] = 4;
    CU_ASSERT(!kv_record_of_key(bytes, sizeof bytes, &r));
    bytes[KV_RECORD_KEY - 1] = 0;
    CU_ASSERT(!kv_record_of_key(bytes, sizeof bytes, &r));
    bytes[KV_RECORD_KEY - 1] = 1;
    bytes[0] = KV_TAG_POINT;
    CU_ASSERT(!kv_record_of_key(bytes, sizeof bytes, &r));
}

/* A commit's metadata is one sorted file that overlaps none with records. */
static void test_metadata_sorts_in_order_and_before_records(void)
{
    struct zs_timeline_id id;
    char longest[ZS_BRANCH_NAME_MAX + 1] = "";
    memset(longest, 'z', ZS_BRANCH_NAME_MAX);
    memset(id.bytes, 0xFF, sizeof id.bytes);
    const struct kv_key ascending[] = {
        kv_key_version(),
        kv_key_next_space(),
        kv_key_branch("a"),
        kv_key_branch("a/b"),
        kv_key_branch("b"),
        kv_key_branch(longest),
        kv_key_timeline(id),
        kv_key_dead(1),
        kv_key_dead(UINT64_MAX),
        kv_key_point(1, 1),
        kv_key_point(1, UINT64_MAX),
        kv_key_point(2, 0),
        kv_key_point(UINT64_MAX, UINT64_MAX),
        kv_key_blob(1, "a"),
        kv_key_blob(1, "b"),
        kv_key_blob(2, "a"),
        kv_key_blob_length(1, "a"),
        kv_key_blob_length(UINT64_MAX, "z"),
        kv_key_space(KV_TAG_RECORD, 0),
    };
    for (size_t i = 1; i < sizeof ascending / sizeof *ascending; i++)
        CU_ASSERT(compare(ascending[i - 1].bytes, ascending[i - 1].len, ascending[i].bytes,
                          ascending[i].len) < 0);
}

static void test_a_space_holds_all_of_its_records_and_points(void)
{
    uint8_t low[ZS_KEY_BYTES] = {0};
    uint8_t high[ZS_KEY_BYTES];
    memset(high, 0xFF, sizeof high);
    char first[KV_RECORD_KEY];
    char last[KV_RECORD_KEY];
    kv_key_record(first, 5, low, 0, 0);
    kv_key_record(last, 5, high, UINT64_MAX, UINT8_MAX);
    struct kv_key from = kv_key_space(KV_TAG_RECORD, 5);
    struct kv_key to = kv_key_space(KV_TAG_RECORD, 6);
    CU_ASSERT(compare(from.bytes, from.len, first, sizeof first) < 0);
    CU_ASSERT(compare(last, sizeof last, to.bytes, to.len) < 0);
    struct kv_key point = kv_key_point(5, UINT64_MAX);
    struct kv_key points_end = kv_key_space(KV_TAG_POINT, 6);
    CU_ASSERT(compare(point.bytes, point.len, points_end.bytes, points_end.len) < 0);
}

static void test_metadata_reads_back(void)
{
    struct branch_meta m = {.space = 1,
                            .last_valid_lsn = 2,
                            .gc_cutoff_lsn = 3,
                            .digest = {.lo = 4, .hi = UINT64_MAX},
                            .records = 5,
                            .bytes = 6};
    memset(m.timeline.bytes, 0x11, ZS_TIMELINE_BYTES);
    memset(m.ancestor.bytes, 0x22, ZS_TIMELINE_BYTES);
    struct branch_meta back;
    memset(&back, 0xEE, sizeof back);
    char value[KV_BRANCH_VALUE];
    kv_branch_encode(&m, value);
    CU_ASSERT(kv_branch_decode(value, sizeof value, &back));
    CU_ASSERT(memcmp(&m, &back, sizeof m) == 0);
    CU_ASSERT(!kv_branch_decode(value, sizeof value - 1, &back));

    const struct zs_point p = {
        .lsn = UINT64_MAX, .digest = {.lo = 7, .hi = 8}, .records = 9, .bytes = 10};
    struct zs_point q = {0};
    struct kv_key key = kv_key_point(99, p.lsn);
    char point[KV_POINT_VALUE];
    kv_point_encode(&p, point);
    CU_ASSERT(kv_point_decode(key.bytes, key.len, point, sizeof point, &q));
    CU_ASSERT(memcmp(&p, &q, sizeof p) == 0);
    CU_ASSERT(!kv_point_decode(key.bytes, key.len - 1, point, sizeof point, &q));
    CU_ASSERT(!kv_point_decode(key.bytes, key.len, point, sizeof point - 1, &q));

    uint64_t space = 0;
    struct kv_key dead = kv_key_dead(0x0102030405060708);
    CU_ASSERT(kv_space_of_dead(dead.bytes, dead.len, &space) && space == 0x0102030405060708);
    CU_ASSERT(!kv_space_of_dead(key.bytes, key.len, &space));
}

SUITE("kv/layout", {"records sort by space, key, lsn", test_records_sort_by_space_key_lsn},
      {"a record's key reads back, and a damaged one does not", test_record_key_reads_back},
      {"metadata sorts in its order, before all records",
       test_metadata_sorts_in_order_and_before_records},
      {"a space's range holds all of its records and points",
       test_a_space_holds_all_of_its_records_and_points},
      {"branches, points and dead spaces read back", test_metadata_reads_back})
