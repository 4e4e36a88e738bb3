/* store_write.c - the store contract: what an ingest does when all is well. */
#include "store_fixture.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"

#include <string.h>

static void create_main(struct fixture *f, const struct history *h, zs_lsn upto)
{
    struct zs_error e = {0};
    ASSERT_OK(plan_run(
        f, &(struct plan){.branch = "main", .history = h, .upto = upto, .flags = ZS_INGEST_CREATE},
        &e));
}

static void test_nothing_before_commit(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    struct plan create = {.branch = "main", .history = &h, .upto = 0x10, .flags = ZS_INGEST_CREATE};
    struct plan append = {.branch = "main", .history = &h, .base = 0x10, .upto = 0x20};
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 50, 100, 0x10);
    history_add_images(&h, 1, 50, 100, 0x20);
    int rc = plan_put(&f, &create, &in, &e);
    ASSERT_OK(rc);
    check_no_branch(&f, "main");
    if (rc == ZS_OK)
        ASSERT_OK(plan_commit(&create, &in, &e));
    check_branch(&f, "main", &h, 0x10);
    ingest_close(&in);
    rc = plan_put(&f, &append, &in, &e);
    ASSERT_OK(rc);
    check_branch(&f, "main", &h, 0x10);
    if (rc == ZS_OK)
        ASSERT_OK(plan_commit(&append, &in, &e));
    check_branch(&f, "main", &h, 0x20);
    ingest_close(&in);
    check_branch(&f, "main", &h, 0x20);
    history_free(&h);
    fixture_close(&f);
}

static void test_abort_leaves_nothing(void)
{
    struct zs_error e = {0};
    struct history h = {0}, dropped = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 50, 100, 0x10);
    history_add_images(&h, 1, 10, 100, 0x20);
    history_add_images(&dropped, 1, 60, 77, 0x10);
    history_add_images(&dropped, 1, 60, 77, 0x20);
    ASSERT_OK(plan_put(
        &f,
        &(struct plan){
            .branch = "main", .history = &dropped, .upto = 0x10, .flags = ZS_INGEST_CREATE},
        &in, &e));
    ingest_close(&in);
    check_no_branch(&f, "main");
    create_main(&f, &h, 0x10);
    ASSERT_OK(plan_put(
        &f, &(struct plan){.branch = "main", .history = &dropped, .base = 0x10, .upto = 0x20}, &in,
        &e));
    ingest_close(&in);
    check_branch(&f, "main", &h, 0x10);
    ASSERT_OK(plan_run(
        &f, &(struct plan){.branch = "main", .history = &h, .base = 0x10, .upto = 0x20}, &e));
    check_branch(&f, "main", &h, 0x20);
    history_free(&dropped);
    history_free(&h);
    fixture_close(&f);
}

static void test_state_counts(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    struct zs_ingest_state state;
    struct plan append = {.branch = "main", .history = &h, .base = 0x10, .upto = 0x20, .batch = 7};
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 50, 100, 0x10);
    create_main(&f, &h, 0x10);
    struct zs_point base = history_point(&h, 0x10);
    history_add_images(&h, 2, 33, 60, 0x15);
    struct zs_point end = history_point(&h, 0x20);
    int rc = plan_put(&f, &append, &in, &e);
    ASSERT_OK(rc);
    if (rc == ZS_OK) {
        CU_ASSERT_EQUAL(in.state.base.lsn, 0x10);
        CU_ASSERT_EQUAL(in.state.base.records, base.records);
        CU_ASSERT_EQUAL(in.state.base.bytes, base.bytes);
        ASSERT_OK(ingest_state(&in, &state, &e));
        CU_ASSERT_EQUAL(state.records, 33);
        CU_ASSERT_EQUAL(state.bytes, 1980);
        struct zs_digest zero = {0};
        struct zs_digest sum = digest_minus(end.digest, base.digest);
        CU_ASSERT(digest_equal(in.state.base.digest, f.digest ? base.digest : zero));
        CU_ASSERT(digest_equal(state.sum, f.digest ? sum : zero));
    }
    ingest_close(&in);
    history_free(&h);
    fixture_close(&f);
}

