/* test_kv_verify.c - what a verification finds in the files, and that it says which. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <fcntl.h>
#include <fnmatch.h>

#define MIB    ((off_t)1 << 20)
#define PUBLIC __attribute__((visibility("default"))) /* RocksDB finds it */

/* The files that the kernel was told to drop from memory, each with a newline behind. */
static char dropped[8192];

PUBLIC int posix_fadvise(int fd, off_t at, off_t len, int advice)
{
    char link[40];
    char path[300];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    size_t used = strlen(dropped);
    if (advice == POSIX_FADV_DONTNEED && at == 0 && len == 0)
        (void)snprintf(dropped + used, sizeof dropped - used, "%s\n", path);
    return 0;
}

struct faults {
    unsigned n;
    struct zs_error last;
};

static int32_t note(void *context, const struct zs_error *fault)
{
    struct faults *f = context;
    f->n++;
    f->last = *fault;
    return 0;
}

static struct faults verify(struct fixture *f, const char *branch)
{
    struct zs_error e = {0};
    struct faults found = {0};
    ASSERT_OK(store_branch_verify(kv_store(f->kv), branch, NULL, note, &found, &e));
    return found;
}

/* Change a byte of the largest file in FOLDER that matches; its path to *path. */
static void flip_largest(const char *folder, const char *pattern, off_t at, char path[300])
{
    off_t best = -1;
    DIR *d = opendir(folder);
    if (d == NULL)
        abort();
    for (const char *name = folder_next(d); name != NULL; name = folder_next(d)) {
        CLEANUP(fd_close) int fd = openat(dirfd(d), name, O_RDONLY | O_CLOEXEC);
        off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
        if (fnmatch(pattern, name, 0) == 0 && size > best) {
            best = size;
            (void)snprintf(path, 300, "%.150s/%.100s", folder, name);
        }
    }
    (void)closedir(d);
    uint8_t byte = 0;
    CLEANUP(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    at = at < 0 ? best + at : at;
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        abort();
    byte ^= 0x10;
    if (pwrite(fd, &byte, 1, at) != 1)
        abort();
}

static void test_sound(void)
{
    struct fixture f = fixture_open();
    write_pages(kv_store(f.kv), "main", 0, 300, 0x10, BULK);
    write_pages(kv_store(f.kv), "main", 0, 10, 0x20, 0);
    CU_ASSERT_EQUAL(verify(&f, "main").n, 0);
    CU_ASSERT_EQUAL(verify(&f, "absent").n, 0);
    fixture_reopen(&f);
    CU_ASSERT_EQUAL(verify(&f, "main").n, 0);
    fixture_close(&f);
}

/* In the middle, where the records are, and near the end, where the file tells of itself. */
static void test_damage_in_a_file(void)
{
    static const off_t places[] = {MIB, -200, -1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char folder[64];
        char path[300] = "";
        struct fixture f = fixture_open();
        write_pages(kv_store(f.kv), "main", 0, 300, 0x10, BULK);
        write_pages(kv_store(f.kv), "other", 0, 10, 0x10, BULK);
        (void)snprintf(folder, sizeof folder, "%s/db", f.dir);
        flip_largest(folder, "*.sst", places[i], path);
        struct faults found = verify(&f, "main");
        CU_ASSERT_EQUAL(found.n, 1);
        CU_ASSERT(error_is(&found.last, ZS_CORRUPT) && strstr(found.last.message, path) != NULL);
        CU_ASSERT_EQUAL(verify(&f, "other").n, 0);
        fixture_close(&f);
    }
}

static void test_damage_in_a_log(void)
{
    char folder[64];
    char path[300] = "";
    struct fixture f = fixture_open();
    write_pages(kv_store(f.kv), "main", 0, 10, 0x10, 0);
    (void)snprintf(folder, sizeof folder, "%s/db", f.dir);
    flip_largest(folder, "*.log", 5000, path);
    struct faults found = verify(&f, "main");
    CU_ASSERT_EQUAL(found.n, 1);
    CU_ASSERT(strstr(found.last.message, path) != NULL);
    fixture_close(&f);
}

/* A transfer was cut: its stage waits, is told of, and stays. */
static void test_damage_in_a_stage(void)
{
    static const char *const files[] = {"*.sst", "manifest"};
    for (size_t i = 0; i < 2; i++) {
        struct zs_error e = {0};
        CLEANUP(free_ptr) char *dir = NULL;
        char path[300] = "";
        bool synced = false;
        struct ingest in = {0};
        struct fixture f = fixture_open();
        const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                            .flags = ZS_INGEST_CREATE,
                                            .branch = "main",
                                            .target_lsn = 0x10,
                                            .expected_bytes = BULK};
        ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
        ASSERT_OK(put_pages(&in, 0, 100, 0x10, &e));
        ASSERT_OK(ingest_sync(&in, "token", 5, &synced, &e));
        ingest_close(&in);
        CU_ASSERT(synced);
        CU_ASSERT_EQUAL(verify(&f, "main").n, 0);
        ASSERT_OK(kept_find(f.kv, "main", &dir, &e));
        flip_largest(dir, files[i], 300, path);
        struct faults found = verify(&f, "main");
        CU_ASSERT_EQUAL(found.n, 1);
        CU_ASSERT(strstr(found.last.message, "main") != NULL &&
                  strstr(found.last.message, dir) != NULL &&
                  strstr(found.last.hint, "drop-stage main") != NULL);
        CU_ASSERT_EQUAL(verify(&f, "main").n, 1);
        CU_ASSERT_EQUAL(verify(&f, "other").n, 0);
        fixture_close(&f);
    }
}

