/* test_kv_ingest.c - what is particular to this store's writes: batch and stage, the way
 * from one to the other, memory, and what a failed or dropped ingest leaves. */
#include "fixture.h"

#include "kv/kv_internal.h"
#include "kv/kv_table.h"
#include "model/lsn.h"

static int begin(const struct fixture *f, const char *branch, zs_lsn base, zs_lsn target,
                 uint64_t expected, struct ingest *in, struct zs_error *e)
{
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = base == 0 ? ZS_INGEST_CREATE : 0,
                                        .branch = branch,
                                        .base_lsn = base,
                                        .target_lsn = target,
                                        .expected_bytes = expected};
    return ingest_begin(kv_store(f->kv), &spec, in, e);
}

/* Files and folders in the stage. */
static int staged(const struct fixture *f)
{
    DIR *d = opendir(f->kv->stage_dir);
    int n = 0;
    while (folder_next(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

/* Below, at and above where a batch becomes a stage (2 MiB), and over several files. */
static void test_every_size_reads_back(void)
{
    static const struct {
        uint64_t expected;
        uint32_t pages;
        int stages;
    } cases[] = {{0, 0, 0},   {BULK, 0, 1}, {0, 1, 0},    {BULK, 1, 1},     {0, 253, 0},
                 {0, 254, 0}, {0, 255, 1},  {0, 1000, 1}, {BULK, 20000, 1}, {0, 20000, 1}};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingest in = {0};
        char name[16];
        (void)snprintf(name, sizeof name, "b%zu", i);
        ASSERT_OK(begin(&f, name, 0, 0x10, cases[i].expected, &in, &e));
        ASSERT_OK(put_pages(&in, 0, cases[i].pages, 0x10, &e));
        CU_ASSERT_EQUAL(staged(&f), cases[i].stages);
        ASSERT_OK(commit_at(&in, 0x10, &e));
        ingest_close(&in);
        CU_ASSERT_EQUAL(staged(&f), 0);
        check_branch(kv_store(f.kv), name, cases[i].pages);
    }
    fixture_reopen(&f);
    check_branch(kv_store(f.kv), "b5", 254);
    check_branch(kv_store(f.kv), "b9", 20000);
    fixture_close(&f);
}

/* Its index is of another kind (kv_table.h); what follows does not begin one file more each. */
static void test_a_large_value_begins_a_file_of_its_own_kind(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    uint8_t *value = calloc(1, KV_LARGE_BYTES);
    if (value == NULL)
        abort();
    ASSERT_OK(begin(&f, "main", 0, 0x10, BULK, &in, &e));
    ASSERT_OK(put_pages(&in, 0, 100, 0x10, &e));
    CU_ASSERT_EQUAL(stage_files(in.handle->stage), 1);
    for (uint32_t block = 100; block < 300; block += 100) {
        const struct zs_record large = page_of(block, 0x10, value, KV_LARGE_BYTES);
        ASSERT_OK(ingest_put(&in, &large, 1, &e));
        ASSERT_OK(put_pages(&in, block + 1, block + 100, 0x10, &e));
        CU_ASSERT_EQUAL(stage_files(in.handle->stage), 2);
    }
    ASSERT_OK(commit_at(&in, 0x10, &e));
    ingest_close(&in);
    check_branch(kv_store(f.kv), "main", 300);
    free(value);
    fixture_close(&f);
}

/* Increments of both sorts over one another, so that the engine has them on every level. */
static void test_increments_pile_up(void)
{
    struct fixture f = fixture_open();
    uint64_t records = 0;
    for (uint32_t i = 1; i <= 40; i++) {
        uint32_t pages = i % 3 == 0 ? 300 : 20;
        write_pages(kv_store(f.kv), "main", i, i + pages, (zs_lsn)i * 0x10, i % 2 == 0 ? BULK : 0);
        records += pages;
    }
    check_branch(kv_store(f.kv), "main", records);
    fixture_reopen(&f);
    check_branch(kv_store(f.kv), "main", records);
    struct snapshot s = {0};
    struct zs_error e = {0};
    struct zs_digest sum;
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e));
    CU_ASSERT_EQUAL(read_all(&s, 0x1F0, 0x210, &sum), 20 + 300);
    struct zs_point points[64];
    uint64_t count = 0;
    ASSERT_OK(snapshot_history(&s, 0x205, points, 64, &count, &e));
    CU_ASSERT(count == 32 && points[0].lsn == 0x200 && points[31].lsn == 0x10);
    snapshot_close(&s);
    fixture_close(&f);
}

