/* test_kv_iter.c - what is particular to this store's iterators: values copied back to
 * back or handed out as views, jumps over versions, changes between scan and seek. */
#include "fixture.h"

/* `n` versions of each of `keys` blocks, at lsn 1 .. n, 16 bytes each; the lsn is the
 * value's first 8 bytes. */
static void write_versions(const struct zs_store *store, uint32_t keys, zs_lsn n)
{
    struct zs_error e = {0};
    struct ingest in = {0};
    const struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .flags = ZS_INGEST_CREATE, .branch = "main", .target_lsn = n};
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    for (uint32_t key = 0; key < keys; key++)
        for (zs_lsn lsn = 1; lsn <= n; lsn++) {
            uint64_t value[2] = {lsn, key};
            struct zs_record r = {
                .kind = ZS_KIND_WAL, .lsn = lsn, .len = sizeof value, .value = value};
            put_u32be(r.key + 14, key);
            if (ingest_put(&in, &r, 1, &e) != ZS_OK)
                CU_FAIL("put");
        }
    ASSERT_OK(commit_at(&in, n, &e));
    ingest_close(&in);
}

static void test_every_range_of_versions_is_whole(void)
{
    static const struct {
        zs_lsn after, upto;
    } ranges[] = {{0, 100}, {0, 1},     {99, 100}, {50, 51},         {0, 50}, {7, 9},
                  {8, 93},  {100, 100}, {60, 40},  {99, UINT64_MAX}, {3, 17}, {UINT64_MAX, 5}};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct snapshot s = {0};
    write_versions(kv_store(f.kv), 50, 100);
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e));
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        zs_lsn upto = ranges[i].upto < 100 ? ranges[i].upto : 100;
        struct iter it = {0};
        struct zs_record records[33];
        char buf[4096];
        uint64_t count = 0;
        uint64_t seen = 0;
        bool more = true;
        bool right = true;
        ASSERT_OK(iter_open(&s, ranges[i].after, ranges[i].upto, &it, &e));
        while (more) {
            ASSERT_OK(iter_next(&it, records, 33, buf, sizeof buf, &count, &more, &e));
            for (uint64_t j = 0; j < count; j++, seen++) {
                zs_lsn per_key = upto - ranges[i].after;
                right = right && records[j].lsn == ranges[i].after + 1 + seen % per_key &&
                        get_u32be(records[j].key + 14) == seen / per_key &&
                        get_u64le(records[j].value) == records[j].lsn;
            }
        }
        CU_ASSERT(right);
        CU_ASSERT_EQUAL(seen, ranges[i].after < upto ? 50 * (upto - ranges[i].after) : 0);
        iter_close(&it);
    }
    snapshot_close(&s);
    fixture_close(&f);
}

/* Values of these sizes, one after the other, into buffers of several sizes. */
static void test_values_lie_back_to_back_or_alone(void)
{
    static const uint32_t sizes[] = {10, 0, 100, 1, 8192, 0, 30, 5000, 5000, 9000, 0};
    const uint32_t n = sizeof sizes / sizeof *sizes;
    static const uint64_t bufs[] = {0, 1, 110, 8191, 8192, 14000, 65536};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    struct snapshot s = {0};
    static uint8_t value[9000];
    const struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .flags = ZS_INGEST_CREATE, .branch = "main", .target_lsn = 1};
    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
    for (uint32_t i = 0; i < n; i++) {
        struct zs_record r = page_of(i, 1, value, sizes[i]);
        ASSERT_OK(ingest_put(&in, &r, 1, &e));
    }
    ASSERT_OK(commit_at(&in, 1, &e));
    ingest_close(&in);
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e));
    for (size_t b = 0; b < sizeof bufs / sizeof *bufs; b++) {
        struct iter it = {0};
        struct zs_record records[4];
        static uint8_t buf[65536];
        uint64_t count = 0;
        uint64_t seen = 0;
        bool more = true;
        ASSERT_OK(iter_open(&s, 0, 1, &it, &e));
        while (more) {
            ASSERT_OK(iter_next(&it, records, 4, buf, bufs[b], &count, &more, &e));
            const uint8_t *at = buf;
            for (uint64_t i = 0; i < count; i++, seen++) {
                const struct zs_record *r = &records[i];
                struct zs_record want = page_of((uint32_t)seen, 1, value, sizes[seen]);
                CU_ASSERT_FATAL(r->len == want.len);
                CU_ASSERT(r->len == 0 || memcmp(r->value, want.value, r->len) == 0);
                if (r->len == 0)
                    continue;
                bool outside = r->value < (void *)buf || r->value >= (void *)(buf + sizeof buf);
                CU_ASSERT(r->len > bufs[b] ? count == 1 && outside : r->value == at);
                at += r->len;
            }
        }
        CU_ASSERT_EQUAL(seen, n);
        iter_close(&it);
    }
    snapshot_close(&s);
    fixture_close(&f);
}

