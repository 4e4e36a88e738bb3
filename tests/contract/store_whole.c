/* store_whole.c - the store contract as a whole: random histories against the model,
 * and threads.  The seed of a random run is printed; ZS_TEST_SEED repeats it.
 * Threads: readers, writers and rivals say what they found when they are joined;
 * only the main thread asserts. */
#include "store_fixture.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- random histories -------------------------------------------------------------- */

#define BRANCHES 3
#define STEPS    120

struct world {
    struct fixture f;
    uint64_t seed;
    struct {
        bool exists;
        struct history h;
        zs_lsn at;
        struct snapshot held; /* open since some earlier step */
        zs_lsn held_at;
    } branches[BRANCHES];
};

static const char *const branch_names[BRANCHES] = {"main", "main2", "a/b"};

/* Some records in (from, to]: each key and lsn once. */
static void add_random_records(struct world *w, struct history *h, zs_lsn from, zs_lsn to)
{
    static const uint32_t lens[] = {0, 1, 8, 100, 8192, 8192, 20000};
    uint32_t n =
        random_below(&w->seed, 4) == 0 ? random_below(&w->seed, 2000) : random_below(&w->seed, 30);
    uint32_t blk = 0;
    for (uint32_t i = 0; i < n; i++) {
        blk += random_below(&w->seed, 3);
        zs_lsn lsn = from + 1 + random_below(&w->seed, (uint32_t)(to - from));
        uint32_t kind = 1 + random_below(&w->seed, 3);
        uint32_t len = kind == ZS_KIND_TOMBSTONE
                           ? 0
                           : lens[random_below(&w->seed, sizeof lens / sizeof *lens)];
        history_add(h, 1 + i % 2, blk, (uint8_t)kind, len, lsn);
    }
    history_sort(h);
    size_t kept = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct zs_record *r = &h->records[i],
                               *last = kept == 0 ? NULL : &h->records[kept - 1];
        if (last == NULL || last->lsn != r->lsn || memcmp(last->key, r->key, ZS_KEY_BYTES) != 0)
            h->records[kept++] = *r;
    }
    h->n = kept;
}

static void copy_history(struct history *to, const struct history *from)
{
    *to = (struct history){.n = from->n, .room = from->n};
    to->records = malloc((from->n + 1) * sizeof *to->records);
    if (to->records == NULL)
        abort();
    if (from->n > 0)
        memcpy(to->records, from->records, from->n * sizeof *to->records);
}

/* An ingest that is committed, given up, or committed with a wrong sum. */
static void random_ingest(struct world *w, int b)
{
    struct zs_error e = {0};
    struct history h;
    struct ingest in;
    copy_history(&h, &w->branches[b].h);
    zs_lsn from = w->branches[b].at, to = from + 1 + random_below(&w->seed, 1000);
    add_random_records(w, &h, from, to);
    struct plan p = {.branch = branch_names[b],
                     .history = &h,
                     .base = from,
                     .upto = to,
                     .flags = w->branches[b].exists ? 0 : ZS_INGEST_CREATE,
                     .batch = 1 + random_below(&w->seed, 300),
                     .expected_bytes = random_below(&w->seed, 2) * UINT64_C(100000000)};
    int rc = plan_put(&w->f, &p, &in, &e);
    ASSERT_OK(rc);
    bool give_up = random_below(&w->seed, 4) == 0;
    if (rc == ZS_OK && !give_up) {
        rc = plan_commit(&p, &in, &e);
        ASSERT_OK(rc);
    }
    ingest_close(&in);
    if (rc != ZS_OK || give_up) {
        history_free(&h);
        return;
    }
    history_free(&w->branches[b].h);
    w->branches[b].h = h;
    w->branches[b].at = to;
    w->branches[b].exists = true;
}

static void release_held(struct world *w, int b)
{
    snapshot_close(&w->branches[b].held);
}

static void random_read(struct world *w, int b)
{
    struct zs_error e = {0};
    struct snapshot s;
    uint8_t key[ZS_KEY_BYTES];
    key_make(key, 1 + random_below(&w->seed, 2), random_below(&w->seed, 100));
    zs_lsn at = w->branches[b].at;
    struct reading r = {.after = random_below(&w->seed, (uint32_t)at + 2),
                        .upto = random_below(&w->seed, (uint32_t)at + 2),
                        .n = 1 + random_below(&w->seed, 200),
                        .buf_bytes = random_below(&w->seed, 3) * UINT64_C(10000),
                        .seek = random_below(&w->seed, 2) == 0 ? key : NULL};
    int rc = snapshot_open(&w->f.store, branch_names[b], &s, &e);
    ASSERT_OK(rc);
    if (rc != ZS_OK)
        return;
    CU_ASSERT(snapshot_equals(&s, &w->branches[b].h, &r));
    if (w->branches[b].held.handle == NULL) {
        w->branches[b].held = s;
        w->branches[b].held_at = at;
    } else {
        snapshot_close(&s);
    }
}

