/* store_read.c - the store contract: branches, snapshots, iterators, history. */
#include "store_fixture.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"

#include <stdlib.h>
#include <string.h>

/* A branch "main" with three commits (at 0x10, 0x20, 0x30), which `h` becomes. */
static void make_main(struct fixture *f, struct history *h)
{
    struct zs_error e = {0};
    history_add_images(h, 1, 40, 100, 0x10);
    for (uint32_t blk = 0; blk < 40; blk += 3)
        history_add(h, 1, blk, ZS_KIND_WAL, blk, 0x18);
    for (uint32_t blk = 10; blk < 60; blk++)
        history_add(h, 2, blk, ZS_KIND_IMAGE, 50, 0x20);
    history_add(h, 1, 39, ZS_KIND_TOMBSTONE, 0, 0x28);
    history_add(h, 1, 5, ZS_KIND_IMAGE, 200, 0x30);
    history_sort(h);
    ASSERT_OK(plan_run(
        f, &(struct plan){.branch = "main", .history = h, .upto = 0x10, .flags = ZS_INGEST_CREATE},
        &e));
    ASSERT_OK(plan_run(
        f, &(struct plan){.branch = "main", .history = h, .base = 0x10, .upto = 0x20}, &e));
    ASSERT_OK(plan_run(
        f, &(struct plan){.branch = "main", .history = h, .base = 0x20, .upto = 0x30}, &e));
}

/* Run a check on a snapshot of the branch. */
static void check_reading(struct fixture *f, const char *branch, const struct history *h,
                          const struct reading *r)
{
    struct zs_error e = {0};
    struct snapshot s;
    int rc = snapshot_open(&f->store, branch, &s, &e);
    ASSERT_OK(rc);
    if (rc != ZS_OK)
        return;
    CU_ASSERT(snapshot_equals(&s, h, r));
    snapshot_close(&s);
}

static void test_unknown_branch(void)
{
    struct zs_error e = {0};
    struct fixture f;
    struct snapshot s;
    if (!fixture_open(&f))
        return;
    check_no_branch(&f, "main");
    ASSERT_FAILS(snapshot_open(&f.store, "main", &s, &e), ZS_NO_SUCH_BRANCH);
    CU_ASSERT_PTR_NULL(s.handle);
    fixture_close(&f);
}

static void test_empty_branch(void)
{
    struct zs_error e = {0};
    struct fixture f;
    struct history none = {0};
    struct snapshot s;
    struct zs_point point;
    uint64_t count = 7;
    if (!fixture_open(&f))
        return;
    ASSERT_OK(f.driver->branch_create(f.self, "empty", &e));
    check_branch(&f, "empty", &none, 0);
    ASSERT_OK(snapshot_open(&f.store, "empty", &s, &e));
    CU_ASSERT(!timeline_is_zero(s.info.timeline));
    CU_ASSERT_EQUAL(s.info.gc_cutoff_lsn, 0);
    CU_ASSERT(snapshot_equals(&s, &none, &(struct reading){.upto = UINT64_MAX}));
    ASSERT_OK(snapshot_history(&s, UINT64_MAX, &point, 1, &count, &e));
    CU_ASSERT_EQUAL(count, 0);
    snapshot_close(&s);
    ASSERT_FAILS(f.driver->branch_create(f.self, "empty", &e), ZS_ALREADY_EXISTS);
    fixture_close(&f);
}

struct listed {
    char names[16][64];
    int n, stop_at;
};

static int32_t note_name(void *context, const struct zs_branch_info *info)
{
    struct listed *l = context;
    if (l->n < 16 && strlen(info->name) < 64)
        memcpy(l->names[l->n], info->name, strlen(info->name) + 1);
    return ++l->n == l->stop_at;
}

static void test_list_order(void)
{
    static const char *const made[] = {"b", "a/b", "a", "zz", "a.b", "A", "a-b", "ab", "a_b", "0"};
    static const char *const wanted[] = {"0",   "A",   "a",  "a-b", "a.b",
                                         "a/b", "a_b", "ab", "b",   "zz"};
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct listed all = {0}, some = {.stop_at = 3};
    if (!fixture_open(&f))
        return;
    ASSERT_OK(store_branch_list(&f.store, note_name, &all, &e));
    CU_ASSERT_EQUAL(all.n, 0);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        ASSERT_OK(plan_run(
            &f,
            &(struct plan){
                .branch = made[i], .history = &h, .upto = 0x10 + i, .flags = ZS_INGEST_CREATE},
            &e));
    ASSERT_OK(store_branch_list(&f.store, note_name, &all, &e));
    CU_ASSERT_EQUAL(all.n, 10);
    for (int i = 0; i < all.n && i < 10; i++)
        ASSERT_TEXT(all.names[i], wanted[i]);
    ASSERT_OK(store_branch_list(&f.store, note_name, &some, &e));
    CU_ASSERT_EQUAL(some.n, 3);
    fixture_close(&f);
}

