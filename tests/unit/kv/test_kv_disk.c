/* test_kv_disk.c - a disk that fails while the engine takes over a stage's files, or before.
 *
 * A child makes a branch as a stage while the n-th sync of the manifest, the n-th read of the
 * stage, or each read of its n-th 4 KiB fails, for each n there is; then it ends at once, as of
 * a power cut.  The store opens again, its other branch is whole, and the new one is whole or
 * not there; whole, if the child was told so.
 *
 * Another child's flush does not fit on the disk.  Once the engine has got over that, it
 * would end the process when it is to take over files: it is not let.
 *
 * The calls are RocksDB's: those of a program come before the C library's.  Children are
 * this program again, executed: RocksDB's threads do not outlive a fork. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PUBLIC      __attribute__((visibility("default"))) /* RocksDB finds it */
#define PAGES       200u
#define FEW         20u
#define PLACE_BYTES 4096
#define PLACES      (FEW * PAGE / PLACE_BYTES + 4) /* the last ones lie behind the file */
#define COMMITTED   1                              /* a child's exit status: these bits */
#define FIRED       2
#define BROKEN      4

enum which { ONCE, FROM_THEN_ON, PLACE };
static const char *const names[] = {"once", "from then on", "place"};

struct fault {
    const char *call, *path; /* of files whose path has this in it */
    enum which which;
};

static struct fault fault; /* set before the engine's threads look at `armed` */
static unsigned nth;
static atomic_bool armed;
static atomic_uint calls, failures;

static bool is_due(unsigned n, off_t at, size_t len)
{
    off_t place = (off_t)(nth - 1) * PLACE_BYTES;
    switch (fault.which) {
    case ONCE:
        return n == nth;
    case FROM_THEN_ON:
        return n >= nth;
    case PLACE:
        return at < place + PLACE_BYTES && at + (off_t)len > place;
    }
    return false;
}

static bool due(const char *call, int fd, off_t at, size_t len)
{
    char link[40];
    char path[512];
    if (!atomic_load(&armed) || strcmp(fault.call, call) != 0)
        return false;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t path_len = readlink(link, path, sizeof path - 1);
    if (path_len < 0)
        return false;
    path[path_len] = '\0';
    if (strstr(path, fault.path) == NULL || !is_due(atomic_fetch_add(&calls, 1) + 1, at, len))
        return false;
    atomic_fetch_add(&failures, 1);
    errno = strcmp(call, "write") == 0 ? ENOSPC : EIO;
    return true;
}

PUBLIC int fdatasync(int fd)
{
    return due("fdatasync", fd, 0, 1) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

PUBLIC ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
    return due("pread", fd, at, n) ? -1 : (ssize_t)syscall(SYS_pread64, fd, buf, n, at);
}

PUBLIC ssize_t write(int fd, const void *buf, size_t n)
{
    return due("write", fd, 0, n) ? -1 : (ssize_t)syscall(SYS_write, fd, buf, n);
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

/* "--flush DIR": a flush fails, and works again when the engine has seen that there is room. */
_Noreturn static void flush_main(const char *dir)
{
    enum { PAUSE_US = 20000, TRIES = 3000 };
    struct zs_error e = {0};
    struct kv *kv = NULL;
    if (kv_open(dir, 0, &kv, &e) != ZS_OK ||
        try_write_pages(kv_store(kv), "small", 0, 1, 1, 0, &e) != ZS_OK)
        _exit(BROKEN);
    fault = (struct fault){"write", ".sst", ONCE};
    nth = 1;
    atomic_store(&armed, true);
    bool failed = !flushes(kv);
    bool again = false;
    for (int i = 0; i < TRIES && !again; i++) {
        (void)usleep(PAUSE_US);
        again = flushes(kv);
    }
    int rc = try_write_pages(kv_store(kv), "new", 0, PAGES, 1, BULK, &e);
    bool refused = rc != ZS_OK && strcmp(e.sqlstate, ZS_IO_ERROR) == 0 &&
                   strstr(e.hint, "start the server again") != NULL;
    rc = try_write_pages(kv_store(kv), "log", 0, 1, 1, 0, &e);
    _exit(failed && again && refused && rc == ZS_OK ? FIRED : BROKEN);
}

/* Of the new branch: few where each place is tried. */
static unsigned pages_of(const struct fault *f)
{
    return f->which == PLACE ? FEW : PAGES;
}

/* "--write DIR CALL PATH WHICH N".  No CU_ASSERT in a child. */
_Noreturn static void write_main(const char *dir)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    if (kv_open(dir, 0, &kv, &e) != ZS_OK)
        _exit(BROKEN);
    atomic_store(&armed, true);
    int rc = try_write_pages(kv_store(kv), "new", 0, pages_of(&fault), 1, BULK, &e);
    _exit((rc == ZS_OK ? COMMITTED : 0) | (atomic_load(&failures) > 0 ? FIRED : 0));
}

