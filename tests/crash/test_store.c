/* test_store.c - memory runs out, and stays out, while a store's sorted file is written or
 * read: from the n-th allocation on each one fails, for every n there is, also those for the
 * text of the error.  What went well is whole, and the rest says that it did not.
 * Only what has RocksDB behind kv_sst.cc is tried: elsewhere it ends the process. */
#include "../unit/kv/fixture.h"

#include "alloc.h"
#include "kv/kv_internal.h"
#include "kv/kv_sst.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGES      40u
#define MORE_PAGES 300u /* two pieces for the disk and more (kv_direct.h) */

/* A writer that RocksDB threw an exception out of is left (kv_sst.cc). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:sst_writer_\nleak:librocksdb\n";
}

/* In which step of an ingest memory runs out. */
enum step { PUT, SYNC, MORE };
static const char *const steps[] = {"put", "sync", "put more, past the page cache"};

static int run_step(struct ingest *in, enum step step, enum step failing, uint64_t n,
                    struct zs_error *e)
{
    bool synced = false;
    if (step == failing)
        alloc_fail_thread(n, UINT_MAX);
    int rc = ZS_FAIL;
    switch (step) {
    case PUT:
        rc = put_pages(in, 0, PAGES, 1, e);
        break;
    case SYNC:
        rc = ingest_sync(in, "t", 1, &synced, e);
        break;
    case MORE:
        rc = put_pages(in, PAGES, PAGES + MORE_PAGES, 1, e);
        break;
    }
    if (step == failing && alloc_failed() && rc != ZS_OK)
        CU_ASSERT_STRING_EQUAL(e->sqlstate, ZS_OUT_OF_MEMORY);
    return rc;
}

/* True: the store made fewer than n allocations. */
static bool ingest_without_memory(struct fixture *f, enum step failing, uint64_t n)
{
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "main",
                                        .target_lsn = 1,
                                        .expected_bytes = BULK};
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct ingest in = {0};
    ASSERT_OK(ingest_begin(kv_store(f->kv), &spec, &in, &e));
    int rc = run_step(&in, PUT, failing, n, &e);
    if (rc == ZS_OK)
        rc = run_step(&in, SYNC, failing, n, &e);
    if (rc == ZS_OK)
        rc = run_step(&in, MORE, failing, n, &e);
    if (rc == ZS_OK) {
        ASSERT_OK(commit_at(&in, 1, &e));
        check_branch(kv_store(f->kv), "main", PAGES + MORE_PAGES);
    }
    ingest_close(&in);
    if (rc == ZS_OK)
        ASSERT_OK(kv_branch_delete(f->kv, "main", &e));
    ASSERT_FAILS(store_branch_find(kv_store(f->kv), "main", &info, &e), ZS_NO_SUCH_BRANCH);
    (void)store_stage_drop(kv_store(f->kv), "main", &e);
    return rc == ZS_OK;
}

static void test_an_ingest(void)
{
    for (enum step failing = PUT; failing <= MORE; failing++) {
        struct fixture f = fixture_open();
        uint64_t n = 1;
        while (!ingest_without_memory(&f, failing, n))
            n += 1 + n / 32; /* most of these are alike */
        (void)printf("%s: all from the n-th of some %llu allocations failed\n", steps[failing],
                     (unsigned long long)n);
        CU_ASSERT(n > 1);
        fixture_close(&f);
    }
}

static void path_of(const struct folder *folder, char *path, size_t size)
{
    (void)snprintf(path, size, "%s/0001.sst", folder->path);
}

/* A sorted file; `damaged`: one byte in its middle is not what it was. */
static void file_make(const char *path, bool damaged)
{
    uint8_t value[PAGE];
    char key[KV_RECORD_KEY];
    struct sst_writer *w = sst_writer_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    ASSERT_TEXT(sst_writer_open(w, path, 0, 0), "");
    for (uint32_t i = 0; i < PAGES; i++) {
        struct zs_record r = page_of(i, 1, value, PAGE);
        kv_key_record(key, 1, r.key, r.lsn, r.kind);
        ASSERT_TEXT(sst_writer_put(w, key, sizeof key, value, PAGE), "");
    }
    ASSERT_TEXT(sst_writer_finish(w), "");
    sst_writer_destroy(w);
    FILE *f = fopen(path, "r+e");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)fseek(f, (long)PAGES / 2 * PAGE, SEEK_SET);
    int byte = fgetc(f);
    (void)fseek(f, -1, SEEK_CUR);
    (void)fputc(damaged ? byte ^ 1 : byte, f);
    (void)fclose(f);
}