static void test_ranges(void)
{
    static const struct {
        zs_lsn after, upto;
    } ranges[] = {{0, 0x30},       {0, 0x10},
                  {0, 0xF},        {0x10, 0x20},
                  {0xF, 0x18},     {0x18, 0x18},
                  {0x17, 0x18},    {0x18, 0x20},
                  {0x20, 0x30},    {0x30, 0x30},
                  {0x2F, 0x30},    {0x30, 0x99},
                  {0, UINT64_MAX}, {UINT64_MAX, UINT64_MAX},
                  {0x27, 0x28},    {0x20, 0x10}};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    check_branch(&f, "main", &h, 0x30);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (uint64_t n = 1; n <= 128; n *= 4)
            check_reading(
                &f, "main", &h,
                &(struct reading){
                    .after = ranges[i].after, .upto = ranges[i].upto, .n = n, .buf_bytes = 4096});
    history_free(&h);
    fixture_close(&f);
}

static void test_buffers(void)
{
    /* "exact" sizes: of one image at 0x10 (100), of two, of one less and one more. */
    static const uint64_t sizes[] = {0, 1, 49, 50, 99, 100, 101, 199, 200, 201, 1000, 1 << 20};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t n = 1; n <= 1000; n *= 10)
            check_reading(&f, "main", &h,
                          &(struct reading){.upto = 0x30, .n = n, .buf_bytes = sizes[i]});
    history_free(&h);
    fixture_close(&f);
}

static void test_seek(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    uint8_t key[ZS_KEY_BYTES];
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    for (uint32_t rel = 0; rel <= 3; rel++)
        for (uint32_t blk = 0; blk < 70; blk += 7) {
            key_make(key, rel, blk);
            check_reading(&f, "main", &h, &(struct reading){.upto = 0x30, .seek = key});
            check_reading(&f, "main", &h,
                          &(struct reading){.after = 0x10, .upto = 0x28, .seek = key});
        }
    memset(key, 0xFF, sizeof key);
    check_reading(&f, "main", &h, &(struct reading){.upto = 0x30, .seek = key});
    memset(key, 0, sizeof key);
    check_reading(&f, "main", &h, &(struct reading){.upto = 0x30, .seek = key});

    /* One iterator, forwards, backwards and past its end. */
    static const uint32_t hops[] = {30, 3, 59, 10, 10, 0, 1000, 20};
    struct snapshot s;
    struct iter it;
    struct zs_record r[2];
    uint64_t count;
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0x18, 0x20, &it, &e)); /* relation 2, blocks 10 to 59 */
    for (size_t i = 0; i < sizeof hops / sizeof *hops; i++) {
        uint32_t wanted = hops[i] < 10 ? 10 : hops[i];
        key_make(key, 2, hops[i]);
        ASSERT_OK(iter_seek(&it, key, &e));
        ASSERT_OK(next_some(&it, r, 2, NULL, 0, &count, &e));
        if (wanted > 59) {
            CU_ASSERT_EQUAL(count, 0);
            continue;
        }
        key_make(key, 2, wanted);
        CU_ASSERT(count > 0 && memcmp(r[0].key, key, sizeof key) == 0);
    }
    iter_close(&it);
    snapshot_close(&s);
    history_free(&h);
    fixture_close(&f);
}

static void test_the_end_stays(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot s;
    struct iter it;
    struct zs_record r[200];
    uint64_t count;
    bool more = true;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 0x30, &it, &e));
    while (more && iter_next(&it, r, 200, NULL, 0, &count, &more, &e) == ZS_OK)
        ;
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(iter_next(&it, r, 200, NULL, 0, &count, &more, &e));
        CU_ASSERT(count == 0 && !more);
    }
    iter_close(&it);
    snapshot_close(&s);
    history_free(&h);
    fixture_close(&f);
}

static void test_iterators_are_independent(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot s;
    struct iter a, b;
    struct zs_record ra, rb;
    uint64_t na, nb;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 0x10, &a, &e));
    ASSERT_OK(iter_open(&s, 0x18, 0x20, &b, &e));
    for (uint32_t i = 0; i < 40; i++) {
        char va[100], vb[100];
        ASSERT_OK(next_some(&a, &ra, 1, va, sizeof va, &na, &e));
        ASSERT_OK(next_some(&b, &rb, 1, vb, sizeof vb, &nb, &e));
        CU_ASSERT(na == 1 && nb == 1 && ra.lsn == 0x10 && rb.lsn == 0x20);
        CU_ASSERT(na == 1 && value_matches(&ra, ra.value));
        CU_ASSERT(nb == 1 && value_matches(&rb, rb.value));
    }
    iter_close(&a);
    CU_ASSERT(snapshot_equals(&s, &h, &(struct reading){.upto = 0x30}));
    iter_close(&b);
    snapshot_close(&s);
    history_free(&h);
    fixture_close(&f);
}