static void test_points_are_remembered(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot s;
    struct zs_point points[3], got[10];
    uint64_t count = 0;
    if (!fixture_open(&f))
        return;
    for (zs_lsn lsn = 0x10; lsn <= 0x50; lsn += 0x10)
        history_add_images(&h, 1, 9, 100, lsn);
    create_main(&f, &h, 0x10);
    for (uint64_t i = 0; i < 3; i++)
        points[i] = history_point(&h, 0x20 + 0x10 * i);
    ASSERT_OK(plan_run(&f,
                       &(struct plan){.branch = "main",
                                      .history = &h,
                                      .base = 0x10,
                                      .upto = 0x50,
                                      .npoints = 3,
                                      .points = points},
                       &e));
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(snapshot_history(&s, UINT64_MAX, got, 10, &count, &e));
    CU_ASSERT_EQUAL(count, 5);
    for (uint64_t i = 0; i < count; i++) {
        struct zs_point want = history_point(&h, 0x50 - 0x10 * i);
        CU_ASSERT(memcmp(&want, &got[i], sizeof want) == 0);
    }
    snapshot_close(&s);
    history_free(&h);
    fixture_close(&f);
}

static void test_thousands_of_points(void)
{
    enum { POINTS = 3000 };
    static struct zs_point points[POINTS], got[POINTS + 2];
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot s;
    uint64_t count = 0;
    if (!fixture_open(&f))
        return;
    for (uint64_t i = 0; i < POINTS; i++)
        points[i] = (struct zs_point){.lsn = i + 1, .digest = {.lo = i, .hi = ~i}, .records = i};
    ASSERT_OK(plan_run(&f,
                       &(struct plan){.branch = "main",
                                      .history = &h,
                                      .upto = POINTS + 1,
                                      .flags = ZS_INGEST_CREATE,
                                      .npoints = POINTS,
                                      .points = points},
                       &e));
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    ASSERT_OK(snapshot_history(&s, UINT64_MAX, got, POINTS + 2, &count, &e));
    CU_ASSERT_EQUAL(count, POINTS + 1);
    for (uint64_t i = 1; i < count; i++)
        CU_ASSERT(memcmp(&got[i], &points[POINTS - i], sizeof *got) == 0);
    snapshot_close(&s);
    fixture_close(&f);
}

static void test_empty_commits(void)
{
    struct zs_error e = {0};
    struct history none = {0}, h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    struct plan p = {.branch = "main", .history = &none, .flags = ZS_INGEST_CREATE};
    ASSERT_OK(plan_run(&f, &p, &e)); /* a branch with nothing in it */
    check_branch(&f, "main", &none, 0);
    p = (struct plan){.branch = "other", .history = &none, .upto = 5, .flags = ZS_INGEST_CREATE};
    ASSERT_OK(plan_run(&f, &p, &e)); /* one that is at an LSN and holds nothing */
    check_branch(&f, "other", &none, 5);
    p = (struct plan){.branch = "main", .history = &none, .upto = 8};
    ASSERT_OK(plan_run(&f, &p, &e)); /* moves on without a record */
    check_branch(&f, "main", &none, 8);
    p = (struct plan){.branch = "main", .history = &none, .base = 8, .upto = 8};
    ASSERT_OK(plan_run(&f, &p, &e)); /* stays where it is */
    check_branch(&f, "main", &none, 8);
    history_add_images(&h, 1, 3, 10, 9);
    p = (struct plan){.branch = "main", .history = &h, .base = 8, .upto = 9};
    ASSERT_OK(plan_run(&f, &p, &e));
    check_branch(&f, "main", &h, 9);
    history_free(&h);
    fixture_close(&f);
}

/* Neighbours in the order of ids: a scan that runs over its end would show them. */
static void test_neighbouring_timelines(void)
{
    static const char *const ids[] = {
        "00000000000000000000000000000001", "000000000000000000000000000000fe",
        "000000000000000000000000000000ff", "00000000000000000000000000000100",
        "0000000000000000ffffffffffffffff", "00000000000000010000000000000000",
        "7fffffffffffffffffffffffffffffff", "80000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffe", "ffffffffffffffffffffffffffffffff"};
    enum { N = sizeof ids / sizeof *ids };
    struct zs_error e = {0};
    struct history h[N] = {{0}};
    struct fixture f;
    struct snapshot s;
    char name[8] = "b0";
    uint8_t key[ZS_KEY_BYTES];
    if (!fixture_open(&f))
        return;
    for (uint32_t i = 0; i < N; i++) {
        struct zs_timeline_id id;
        CU_ASSERT(timeline_parse(ids[i], &id));
        for (uint32_t blk = i; blk < 200; blk += N + 1) /* interleaved, and each its own */
            history_add(&h[i], 1 + blk % 2, blk, ZS_KIND_IMAGE, 30 + i, 0x10 + i);
        history_add(&h[i], 0, 0, ZS_KIND_IMAGE, 10, 1 + i);
        history_add(&h[i], UINT32_MAX, UINT32_MAX, ZS_KIND_IMAGE, 10, 1 + i);
        history_sort(&h[i]);
        name[1] = (char)('0' + i);
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = name,
                                          .history = &h[i],
                                          .upto = 0x20,
                                          .flags = ZS_INGEST_CREATE,
                                          .timeline = id},
                           &e));
    }
    for (uint32_t i = 0; i < N; i++) {
        name[1] = (char)('0' + i);
        check_branch(&f, name, &h[i], 0x20);
        ASSERT_OK(snapshot_open(&f.store, name, &s, &e));
        ASSERT_TEXT(timeline_text(s.info.timeline).s, ids[i]);
        memset(key, 0xFF, sizeof key); /* behind the last record: nothing, not the next's */
        CU_ASSERT(snapshot_equals(&s, &h[i], &(struct reading){.upto = 0x20, .seek = key}));
        memset(key, 0, sizeof key);
        CU_ASSERT(snapshot_equals(&s, &h[i], &(struct reading){.upto = 0x20, .seek = key}));
        snapshot_close(&s);
        history_free(&h[i]);
    }
    fixture_close(&f);
}

