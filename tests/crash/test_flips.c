/* test_flips.c - every byte of a small repository's files is changed, one at a time: what
 * was stored is then found to be damaged, at the start or by a verification, with a sentence
 * that helps; or it is all there, as if nothing had been changed.  Never less, never other.
 *
 * FLIPS_STEP=N changes only every N-th byte of each file (and the first and last EDGE).
 * `make -f plugin.mk flips` changes all, and prints what became of each file's bytes.
 * Each change is tried in a process of its own, so that a crash or a hang is a finding like
 * others.  Threads: none here; the parent never opens a store. */
#include "../unit/kv/fixture.h"

#include "model/lsn.h"
#include "sync/history.h"
#include "sync/recording.h"
#include "sync/resume.h"
#include "sync/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define STEP_DEFAULT 199u
#define EDGE         32u
#define SECONDS      30u
#define FILES_MAX    64u

static const char *const branches[] = {"main", "other"};
enum { BRANCHES = 2 };

/* What a trial came to, as its exit status. */
enum outcome { HARMLESS = 10, AT_START, BY_VERIFY, DROPPED, WRONG };

/* What must be there. */
struct truth {
    struct zs_branch_info info[BRANCHES];
    struct zs_digest sum[BRANCHES];
};

/* ---- the repository ------------------------------------------------------------------- */

/* Records of 300 bytes on top of what the branch has; `bulk` as sorted files. */
static void commit_some(const struct zs_store *store, const char *branch, uint32_t from,
                        uint32_t to, zs_lsn lsn, bool bulk)
{
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct zs_error none = {0};
    bool exists = store_branch_find(store, branch, &info, &none) == ZS_OK;
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = exists ? 0 : ZS_INGEST_CREATE,
                                        .branch = branch,
                                        .timeline =
                                            exists ? info.timeline : (struct zs_timeline_id){{0}},
                                        .base_lsn = exists ? info.last_valid_lsn : 0,
                                        .target_lsn = lsn,
                                        .expected_bytes = bulk ? BULK : 0};
    struct ingest in = {0};
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    for (uint32_t block = from; block < to; block++) {
        uint8_t value[304];
        struct zs_record r = page_of(block, lsn, value, sizeof value);
        ASSERT_OK(ingest_put(&in, &r, 1, &e));
    }
    ASSERT_OK(commit_at(&in, lsn, &e));
    ingest_close(&in);
}

/* A first push of "staged" that was cut, with the token that goes with it. */
static void leave_stage(const struct zs_store *store)
{
    struct zs_error e = {0};
    struct zs_ingest_state now = {.struct_size = sizeof now};
    struct ingest in = {0};
    bool synced = false;
    uint8_t bytes[RESUME_TOKEN_BYTES];
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "staged",
                                        .target_lsn = 0x10,
                                        .expected_bytes = BULK};
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    for (uint32_t block = 0; block < 20; block++) {
        uint8_t value[304];
        struct zs_record r = page_of(block, 0x10, value, sizeof value);
        ASSERT_OK(ingest_put(&in, &r, 1, &e));
    }
    ASSERT_OK(ingest_state(&in, &now, &e));
    const struct resume_token token = {.at = {.present = true,
                                              .to = {.lsn = 0x10, .digest = {1, 2}},
                                              .lsn = 0x10,
                                              .sum = now.sum,
                                              .records = now.records,
                                              .bytes = now.bytes}};
    resume_token_encode(&token, bytes);
    ASSERT_OK(ingest_sync(&in, bytes, sizeof bytes, &synced, &e));
    CU_ASSERT(synced);
    ingest_close(&in);
}

static void look_at(const struct zs_store *store, struct truth *t)
{
    for (unsigned i = 0; i < BRANCHES; i++) {
        struct zs_error e = {0};
        struct snapshot s = {0};
        ASSERT_OK(snapshot_open(store, branches[i], &s, &e));
        t->info[i] = s.info;
        (void)read_all(&s, 0, UINT64_MAX, &t->sum[i]);
        snapshot_close(&s);
    }
}

