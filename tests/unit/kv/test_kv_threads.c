/* test_kv_threads.c - writers, readers and removals at once, each on what it should see. */
#include "fixture.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  12

struct worker {
    struct kv *kv;
    pthread_t thread;
    int number;
    const char *failed; /* what, or NULL; CUnit counts in one thread alone */
    struct zs_error e;
};

static const char *read_back(const struct zs_store *store, const char *branch, uint64_t records,
                             struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(iter_close) struct iter it = {0};
    struct zs_digest sum = {0};
    struct zs_record got[16];
    uint64_t total = 0;
    uint64_t count = 0;
    bool more = true;
    uint8_t buf[16 * PAGE];
    if (snapshot_open(store, branch, &s, e) != ZS_OK)
        return "snapshot";
    if (iter_open(&s, 0, UINT64_MAX, &it, e) != ZS_OK)
        return "iterator";
    for (; more; total += count) {
        if (iter_next(&it, got, 16, buf, sizeof buf, &count, &more, e) != ZS_OK)
            return "read";
        digest_add_records(&sum, got, count);
    }
    return total == records && digest_equal(sum, s.info.digest) ? NULL : "content";
}

/* Small and bulk increments to an own branch, which is removed now and then; and reads
 * of the branch that all share. */
static void *work(void *context)
{
    struct worker *w = context;
    const struct zs_store *store = kv_store(w->kv);
    char name[16];
    uint8_t page[PAGE];
    (void)snprintf(name, sizeof name, "own%d", w->number);
    zs_lsn lsn = 0;
    for (int i = 0; i < ROUNDS && w->failed == NULL; i++) {
        struct ingest in = {0};
        struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                      .flags = lsn == 0 ? ZS_INGEST_CREATE : 0,
                                      .branch = name,
                                      .base_lsn = lsn,
                                      .target_lsn = lsn + 1,
                                      .expected_bytes = i % 2 == 0 ? BULK : 0};
        lsn++;
        if (ingest_begin(store, &spec, &in, &w->e) != ZS_OK)
            w->failed = "begin";
        for (uint32_t p = 0; p < 30 && w->failed == NULL; p++) {
            struct zs_record r = page_of(p, lsn, page, PAGE);
            if (ingest_put(&in, &r, 1, &w->e) != ZS_OK)
                w->failed = "put";
        }
        if (w->failed == NULL && commit_at(&in, lsn, &w->e) != ZS_OK)
            w->failed = "commit";
        ingest_close(&in);
        if (w->failed == NULL)
            w->failed = read_back(store, name, 30 * lsn, &w->e);
        if (w->failed == NULL)
            w->failed = read_back(store, "shared", 500, &w->e);
        if (w->failed == NULL && i % 5 == 4) {
            lsn = 0;
            if (kv_branch_delete(w->kv, name, &w->e) != ZS_OK)
                w->failed = "delete";
        }
    }
    return NULL;
}

static void test_threads_do_not_disturb_each_other(void)
{
    struct fixture f = fixture_open();
    struct worker workers[THREADS] = {0};
    write_pages(kv_store(f.kv), "shared", 0, 500, 1, BULK);
    for (int i = 0; i < THREADS; i++) {
        workers[i].kv = f.kv;
        workers[i].number = i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        if (workers[i].failed != NULL)
            printf("%d: %s: %s %s\n", i, workers[i].failed, workers[i].e.message,
                   workers[i].e.detail);
        CU_ASSERT_PTR_NULL(workers[i].failed);
    }
    fixture_reopen(&f);
    check_branch(kv_store(f.kv), "shared", 500);
    check_branch(kv_store(f.kv), "own0", (uint64_t)30 * (ROUNDS % 5));
    fixture_close(&f);
}

/* Of many that want to write one branch, one does, and the others are told so. */
static void *contend(void *context)
{
    struct worker *w = context;
    struct ingest in = {0};
    const struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .flags = ZS_INGEST_CREATE, .branch = "main", .target_lsn = 1};
    if (ingest_begin(kv_store(w->kv), &spec, &in, &w->e) != ZS_OK ||
        commit_at(&in, 1, &w->e) != ZS_OK)
        w->failed = w->e.sqlstate;
    ingest_close(&in);
    return NULL;
}

static void test_one_of_many_makes_the_branch(void)
{
    struct fixture f = fixture_open();
    for (int round = 0; round < 20; round++) {
        struct worker workers[THREADS] = {0};
        struct zs_error e = {0};
        int won = 0;
        for (int i = 0; i < THREADS; i++) {
            workers[i].kv = f.kv;
            if (pthread_create(&workers[i].thread, NULL, contend, &workers[i]) != 0)
                abort();
        }
        for (int i = 0; i < THREADS; i++) {
            (void)pthread_join(workers[i].thread, NULL);
            won += workers[i].failed == NULL;
            CU_ASSERT(workers[i].failed == NULL || error_is(&workers[i].e, ZS_BUSY) ||
                      error_is(&workers[i].e, ZS_ALREADY_EXISTS));
        }
        CU_ASSERT_EQUAL(won, 1);
        ASSERT_OK(kv_branch_delete(f.kv, "main", &e));
    }
    fixture_close(&f);
}

SUITE("kv/threads",
      {"writers, readers and removals do not disturb each other",
       test_threads_do_not_disturb_each_other},
      {"of many that make one branch, one does", test_one_of_many_makes_the_branch})
