/* test_kv_direct.c - files written in pieces: whole in either way, past the page cache where that
 * is wanted and can be, and no failure lost.
 *
 * The calls that reach the disk are this program's: they come before the C library's, note how
 * they were made, and fail as a case says. */
#include "fixture.h"

#include "kv/kv_direct.h"
#include "kv/kv_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define PUBLIC __attribute__((visibility("default"))) /* RocksDB finds it */
#define PIECE  DIRECT_PIECE_BYTES

/* What the n-th pwrite does, from 1; 0: none does. */
struct fault {
    unsigned nth;
    int error;        /* 0: it writes 4 KiB and no more */
    bool direct_only; /* if made with O_DIRECT; and each one from the n-th on */
    bool no_flag;     /* the file system does not take the flag */
    bool no_thread;
    int sync_error;
};

static _Atomic(const struct fault *) fault;
static atomic_uint writes, direct_writes, writes_elsewhere;
static pthread_t caller;

static void watch(const struct fault *f)
{
    atomic_store(&fault, f);
    caller = pthread_self();
    atomic_store(&writes, 0);
    atomic_store(&direct_writes, 0);
    atomic_store(&writes_elsewhere, 0);
}

static bool due(unsigned n, bool direct)
{
    const struct fault *f = atomic_load(&fault);
    if (f == NULL || f->nth == 0)
        return false;
    return f->direct_only ? direct && n >= f->nth : n == f->nth;
}

PUBLIC ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    bool direct = ((unsigned)syscall(SYS_fcntl, fd, F_GETFL) & (unsigned)O_DIRECT) != 0;
    bool fails = due(atomic_fetch_add(&writes, 1) + 1, direct);
    atomic_fetch_add(&direct_writes, direct);
    atomic_fetch_add(&writes_elsewhere, pthread_equal(pthread_self(), caller) == 0);
    const struct fault *f = atomic_load(&fault);
    if (fails && f->error != 0) {
        errno = f->error;
        return -1;
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, fails ? 4096 : n, at);
}

PUBLIC int fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    long value = va_arg(rest, long);
    va_end(rest);
    const struct fault *f = atomic_load(&fault);
    if (f != NULL && f->no_flag && command == F_SETFL && (value & O_DIRECT) != 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, value);
}

PUBLIC int fdatasync(int fd)
{
    const struct fault *f = atomic_load(&fault);
    if (f != NULL && f->sync_error != 0) {
        errno = f->sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

PUBLIC int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict how,
                          void *(*run)(void *), void *restrict with)
{
    create_fn real = (create_fn)(uintptr_t)dlsym(RTLD_NEXT, "pthread_create");
    const struct fault *f = atomic_load(&fault);
    return f != NULL && f->no_thread ? EAGAIN : real(thread, how, run, with);
}

/* ---- a file ------------------------------------------------------------------------------ */

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

/* `total` bytes, `step` at a time; 0 or the first errno, and what sync said if it came to that. */
static int file_write(struct direct_writer *w, const char *path, bool past_cache, uint64_t total,
                      size_t step)
{
    CLEANUP(free_ptr) uint8_t *bytes = malloc(step);
    int error = bytes == NULL ? ENOMEM : direct_open(w, path, past_cache);
    for (uint64_t at = 0; error == 0 && at < total;) {
        size_t n = total - at < step ? (size_t)(total - at) : step;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(at + i);
        error = direct_append(w, bytes, n);
        at += n;
    }
    if (error == 0) {
        CU_ASSERT(direct_size(w) == total);
        error = direct_sync(w);
    }
    int closed = direct_close(w);
    return error != 0 ? error : closed;
}

static bool file_holds(const char *path, uint64_t total)
{
    static uint8_t bytes[65536];
    uint64_t at = 0;
    FILE *f = fopen(path, "re");
    bool good = f != NULL;
    for (size_t n = 1; good && n > 0; at += n) {
        n = fread(bytes, 1, sizeof bytes, f);
        for (size_t i = 0; i < n; i++)
            good = good && bytes[i] == byte_at(at + i);
    }
    if (f != NULL)
        (void)fclose(f);
    return good && at == total;
}

static int descriptors(void)
{
    int n = 0;
    CLEANUP(folder_close) DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL) // NOLINT(concurrency-mt-unsafe)
        n++;
    return n;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void test_files_hold_what_was_appended(void)
{
    static const struct {
        uint64_t total;
        size_t step;
    } cases[] = {
        {0, 1},         {1, 1},         {PIECE - 1, 4099},           {PIECE, PIECE},
        {PIECE, 7777},  {PIECE + 1, 3}, {2 * PIECE, 3 * PIECE},      {3 * PIECE + 100, 16389},
        {9 * PIECE, 5}, {100, 100},     {11 * PIECE + 17, 1u << 22},
    };
    struct folder folder = fixture_folder();
    CLEANUP(free_ptr) char *path = NULL;
    CU_ASSERT_FATAL(asprintf(&path, "%s/file", folder.path) > 0);
    watch(NULL);
    for (int past = 0; past <= 2; past++) { /* 2: in turns */
        struct direct_writer *w = direct_create();
        CU_ASSERT_FATAL(w != NULL);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            bool past_cache = past == 2 ? i % 2 == 0 : past == 1;
            CU_ASSERT(file_write(w, path, past_cache, cases[i].total, cases[i].step) == 0);
            CU_ASSERT(file_holds(path, cases[i].total));
        }
        direct_destroy(w);
    }
    fixture_remove(folder.path);
}