static void test_many_versions(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    for (uint32_t lsn = 1; lsn <= 2000; lsn++) {
        history_add(&h, 1, 7, lsn % 10 == 1 ? ZS_KIND_IMAGE : ZS_KIND_WAL, lsn % 97, lsn);
        if (lsn % 100 == 0)
            history_add(&h, 1, 8, ZS_KIND_IMAGE, 10, lsn);
    }
    history_add(&h, 1, 6, ZS_KIND_IMAGE, 10, 1);
    history_sort(&h);
    for (zs_lsn base = 0; base < 2000; base += 500)
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = "main",
                                          .history = &h,
                                          .base = base,
                                          .upto = base + 500,
                                          .flags = base == 0 ? ZS_INGEST_CREATE : 0},
                           &e));
    check_branch(&f, "main", &h, 2000);
    for (zs_lsn after = 0; after < 2000; after += 333)
        check_reading(&f, "main", &h,
                      &(struct reading){.after = after, .upto = after + 250, .buf_bytes = 500});
    uint8_t key[ZS_KEY_BYTES];
    key_make(key, 1, 8);
    check_reading(&f, "main", &h, &(struct reading){.after = 1000, .upto = 1500, .seek = key});
    history_free(&h);
    fixture_close(&f);
}

static void test_value_sizes(void)
{
    static const uint32_t sizes[] = {0, 1, 8191, 8192, 65536, 1048577, ZS_VALUE_MAX, ZS_VALUE_MAX};
    static const uint64_t buffers[] = {0, 8192, 1 << 20, 8u << 20, 17u << 20};
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        history_add(&h, 1, i, ZS_KIND_IMAGE, sizes[i], 0x10);
    ASSERT_OK(plan_run(
        &f,
        &(struct plan){.branch = "main", .history = &h, .upto = 0x10, .flags = ZS_INGEST_CREATE},
        &e));
    check_branch(&f, "main", &h, 0x10);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        check_reading(&f, "main", &h, &(struct reading){.upto = 0x10, .buf_bytes = buffers[i]});
    history_free(&h);
    fixture_close(&f);
}

static void test_snapshot_does_not_change(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot before = {0};
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 30, 1000, 0x10);
    ASSERT_OK(plan_run(
        &f,
        &(struct plan){.branch = "main", .history = &h, .upto = 0x10, .flags = ZS_INGEST_CREATE},
        &e));
    ASSERT_OK(snapshot_open(&f.store, "main", &before, &e));
    struct history old = {0};
    history_add_images(&old, 1, 30, 1000, 0x10);
    for (zs_lsn lsn = 0x11; lsn < 0x18; lsn++) {
        history_add_images(&h, 1, 30, 1000, lsn);
        ASSERT_OK(plan_run(
            &f, &(struct plan){.branch = "main", .history = &h, .base = lsn - 1, .upto = lsn}, &e));
        CU_ASSERT(snapshot_equals(&before, &old, &(struct reading){.upto = UINT64_MAX}));
    }
    uint64_t count = 0;
    struct zs_point points[4];
    ASSERT_OK(snapshot_history(&before, UINT64_MAX, points, 4, &count, &e));
    CU_ASSERT_EQUAL(count, f.digest ? 1 : 0);
    check_branch(&f, "main", &h, 0x17);
    snapshot_close(&before);
    history_free(&old);
    history_free(&h);
    fixture_close(&f);
}

static void test_snapshot_outlives_its_branch(void)
{
    struct zs_error e = {0};
    struct history h = {0}, other = {0};
    struct fixture f;
    struct snapshot s;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(f.driver->branch_delete(f.self, "main", &e));
    check_no_branch(&f, "main");
    CU_ASSERT(snapshot_equals(&s, &h, &(struct reading){.upto = 0x30, .buf_bytes = 300}));
    history_add_images(&other, 1, 10, 10, 0x50);
    ASSERT_OK(
        plan_run(&f,
                 &(struct plan){
                     .branch = "main", .history = &other, .upto = 0x50, .flags = ZS_INGEST_CREATE},
                 &e));
    check_branch(&f, "main", &other, 0x50);
    CU_ASSERT(snapshot_equals(&s, &h, &(struct reading){.upto = 0x30, .buf_bytes = 300}));
    snapshot_close(&s);
    ASSERT_FAILS(f.driver->branch_delete(f.self, "absent", &e), ZS_NO_SUCH_BRANCH);
    history_free(&other);
    history_free(&h);
    fixture_close(&f);
}