static void test_neighbours_survive_a_delete(void)
{
    struct zs_error e = {0};
    struct history h = {0}, none = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 40, 100, 0x10);
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        struct zs_timeline_id id = {.bytes = {[14] = 0, [15] = (uint8_t)(0xFE + i)}};
        if (i == 2)
            id = (struct zs_timeline_id){.bytes = {[14] = 1}};
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = names[i],
                                          .history = &h,
                                          .upto = 0x10,
                                          .flags = ZS_INGEST_CREATE,
                                          .timeline = id},
                           &e));
    }
    ASSERT_OK(f.driver->branch_delete(f.self, "b", &e));
    check_no_branch(&f, "b");
    check_branch(&f, "a", &h, 0x10);
    check_branch(&f, "c", &h, 0x10);
    /* The name and the id are free again, and nothing of before shows. */
    ASSERT_OK(plan_run(&f,
                       &(struct plan){.branch = "b",
                                      .history = &none,
                                      .upto = 0x10,
                                      .flags = ZS_INGEST_CREATE,
                                      .timeline = {.bytes = {[15] = 0xFF}}},
                       &e));
    check_branch(&f, "b", &none, 0x10);
    if (f.driver->reopen != NULL) {
        CU_ASSERT(fixture_reopen(&f));
        check_branch(&f, "b", &none, 0x10);
        check_branch(&f, "c", &h, 0x10);
    }
    history_free(&h);
    fixture_close(&f);
}

/* About 40 MiB in one ingest: more than any store keeps for a small one. */
static void test_bulk(void)
{
    enum { PAGES = 5120, PAGE = 8192 };
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, PAGES, PAGE, 0x10);
    for (uint32_t blk = 0; blk < PAGES; blk++) /* among the old keys and behind them */
        history_add(&h, 1 + blk % 2, blk, ZS_KIND_IMAGE, PAGE, 0x20);
    history_add(&h, 1, 17, ZS_KIND_TOMBSTONE, 0, 0x21);
    history_sort(&h);
    for (int hint = 0; hint < 2; hint++) { /* told before how much it will be, and not */
        const char *branch = hint == 0 ? "main" : "other";
        uint64_t bytes = hint == 0 ? 0 : (uint64_t)PAGES * PAGE;
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = branch,
                                          .history = &h,
                                          .upto = 0x10,
                                          .flags = ZS_INGEST_CREATE,
                                          .expected_bytes = bytes},
                           &e));
        check_branch(&f, branch, &h, 0x10);
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = branch,
                                          .history = &h,
                                          .base = 0x10,
                                          .upto = 0x21,
                                          .expected_bytes = bytes},
                           &e));
        check_branch(&f, branch, &h, 0x21);
    }
    if (f.driver->reopen != NULL) {
        CU_ASSERT(fixture_reopen(&f));
        check_branch(&f, "main", &h, 0x21);
    }
    history_free(&h);
    fixture_close(&f);
}

static void test_bulk_abort_leaves_nothing(void)
{
    struct zs_error e = {0};
    struct history h = {0}, big = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 20, 100, 0x10);
    create_main(&f, &h, 0x10);
    history_add_images(&big, 1, 2600, 8192, 0x20);
    ASSERT_OK(
        plan_put(&f, &(struct plan){.branch = "main", .history = &big, .base = 0x10, .upto = 0x20},
                 &in, &e));
    check_branch(&f, "main", &h, 0x10);
    ingest_close(&in);
    check_branch(&f, "main", &h, 0x10);
    if (f.driver->reopen != NULL) {
        CU_ASSERT(fixture_reopen(&f));
        check_branch(&f, "main", &h, 0x10);
    }
    history_free(&big);
    history_free(&h);
    fixture_close(&f);
}