static int run(const char *dir, const struct fault *f, unsigned n)
{
    char number[16], which[16];
    int status = 0;
    (void)snprintf(number, sizeof number, "%u", n);
    (void)snprintf(which, sizeof which, "%u", (unsigned)f->which);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/proc/self/exe", "test_kv_disk", "--write", dir, f->call, f->path, which,
                    number, (char *)NULL);
        _exit(BROKEN);
    }
    CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
    CU_ASSERT(WIFEXITED(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : FIRED;
}

static void sweep(const struct fault *f)
{
    struct fixture store = fixture_open();
    int status = FIRED;
    unsigned fired = 0;
    write_pages(kv_store(store.kv), "old", 0, PAGES, 1, BULK);
    for (unsigned n = 1; f->which == PLACE ? n <= PLACES : (status & FIRED) != 0; n++) {
        struct zs_error e = {0};
        struct zs_branch_info info = {.struct_size = sizeof info};
        kv_close(store.kv);
        store.kv = NULL;
        status = run(store.dir, f, n);
        fired += (status & FIRED) != 0;
        CU_ASSERT((status & BROKEN) == 0);
        ASSERT_OK(kv_open(store.dir, 0, &store.kv, &e));
        if (store.kv == NULL)
            return;
        check_branch(kv_store(store.kv), "old", PAGES);
        bool there = store_branch_find(kv_store(store.kv), "new", &info, &e) == ZS_OK;
        CU_ASSERT(there || (status & COMMITTED) == 0);
        if (!there)
            continue;
        check_branch(kv_store(store.kv), "new", pages_of(f));
        ASSERT_OK(kv_branch_delete(store.kv, "new", &e));
    }
    (void)printf("%s of %s, %s: %u failed\n", f->call, f->path, names[f->which], fired);
    CU_ASSERT(fired > 1);
    CU_ASSERT((status & FIRED) == 0 && (status & COMMITTED) != 0); /* where none failed */
    fixture_close(&store);
}

static void test_a_sync_of_the_manifest(void)
{
    sweep(&(const struct fault){"fdatasync", "/db/MANIFEST-", ONCE});
    sweep(&(const struct fault){"fdatasync", "/db/MANIFEST-", FROM_THEN_ON});
}

static void test_a_read_of_the_stage(void)
{
    sweep(&(const struct fault){"pread", "/stage/", ONCE});
    sweep(&(const struct fault){"pread", "/stage/", PLACE});
}

static void test_a_flush_onto_a_full_disk(void)
{
    struct fixture store = fixture_open();
    struct zs_error e = {0};
    int status = 0;
    write_pages(kv_store(store.kv), "old", 0, PAGES, 1, BULK);
    kv_close(store.kv);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/proc/self/exe", "test_kv_disk", "--flush", store.dir, (char *)NULL);
        _exit(BROKEN);
    }
    CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == FIRED);
    ASSERT_OK(kv_open(store.dir, 0, &store.kv, &e));
    check_branch(kv_store(store.kv), "old", PAGES);
    check_branch(kv_store(store.kv), "small", 1);
    check_branch(kv_store(store.kv), "log", 1);
    write_pages(kv_store(store.kv), "new", 0, PAGES, 1, BULK);
    fixture_close(&store);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"a failed sync of the manifest loses nothing", test_a_sync_of_the_manifest},
        {"a failed read of a stage loses nothing", test_a_read_of_the_stage},
        {"a flush onto a full disk ends neither the process nor a branch",
         test_a_flush_onto_a_full_disk},
    };
    if (argc == 3 && strcmp(argv[1], "--flush") == 0)
        flush_main(argv[2]);
    if (argc == 7 && strcmp(argv[1], "--write") == 0) {
        fault = (struct fault){argv[3], argv[4], (enum which)strtoul(argv[5], NULL, 10)};
        nth = (unsigned)strtoul(argv[6], NULL, 10);
        write_main(argv[2]);
    }
    return suite_main("kv/disk", tests, sizeof tests / sizeof *tests, argc, argv);
}