static void check_held(struct world *w, int b)
{
    struct history h;
    if (w->branches[b].held.handle == NULL)
        return;
    copy_history(&h, &w->branches[b].h);
    size_t kept = 0;
    for (size_t i = 0; i < h.n; i++)
        if (h.records[i].lsn <= w->branches[b].held_at)
            h.records[kept++] = h.records[i];
    h.n = kept;
    CU_ASSERT(snapshot_equals(&w->branches[b].held, &h, &(struct reading){.upto = UINT64_MAX}));
    history_free(&h);
    release_held(w, b);
}

static void random_step(struct world *w)
{
    struct zs_error e = {0};
    int b = (int)random_below(&w->seed, BRANCHES);
    uint32_t what = random_below(&w->seed, 20);
    if (what < 9 || !w->branches[b].exists) {
        random_ingest(w, b);
    } else if (what < 15) {
        random_read(w, b);
    } else if (what < 17) {
        check_held(w, b);
    } else if (what == 17 && w->f.driver->reopen != NULL) {
        for (int i = 0; i < BRANCHES; i++)
            release_held(w, i);
        CU_ASSERT(fixture_reopen(&w->f));
    } else if (what == 18 && w->f.driver->branch_delete != NULL) {
        release_held(w, b);
        ASSERT_OK(w->f.driver->branch_delete(w->f.self, branch_names[b], &e));
        history_free(&w->branches[b].h);
        w->branches[b].at = 0;
        w->branches[b].exists = false;
    }
}

static void test_random_histories(void)
{
    struct world w = {0};
    const char *again = getenv("ZS_TEST_SEED"); /* NOLINT(concurrency-mt-unsafe) */
    w.seed = again != NULL ? strtoull(again, NULL, 0) : (uint64_t)time(NULL);
    printf("seed: ZS_TEST_SEED=%llu\n", (unsigned long long)w.seed);
    if (!fixture_open(&w.f))
        return;
    for (int step = 0; step < STEPS; step++)
        random_step(&w);
    for (int b = 0; b < BRANCHES; b++) {
        if (w.branches[b].exists)
            check_branch(&w.f, branch_names[b], &w.branches[b].h, w.branches[b].at);
        else
            check_no_branch(&w.f, branch_names[b]);
        check_held(&w, b);
        history_free(&w.branches[b].h);
    }
    fixture_close(&w.f);
}

/* ---- threads --------------------------------------------------------------------------- */

#define COMMITS 30
#define READERS 3

struct crowd {
    struct fixture *f;
    const char *branch;
    atomic_bool over;
};

struct worker {
    struct crowd *crowd;
    const char *branch;
    char fault[1024];
    int done; /* snapshots read, or commits made */
};

/* Sum what a snapshot reads; it must be what the snapshot says it holds. */
static bool snapshot_adds_up(struct worker *w, const struct snapshot *s)
{
    struct zs_error e = {0};
    struct iter it;
    struct zs_record records[64];
    char buf[8192];
    struct zs_digest sum = {0};
    uint64_t count, n = 0;
    bool more = true;
    if (iter_open(s, 0, UINT64_MAX, &it, &e) != ZS_OK)
        return false;
    while (more && iter_next(&it, records, 64, buf, sizeof buf, &count, &more, &e) == ZS_OK) {
        digest_add_records(&sum, records, count);
        n += count;
    }
    iter_close(&it);
    bool equal =
        n == s->info.records && (!w->crowd->f->digest || digest_equal(sum, s->info.digest));
    if (!equal)
        (void)snprintf(w->fault, sizeof w->fault, "at %s: %llu records, %llu read; %s",
                       lsn_text(s->info.last_valid_lsn).s, (unsigned long long)s->info.records,
                       (unsigned long long)n, e.message);
    return equal;
}

static void *read_on(void *arg)
{
    struct worker *w = arg;
    struct zs_error e = {0};
    struct snapshot s;
    zs_lsn last = 0;
    bool fine = true;
    while (fine && !atomic_load(&w->crowd->over)) {
        if (snapshot_open(&w->crowd->f->store, w->crowd->branch, &s, &e) != ZS_OK) {
            (void)snprintf(w->fault, sizeof w->fault, "%s %s", e.sqlstate, e.message);
            break;
        }
        fine = snapshot_adds_up(w, &s) && s.info.last_valid_lsn >= last;
        last = s.info.last_valid_lsn;
        snapshot_close(&s);
        w->done++;
    }
    return NULL;
}

/* Make the branch and commit to it COMMITS times. */
static void *write_on(void *arg)
{
    struct worker *w = arg;
    struct zs_error e = {0};
    struct history h = {0};
    for (zs_lsn lsn = 1; lsn <= COMMITS; lsn++) {
        history_add_images(&h, 1, 20, 200, lsn);
        struct plan p = {.branch = w->branch,
                         .history = &h,
                         .base = lsn - 1,
                         .upto = lsn,
                         .flags = lsn == 1 ? ZS_INGEST_CREATE : 0};
        if (plan_run(w->crowd->f, &p, &e) != ZS_OK) {
            (void)snprintf(w->fault, sizeof w->fault, "%s %s", e.sqlstate, e.message);
            break;
        }
        w->done++;
    }
    history_free(&h);
    return NULL;
}