static void test_a_dropped_ingest_leaves_nothing(void)
{
    static const uint64_t expected[] = {0, BULK};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    uint64_t before = kv_disk_bytes(f.kv);
    for (size_t i = 0; i < 2; i++) {
        struct ingest in = {0};
        struct zs_branch_info info;
        ASSERT_OK(begin(&f, "main", 0, 0x10, expected[i], &in, &e));
        ASSERT_OK(put_pages(&in, 0, 100, 0x10, &e));
        ASSERT_FAILS(store_branch_find(kv_store(f.kv), "main", &info, &e), ZS_NO_SUCH_BRANCH);
        ingest_close(&in);
        ASSERT_FAILS(store_branch_find(kv_store(f.kv), "main", &info, &e), ZS_NO_SUCH_BRANCH);
        CU_ASSERT_EQUAL(staged(&f), 0);
        CU_ASSERT_EQUAL(kv_disk_bytes(f.kv), before);
    }
    write_pages(kv_store(f.kv), "main", 0, 5, 0x10, 0);
    check_branch(kv_store(f.kv), "main", 5);
    fixture_close(&f);
}

static void test_a_commit_that_does_not_fit_changes_nothing(void)
{
    static const struct {
        const char *why;
        zs_lsn upto, end, gc, point;
        uint64_t sum_off;
        const char *sqlstate;
    } cases[] = {
        {"sum", 0x20, 0x20, 0, 0, 1, ZS_CORRUPT},
        {"above the target", 0x21, 0x21, 0, 0, 0, ZS_BAD_VALUE},
        {"below the base", 0xF, 0xF, 0, 0, 0, ZS_BAD_VALUE},
        {"below a record", 0x1E, 0x1E, 0, 0, 0, ZS_BAD_VALUE},
        {"end elsewhere", 0x20, 0x1F, 0, 0, 0, ZS_BAD_VALUE},
        {"cutoff above", 0x20, 0x20, 0x21, 0, 0, ZS_BAD_VALUE},
        {"point at the base", 0x20, 0x20, 0, 0x10, 0, ZS_BAD_VALUE},
        {"point at the end", 0x20, 0x20, 0, 0x20, 0, ZS_BAD_VALUE},
    };
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    write_pages(kv_store(f.kv), "main", 0, 5, 0x10, 0);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        size_t c = i / 2;
        struct ingest in = {0};
        ASSERT_OK(begin(&f, "main", 0x10, 0x20, i % 2 == 0 ? 0 : BULK, &in, &e));
        ASSERT_OK(put_pages(&in, 0, 5, 0x1F, &e));
        struct zs_ingest_state s = {.struct_size = sizeof s};
        ASSERT_OK(ingest_state(&in, &s, &e));
        const struct zs_point point = {.lsn = cases[c].point};
        const struct zs_commit commit = {
            .struct_size = sizeof commit,
            .npoints = cases[c].point != 0,
            .points = &point,
            .upto_lsn = cases[c].upto,
            .gc_cutoff_lsn = cases[c].gc,
            .sum = {.lo = s.sum.lo + cases[c].sum_off, .hi = s.sum.hi},
            .end = {.lsn = cases[c].end, .digest = digest_plus(s.base.digest, s.sum)}};
        struct zs_ingest *handle = in.handle; /* the store itself, not its dispatcher */
        int rc = kv_ingest_commit(handle, &commit, &e);
        if (rc == ZS_OK)
            printf("committed: %s\n", cases[c].why);
        ASSERT_FAILS(rc, cases[c].sqlstate);
        ASSERT_FAILS(kv_ingest_commit(handle, &commit, &e), ZS_BAD_VALUE);
        ingest_close(&in);
        CU_ASSERT_EQUAL(staged(&f), 0);
        check_branch(kv_store(f.kv), "main", 5);
    }
    fixture_close(&f);
}

