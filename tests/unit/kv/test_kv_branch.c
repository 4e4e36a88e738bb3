/* test_kv_branch.c - branches made and removed, and the space that they give back. */
#include "fixture.h"

#include "model/lsn.h"

/* Wide margins below: the engine's log is allocated ahead, 17 MiB at a time. */
static const uint64_t mib = 1 << 20;

static int collect_name(void *context, const struct zs_branch_info *info)
{
    char *names = context;
    size_t used = strlen(names);
    (void)snprintf(names + used, 128 - used, "%s ", info->name);
    return strcmp(info->name, "stop") == 0;
}

static void test_branches_are_listed_in_name_order(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    static const char *const made[] = {"b", "a/x", "stop", "a", "B", "t"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        struct zs_branch_info info = {.struct_size = sizeof info};
        ASSERT_OK(kv_branch_create(f.kv, made[i], &info, &e));
        ASSERT_TEXT(info.name, made[i]);
    }
    char names[128] = "";
    ASSERT_OK(store_branch_list(kv_store(f.kv), collect_name, names, &e));
    ASSERT_TEXT(names, "B a a/x b stop ");
    fixture_close(&f);
}

static void test_a_name_is_taken_once(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct zs_branch_info one = {.struct_size = sizeof one};
    struct zs_branch_info two = {.struct_size = sizeof two};
    ASSERT_OK(kv_branch_create(f.kv, "main", &one, &e));
    ASSERT_FAILS(kv_branch_create(f.kv, "main", &two, &e), ZS_ALREADY_EXISTS);
    ASSERT_FAILS(kv_branch_create(f.kv, "../main", &two, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(kv_branch_delete(f.kv, "other", &e), ZS_NO_SUCH_BRANCH);
    ASSERT_OK(kv_branch_create(f.kv, "other", &two, &e));
    CU_ASSERT(!timeline_equal(one.timeline, two.timeline));
    CU_ASSERT(!timeline_is_zero(one.timeline));
    fixture_close(&f);
}

static void test_a_removed_branch_gives_its_space_back(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    write_pages(kv_store(f.kv), "kept", 0, 100, 0x10, 0);
    uint64_t before = kv_disk_bytes(f.kv);
    write_pages(kv_store(f.kv), "gone", 0, 12800, 0x10, BULK);
    CU_ASSERT(kv_disk_bytes(f.kv) > before + 60 * mib);
    ASSERT_OK(kv_branch_delete(f.kv, "gone", &e));
    CU_ASSERT(kv_disk_bytes(f.kv) < before + 30 * mib);
    ASSERT_FAILS(kv_branch_delete(f.kv, "gone", &e), ZS_NO_SUCH_BRANCH);
    check_branch(kv_store(f.kv), "kept", 100);
    fixture_reopen(&f);
    check_branch(kv_store(f.kv), "kept", 100);
    fixture_close(&f);
}

static void test_a_snapshot_outlives_its_branch(void)
{
    struct fixture f = fixture_open();
    const struct zs_store *store = kv_store(f.kv);
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct zs_digest sum;
    struct zs_point point = {0};
    uint64_t count = 0;
    uint64_t before = kv_disk_bytes(f.kv);
    write_pages(store, "main", 0, 12800, 0x10, BULK);
    write_pages(store, "main", 0, 100, 0x20, 0);
    ASSERT_OK(snapshot_open(store, "main", &s, &e));
    ASSERT_OK(kv_branch_delete(f.kv, "main", &e));

    /* The same name and timeline again: what is there now must not mix with it. */
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .flags = ZS_INGEST_CREATE | ZS_INGEST_EXACT_TIMELINE,
                                  .branch = "main",
                                  .timeline = s.info.timeline,
                                  .target_lsn = 0x30};
    struct ingest in = {0};
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    ASSERT_OK(put_pages(&in, 0, 7, 0x30, &e));
    ASSERT_OK(commit_at(&in, 0x30, &e));
    ingest_close(&in);

    CU_ASSERT_EQUAL(read_all(&s, 0, UINT64_MAX, &sum), 12900);
    CU_ASSERT(digest_equal(sum, s.info.digest));
    ASSERT_OK(snapshot_history(&s, UINT64_MAX, &point, 1, &count, &e));
    CU_ASSERT(count == 1 && point.lsn == 0x20);
    CU_ASSERT(kv_disk_bytes(f.kv) > before + 60 * mib);
    snapshot_close(&s); /* the last one that showed it */
    CU_ASSERT(kv_disk_bytes(f.kv) < before + 30 * mib);
    check_branch(store, "main", 7);
    fixture_reopen(&f);
    check_branch(kv_store(f.kv), "main", 7);
    fixture_close(&f);
}

static void test_a_branch_that_is_written_is_not_removed(void)
{
    struct fixture f = fixture_open();
    const struct zs_store *store = kv_store(f.kv);
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct ingest in = {0};
    write_pages(store, "main", 0, 3, 0x10, 0);
    const struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = 0x10, .target_lsn = 0x20};
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    ASSERT_FAILS(kv_branch_delete(f.kv, "main", &e), ZS_BUSY);
    ingest_close(&in);
    const struct zs_ingest_spec new = {
        .struct_size = sizeof new, .flags = ZS_INGEST_CREATE, .branch = "new", .target_lsn = 0x20};
    ASSERT_OK(ingest_begin(store, &new, &in, &e));
    ASSERT_FAILS(kv_branch_create(f.kv, "new", &info, &e), ZS_BUSY);
    ingest_close(&in);
    ASSERT_OK(kv_branch_create(f.kv, "new", &info, &e));
    ASSERT_OK(kv_branch_delete(f.kv, "main", &e));
    fixture_close(&f);
}

SUITE("kv/branch", {"branches are listed in name order", test_branches_are_listed_in_name_order},
      {"a name is taken once", test_a_name_is_taken_once},
      {"a removed branch gives its space back", test_a_removed_branch_gives_its_space_back},
      {"a snapshot outlives its branch, and a new one of the same timeline is apart",
       test_a_snapshot_outlives_its_branch},
      {"a branch that is written is not removed", test_a_branch_that_is_written_is_not_removed})
