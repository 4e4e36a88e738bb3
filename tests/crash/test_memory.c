/* test_memory.c - the n-th allocation fails, for every n until the operation succeeds: a
 * push, a pull, an import, a load of the module, in memory.  Each time the error is clear
 * (53200 with a hint), nothing is half visible, no handle is left open, and the same again,
 * with memory, converges.  A leak is found when the program ends (AddressSanitizer).
 *
 * One failure again:  MEMORY_N=17 build/tests/crash/test_memory "a push"
 * Threads: the far command runs in the stub transport's own. */
#include "../unit/command/fixture.h"
#include "../unit/pgdata/crafted.h"

#include "alloc.h"
#include "pgdata/pgdata.h"
#include "sync/recording.h"

#include <dlfcn.h>
#include <sys/wait.h>

const struct zs_module *zenith_sync_module_v1(void);

/* What glibc's and OpenSSL's own ways out leave behind when they have no memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:_dl_\nleak:libcrypto\n";
}

/* The first n to fail, and the one behind the last: all, or the one that was asked for. */
static uint64_t first_n(void)
{
    const char *one = getenv("MEMORY_N"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return one != NULL ? strtoull(one, NULL, 10) : 1;
}

static bool only_one(void)
{
    return getenv("MEMORY_N") != NULL; /* NOLINT(concurrency-mt-unsafe) */
}

static void report(const char *what, uint64_t n)
{
    (void)printf("%s: each of %llu allocations failed in turn\n", what, (unsigned long long)n);
}

/* Is it an error for a person without memory? */
static bool clear(const struct zs_error *e, const char *what, uint64_t n)
{
    char at[256];
    bool good =
        strcmp(e->sqlstate, ZS_OUT_OF_MEMORY) == 0 && e->message[0] != '\0' && e->hint[0] != '\0';
    CU_ASSERT(good);
    if (!good)
        (void)printf("%s, allocation %llu in %s: %s %s | %s | %s\n", what, (unsigned long long)n,
                     alloc_failed_at(at, sizeof at), e->sqlstate, e->message, e->detail, e->hint);
    return good;
}

/* ---- push and pull --------------------------------------------------------------------------- */

/* Both hosts keep a change map, as plugin.c has it. */
struct scene {
    struct world w;
    struct zs_store host_a, host_b;
    struct recording a, b;
};

/* a has more than b, whose branch is not there (`fresh`) or behind. */
static void scene_open(struct scene *s, bool fresh)
{
    world_open(&s->w);
    s->host_a = s->w.a.module.store;
    s->host_b = s->w.b.module.store;
    recording_init(&s->a, &s->host_a);
    recording_init(&s->b, &s->host_b);
    s->w.a.module.store = s->a.table;
    s->w.b.module.store = s->b.table;
    branch_make(&s->w.a, "main");
    grow(&s->w.a, "main", 1, 12);
    if (!fresh)
        RUN_OK(&s->w.a, "perform_push main stub://b", "absent");
    grow(&s->w.a, "main", 2, 6);
}

static void transfer_without_memory(const char *what, const char *line, char runs, bool fresh,
                                    uint64_t times)
{
    uint64_t n = first_n();
    for (;; n++) {
        struct scene s;
        struct client c, again;
        scene_open(&s, fresh);
        CLEANUP(free_ptr) char *before = picture(&s.w.b);
        client_open(&c);
        alloc_fail_from(n, times);
        client_run(&c, side_of(&s.w, runs), line);
        bool fired = alloc_failed();
        CLEANUP(free_ptr) char *after = picture(&s.w.b);
        bool complete = same_branch(&s.w.a, "main", &s.w.b, "main");
        CU_ASSERT(complete || strcmp(before, after) == 0);
        /* After the commit, who cannot say DONE is as good as gone. */
        bool unheard = complete && error_is(&c.e, ZS_CONNECTION_LOST) && c.e.hint[0] != '\0';
        CU_ASSERT(c.rc == ZS_OK ? complete : fired && (unheard || clear(&c.e, what, n)));
        client_open(&again);
        client_run(&again, side_of(&s.w, runs), line);
        assert_ok(again.rc, &again.e, "the same again", __FILE__, __LINE__);
        CU_ASSERT(same_branch(&s.w.a, "main", &s.w.b, "main"));
        client_close(&again);
        client_close(&c);
        world_close(&s.w);
        if (!fired || only_one())
            break;
    }
    report(what, n - 1);
}

static void test_a_push_without_memory(void)
{
    transfer_without_memory("first push", "perform_push main stub://b", 'a', true, 1);
    transfer_without_memory("push of an increment", "perform_push main stub://b", 'a', false, 1);
    transfer_without_memory("push, packed", "perform_push main stub://b (compression zstd)", 'a',
                            true, 1);
}

static void test_a_pull_without_memory(void)
{
    transfer_without_memory("first pull", "perform_pull main stub://a", 'b', true, 1);
    transfer_without_memory("pull of an increment", "perform_pull main stub://a", 'b', false, 1);
}

/* From the n-th on none is had: what reports the failure must not need memory either. */
static void test_memory_that_does_not_come_back(void)
{
    transfer_without_memory("push", "perform_push main stub://b", 'a', true, UINT32_MAX);
    transfer_without_memory("pull", "perform_pull main stub://a", 'b', false, UINT32_MAX);
}

/* ---- import ------------------------------------------------------------------------------------
 */

enum { FIRST = 0x102018, SECOND = 0x104018 };

static void test_an_import_without_memory(void)
{
    for (int increment = 0; increment < 2; increment++) {
        const char *what = increment ? "import of a change" : "first import";
        struct crafted cluster;
        uint64_t n = first_n();
        crafted_open(&cluster, FIRST);
        for (bool more = true; more; n++) {
            struct zs_error e = {0};
            struct pgdata_result r;
            struct side s = {0};
            struct recording recording;
            must(stub_store_open(STUB_STORE_COPIES, &s.store, &e), &e);
            recording_init(&recording, stub_store_table(s.store));
            crafted_pages(&cluster, "base/5/16384", "ab");
            crafted_checkpoint(&cluster, FIRST);
            if (increment) {
                must(pgdata_import(&recording.table, "main", cluster.data, NULL, &r, &e), &e);
                crafted_pages(&cluster, "base/5/16384", "abc");
                crafted_checkpoint(&cluster, SECOND);
            }
            CLEANUP(free_ptr) char *before = picture(&s);
            alloc_fail_from(n, 1);
            int rc = pgdata_import(&recording.table, "main", cluster.data, NULL, &r, &e);
            more = alloc_failed() && !only_one();
            CLEANUP(free_ptr) char *after = picture(&s);
            if (rc != ZS_OK) {
                CU_ASSERT(clear(&e, what, n));
                ASSERT_TEXT(after, before);
            }
            CU_ASSERT(stub_store_open_handles(s.store) == 0);
            ASSERT_OK(pgdata_import(&recording.table, "main", cluster.data, NULL, &r, &e));
            CU_ASSERT(last_lsn(&s, "main") == (increment ? SECOND : FIRST));
            stub_store_close(s.store);
        }
        report(what, n - 2);
        crafted_close(&cluster);
    }
}

/* ---- load --------------------------------------------------------------------------------------
 */

/* A child's exit status; a sanitizer's is none of them. */
enum { LOAD_DONE = 0, LOAD_REFUSED = 40, LOAD_WRONG };

/* In a process of its own, as a library is loaded once.  DONE: it needs fewer than n. */
static int load_once(uint64_t n)
{
    struct zs_error e = {0};
    struct stub_store *store = NULL;
    struct stub_host *host = NULL;
    char dir[256];
    const char *build = getenv("BUILD"); /* NOLINT(concurrency-mt-unsafe) */
    (void)snprintf(dir, sizeof dir, "%s/transports", build != NULL ? build : "build");
    const struct stub_setting settings[] = {{"transport_dir", dir}, {NULL, NULL}};
    must(stub_store_open(0, &store, &e), &e);
    must(stub_host_open("a", stub_store_table(store), settings, &host, &e), &e);
    alloc_fail_from(n, 1);
    int rc = stub_host_load(host, zenith_sync_module_v1(), &e);
    bool fired = alloc_failed();
    bool good = rc == ZS_OK || (fired && clear(&e, "load", n));
    /* Half a module is none: once more, with memory, and it works. */
    if (rc != ZS_OK && stub_host_load(host, zenith_sync_module_v1(), &e) != ZS_OK) {
        (void)printf("load again after %llu: %s\n", (unsigned long long)n, e.message);
        good = false;
    }
    struct client c;
    client_open(&c);
    c.rc = stub_host_run(host, &c.s, "perform_push main postgresql://127.0.0.1:1", &c.e);
    char at[256];
    /* glibc's loader, without memory, may keep half an object: only a new process loads it. */
    bool loader = strstr(alloc_failed_at(at, sizeof at), "/ld-linux") != NULL && rc != ZS_OK;
    if (strcmp(c.e.sqlstate, ZS_NO_SUCH_BRANCH) != 0 && !loader) {
        CLEANUP(free_ptr) char *log = stub_host_log(host);
        (void)printf("load, allocation %llu in %s: a transport is missing: %s\n%s",
                     (unsigned long long)n, at, c.e.message, log);
        good = false;
    }
    client_close(&c);
    stub_host_close(host);
    stub_store_close(store);
    return !good ? LOAD_WRONG : fired ? LOAD_REFUSED : LOAD_DONE;
}

static void test_a_load_without_memory(void)
{
    uint64_t n = first_n();
    /* First what the transport stands on: libraries that print what they lack as they start. */
    CU_ASSERT(dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL) != NULL);
    for (;; n++) {
        int status = 0;
        (void)fflush(stdout);
        pid_t child = fork();
        CU_ASSERT_FATAL(child >= 0);
        if (child == 0)
            exit(load_once(n)); /* NOLINT(concurrency-mt-unsafe): leaks are looked for there */
        CU_ASSERT(waitpid(child, &status, 0) == child);
        int ended = WIFEXITED(status) ? WEXITSTATUS(status) : LOAD_WRONG;
        CU_ASSERT(ended == LOAD_DONE || ended == LOAD_REFUSED);
        if (ended != LOAD_DONE && ended != LOAD_REFUSED)
            (void)printf("load, allocation %llu: status %x\n", (unsigned long long)n,
                         (unsigned)status);
        if (ended != LOAD_REFUSED || only_one())
            break;
    }
    report("load", n - 1);
}

SUITE("crash/memory", {"a load without memory", test_a_load_without_memory},
      {"a push without memory", test_a_push_without_memory},
      {"a pull without memory", test_a_pull_without_memory},
      {"memory that does not come back", test_memory_that_does_not_come_back},
      {"an import without memory", test_an_import_without_memory})