/* Nobody can move a branch past its claim, so the test does it behind the store's back. */
static void test_a_branch_that_moved_is_left_alone(void)
{
    static const uint64_t expected[] = {0, BULK};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    write_pages(kv_store(f.kv), "main", 0, 5, 0x10, 0);
    for (size_t i = 0; i < 2; i++) {
        struct ingest in = {0};
        struct branch_meta meta;
        char value[KV_BRANCH_VALUE];
        struct kv_key key = kv_key_branch("main");
        char *error = NULL;
        ASSERT_OK(begin(&f, "main", 0x10 + i, 0x20, expected[i], &in, &e));
        ASSERT_OK(put_pages(&in, 0, 5, 0x20, &e));
        ASSERT_OK(branch_read(f.kv, f.kv->newest, "main", &meta, &e));
        meta.last_valid_lsn++;
        kv_branch_encode(&meta, value);
        rocksdb_put(f.kv->db, f.kv->synced, key.bytes, key.len, value, sizeof value, &error);
        CU_ASSERT_PTR_NULL(error);
        ASSERT_FAILS(commit_at(&in, 0x20, &e), ZS_MOVED_MEANWHILE);
        ingest_close(&in);
        check_branch(kv_store(f.kv), "main", 5);
    }
    fixture_close(&f);
}

static void test_a_failed_put_ends_the_ingest(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    ASSERT_OK(begin(&f, "main", 0, 0x10, 0, &in, &e));
    static uint8_t value[PAGE];
    struct zs_record good = page_of(1, 0x10, value, PAGE);
    struct zs_record bad = page_of(1, 0x11, value, PAGE);
    ASSERT_OK(kv_ingest_put(in.handle, &good, 1, &e));
    ASSERT_FAILS(kv_ingest_put(in.handle, &bad, 1, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.detail, "Record 2") != NULL);
    ASSERT_FAILS(kv_ingest_put(in.handle, &good, 1, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(commit_at(&in, 0x10, &e), ZS_BAD_VALUE);
    ingest_close(&in);
    ASSERT_OK(begin(&f, "main", 0, 0x10, 0, &in, &e));
    ingest_close(&in);
    fixture_close(&f);
}

static void test_a_timeline_id_that_is_taken(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    struct ingest other = {0};
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .flags = ZS_INGEST_CREATE,
                                  .branch = "one",
                                  .timeline = {{1, 2, 3}},
                                  .target_lsn = 0x10};
    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
    CU_ASSERT(timeline_equal(in.state.timeline, spec.timeline));
    spec.branch = "two";
    ASSERT_FAILS(ingest_begin(kv_store(f.kv), &spec, &other, &e), ZS_BUSY);
    ASSERT_OK(commit_at(&in, 0x10, &e));
    ingest_close(&in);
    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &other, &e));
    CU_ASSERT(!timeline_equal(other.state.timeline, spec.timeline));
    CU_ASSERT(!timeline_is_zero(other.state.timeline));
    ingest_close(&other);
    spec.flags |= ZS_INGEST_EXACT_TIMELINE;
    ASSERT_FAILS(ingest_begin(kv_store(f.kv), &spec, &other, &e), ZS_ALREADY_EXISTS);
    fixture_close(&f);
}

