/* test_kv_kept.c - when does a stage that waits go away?
 *
 * What cannot be read just now may be whole: the start, or the resume, fails and says why, and
 * the stage is gone on with when the reason has passed.  A look that shows damage, or nothing
 * to go on with, removes it.
 *
 * And one that nobody has gone on with in time, as soon as anybody looks, or nobody does.
 *
 * The calls that fail are this program's and RocksDB's: they come before the C library's, as
 * does the clock. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define PUBLIC __attribute__((visibility("default"))) /* RocksDB finds it */
#define ALL    40u
#define HALF   (ALL / 2)
#define TOKEN  "upto here"

/* Every such call for a file of the stage's fails. */
struct fault {
    const char *call, *file;
    int error;
    const char *sqlstate;
};

static _Atomic(const struct fault *) armed;

static bool due(const char *call, const char *path)
{
    const struct fault *f = atomic_load(&armed);
    if (f == NULL || strcmp(f->call, call) != 0 || strstr(path, "/stage/") == NULL ||
        strstr(path, f->file) == NULL)
        return false;
    errno = f->error;
    return true;
}

PUBLIC int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list rest;
    va_start(rest, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(rest, mode_t);
    va_end(rest);
    return due("open", path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

PUBLIC int lstat(const char *restrict path, struct stat *restrict st)
{
    return due("lstat", path) ? -1 : fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

PUBLIC ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
    char link[40];
    char path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len < 0 ? 0 : len] = '\0';
    return due("pread", path) ? -1 : (ssize_t)syscall(SYS_pread64, fd, buf, n, at);
}

static _Atomic int64_t later_seconds; /* than it is */

PUBLIC time_t time(time_t *out)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    time_t shown = now.tv_sec + (time_t)atomic_load(&later_seconds);
    if (out != NULL)
        *out = shown;
    return shown;
}

/* ---- a stage -------------------------------------------------------------------------- */

/* Half of a branch, synced. */
static void stage_make_of(struct fixture *f, const char *branch)
{
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = branch,
                                        .target_lsn = 1,
                                        .expected_bytes = BULK};
    struct zs_error e = {0};
    struct ingest in = {0};
    bool synced = false;
    ASSERT_OK(ingest_begin(kv_store(f->kv), &spec, &in, &e));
    ASSERT_OK(put_pages(&in, 0, HALF, 1, &e));
    ASSERT_OK(ingest_sync(&in, TOKEN, strlen(TOKEN), &synced, &e));
    CU_ASSERT(synced);
    ingest_close(&in);
}

static void stage_make(struct fixture *f)
{
    stage_make_of(f, "main");
}

static int reopen(struct fixture *f, struct ingest *in, struct zs_error *e)
{
    uint8_t token[ZS_TOKEN_MAX];
    uint64_t len = 0;
    TRY(ingest_resume(kv_store(f->kv), "main", token, &len, in, e));
    CU_ASSERT(len == strlen(TOKEN) && memcmp(token, TOKEN, len) == 0);
    return ZS_OK;
}

static int32_t to_the_end(void *context, const uint8_t key[ZS_KEY_BYTES])
{
    (void)context, (void)key;
    return 0;
}

/* Taken up and looked through, as a receiver does. */
static int resume(struct fixture *f, struct ingest *in, struct zs_error *e)
{
    bool known = false;
    TRY(reopen(f, in, e));
    int rc = ingest_keys(in, to_the_end, NULL, &known, e);
    CU_ASSERT(known);
    if (rc != ZS_OK)
        ingest_close(in);
    return rc;
}

/* It can be gone on with; closed without a commit, it waits again. */
static void check_waits(struct fixture *f)
{
    struct zs_error e = {0};
    struct ingest in = {0};
    ASSERT_OK(resume(f, &in, &e));
    ingest_close(&in);
}

/* From the resume to the commit: all that was kept is there. */
static void check_goes_on(struct fixture *f)
{
    struct zs_error e = {0};
    struct ingest in = {0};
    ASSERT_OK(resume(f, &in, &e));
    ASSERT_OK(put_pages(&in, HALF, ALL, 1, &e));
    ASSERT_OK(commit_at(&in, 1, &e));
    ingest_close(&in);
    check_branch(kv_store(f->kv), "main", ALL);
}