/* How a child ended that looked at a file; a signal or a sanitizer ended all others: RocksDB's
 * cache uses what it got without a look. */
enum { RIGHT = 40, NO_MEMORY, WRONG };

static int count_key(void *context, const char *key, size_t key_len)
{
    (void)key, (void)key_len;
    ++*(unsigned *)context;
    return 0;
}

_Noreturn static void look(const char *path, bool keys, bool damaged, uint64_t n)
{
    const struct rlimit none = {0};
    struct sst_text said;
    unsigned counted = 0;
    int ended = 0;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)close(STDERR_FILENO); /* a sanitizer would tell of RocksDB there */
    alloc_fail_thread(n, UINT_MAX);
    if (keys)
        (void)sst_keys(path, count_key, &counted, &ended, &said);
    else
        (void)sst_verify(path, &said);
    (void)alloc_failed();
    if (strcmp(said.of, "Memory limit reached") == 0)
        _exit(NO_MEMORY);
    bool right = damaged ? strstr(said.of, "Corruption") != NULL
                         : said.of[0] == '\0' && (!keys || counted == PAGES);
    _exit(right ? RIGHT : WRONG);
}

static void look_without_memory(const char *what, bool keys, bool damaged)
{
    struct folder folder = fixture_folder();
    char path[64];
    uint64_t n = 1;
    int status = 0;
    path_of(&folder, path, sizeof path);
    file_make(path, damaged);
    (void)fflush(stdout);
    for (;; n += 1 + n / 32) {
        pid_t child = fork();
        if (child == 0)
            look(path, keys, damaged, n);
        CU_ASSERT_FATAL(child > 0 && waitpid(child, &status, 0) == child);
        CU_ASSERT(!WIFEXITED(status) || WEXITSTATUS(status) != WRONG);
        if (WIFEXITED(status) && WEXITSTATUS(status) == RIGHT)
            break;
    }
    (void)printf("%s: all from the n-th of some %llu allocations failed\n", what,
                 (unsigned long long)n);
    CU_ASSERT(n > 1);
    fixture_remove(folder.path);
}

static void test_a_look_through_a_file(void)
{
    look_without_memory("a look", false, false);
    look_without_memory("a look at a damaged file", false, true);
    look_without_memory("its keys", true, false);
}

/* Also where memory lacks but once, it is not taken for one that may be opened. */
static void test_the_end_of_a_file(void)
{
    struct folder folder = fixture_folder();
    char path[64];
    path_of(&folder, path, sizeof path);
    file_make(path, false);
    for (uint64_t n = 1;; n++) {
        struct zs_error e = {0};
        alloc_fail_here(n);
        int rc = tail_check(path, &e);
        if (!alloc_failed()) {
            ASSERT_OK(rc);
            CU_ASSERT(n > 2);
            break;
        }
        ASSERT_FAILS(rc, ZS_OUT_OF_MEMORY);
    }
    fixture_remove(folder.path);
}

/* A start that lacks memory leaves the stages. */
static void test_a_start(void)
{
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "main",
                                        .target_lsn = 1,
                                        .expected_bytes = BULK};
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct ingest in = {0};
    uint8_t token[ZS_TOKEN_MAX];
    uint64_t len = 0;
    bool synced = false;
    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
    ASSERT_OK(put_pages(&in, 0, PAGES, 1, &e));
    ASSERT_OK(ingest_sync(&in, "t", 1, &synced, &e));
    ingest_close(&in);
    for (uint64_t n = 1;; n++) {
        kept_free(f.kv->kept);
        f.kv->kept = NULL;
        alloc_fail_here(n);
        int rc = kept_recover(f.kv, &e);
        if (!alloc_failed()) {
            ASSERT_OK(rc);
            CU_ASSERT(n > 3);
            break;
        }
        ASSERT_FAILS(rc, ZS_OUT_OF_MEMORY);
    }
    ASSERT_OK(ingest_resume(kv_store(f.kv), "main", token, &len, &in, &e));
    ASSERT_OK(commit_at(&in, 1, &e));
    ingest_close(&in);
    check_branch(kv_store(f.kv), "main", PAGES);
    fixture_close(&f);
}

SUITE("crash/store", {"an ingest without memory", test_an_ingest},
      {"a look through a file without memory", test_a_look_through_a_file},
      {"a look at a file's end without memory", test_the_end_of_a_file},
      {"a start without memory", test_a_start})