__attribute__((unused)) static long anonymous_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    if (status != NULL)
        (void)fclose(status);
    return kib;
}

/* 256 MiB in and out. A 1 GiB ingest, measured: 3 MiB; scans 6, increments 12. */
static void test_memory_does_not_follow_size(void)
{
#if !defined(__SANITIZE_ADDRESS__) /* which keeps what is freed */
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    write_pages(kv_store(f.kv), "first", 0, 64, 1, 0); /* buffers that stay */
    long before = anonymous_kib();
    long peak = before;
    ASSERT_OK(begin(&f, "main", 0, 1, 0, &in, &e));
    for (uint32_t at = 0; at < 32768; at += 1024) {
        ASSERT_OK(put_pages(&in, at, at + 1024, 1, &e));
        peak = anonymous_kib() > peak ? anonymous_kib() : peak;
    }
    ASSERT_OK(commit_at(&in, 1, &e));
    ingest_close(&in);
    check_branch(kv_store(f.kv), "main", 32768);
    peak = anonymous_kib() > peak ? anonymous_kib() : peak;
    printf("added %ld KiB\n", peak - before);
    CU_ASSERT(before > 0 && peak - before < 32768);
    fixture_close(&f);
#endif
}

/* How many files that were taken over there are in the store; *numbered counts those in
 * which the engine has left its sequence number. */
static unsigned taken_over(const struct fixture *f, unsigned *numbered)
{
    static const char name[] = "external_sst_file.global_seqno";
    char path[64 + NAME_MAX];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "%s/db", f->dir);
    DIR *d = opendir(path);
    for (const char *file; (file = folder_next(d)) != NULL;) {
        size_t len = strlen(file);
        if (len < 4 || strcmp(file + len - 4, ".sst") != 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/db/%s", f->dir, file);
        FILE *in = fopen(path, "r");
        CLEANUP(free_ptr) uint8_t *bytes = malloc(8u << 20);
        if (in == NULL || bytes == NULL)
            abort();
        size_t size = fread(bytes, 1, 8u << 20, in);
        (void)fclose(in);
        const uint8_t *at = memmem(bytes, size, name, sizeof name - 1);
        n += at != NULL ? 1 : 0;
        *numbered += at != NULL && get_u64le(at + sizeof name - 1) != 0 ? 1 : 0;
    }
    (void)closedir(d);
    return n;
}

/* A process may die between such a write and the manifest's; the stage would be lost. */
static void test_taking_files_over_writes_to_none(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct snapshot s = {0};
    unsigned numbered = 0;
    write_pages(kv_store(f.kv), "main", 0, 20, 0x10, 0);
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e)); /* no file may be older */
    write_pages(kv_store(f.kv), "main", 0, 200, 0x20, BULK);
    CU_ASSERT(taken_over(&f, &numbered) > 0);
    CU_ASSERT_EQUAL(numbered, 0);
    snapshot_close(&s);
    fixture_reopen(&f);
    check_branch(kv_store(f.kv), "main", 220);
    fixture_close(&f);
}

SUITE("kv/ingest", {"taking files over writes to none", test_taking_files_over_writes_to_none},
      {"every size reads back", test_every_size_reads_back},
      {"a large value begins a file of its own kind",
       test_a_large_value_begins_a_file_of_its_own_kind},
      {"increments pile up", test_increments_pile_up},
      {"a dropped ingest leaves nothing", test_a_dropped_ingest_leaves_nothing},
      {"a commit that does not fit changes nothing",
       test_a_commit_that_does_not_fit_changes_nothing},
      {"a branch that moved is left alone", test_a_branch_that_moved_is_left_alone},
      {"a failed put ends the ingest", test_a_failed_put_ends_the_ingest},
      {"a timeline id that is taken is not taken twice", test_a_timeline_id_that_is_taken},
      {"memory does not follow the size of what is written or read",
       test_memory_does_not_follow_size})
