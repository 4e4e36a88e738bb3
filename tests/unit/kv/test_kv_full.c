/* test_kv_full.c - a disk that is nearly full, at each size that is left.
 *
 * A store whose engine is about to flush is written to while n MiB are left: large and small
 * commits either succeed or say 53100, and when there is room again the same store goes on,
 * as a flush that finds no room would have stopped the engine.
 *
 * The disk is a tmpfs of a fixed size in a mount namespace of this process's own; where that
 * cannot be made, the one check is that this was said. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MIB_PAGES 128u
#define DISK_MIB  160u
#define UNFLUSHED 14u /* MiB; the engine flushes at 16 */
#define LEFT_MOST 48u /* MiB; more than is kept free */
#define LEFT_STEP 5u
#define ROUNDS    3u

static const off_t mib = 1 << 20;

static bool mounts_are_own; /* set before there are other threads: they share them then */

static bool disk_make(const char *dir)
{
    char size[32];
    (void)snprintf(size, sizeof size, "size=%um", DISK_MIB);
    return mounts_are_own && mount("tmpfs", dir, "tmpfs", 0, size) == 0;
}

/* Leave so much. */
static void filler_make(const char *path, const char *dir, off_t left)
{
    struct statvfs fs = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && statvfs(dir, &fs) == 0);
    off_t bytes = (off_t)(fs.f_bavail * fs.f_frsize) - left;
    CU_ASSERT_FATAL(bytes > 0 && posix_fallocate(fd, 0, bytes) == 0);
    (void)close(fd);
}

/* How far two branches are, and how their commits ended. */
struct written {
    uint32_t small, large;
    zs_lsn small_lsn, large_lsn;
    unsigned done, refused;
};

/* So many pages more in a branch: all of them, or 53100. */
static void try_write(struct kv *kv, const char *branch, uint32_t *pages, zs_lsn *lsn, uint32_t n,
                      uint64_t expected, struct written *w)
{
    struct zs_error e = {0};
    int rc = try_write_pages(kv_store(kv), branch, *pages, *pages + n, *lsn + 1, expected, &e);
    if (rc == ZS_OK) {
        *pages += n;
        ++*lsn;
        w->done++;
        return;
    }
    ASSERT_TEXT(e.sqlstate, ZS_DISK_FULL);
    w->refused++;
}

static void write_all_kinds(struct kv *kv, struct written *w)
{
    try_write(kv, "large", &w->large, &w->large_lsn, MIB_PAGES, BULK, w);
    try_write(kv, "small", &w->small, &w->small_lsn, MIB_PAGES, 0, w);
    try_write(kv, "large", &w->large, &w->large_lsn, 4 * MIB_PAGES, 0, w); /* grows to a stage */
    try_write(kv, "small", &w->small, &w->small_lsn, 1, 0, w);
    try_write(kv, "large", &w->large, &w->large_lsn, 8 * MIB_PAGES, BULK, w);
}

/* ---- a store on a nearly full disk ------------------------------------------------------ */

struct small_disk {
    struct fixture f;
    char filler[48];
    struct written w;
};

static struct small_disk store_make(const char *disk, unsigned left_mib)
{
    struct zs_error e = {0};
    struct small_disk s = {0};
    (void)snprintf(s.f.dir, sizeof s.f.dir, "%s/kv", disk);
    (void)snprintf(s.filler, sizeof s.filler, "%s/filler", disk);
    ASSERT_OK(kv_open(s.f.dir, 1, &s.f.kv, &e));
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.f.kv);
    try_write(s.f.kv, "large", &s.w.large, &s.w.large_lsn, MIB_PAGES, BULK, &s.w);
    for (unsigned i = 0; i < UNFLUSHED; i++)
        try_write(s.f.kv, "small", &s.w.small, &s.w.small_lsn, MIB_PAGES, 0, &s.w);
    CU_ASSERT_EQUAL(s.w.refused, 0);
    s.w.done = 0;
    filler_make(s.filler, disk, (off_t)left_mib * mib);
    return s;
}

static void check_all(const struct small_disk *s)
{
    check_branch(kv_store(s->f.kv), "small", s->w.small);
    check_branch(kv_store(s->f.kv), "large", s->w.large);
}

/* With room again it goes on, and another start finds all that was said to be done. */
static void check_goes_on(struct small_disk *s)
{
    CU_ASSERT(unlink(s->filler) == 0);
    s->w.refused = 0;
    write_all_kinds(s->f.kv, &s->w);
    CU_ASSERT_EQUAL(s->w.refused, 0);
    check_all(s);
    fixture_reopen(&s->f);
    check_all(s);
    fixture_close(&s->f);
}

/* ---- what is tried ---------------------------------------------------------------------- */

static void each_size_that_is_left(const char *disk)
{
    unsigned done = 0;
    unsigned refused = 0;
    for (unsigned left = 1; left <= LEFT_MOST; left += LEFT_STEP) {
        struct small_disk s = store_make(disk, left);
        for (unsigned i = 0; i < ROUNDS; i++)
            write_all_kinds(s.f.kv, &s.w);
        done += s.w.done;
        refused += s.w.refused;
        check_goes_on(&s);
    }
    (void)printf("%u commits done, %u refused\n", done, refused);
    CU_ASSERT(done > 0 && refused > 0);
}

static bool flushes(struct kv *kv)
{
    char *error = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flush(kv->db, options, &error);
    rocksdb_flushoptions_destroy(options);
    bool done = error == NULL;
    rocksdb_free(error);
    return done;
}

/* A stage that takes all it may of the disk leaves room for a flush that is due. */
static void a_stage_without_end(const char *disk)
{
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "endless",
                                        .target_lsn = 1,
                                        .expected_bytes = BULK};
    struct zs_error e = {0};
    struct ingest in = {0};
    struct small_disk s = store_make(disk, LEFT_MOST);
    int rc = ZS_OK;
    ASSERT_OK(ingest_begin(kv_store(s.f.kv), &spec, &in, &e));
    for (uint32_t at = 0; at < DISK_MIB * MIB_PAGES && rc == ZS_OK; at += MIB_PAGES)
        rc = put_pages(&in, at, at + MIB_PAGES, 1, &e);
    ASSERT_FAILS(rc, ZS_DISK_FULL);
    CU_ASSERT(flushes(s.f.kv));
    ingest_close(&in);
    check_goes_on(&s);
}

static void on_a_disk(void (*run)(const char *disk))
{
    struct folder folder = fixture_folder();
    if (disk_make(folder.path)) {
        run(folder.path);
        CU_ASSERT(umount(folder.path) == 0);
    } else {
        test_skip("no tmpfs can be mounted here: a full disk was not tried");
    }
    fixture_remove(folder.path);
}

static void test_each_size_that_is_left(void)
{
    on_a_disk(each_size_that_is_left);
}

static void test_a_stage_without_end(void)
{
    on_a_disk(a_stage_without_end);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"no size that is left on the disk ends a store", test_each_size_that_is_left},
        {"a stage leaves room for a flush", test_a_stage_without_end},
    };
    mounts_are_own =
        unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return suite_main("kv/full", tests, sizeof tests / sizeof *tests, argc, argv);
}