/* Commits of both sorts, before and after a start; change maps; a stage. */
static void make_repository(const char *dir, struct truth *t)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    struct recording recording;
    ASSERT_OK(kv_open(dir, 1, &kv, &e));
    recording_init(&recording, kv_store(kv));
    commit_some(&recording.table, "main", 0, 90, 0x100, true);
    commit_some(&recording.table, "main", 5, 12, 0x200, false);
    commit_some(&recording.table, "other", 0, 9, 0x100, false);
    kv_close(kv);
    ASSERT_OK(kv_open(dir, 0, &kv, &e));
    recording_init(&recording, kv_store(kv));
    commit_some(&recording.table, "main", 2, 4, 0x300, true);
    commit_some(&recording.table, "main", 80, 100, 0x400, false);
    leave_stage(kv_store(kv));
    look_at(kv_store(kv), t);
    kv_close(kv);
}

/* ---- one trial, in the child ------------------------------------------------------------- */

static void note_fault(void *context, const struct fault *fault)
{
    unsigned *silent = context;
    if (fault->error.sqlstate[0] == '\0' || fault->error.message[0] == '\0')
        ++*silent;
}

/* The faults that a verification finds in `branch`; -1: it fails, with a good error. */
static int verify_branch(const struct zs_store *store, const char *branch, char *why, size_t size)
{
    struct zs_error e = {0};
    struct transfer_list *list = NULL;
    struct verify_result result;
    unsigned silent = 0;
    ASSERT_OK(transfer_list_open(&list, &e));
    struct transfer *transfer = transfer_begin(list, "verify", branch, "");
    struct progress progress = {.transfer = transfer};
    const struct verify_job job = {.store = store,
                                   .branch = branch,
                                   .transfer = transfer,
                                   .progress = &progress,
                                   .tell = note_fault,
                                   .context = &silent};
    int rc = verify_run(&job, &result, &e);
    transfer_end(transfer, NULL);
    transfer_list_close(list);
    if (silent > 0) {
        (void)snprintf(why, size, "a fault without a sentence");
        return -2;
    }
    if (rc == ZS_OK)
        return (int)result.faults;
    if (error_is(&e, ZS_CORRUPT) || error_is(&e, ZS_IO_ERROR))
        return -1;
    (void)snprintf(why, size, "verify %s: %s %s", branch, e.sqlstate, e.message);
    return -2;
}

/* Is the branch what it was?  Reading it may fail, which is no other data. */
static bool serves_the_truth(const struct zs_store *store, const struct truth *t, unsigned i,
                             bool *whole, char *why, size_t size)
{
    static uint8_t buf[1 << 16];
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct iter it = {0};
    struct zs_digest sum = {0};
    struct zs_record records[64];
    bool more = true;
    *whole = false;
    if (snapshot_open(store, branches[i], &s, &e) != ZS_OK) {
        (void)snprintf(why, size, "%s: %s %s", branches[i], e.sqlstate, e.message);
        return error_is(&e, ZS_CORRUPT) || error_is(&e, ZS_IO_ERROR);
    }
    bool same = memcmp(&s.info, &t->info[i], sizeof s.info) == 0;
    int rc = iter_open(&s, 0, UINT64_MAX, &it, &e);
    while (rc == ZS_OK && more) {
        uint64_t n = 0;
        rc = iter_next(&it, records, 64, buf, sizeof buf, &n, &more, &e);
        digest_add_records(&sum, records, rc == ZS_OK ? n : 0);
    }
    iter_close(&it);
    snapshot_close(&s);
    (void)snprintf(why, size, "%s %s: %s %s", branches[i], same ? "same" : "other", e.sqlstate,
                   e.message);
    if (rc != ZS_OK)
        return same && e.message[0] != '\0';
    *whole = same && digest_equal(sum, t->sum[i]);
    return *whole; /* what is read to its end is what was written */
}

static int32_t count_stage(void *context, const struct zs_stage_info *info)
{
    (void)info;
    ++*(unsigned *)context;
    return 0;
}

