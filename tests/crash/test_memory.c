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
    zs_lsn cut_lsn; /* where what was cut off ends, if there is more; else 0 */
};

static void absent(struct scene *s)
{
    grow(&s->w.a, "main", 1, 18);
}

static void behind(struct scene *s)
{
    grow(&s->w.a, "main", 1, 12);
    RUN_OK(&s->w.a, "perform_push main stub://b", "absent");
    grow(&s->w.a, "main", 2, 6);
}

/* Batches of their own, more than go without threads. */
static void many_batches(struct scene *s)
{
    s->w.a.module.inline_batches = s->w.b.module.inline_batches = 1;
    for (uint64_t i = 0; i < 3; i++)
        grow_one(&s->w.a, "main", i, ZS_KIND_IMAGE, 600000);
}

/* b keeps the first ones of them. */
static void cut_off(struct scene *s)
{
    struct client c;
    many_batches(s);
    s->w.b.module.sync_bytes = 1;
    stub_faults_arm(
        &s->w.b.faults,
        &(struct stub_fault){.operation = "ingest_put", .nth = 2, .sqlstate = ZS_CONNECTION_LOST});
    client_open(&c);
    CU_ASSERT(client_run(&c, &s->w.a, "perform_push main stub://b") == ZS_FAIL);
    stub_faults_arm(&s->w.b.faults, &(struct stub_fault){.nth = 0});
    client_close(&c);
}

static void cut_off_and_moved(struct scene *s)
{
    cut_off(s);
    s->cut_lsn = last_lsn(&s->w.a, "main");
    grow(&s->w.a, "main", 2, 6);
}

/* What cannot be sent any more but from the lease. */
static void cut_off_and_collected(struct scene *s)
{
    struct zs_error e = {0};
    cut_off(s);
    must(stub_store_gc(s->w.a.store, "main", last_lsn(&s->w.a, "main"), NULL, &e), &e);
}

static void scene_open(struct scene *s, void (*prepare)(struct scene *s))
{
    s->cut_lsn = 0;
    world_open(&s->w);
    s->host_a = s->w.a.module.store;
    s->host_b = s->w.b.module.store;
    recording_init(&s->a, &s->host_a);
    recording_init(&s->b, &s->host_b);
    s->w.a.module.store = s->a.table;
    s->w.b.module.store = s->b.table;
    branch_make(&s->w.a, "main");
    prepare(s);
}

#define PUSH "perform_push main stub://b"
#define PULL "perform_pull main stub://a"

static const struct transfer_case {
    const char *what, *line;
    char runs;
    void (*prepare)(struct scene *s);
    uint64_t times; /* so many allocations fail in a row */
} pushes[] = {{"first push", PUSH, 'a', absent, 1},
              {"push of an increment", PUSH, 'a', behind, 1},
              {"push, packed", PUSH " (compression zstd)", 'a', absent, 1},
              {"push, with threads", PUSH, 'a', many_batches, 1},
              {"push that goes on and has more", PUSH, 'a', cut_off_and_moved, 1},
              {"push that goes on from a lease", PUSH, 'a', cut_off_and_collected, 1}},
  pulls[] = {{"first pull", PULL, 'b', absent, 1},
             {"pull of an increment", PULL, 'b', behind, 1},
             {"pull, with threads", PULL, 'b', many_batches, 1}},
  /* What reports the failure must not need memory either. */
    for_ever[] = {{"push", PUSH, 'a', absent, UINT32_MAX}, {"pull", PULL, 'b', behind, UINT32_MAX}};

/* A collected branch has fewer records than what was made of its lease. */
static bool arrived(struct scene *s, const struct transfer_case *c)
{
    return c->prepare == cut_off_and_collected
               ? last_lsn(&s->w.a, "main") == last_lsn(&s->w.b, "main")
               : same_branch(&s->w.a, "main", &s->w.b, "main");
}

/* The same again, with all that it needs. */
static void run_again(struct scene *s, const struct transfer_case *c)
{
    struct client again;
    client_open(&again);
    client_run(&again, side_of(&s->w, c->runs), c->line);
    assert_ok(again.rc, &again.e, "the same again", __FILE__, __LINE__);
    CU_ASSERT(arrived(s, c));
    client_close(&again);
}

static void transfer_without_memory(const struct transfer_case *t)
{
    uint64_t n = first_n();
    for (;; n++) {
        struct scene s;
        struct client c;
        scene_open(&s, t->prepare);
        CLEANUP(free_ptr) char *before = picture(&s.w.b);
        client_open(&c);
        alloc_fail_from(n, t->times);
        client_run(&c, side_of(&s.w, t->runs), t->line);
        bool fired = alloc_failed();
        CLEANUP(free_ptr) char *after = picture(&s.w.b);
        bool complete = arrived(&s, t);
        /* The end of what was cut off is a point of its own, durable before more is sent. */
        bool middle = s.cut_lsn > 0 && last_lsn(&s.w.b, "main") == s.cut_lsn;
        CU_ASSERT(complete || middle || strcmp(before, after) == 0);
        /* After the commit, who cannot say DONE is as good as gone. */
        bool unheard =
            (complete || middle) && error_is(&c.e, ZS_CONNECTION_LOST) && c.e.hint[0] != '\0';
        CU_ASSERT(c.rc == ZS_OK ? complete : fired && (unheard || clear(&c.e, t->what, n)));
        run_again(&s, t);
        client_close(&c);
        world_close(&s.w);
        if (!fired || only_one())
            break;
    }
    report(t->what, n - 1);
}

static void test_a_push_without_memory(void)
{
    for (size_t i = 0; i < sizeof pushes / sizeof *pushes; i++)
        transfer_without_memory(&pushes[i]);
}

static void test_a_pull_without_memory(void)
{
    for (size_t i = 0; i < sizeof pulls / sizeof *pulls; i++)
        transfer_without_memory(&pulls[i]);
}

static void test_memory_that_does_not_come_back(void)
{
    for (size_t i = 0; i < sizeof for_ever / sizeof *for_ever; i++)
        transfer_without_memory(&for_ever[i]);
}

/* Each side does alone what it has no thread for; the far command's own is the first. */
static void test_a_transfer_without_threads(void)
{
    static const struct transfer_case cases[] = {{"push", PUSH, 'a', many_batches, 0},
                                                 {"pull", PULL, 'b', many_batches, 0},
                                                 {"push that goes on", PUSH, 'a', cut_off, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool more = true;
        uint64_t n = 1;
        for (; more; n++) {
            struct scene s;
            struct client c;
            scene_open(&s, cases[i].prepare);
            client_open(&c);
            thread_fail(n);
            client_run(&c, side_of(&s.w, cases[i].runs), cases[i].line);
            more = thread_failed();
            CU_ASSERT(n == 1 ? c.rc == ZS_FAIL && c.e.message[0] != '\0'
                             : c.rc == ZS_OK && arrived(&s, &cases[i]));
            run_again(&s, &cases[i]);
            client_close(&c);
            world_close(&s.w);
        }
        CU_ASSERT(n > 4); /* both sides asked for one */
    }
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
      {"a transfer without threads", test_a_transfer_without_threads},
      {"memory that does not come back", test_memory_that_does_not_come_back},
      {"an import without memory", test_an_import_without_memory})