static bool was_dropped(const char *folder, const char *name)
{
    char line[300];
    (void)snprintf(line, sizeof line, "%.150s/%.100s\n", folder, name);
    return strstr(dropped, line) != NULL;
}

/* Each file in the folder that matches. */
static void check_dropped(const char *folder, const char *pattern)
{
    unsigned seen = 0;
    DIR *d = opendir(folder);
    if (d == NULL)
        abort();
    for (const char *name = folder_next(d); name != NULL; name = folder_next(d))
        if (fnmatch(pattern, name, 0) == 0) {
            seen++;
            CU_ASSERT(was_dropped(folder, name));
        }
    CU_ASSERT(seen > 0);
    (void)closedir(d);
}

/* What memory has is not what the disk has: it goes before a file is read. */
static void test_nothing_is_taken_from_memory(void)
{
    struct zs_error e = {0};
    struct ingest in = {0};
    CLEANUP(free_ptr) char *dir = NULL;
    char folder[64];
    bool synced = false;
    struct fixture f = fixture_open();
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .branch = "main",
                                        .base_lsn = 0x10,
                                        .target_lsn = 0x20,
                                        .expected_bytes = BULK};
    write_pages(kv_store(f.kv), "main", 0, 300, 0x10, BULK);
    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
    ASSERT_OK(put_pages(&in, 0, 100, 0x20, &e));
    ASSERT_OK(ingest_sync(&in, "token", 5, &synced, &e));
    ingest_close(&in);
    ASSERT_OK(kept_find(f.kv, "main", &dir, &e));
    dropped[0] = '\0';
    CU_ASSERT_EQUAL(verify(&f, "main").n, 0);
    (void)snprintf(folder, sizeof folder, "%s/db", f.dir);
    check_dropped(folder, "*.sst");
    check_dropped(folder, "*.log");
    check_dropped(folder, "MANIFEST-*");
    check_dropped(dir, "*.sst");
    check_dropped(dir, "manifest");
    fixture_close(&f);
}

static int32_t always(void *self)
{
    (void)self;
    return 1;
}

static void test_cancel(void)
{
    struct zs_error e = {0};
    struct faults found = {0};
    const struct zs_cancel now = {.struct_size = sizeof now, .fd = -1, .requested = always};
    struct fixture f = fixture_open();
    write_pages(kv_store(f.kv), "main", 0, 300, 0x10, BULK);
    ASSERT_FAILS(store_branch_verify(kv_store(f.kv), "main", &now, note, &found, &e), ZS_CANCELLED);
    fixture_close(&f);
}

SUITE("kv/verify", {"a sound branch has no faults", test_sound},
      {"a damaged file is named, to those who have something in it", test_damage_in_a_file},
      {"so is a damaged log", test_damage_in_a_log},
      {"a damaged stage is named and stays", test_damage_in_a_stage},
      {"nothing is taken from memory", test_nothing_is_taken_from_memory},
      {"a cancel ends the look", test_cancel})