/* Short reads after a seek, long ones that turn into a scan, and back. */
static void test_seeks_and_scans_mix(void)
{
    static const struct {
        uint32_t to, read; /* seek to this block, read so many records */
    } steps[] = {{900, 3}, {0, 1}, {100, 700}, {50, 2}, {999, 5}, {1000, 1}, {10, 990}, {3, 1}};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct iter it = {0};
    write_pages(kv_store(f.kv), "main", 0, 1000, 1, BULK);
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 1, &it, &e));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint8_t key[ZS_KEY_BYTES] = {0};
        uint32_t at = steps[i].to;
        bool more = true;
        put_u32be(key + 14, at);
        ASSERT_OK(iter_seek(&it, key, &e));
        while (more && at < steps[i].to + steps[i].read) {
            struct zs_record records[16];
            static uint8_t buf[8 * PAGE + 100], page[PAGE];
            uint64_t count = 0;
            ASSERT_OK(iter_next(&it, records, 16, buf, sizeof buf, &count, &more, &e));
            for (uint64_t j = 0; j < count; j++, at++) {
                (void)page_of(at, 1, page, PAGE);
                CU_ASSERT_FATAL(get_u32be(records[j].key + 14) == at);
                CU_ASSERT(memcmp(records[j].value, page, PAGE) == 0);
            }
        }
        CU_ASSERT(more || at == 1000);
    }
    iter_close(&it);
    snapshot_close(&s);
    fixture_close(&f);
}

static void test_iterators_share_a_snapshot(void)
{
    struct fixture f = fixture_open();
    const struct zs_store *store = kv_store(f.kv);
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct iter one = {0};
    struct iter two = {0};
    struct zs_record a;
    struct zs_record b;
    uint64_t count = 0;
    bool more = true;
    write_pages(store, "main", 0, 20, 1, 0);
    ASSERT_OK(snapshot_open(store, "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 1, &one, &e));
    ASSERT_OK(iter_open(&s, 0, 1, &two, &e));
    write_pages(store, "main", 0, 20, 2, 0);
    write_pages(store, "main", 0, 20, 3, BULK);
    for (uint32_t i = 0; i < 20; i++) {
        ASSERT_OK(iter_next(&one, &a, 1, NULL, 0, &count, &more, &e));
        CU_ASSERT_FATAL(count == 1);
        ASSERT_OK(iter_next(&two, &b, 1, NULL, 0, &count, &more, &e));
        CU_ASSERT_FATAL(count == 1);
        CU_ASSERT(a.lsn == 1 && b.lsn == 1 && get_u32be(a.key + 14) == i);
        CU_ASSERT(memcmp(a.value, b.value, PAGE) == 0);
    }
    ASSERT_OK(iter_next(&one, &a, 1, NULL, 0, &count, &more, &e));
    CU_ASSERT(count == 0 && !more);
    iter_close(&one);
    iter_close(&two);
    snapshot_close(&s);
    check_branch(store, "main", 60);
    fixture_close(&f);
}

SUITE("kv/iter", {"every range of versions is whole", test_every_range_of_versions_is_whole},
      {"values lie back to back in the caller's buffer, or alone as a view",
       test_values_lie_back_to_back_or_alone},
      {"seeks and scans mix", test_seeks_and_scans_mix},
      {"iterators share a snapshot and stay in it", test_iterators_share_a_snapshot})