/* The path of the only stage's folder; false if there is none. */
static bool stage_find(const struct fixture *f, char *path, size_t size)
{
    char parent[64];
    (void)snprintf(parent, sizeof parent, "%s/stage", f->dir);
    DIR *d = opendir(parent);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    if (d == NULL)
        return false;
    const char *name = folder_next(d);
    if (name != NULL)
        (void)snprintf(path, size, "%s/%s", parent, name);
    (void)closedir(d);
    return name != NULL;
}

static void stop(struct fixture *f)
{
    kv_close(f->kv);
    f->kv = NULL;
}

/* ---- what passes ---------------------------------------------------------------------- */

static void test_a_start_that_cannot_read(void)
{
    static const struct fault faults[] = {
        {"open", "/manifest", EMFILE, ZS_LIMIT_EXCEEDED},
        {"open", "/manifest", ENOMEM, ZS_OUT_OF_MEMORY},
        {"open", "/manifest", EACCES, ZS_NO_PERMISSION},
        {"open", "/manifest", EIO, ZS_IO_ERROR},
        {"pread", "/manifest", EIO, ZS_IO_ERROR},
        {"pread", "/manifest", ENOMEM, ZS_OUT_OF_MEMORY},
        {"lstat", "/0001.sst", EIO, ZS_IO_ERROR},
        {"lstat", "/0001.sst", EACCES, ZS_NO_PERMISSION},
    };
    struct fixture f = fixture_open();
    stage_make(&f);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct zs_error e = {0};
        stop(&f);
        atomic_store(&armed, &faults[i]);
        ASSERT_FAILS(kv_open(f.dir, 0, &f.kv, &e), faults[i].sqlstate);
        atomic_store(&armed, NULL);
        CU_ASSERT(strstr(e.message, faults[i].file) != NULL && e.hint[0] != '\0');
        ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
        CU_ASSERT_PTR_NOT_NULL_FATAL(f.kv);
        check_waits(&f);
    }
    check_goes_on(&f);
    fixture_close(&f);
}

static void test_a_resume_that_cannot_read(void)
{
    static const struct fault faults[] = {
        {"lstat", "/0001.sst", EIO, ZS_IO_ERROR},
        {"lstat", "/0001.sst", ENOMEM, ZS_OUT_OF_MEMORY},
        {"open", "/0001.sst", EMFILE, ZS_LIMIT_EXCEEDED},
        {"open", "/0001.sst", ENOMEM, ZS_OUT_OF_MEMORY},
        {"open", "/0001.sst", EACCES, ZS_NO_PERMISSION},
        {"pread", "/0001.sst", EIO, ZS_IO_ERROR},
    };
    struct fixture f = fixture_open();
    stage_make(&f);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct zs_error e = {0};
        struct ingest in = {0};
        atomic_store(&armed, &faults[i]);
        ASSERT_FAILS(resume(&f, &in, &e), faults[i].sqlstate);
        atomic_store(&armed, NULL);
        CU_ASSERT(e.hint[0] != '\0');
        check_waits(&f);
        fixture_reopen(&f);
    }
    check_goes_on(&f);
    fixture_close(&f);
}

/* ---- what does not -------------------------------------------------------------------- */

enum harm { REMOVED, CUT, A_LINK, FLIPPED };

static void harm_file(const char *path, enum harm harm, long at)
{
    char moved[160];
    struct stat st;
    CU_ASSERT_FATAL(stat(path, &st) == 0);
    switch (harm) {
    case REMOVED:
        CU_ASSERT(unlink(path) == 0);
        return;
    case CUT:
        CU_ASSERT(truncate(path, st.st_size - 1) == 0);
        return;
    case A_LINK: /* to what would be a good one */
        (void)snprintf(moved, sizeof moved, "%s.moved", path);
        CU_ASSERT(rename(path, moved) == 0 && symlink(moved, path) == 0);
        return;
    case FLIPPED:
        break;
    }
    FILE *file = fopen(path, "r+e");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    (void)fseek(file, at, SEEK_SET);
    CU_ASSERT(fputc(byte ^ 1, file) != EOF);
    (void)fclose(file);
}