static bool has_direct(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    bool has = fd >= 0 && fcntl(fd, F_SETFL, O_DIRECT) == 0;
    if (fd >= 0)
        (void)close(fd);
    return has;
}

static void test_whole_pieces_pass_the_cache_in_a_thread(void)
{
    struct folder folder = fixture_folder();
    CLEANUP(free_ptr) char *path = NULL;
    CU_ASSERT_FATAL(asprintf(&path, "%s/file", folder.path) > 0);
    if (!has_direct(folder.path)) {
        fixture_remove(folder.path);
        test_skip("the file system of /tmp has no O_DIRECT");
        return;
    }
    struct direct_writer *w = direct_create();
    CU_ASSERT_FATAL(w != NULL);
    watch(NULL);
    CU_ASSERT(file_write(w, path, false, 3 * PIECE + 5, 10000) == 0);
    CU_ASSERT(direct_writes == 0 && writes_elsewhere == 0 && writes == 4);
    watch(NULL);
    CU_ASSERT(file_write(w, path, true, 3 * PIECE + 5, 10000) == 0);
    CU_ASSERT(direct_writes == 3 && writes_elsewhere == 3 && writes == 4);
    watch(NULL);
    CU_ASSERT(file_write(w, path, true, PIECE - 1, 10000) == 0);
    CU_ASSERT(direct_writes == 0 && writes == 1);
    direct_destroy(w);
    fixture_remove(folder.path);
}

static void test_what_can_be_gone_round_is(void)
{
    static const struct fault cases[] = {
        {.no_flag = true},
        {.no_thread = true},
        {.no_thread = true, .nth = 2, .direct_only = true, .error = EINVAL},
        {.nth = 1, .direct_only = true, .error = EINVAL},
        {.nth = 3, .direct_only = true, .error = EINVAL},
        {.nth = 2},
        {.nth = 2, .error = EINTR},
    };
    struct folder folder = fixture_folder();
    CLEANUP(free_ptr) char *path = NULL;
    CU_ASSERT_FATAL(asprintf(&path, "%s/file", folder.path) > 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct direct_writer *w = direct_create();
        CU_ASSERT_FATAL(w != NULL);
        watch(&cases[i]);
        CU_ASSERT(file_write(w, path, true, 6 * PIECE + 300, 70000) == 0);
        CU_ASSERT(file_write(w, path, true, 2 * PIECE, 70000) == 0);
        CU_ASSERT(file_holds(path, 2 * PIECE));
        watch(&cases[i]);
        CU_ASSERT(file_write(w, path, true, 6 * PIECE + 300, 70000) == 0);
        CU_ASSERT(file_holds(path, 6 * PIECE + 300));
        direct_destroy(w);
    }
    watch(NULL);
    fixture_remove(folder.path);
}

static void test_no_failure_is_lost(void)
{
    struct folder folder = fixture_folder();
    CLEANUP(free_ptr) char *path = NULL;
    CU_ASSERT_FATAL(asprintf(&path, "%s/file", folder.path) > 0);
    int before = descriptors();
    for (int past = 0; past <= 1; past++) {
        for (unsigned nth = 1; nth <= 7; nth++) { /* the last one is the file's end */
            const struct fault full = {.nth = nth, .error = ENOSPC};
            struct direct_writer *w = direct_create();
            CU_ASSERT_FATAL(w != NULL);
            watch(&full);
            CU_ASSERT(file_write(w, path, past == 1, 6 * PIECE + 300, 70000) == ENOSPC);
            direct_destroy(w);
        }
        const struct fault no_sync = {.sync_error = EIO};
        struct direct_writer *w = direct_create();
        CU_ASSERT_FATAL(w != NULL);
        watch(&no_sync);
        CU_ASSERT(file_write(w, path, past == 1, 2 * PIECE + 300, 70000) == EIO);
        direct_destroy(w);
        watch(NULL);
        w = direct_create();
        CU_ASSERT_FATAL(w != NULL);
        CU_ASSERT(direct_open(w, "/nowhere/file", past == 1) == ENOENT);
        direct_destroy(w);
    }
    watch(NULL);
    CU_ASSERT(descriptors() == before);
    fixture_remove(folder.path);
}