static void test_batch_sizes_make_no_difference(void)
{
    static const size_t batches[] = {1, 2, 999, 1000, 1001, 5000};
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    char name[8] = "b0";
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 1000, 40, 0x10);
    history_add_images(&h, 1, 1000, 40, 0x11);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        name[1] = (char)('0' + i);
        ASSERT_OK(plan_run(&f,
                           &(struct plan){.branch = name,
                                          .history = &h,
                                          .upto = 0x11,
                                          .flags = ZS_INGEST_CREATE,
                                          .batch = batches[i]},
                           &e));
        check_branch(&f, name, &h, 0x11);
    }
    history_free(&h);
    fixture_close(&f);
}

static void test_cutoff_travels(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct zs_branch_info info;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 5, 100, 0x10);
    struct plan p = {
        .branch = "main", .history = &h, .upto = 0x10, .flags = ZS_INGEST_CREATE, .gc_cutoff = 0x8};
    ASSERT_OK(plan_run(&f, &p, &e));
    ASSERT_OK(store_branch_find(&f.store, "main", &info, &e));
    CU_ASSERT_EQUAL(info.gc_cutoff_lsn, 0x8);
    p = (struct plan){
        .branch = "main", .history = &h, .base = 0x10, .upto = 0x20, .gc_cutoff = 0x12};
    ASSERT_OK(plan_run(&f, &p, &e));
    ASSERT_OK(store_branch_find(&f.store, "main", &info, &e));
    CU_ASSERT_EQUAL(info.gc_cutoff_lsn, 0x12);
    p = (struct plan){.branch = "main", .history = &h, .base = 0x20, .upto = 0x30};
    (void)plan_run(&f, &p, &e); /* a lower one is refused or has no effect */
    ASSERT_OK(store_branch_find(&f.store, "main", &info, &e));
    CU_ASSERT_EQUAL(info.gc_cutoff_lsn, 0x12);
    history_free(&h);
    fixture_close(&f);
}

static void test_reopened(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct zs_branch_info before, after;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 50, 500, 0x10);
    history_add_images(&h, 2, 50, 500, 0x20);
    history_add(&h, 1, 3, ZS_KIND_TOMBSTONE, 0, 0x30);
    history_sort(&h);
    create_main(&f, &h, 0x10);
    for (zs_lsn base = 0x10; base < 0x30; base += 0x10) {
        ASSERT_OK(store_branch_find(&f.store, "main", &before, &e));
        CU_ASSERT(fixture_reopen(&f));
        ASSERT_OK(store_branch_find(&f.store, "main", &after, &e));
        CU_ASSERT(memcmp(&before, &after, sizeof before) == 0);
        ASSERT_OK(plan_run(
            &f, &(struct plan){.branch = "main", .history = &h, .base = base, .upto = base + 0x10},
            &e));
        check_branch(&f, "main", &h, base + 0x10);
    }
    history_free(&h);
    fixture_close(&f);
}

struct contract_tests store_write_tests(void)
{
    static const struct contract_test tests[] = {
        {"nothing put is visible before the commit", test_nothing_before_commit, 0},
        {"an ingest that is given up leaves nothing", test_abort_leaves_nothing, 0},
        {"an ingest tells what it builds on and what was put", test_state_counts, 0},
        {"a commit's points are remembered", test_points_are_remembered, NEEDS_DIGEST},
        {"thousands of points are remembered", test_thousands_of_points, NEEDS_DIGEST},
        {"a commit may be empty", test_empty_commits, 0},
        {"timelines with neighbouring ids do not see each other", test_neighbouring_timelines, 0},
        {"a delete takes its branch and nothing else", test_neighbours_survive_a_delete,
         NEEDS_DELETE},
        {"40 MiB in one ingest, over a new and an old branch", test_bulk, 0},
        {"a large ingest that is given up leaves nothing", test_bulk_abort_leaves_nothing, 0},
        {"how records are cut into puts makes no difference", test_batch_sizes_make_no_difference,
         0},
        {"a commit carries gc_cutoff_lsn and never lowers it", test_cutoff_travels, 0},
        {"a store that was stopped goes on where it was", test_reopened, NEEDS_REOPEN},
    };
    return (struct contract_tests){.tests = tests, .n = sizeof tests / sizeof *tests};
}