static void test_collection_spares_snapshots(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot before, after;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    ASSERT_OK(snapshot_open(&f.store, "main", &before, &e));
    ASSERT_OK(f.driver->collect(f.self, "main", 0x30, &e));
    CU_ASSERT(snapshot_equals(&before, &h, &(struct reading){.upto = 0x30}));
    CU_ASSERT_EQUAL(before.info.gc_cutoff_lsn, 0);
    ASSERT_OK(snapshot_open(&f.store, "main", &after, &e));
    CU_ASSERT_EQUAL(after.info.gc_cutoff_lsn, 0x30);
    CU_ASSERT(digest_equal(after.info.digest, before.info.digest));
    CU_ASSERT_EQUAL(after.info.records, before.info.records);
    snapshot_close(&after);
    snapshot_close(&before);
    history_free(&h);
    fixture_close(&f);
}

static void test_info_of_an_older_caller(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct zs_branch_info info;
    if (!fixture_open(&f))
        return;
    make_main(&f, &h);
    memset(&info, 0xA5, sizeof info);
    info.struct_size = offsetof(struct zs_branch_info, digest);
    ASSERT_OK(f.store.branch_find(f.store.self, "main", &info, &e));
    CU_ASSERT_EQUAL(info.last_valid_lsn, 0x30);
    CU_ASSERT_EQUAL(info.digest.lo, 0xA5A5A5A5A5A5A5A5u);
    CU_ASSERT_EQUAL(info.bytes, 0xA5A5A5A5A5A5A5A5u);
    history_free(&h);
    fixture_close(&f);
}

static void test_history_pages(void)
{
    enum { COMMITS = 70 };
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot s;
    struct zs_point got[100];
    uint64_t count;
    if (!fixture_open(&f))
        return;
    for (zs_lsn lsn = 1; lsn <= COMMITS; lsn++) {
        history_add(&h, 1, (uint32_t)lsn % 5, ZS_KIND_IMAGE, 20, lsn * 16);
        history_sort(&h);
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = "main",
                                          .history = &h,
                                          .base = (lsn - 1) * 16,
                                          .upto = lsn * 16,
                                          .flags = lsn == 1 ? ZS_INGEST_CREATE : 0},
                           &e));
    }
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(snapshot_history(&s, UINT64_MAX, got, 100, &count, &e));
    CU_ASSERT_EQUAL(count, COMMITS);
    for (uint64_t i = 0; i < count; i++) {
        struct zs_point want = history_point(&h, (COMMITS - i) * 16);
        CU_ASSERT(memcmp(&want, &got[i], sizeof want) == 0);
    }
    for (zs_lsn upto = 0; upto < 200; upto += 7) { /* newest first, at most 3, from upto down */
        ASSERT_OK(snapshot_history(&s, upto, got, 3, &count, &e));
        CU_ASSERT_EQUAL(count, upto / 16 < 3 ? upto / 16 : 3);
        for (uint64_t i = 0; i < count; i++)
            CU_ASSERT_EQUAL(got[i].lsn, (upto / 16 - i) * 16);
    }
    ASSERT_OK(snapshot_history(&s, UINT64_MAX, got, 0, &count, &e));
    CU_ASSERT_EQUAL(count, 0);
    snapshot_close(&s);
    history_free(&h);
    fixture_close(&f);
}

struct contract_tests store_read_tests(void)
{
    static const struct contract_test tests[] = {
        {"an unknown branch is 42704", test_unknown_branch, 0},
        {"an empty branch reads as empty", test_empty_branch, NEEDS_CREATE},
        {"branches are listed in name order", test_list_order, 0},
        {"an iterator gives exactly after < lsn <= upto", test_ranges, 0},
        {"values go where the caller wants them", test_buffers, 0},
        {"seek stands before the first key from there on", test_seek, 0},
        {"the end of an iterator stays the end", test_the_end_stays, 0},
        {"iterators of one snapshot are independent", test_iterators_are_independent, 0},
        {"thousands of versions of one key are read", test_many_versions, 0},
        {"values of 0 bytes to 8 MiB are read back", test_value_sizes, 0},
        {"a snapshot does not change while others commit", test_snapshot_does_not_change, 0},
        {"a snapshot outlives its branch", test_snapshot_outlives_its_branch, NEEDS_DELETE},
        {"collection spares what a snapshot reads", test_collection_spares_snapshots,
         NEEDS_COLLECT},
        {"a smaller info is filled no further than its size", test_info_of_an_older_caller, 0},
        {"history is newest first, from an LSN down", test_history_pages, NEEDS_DIGEST},
    };
    return (struct contract_tests){.tests = tests, .n = sizeof tests / sizeof *tests};
}