/* `said`: where standard error went. */
static enum outcome judge(const char *dir, const struct truth *t, FILE *said, char *why,
                          size_t size)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    bool found = false;
    unsigned stages = 0;
    char text[512] = "";
    if (kv_open(dir, 0, &kv, &e) != ZS_OK) {
        bool good = (error_is(&e, ZS_CORRUPT) || error_is(&e, ZS_IO_ERROR)) &&
                    strlen(e.message) > 10 && strlen(e.hint) > 10;
        (void)snprintf(why, size, "start: %s %s %.200s", e.sqlstate, e.message, e.detail);
        return good ? AT_START : WRONG;
    }
    const struct zs_store *store = kv_store(kv);
    for (unsigned i = 0; i < BRANCHES; i++) {
        bool whole = false;
        if (!serves_the_truth(store, t, i, &whole, why, size))
            return WRONG;
        int faults = verify_branch(store, branches[i], why, size);
        if (faults == -2 || (faults == 0 && !whole))
            return WRONG;
        found = found || faults != 0;
    }
    ASSERT_OK(store_stage_list(store, count_stage, &stages, &e));
    if (stages == 1) {
        int faults = verify_branch(store, "staged", why, size);
        if (faults == -2)
            return WRONG;
        found = found || faults != 0;
    }
    kv_close(kv);
    if (stages == 1)
        return found ? BY_VERIFY : HARMLESS;
    rewind(said);
    bool told = fgets(text, sizeof text, said) != NULL && strstr(text, "damaged") != NULL;
    (void)snprintf(why, size, "the stage is gone, and \"%s\" was said", text);
    return told ? DROPPED : WRONG;
}

static enum outcome try_flipped(const char *dir, const struct truth *t)
{
    char last[300] = "", why[600] = "";
    int status = 0;
    CLEANUP(file_close) FILE *said = tmpfile();
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int out = dup(STDOUT_FILENO);
        (void)alarm(SECONDS);
        if (said == NULL || dup2(fileno(said), STDERR_FILENO) < 0)
            _exit(WRONG);
        enum outcome o = judge(dir, t, said, why, sizeof why);
        if (o == WRONG)
            (void)dprintf(out, "    %s\n", why);
        _exit((int)o);
    }
    if (child < 0 || said == NULL || waitpid(child, &status, 0) != child)
        abort();
    if (WIFEXITED(status) && WEXITSTATUS(status) >= HARMLESS && WEXITSTATUS(status) <= WRONG)
        return (enum outcome)WEXITSTATUS(status);
    rewind(said);
    while (fgets(last, sizeof last, said) != NULL)
        continue;
    (void)printf("    the process ended with %s %d: %s\n",
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), last);
    return WRONG;
}

/* ---- all files --------------------------------------------------------------------------- */

struct file {
    char path[128]; /* below the repository */
    size_t len;
    uint8_t *bytes;
};

struct files {
    size_t n;
    struct file at[FILES_MAX];
};

static void read_files(const char *root, const char *below, struct files *files)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s%s", root, below);
    DIR *d = opendir(path);
    if (d == NULL)
        abort();
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    for (const struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
        struct stat st;
        char sub[128];
        if (entry->d_name[0] == '.' || fstatat(dirfd(d), entry->d_name, &st, 0) != 0)
            continue;
        (void)snprintf(sub, sizeof sub, "%.60s/%.60s", below, entry->d_name);
        if (S_ISDIR(st.st_mode)) {
            read_files(root, sub, files);
            continue;
        }
        if (files->n == FILES_MAX)
            abort();
        struct file *f = &files->at[files->n++];
        CLEANUP(fd_close) int fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
        memcpy(f->path, sub, sizeof f->path);
        f->len = (size_t)st.st_size;
        f->bytes = malloc(f->len + 1);
        if (fd < 0 || f->bytes == NULL || read(fd, f->bytes, f->len) != (ssize_t)f->len)
            abort();
    }
    (void)closedir(d);
}

/* A copy of the repository in an empty folder. */
static void write_files(const char *root, const struct files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        char path[300];
        const struct file *f = &files->at[i];
        (void)snprintf(path, sizeof path, "%s%s", root, f->path);
        for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
            *p = '\0';
            (void)mkdir(path, 0700);
            *p = '/';
        }
        CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, f->bytes, f->len) != (ssize_t)f->len)
            abort();
    }
}