static void test_readers_and_a_writer(void)
{
    struct zs_error e = {0};
    struct fixture f;
    struct history h = {0};
    pthread_t threads[READERS];
    struct worker readers[READERS] = {{0}};
    if (!fixture_open(&f))
        return;
    struct crowd crowd = {.f = &f, .branch = "main"};
    struct plan p = {.branch = "main", .history = &h, .flags = ZS_INGEST_CREATE};
    ASSERT_OK(plan_run(&f, &p, &e));
    for (int i = 0; i < READERS; i++) {
        readers[i].crowd = &crowd;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    for (zs_lsn lsn = 1; lsn <= COMMITS; lsn++) {
        history_add_images(&h, 1, 50, 200, lsn);
        p = (struct plan){.branch = "main", .history = &h, .base = lsn - 1, .upto = lsn};
        ASSERT_OK(plan_run(&f, &p, &e));
    }
    atomic_store(&crowd.over, true);
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
        ASSERT_TEXT(readers[i].fault, "");
    }
    check_branch(&f, "main", &h, COMMITS);
    history_free(&h);
    fixture_close(&f);
}

static void test_writers_of_several_branches(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    enum { WRITERS = sizeof names / sizeof *names };
    struct fixture f;
    struct history h = {0};
    pthread_t threads[WRITERS];
    struct worker writers[WRITERS] = {{0}};
    if (!fixture_open(&f))
        return;
    struct crowd crowd = {.f = &f};
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct worker){.crowd = &crowd, .branch = names[i]};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
    for (zs_lsn lsn = 1; lsn <= COMMITS; lsn++)
        history_add_images(&h, 1, 20, 200, lsn);
    for (int i = 0; i < WRITERS; i++) {
        (void)pthread_join(threads[i], NULL);
        ASSERT_TEXT(writers[i].fault, "");
        CU_ASSERT_EQUAL(writers[i].done, COMMITS);
        check_branch(&f, names[i], &h, COMMITS);
    }
    history_free(&h);
    fixture_close(&f);
}

/* Everybody wants the same branch at the same base: commits never overlap. */
static void *rival(void *arg)
{
    struct worker *w = arg;
    struct zs_error e = {0};
    struct history h = {0};
    struct zs_branch_info info;
    for (int i = 0; i < COMMITS; i++) {
        if (store_branch_find(&w->crowd->f->store, w->branch, &info, &e) != ZS_OK)
            break;
        h.n = 0;
        history_add_images(&h, 1, 5, 50, info.last_valid_lsn + 1);
        struct plan p = {.branch = w->branch,
                         .history = &h,
                         .base = info.last_valid_lsn,
                         .upto = info.last_valid_lsn + 1};
        if (plan_run(w->crowd->f, &p, &e) == ZS_OK)
            w->done++;
        else if (!error_is(&e, ZS_BUSY) && !error_is(&e, ZS_MOVED_MEANWHILE))
            (void)snprintf(w->fault, sizeof w->fault, "%s %s", e.sqlstate, e.message);
    }
    history_free(&h);
    return NULL;
}

static void test_rivals(void)
{
    enum { RIVALS = 3 };
    struct zs_error e = {0};
    struct fixture f;
    struct history h = {0};
    pthread_t threads[RIVALS];
    struct worker rivals[RIVALS] = {{0}};
    zs_lsn commits = 0;
    if (!fixture_open(&f))
        return;
    struct crowd crowd = {.f = &f};
    struct plan p = {.branch = "main", .history = &h, .flags = ZS_INGEST_CREATE};
    ASSERT_OK(plan_run(&f, &p, &e));
    for (int i = 0; i < RIVALS; i++) {
        rivals[i] = (struct worker){.crowd = &crowd, .branch = "main"};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, rival, &rivals[i]), 0);
    }
    for (int i = 0; i < RIVALS; i++) {
        (void)pthread_join(threads[i], NULL);
        ASSERT_TEXT(rivals[i].fault, "");
        commits += (zs_lsn)rivals[i].done;
    }
    for (zs_lsn lsn = 1; lsn <= commits; lsn++) /* each that won is there, once */
        history_add_images(&h, 1, 5, 50, lsn);
    CU_ASSERT(commits > 0);
    check_branch(&f, "main", &h, commits);
    history_free(&h);
    fixture_close(&f);
}

struct contract_tests store_whole_tests(void)
{
    static const struct contract_test tests[] = {
        {"random histories read as the model says", test_random_histories, 0},
        {"readers see whole commits while one writes", test_readers_and_a_writer, 0},
        {"branches are written at the same time", test_writers_of_several_branches, 0},
        {"rivals for one branch never both win", test_rivals, 0},
    };
    return (struct contract_tests){.tests = tests, .n = sizeof tests / sizeof *tests};
}