static void test_a_file_can_be_given_up(void)
{
    struct folder folder = fixture_folder();
    CLEANUP(free_ptr) char *path = NULL;
    CLEANUP(free_ptr) char *other = NULL;
    CU_ASSERT_FATAL(asprintf(&path, "%s/file", folder.path) > 0);
    CU_ASSERT_FATAL(asprintf(&other, "%s/other", folder.path) > 0);
    static const uint8_t zeros[3 * PIECE + 7];
    int before = descriptors();
    watch(NULL);
    for (int past = 0; past <= 1; past++) {
        struct direct_writer *w = direct_create();
        CU_ASSERT_FATAL(w != NULL);
        CU_ASSERT(direct_open(w, other, past == 1) == 0);
        CU_ASSERT(direct_append(w, zeros, sizeof zeros) == 0);
        CU_ASSERT(direct_close(w) == 0 && direct_close(w) == 0);
        CU_ASSERT(file_write(w, path, past == 1, 2 * PIECE + 9, 70000) == 0);
        CU_ASSERT(file_holds(path, 2 * PIECE + 9));
        CU_ASSERT(direct_open(w, other, past == 1) == 0);
        CU_ASSERT(direct_append(w, zeros, sizeof zeros) == 0);
        direct_destroy(w); /* with a file open */
    }
    CU_ASSERT(descriptors() == before);
    fixture_remove(folder.path);
}

/* An import stays in the cache, where its push reads it; a transfer that is kept on the way does
 * not from there on, nor one that goes on after a cut. */
static void test_a_stage_passes_the_cache_once_it_is_kept(void)
{
    static const uint32_t many = 400; /* 3 pieces and more */
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "main",
                                        .target_lsn = 1,
                                        .expected_bytes = BULK};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    struct zs_digest sum;
    bool synced = false;
    if (!has_direct(f.dir)) {
        fixture_close(&f);
        test_skip("the file system of /tmp has no O_DIRECT");
        return;
    }
    watch(NULL);
    write_pages(kv_store(f.kv), "imported", 0, many, 1, BULK);
    CU_ASSERT(direct_writes == 0 && writes > 3);

    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
    ASSERT_OK(put_pages(&in, 0, many, 1, &e));
    ASSERT_OK(ingest_sync(&in, "t", 1, &synced, &e));
    CU_ASSERT(synced && direct_writes == 0);
    ASSERT_OK(put_pages(&in, many, 2 * many, 1, &e));
    ASSERT_OK(ingest_sync(&in, "t", 1, &synced, &e));
    CU_ASSERT(direct_writes == 3);
    ingest_close(&in);

    fixture_reopen(&f);
    watch(NULL);
    uint8_t token[8];
    uint64_t token_bytes = sizeof token;
    ASSERT_OK(ingest_resume(kv_store(f.kv), "main", token, &token_bytes, &in, &e));
    ASSERT_OK(put_pages(&in, 2 * many, 3 * many, 1, &e));
    ASSERT_OK(commit_at(&in, 1, &e));
    CU_ASSERT(direct_writes == 3);
    ingest_close(&in);

    struct snapshot s = {0};
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e));
    CU_ASSERT(read_all(&s, 0, 1, &sum) == (uint64_t)3 * many);
    snapshot_close(&s);
    fixture_close(&f);
}

/* Through the engine, which lays the files out. */
static void test_a_stage_says_what_the_disk_said(void)
{
    static const uint32_t many = 400; /* three pieces, and the file's end */
    static const struct {
        struct fault fault;
        const char *sqlstate;
    } cases[] = {
        {{.nth = 1, .error = ENOSPC}, ZS_DISK_FULL}, {{.nth = 3, .error = ENOSPC}, ZS_DISK_FULL},
        {{.nth = 4, .error = ENOSPC}, ZS_DISK_FULL}, {{.nth = 4, .error = EIO}, ZS_IO_ERROR},
        {{.sync_error = ENOSPC}, ZS_DISK_FULL},      {{.sync_error = EIO}, ZS_IO_ERROR},
        {{.nth = 5, .error = ENOSPC}, ZS_DISK_FULL}, {{.nth = 7, .error = EIO}, ZS_IO_ERROR},
        {{.nth = 8, .error = ENOSPC}, ZS_DISK_FULL},
    };
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "main",
                                        .target_lsn = 1,
                                        .expected_bytes = BULK};
    struct fixture f = fixture_open();
    int before = descriptors();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct ingest in = {0};
        bool synced = false;
        ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
        watch(&cases[i].fault);
        int rc = ZS_OK;
        for (uint32_t part = 0; part < 2 && rc == ZS_OK; part++) { /* the second past the cache */
            rc = put_pages(&in, part * many, (part + 1) * many, 1, &e);
            if (rc == ZS_OK)
                rc = ingest_sync(&in, "t", 1, &synced, &e);
        }
        watch(NULL);
        ASSERT_FAILS(rc, cases[i].sqlstate);
        ingest_close(&in);
        (void)store_stage_drop(kv_store(f.kv), "main", &e);
    }
    CU_ASSERT(descriptors() == before);
    fixture_close(&f);
}

SUITE("kv/direct", {"files hold what was appended", test_files_hold_what_was_appended},
      {"whole pieces pass the cache, in a thread", test_whole_pieces_pass_the_cache_in_a_thread},
      {"what can be gone round is", test_what_can_be_gone_round_is},
      {"no failure is lost", test_no_failure_is_lost},
      {"a file can be given up", test_a_file_can_be_given_up},
      {"a stage passes the cache once it is kept", test_a_stage_passes_the_cache_once_it_is_kept},
      {"a stage says what the disk said", test_a_stage_says_what_the_disk_said})