/* What the engine never reads back. */
static bool is_idle(const char *path)
{
    static const char *const names[] = {"/LOG", "/LOCK", "/IDENTITY", "/OPTIONS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(path, names[i]) != NULL)
            return true;
    return false;
}

struct tally {
    uint64_t tried, of[WRONG + 1];
};

static void flip_file(const char *root, const struct files *files, size_t which,
                      const struct truth *t, size_t step, struct tally *tally)
{
    struct file *f = (struct file *)(uintptr_t)&files->at[which];
    for (size_t at = 0; at < f->len; at++) {
        if (step > 1 && at % step != 0 && (is_idle(f->path) || (at >= EDGE && at + EDGE < f->len)))
            continue;
        uint8_t was = f->bytes[at];
        /* Which bits: by the place, so that all of them have their turn. */
        f->bytes[at] ^= at % 3 == 0 ? 0xff : (uint8_t)(1u << at % 8);
        char dir[64];
        (void)snprintf(dir, sizeof dir, "%s/try", root);
        (void)mkdir(dir, 0700);
        write_files(dir, files);
        f->bytes[at] = was;
        enum outcome o = try_flipped(dir, t);
        fixture_remove(dir);
        tally->tried++;
        tally->of[o]++;
        if (o == WRONG && tally->of[WRONG] <= 10)
            (void)printf("    byte %zu of %zu of %s\n", at, f->len, f->path);
    }
}

/* In memory where there is a file system for it: a start syncs some twenty files. */
static void make_folder(char path[48])
{
    (void)snprintf(path, 48, "/dev/shm/zenith-flips-XXXXXX");
    if (mkdtemp(path) != NULL)
        return;
    (void)snprintf(path, 48, "/tmp/zenith-flips-XXXXXX");
    if (mkdtemp(path) == NULL)
        abort();
}

static void test_flips(void)
{
    static struct files files;
    static struct truth t;
    char root[48], dir[64];
    int status = 0, answer[2];
    const char *text = getenv("FLIPS_STEP"); // NOLINT(concurrency-mt-unsafe)
    size_t step = text == NULL ? STEP_DEFAULT : strtoul(text, NULL, 10);
    make_folder(root);
    (void)snprintf(dir, sizeof dir, "%s/made", root);
    if (step == 0 || mkdir(dir, 0700) != 0 || pipe(answer) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        make_repository(dir, &t);
        _exit(write(answer[1], &t, sizeof t) == (ssize_t)sizeof t ? 0 : 1);
    }
    CU_ASSERT_FATAL(read(answer[0], &t, sizeof t) == (ssize_t)sizeof t);
    CU_ASSERT_FATAL(waitpid(child, &status, 0) == child && status == 0);
    (void)close(answer[0]);
    (void)close(answer[1]);
    read_files(dir, "", &files);

    struct tally all = {0};
    (void)printf("  %-44s %7s %8s %9s %8s %8s %5s\n", "file", "tried", "at start", "by verify",
                 "dropped", "harmless", "WRONG");
    for (size_t i = 0; i < files.n; i++) {
        struct tally one = {0};
        flip_file(root, &files, i, &t, step, &one);
        (void)printf("  %-44.44s %7llu %8llu %9llu %8llu %8llu %5llu\n", files.at[i].path,
                     (unsigned long long)one.tried, (unsigned long long)one.of[AT_START],
                     (unsigned long long)one.of[BY_VERIFY], (unsigned long long)one.of[DROPPED],
                     (unsigned long long)one.of[HARMLESS], (unsigned long long)one.of[WRONG]);
        all.tried += one.tried;
        for (unsigned o = HARMLESS; o <= WRONG; o++)
            all.of[o] += one.of[o];
    }
    for (size_t i = 0; i < files.n; i++)
        free(files.at[i].bytes);
    (void)printf("  %llu bytes changed: %llu found at the start, %llu by a verification, %llu in a "
                 "stage that was dropped; %llu harmless\n",
                 (unsigned long long)all.tried, (unsigned long long)all.of[AT_START],
                 (unsigned long long)all.of[BY_VERIFY], (unsigned long long)all.of[DROPPED],
                 (unsigned long long)all.of[HARMLESS]);
    CU_ASSERT(all.tried > 0 && all.of[AT_START] > 0 && all.of[BY_VERIFY] > 0);
    CU_ASSERT_EQUAL(all.of[WRONG], 0);
    fixture_remove(root);
}

SUITE("crash/flips", {"a byte changed anywhere is found, or changes nothing", test_flips})
