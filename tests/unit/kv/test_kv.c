/* test_kv.c - making, opening, refusing and recovering a store. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <sys/stat.h>

static void test_content_outlives_a_restart(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct zs_branch_info made = {.struct_size = sizeof made};
    struct zs_branch_info found = {.struct_size = sizeof found};
    ASSERT_OK(kv_branch_create(f.kv, "empty", &made, &e));
    write_pages(kv_store(f.kv), "small", 0, 10, 0x10, 0);
    write_pages(kv_store(f.kv), "bulk", 0, 1000, 0x20, BULK);
    fixture_reopen(&f);
    ASSERT_OK(store_branch_find(kv_store(f.kv), "empty", &found, &e));
    CU_ASSERT(memcmp(&made, &found, sizeof made) == 0);
    check_branch(kv_store(f.kv), "empty", 0);
    check_branch(kv_store(f.kv), "small", 10);
    check_branch(kv_store(f.kv), "bulk", 1000);
    fixture_close(&f);
}

static void test_a_folder_that_does_not_fit_is_refused(void)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    struct folder folder = fixture_folder();
    const char *dir = folder.path;
    ASSERT_FAILS(kv_open(dir, 0, &kv, &e), ZS_IO_ERROR);
    CU_ASSERT(strstr(e.message, "no store") != NULL);
    CU_ASSERT(strstr(e.hint, "in another folder") != NULL);
    ASSERT_OK(kv_open(dir, 1, &kv, &e));
    kv_close(kv);
    ASSERT_FAILS(kv_open(dir, 1, &kv, &e), ZS_ALREADY_EXISTS);
    ASSERT_FAILS(kv_open("/proc/none/store", 1, &kv, &e), ZS_IO_ERROR);
    fixture_remove(dir);
}

static void test_a_store_in_use_is_refused(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct kv *other = NULL;
    ASSERT_FAILS(kv_open(f.dir, 0, &other, &e), ZS_BUSY);
    fixture_close(&f);
}

static void test_another_layout_is_refused(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct kv *kv = NULL;
    struct kv_key key = kv_key_version();
    char *error = NULL;
    rocksdb_put(f.kv->db, f.kv->synced, key.bytes, key.len, "zenith-sync kv 3", 16, &error);
    CU_ASSERT_PTR_NULL(error);
    kv_close(f.kv);
    ASSERT_FAILS(kv_open(f.dir, 0, &kv, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "zenith-sync kv 3") != NULL && e.hint[0] != '\0');
    fixture_remove(f.dir);
}

/* No server runs on such a store: nothing can be deleted from it or pulled into it. */
static void test_a_damaged_store_says_what_to_do_without_it(void)
{
    static const char *const damages[] = {"echo garbage >'%s/db/CURRENT'", "rm '%s/db/CURRENT'",
                                          "truncate -s 7 '%s'/db/MANIFEST-*",
                                          "rm '%s'/db/MANIFEST-*"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct fixture f = fixture_open();
        struct zs_error e = {0};
        struct kv *kv = NULL;
        char command[128];
        write_pages(kv_store(f.kv), "bulk", 0, 1000, 0x20, BULK);
        kv_close(f.kv);
        (void)snprintf(command, sizeof command, damages[i], f.dir);
        CU_ASSERT(system(command) == 0); /* NOLINT(concurrency-mt-unsafe): one thread */
        CU_ASSERT(kv_open(f.dir, 0, &kv, &e) == ZS_FAIL);
        CU_ASSERT(strstr(e.hint, f.dir) != NULL && strstr(e.hint, "in another folder") != NULL);
        fixture_remove(f.dir);
    }
}

static void test_a_start_removes_what_a_crash_left_in_the_stage(void)
{
    struct fixture f = fixture_open();
    char path[256];
    (void)snprintf(path, sizeof path, "%s/stage/0123", f.dir);
    CU_ASSERT(mkdir(path, 0700) == 0);
    (void)strncat(path, "/0001.sst", sizeof path - strlen(path) - 1);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fclose(file);
    fixture_reopen(&f);
    (void)snprintf(path, sizeof path, "%s/stage/0123", f.dir);
    CU_ASSERT(access(path, F_OK) != 0);
    (void)snprintf(path, sizeof path, "%s/stage", f.dir);
    CU_ASSERT(access(path, F_OK) == 0);
    fixture_close(&f);
}

static void test_engine_errors_get_their_sqlstate(void)
{
    static const struct {
        const char *text, *sqlstate;
    } cases[] = {
        {"IO error: No space left on device: While appending to file", ZS_DISK_FULL},
        {"IO error: While open a file: x: Too many open files", ZS_LIMIT_EXCEEDED},
        {"Corruption: block checksum mismatch: stored = 1", ZS_CORRUPT},
        {"IO error: While fsync: x: Input/output error", ZS_IO_ERROR},
        {"Invalid argument: something else", ZS_INTERNAL_ERROR},
    };
    struct zs_error e = {0};
    ASSERT_OK(engine_check("", "read", &e));
    ASSERT_FAILS(engine_check(NULL, "read", &e), ZS_OUT_OF_MEMORY); /* no room for the text */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e = (struct zs_error){0};
        ASSERT_FAILS(engine_check(cases[i].text, "read", &e), cases[i].sqlstate);
        CU_ASSERT(strstr(e.detail, cases[i].text) != NULL && e.hint[0] != '\0');
    }
}

SUITE("kv", {"content outlives a restart", test_content_outlives_a_restart},
      {"a folder without a store, or not empty, is refused",
       test_a_folder_that_does_not_fit_is_refused},
      {"a store in use is refused", test_a_store_in_use_is_refused},
      {"a store of another layout is refused", test_another_layout_is_refused},
      {"a damaged store says what to do without it",
       test_a_damaged_store_says_what_to_do_without_it},
      {"a start removes what a crash left in the stage",
       test_a_start_removes_what_a_crash_left_in_the_stage},
      {"the engine's errors get their SQLSTATE", test_engine_errors_get_their_sqlstate})