static void test_a_start_that_finds_damage(void)
{
    static const struct {
        const char *file;
        enum harm harm;
        long at;
    } cases[] = {
        {"manifest", REMOVED, 0}, {"manifest", CUT, 0},       {"manifest", A_LINK, 0},
        {"manifest", FLIPPED, 0}, {"manifest", FLIPPED, 100}, {"manifest", FLIPPED, 446},
        {"0001.sst", REMOVED, 0}, {"0001.sst", CUT, 0},       {"0001.sst", A_LINK, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f = fixture_open();
        struct zs_error e = {0};
        struct ingest in = {0};
        char dir[120];
        char path[140];
        stage_make(&f);
        stop(&f);
        CU_ASSERT_FATAL(stage_find(&f, dir, sizeof dir));
        (void)snprintf(path, sizeof path, "%s/%s", dir, cases[i].file);
        harm_file(path, cases[i].harm, cases[i].at);
        ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
        CU_ASSERT_PTR_NOT_NULL_FATAL(f.kv);
        CU_ASSERT(!stage_find(&f, dir, sizeof dir));
        ASSERT_FAILS(resume(&f, &in, &e), ZS_NO_SUCH_BRANCH);
        write_pages(kv_store(f.kv), "main", 0, HALF, 1, BULK);
        fixture_close(&f);
    }
}

static void test_a_resume_that_finds_damage(void)
{
    for (int looks = 0; looks < 2; looks++) { /* by who resumes; else by the commit */
        struct fixture f = fixture_open();
        struct zs_error e = {0};
        struct ingest in = {0};
        char dir[120];
        char path[140];
        stage_make(&f);
        CU_ASSERT_FATAL(stage_find(&f, dir, sizeof dir));
        (void)snprintf(path, sizeof path, "%s/0001.sst", dir);
        harm_file(path, FLIPPED, (long)HALF / 2 * PAGE);
        if (looks) {
            ASSERT_FAILS(resume(&f, &in, &e), ZS_CORRUPT);
            CU_ASSERT(e.hint[0] != '\0');
            ASSERT_OK(store_stage_drop(kv_store(f.kv), "main", &e));
        } else {
            ASSERT_OK(reopen(&f, &in, &e));
            ASSERT_OK(put_pages(&in, HALF, ALL, 1, &e));
            ASSERT_FAILS(commit_at(&in, 1, &e), ZS_CORRUPT);
            ingest_close(&in);
        }
        CU_ASSERT(!stage_find(&f, dir, sizeof dir));
        ASSERT_FAILS(resume(&f, &in, &e), ZS_NO_SUCH_BRANCH);
        fixture_close(&f);
    }
}

/* ---- put back by hand ----------------------------------------------------------------- */

static void run(const char *format, const char *a, const char *b)
{
    char command[400];
    (void)snprintf(command, sizeof command, format, a, b);
    CU_ASSERT(system(command) == 0); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static int32_t note_branch(void *context, const struct zs_stage_info *info)
{
    char *text = context;
    (void)snprintf(text + strlen(text), 40 - strlen(text), "%.16s;", info->branch);
    return 0;
}

static void check_stages(struct fixture *f, const char *wanted)
{
    struct zs_error e = {0};
    char text[40] = "";
    ASSERT_OK(store_stage_list(kv_store(f->kv), note_branch, text, &e));
    if (wanted[0] == '?')
        wanted = text[0] == 'm' ? "main;" : "other;";
    ASSERT_TEXT(text, wanted);
}

/* What has the stage's space by the time that an old copy of its folder comes back. */
enum owner { NOBODY, A_BRANCH, A_REMOVED_BRANCH, ANOTHER_STAGE };

static void test_a_stage_whose_space_is_another_s(void)
{
    static const struct {
        enum owner owner;
        const char *stages; /* "?": one, whichever was found first */
    } cases[] = {{NOBODY, "main;"}, {A_BRANCH, ""}, {A_REMOVED_BRANCH, ""}, {ANOTHER_STAGE, "?;"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f = fixture_open();
        struct folder copy = fixture_folder();
        struct folder crashed = fixture_folder();
        struct snapshot shown = {0};
        struct zs_error e = {0};
        stage_make(&f);
        run("cp -a %s/stage %s/", f.dir, copy.path);
        ASSERT_OK(store_stage_drop(kv_store(f.kv), "main", &e));
        fixture_reopen(&f); /* nobody has the number any more */
        switch (cases[i].owner) {
        case NOBODY:
            break;
        case A_BRANCH:
            write_pages(kv_store(f.kv), "other", 0, ALL, 1, BULK);
            break;
        case A_REMOVED_BRANCH: /* a snapshot keeps its records from being taken away */
            write_pages(kv_store(f.kv), "other", 0, ALL, 1, BULK);
            ASSERT_OK(snapshot_open(kv_store(f.kv), "other", &shown, &e));
            ASSERT_OK(kv_branch_delete(f.kv, "other", &e));
            break;
        case ANOTHER_STAGE:
            stage_make_of(&f, "other");
            break;
        }
        run("cp -a %s/. %s/", f.dir, crashed.path);
        run("cp -a %s/stage %s/", copy.path, crashed.path);
        if (cases[i].owner == A_REMOVED_BRANCH)
            snapshot_close(&shown);
        fixture_close(&f);
        memcpy(f.dir, crashed.path, sizeof f.dir);
        ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
        CU_ASSERT_PTR_NOT_NULL_FATAL(f.kv);
        check_stages(&f, cases[i].stages);
        if (cases[i].owner == A_BRANCH)
            check_branch(kv_store(f.kv), "other", ALL);
        fixture_close(&f);
        fixture_remove(copy.path);
    }
}

/* ---- its time is over ----------------------------------------------------------------- */

enum look { A_LISTING, ANOTHER_INGEST, A_SWEEP, A_START };

static int32_t count_one(void *context, const struct zs_stage_info *info)
{
    (void)info;
    ++*(unsigned *)context;
    return 0;
}

static void look(struct fixture *f, enum look how)
{
    struct zs_error e = {0};
    unsigned seen = 0;
    switch (how) {
    case A_START:
        fixture_reopen(f);
        kv_expire_stages(f->kv); /* the server's first */
        return;
    case A_SWEEP:
        kv_expire_stages(f->kv);
        return;
    case ANOTHER_INGEST:
        write_pages(kv_store(f->kv), "other", 0, 1, (zs_lsn)atomic_load(&later_seconds) + 1, 0);
        return;
    case A_LISTING:
        ASSERT_OK(store_stage_list(kv_store(f->kv), count_one, &seen, &e));
        CU_ASSERT_EQUAL(seen, atomic_load(&later_seconds) < KV_STAGE_SECONDS ? 2 : 0);
        return;
    }
}

static void test_a_stage_goes_after_its_time(void)
{
    static const enum look looks[] = {A_LISTING, ANOTHER_INGEST, A_SWEEP, A_START};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        struct fixture f = fixture_open();
        struct zs_error e = {0};
        struct ingest in = {0};
        char dir[120];
        atomic_store(&later_seconds, 0);
        stage_make(&f);
        stage_make_of(&f, "second");
        atomic_store(&later_seconds, KV_STAGE_SECONDS - 60);
        look(&f, looks[i]);
        CU_ASSERT(stage_find(&f, dir, sizeof dir));
        check_waits(&f);
        atomic_store(&later_seconds, KV_STAGE_SECONDS);
        look(&f, looks[i]);
        CU_ASSERT(!stage_find(&f, dir, sizeof dir)); /* the disk is given back */
        ASSERT_FAILS(resume(&f, &in, &e), ZS_NO_SUCH_BRANCH);
        atomic_store(&later_seconds, 0);
        fixture_close(&f);
    }
}

static void test_how_long_a_stage_waits_can_be_set(void)
{
    static const struct {
        int64_t seconds, age;
        bool waits;
    } cases[] = {{1000, 500, true},
                 {1000, 1000, false},
                 {0, 0, false}, /* not at all */
                 {2 * KV_STAGE_SECONDS, KV_STAGE_SECONDS + 1, true},
                 {2 * KV_STAGE_SECONDS, 2 * KV_STAGE_SECONDS, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f = fixture_open();
        char dir[120];
        stage_make(&f);
        atomic_store(&later_seconds, cases[i].age);
        fixture_reopen(&f); /* which does not know yet */
        kv_set_stage_timeout(f.kv, cases[i].seconds);
        kv_expire_stages(f.kv);
        CU_ASSERT_EQUAL(stage_find(&f, dir, sizeof dir), cases[i].waits);
        atomic_store(&later_seconds, 0);
        fixture_close(&f);
    }
}

SUITE("kv/kept", {"a start that cannot read a stage leaves it", test_a_start_that_cannot_read},
      {"a resume that cannot read a stage leaves it", test_a_resume_that_cannot_read},
      {"a start removes a stage that is damaged", test_a_start_that_finds_damage},
      {"a resume removes a stage that is damaged", test_a_resume_that_finds_damage},
      {"a stage whose space is another's is dropped", test_a_stage_whose_space_is_another_s},
      {"a stage goes after its time, whoever looks", test_a_stage_goes_after_its_time},
      {"how long a stage waits can be set", test_how_long_a_stage_waits_can_be_set})
