/* test_lease.c - snapshots kept for transfers that were cut off: how many, for how long,
 * and for whom. */
#include "../../support/suite.h"

#include "base/clock.h"
#include "stub/stub_store.h"
#include "sync/lease.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct zs_error e;

#define HOUR (INT64_C(3600) * 1000000000)

struct scene {
    struct stub_store *stub;
    struct zs_store store; /* imported */
    struct lease_list *list;
    bool committing; /* what is kept next */
    int64_t last_ns; /* likewise */
};

static void scene_open(struct scene *s, int64_t keep_ns)
{
    s->committing = false;
    s->last_ns = 0;
    ASSERT_OK(stub_store_open(0, &s->stub, &e));
    ASSERT_OK(store_import(stub_store_table(s->stub), &s->store, &e));
    ASSERT_OK(stub_store_branch_create(s->stub, "main", NULL, NULL, &e));
    ASSERT_OK(stub_store_branch_create(s->stub, "other", NULL, NULL, &e));
    ASSERT_OK(lease_list_open(keep_ns, &s->list, &e));
}

static void scene_close(struct scene *s)
{
    lease_list_close(s->list);
    CU_ASSERT(stub_store_open_handles(s->stub) == 0);
    stub_store_close(s->stub);
}

/* Keep a snapshot of the branch; true if it was taken over. */
static bool keep(struct scene *s, const char *branch, zs_lsn from, zs_lsn to)
{
    struct snapshot snapshot;
    ASSERT_OK(snapshot_open(&s->store, branch, &snapshot, &e));
    lease_keep(s->list, &snapshot, from, to, s->committing, s->last_ns);
    bool kept = snapshot.handle == NULL;
    snapshot_close(&snapshot);
    return kept;
}

static bool take_until(struct scene *s, const char *branch, zs_lsn from, zs_lsn to,
                       int64_t *last_ns)
{
    struct zs_branch_info info;
    struct snapshot snapshot = {0};
    ASSERT_OK(store_branch_find(&s->store, branch, &info, &e));
    bool taken = lease_take(s->list, &info, from, to, &snapshot, last_ns);
    CU_ASSERT(taken == (snapshot.handle != NULL));
    snapshot_close(&snapshot);
    return taken;
}

static bool take(struct scene *s, const char *branch, zs_lsn from, zs_lsn to)
{
    int64_t last_ns = 0;
    return take_until(s, branch, from, to, &last_ns);
}

/* Only what a COMMIT may have ended, for this branch, there; and one for one receiver. */
static void test_a_receiver_that_arrived_ends_one(void)
{
    struct scene s;
    struct zs_branch_info main_now, other_now;
    struct lease_facts facts[LEASES_MAX];
    scene_open(&s, HOUR);
    ASSERT_OK(store_branch_find(&s.store, "main", &main_now, &e));
    ASSERT_OK(store_branch_find(&s.store, "other", &other_now, &e));
    CU_ASSERT(keep(&s, "main", 5, 9)); /* was cut before */
    s.committing = true;
    CU_ASSERT(keep(&s, "main", 4, 9) && keep(&s, "main", 0, 9) && keep(&s, "other", 0, 9));
    lease_settle(s.list, &main_now, 8);
    lease_settle(NULL, &main_now, 9);
    main_now.timeline.bytes[0] ^= 1;
    lease_settle(s.list, &main_now, 9);
    main_now.timeline.bytes[0] ^= 1;
    CU_ASSERT(lease_list_look(s.list, facts) == 4);
    lease_settle(s.list, &main_now, 9);
    CU_ASSERT(lease_list_look(s.list, facts) == 3 && facts[1].from_lsn == 4);
    lease_settle(s.list, &main_now, 9);
    lease_settle(s.list, &main_now, 9);
    CU_ASSERT(lease_list_look(s.list, facts) == 2 && facts[1].from_lsn == 5);
    CU_ASSERT(stub_store_open_handles(s.stub) == 2);
    lease_settle(s.list, &other_now, 9);
    CU_ASSERT(lease_list_look(s.list, facts) == 1);
    scene_close(&s);
}

/* Taken and cut off again it lives on, and not for ever. */
static void test_it_ends_for_good(void)
{
    struct scene s;
    struct lease_facts facts[LEASES_MAX];
    scene_open(&s, HOUR);
    int64_t before = clock_now_ns();
    CU_ASSERT(keep(&s, "main", 5, 9));
    CU_ASSERT(take_until(&s, "main", 5, 9, &s.last_ns));
    CU_ASSERT(s.last_ns >= before + LEASE_TIMES * HOUR);
    CU_ASSERT(s.last_ns <= clock_now_ns() + LEASE_TIMES * HOUR);
    int64_t last_ns = s.last_ns = before + HOUR / 2;
    CU_ASSERT(keep(&s, "main", 5, 9));
    CU_ASSERT(lease_list_look(s.list, facts) == 1 && facts[0].left_seconds <= 1800);
    s.last_ns = 0;
    CU_ASSERT(take_until(&s, "main", 5, 9, &s.last_ns) && s.last_ns == last_ns);
    s.last_ns = before; /* it is over */
    CU_ASSERT(!keep(&s, "main", 5, 9) && lease_list_look(s.list, facts) == 0);
    scene_close(&s);
}

static void test_it_is_for_one_transfer(void)
{
    static const struct {
        const char *branch;
        zs_lsn from, to;
    } others[] = {{"other", 5, 9}, {"main", 4, 9}, {"main", 5, 8}, {"main", 0, 0}};
    struct scene s;
    scene_open(&s, HOUR);
    CU_ASSERT(keep(&s, "main", 5, 9));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT(!take(&s, others[i].branch, others[i].from, others[i].to));
    struct zs_branch_info imposter;
    struct snapshot out;
    ASSERT_OK(store_branch_find(&s.store, "main", &imposter, &e));
    imposter.timeline.bytes[3] ^= 1; /* deleted and made again */
    CU_ASSERT(!lease_take(s.list, &imposter, 5, 9, &out, &s.last_ns));
    CU_ASSERT(take(&s, "main", 5, 9));
    CU_ASSERT(!take(&s, "main", 5, 9)); /* alone */
    CU_ASSERT(stub_store_open_handles(s.stub) == 0);
    scene_close(&s);
}

static void test_the_oldest_goes_for_a_new_one(void)
{
    struct scene s;
    struct lease_facts facts[LEASES_MAX];
    scene_open(&s, HOUR);
    for (zs_lsn i = 1; i <= LEASES_MAX + 3; i++)
        CU_ASSERT(keep(&s, "main", 0, i));
    CU_ASSERT(stub_store_open_handles(s.stub) == LEASES_MAX);
    CU_ASSERT(lease_list_look(s.list, facts) == LEASES_MAX);
    CU_ASSERT(facts[0].to_lsn == LEASES_MAX + 3 && facts[LEASES_MAX - 1].to_lsn == 4);
    CU_ASSERT(facts[0].left_seconds > 3500 && facts[0].left_seconds <= 3600);
    ASSERT_TEXT(facts[0].branch, "main");
    CU_ASSERT(!take(&s, "main", 0, 3) && take(&s, "main", 0, 4));
    scene_close(&s);
}

static void test_it_goes_with_its_branch(void)
{
    struct scene s;
    scene_open(&s, HOUR);
    CU_ASSERT(keep(&s, "main", 0, 1) && keep(&s, "other", 0, 1) && keep(&s, "main", 0, 2));
    lease_drop(s.list, "main");
    CU_ASSERT(stub_store_open_handles(s.stub) == 1);
    CU_ASSERT(take(&s, "other", 0, 1));
    lease_drop(s.list, "main");
    scene_close(&s);
}

static bool handles_reach(struct scene *s, uint64_t n)
{
    int64_t until = clock_now_ns() + INT64_C(20) * 1000000000;
    while (stub_store_open_handles(s->stub) != n && clock_now_ns() < until)
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    return stub_store_open_handles(s->stub) == n;
}

/* Twice, as the thread that does it comes and goes. */
static void test_it_ends_by_itself(void)
{
    struct scene s;
    scene_open(&s, 30000000);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT(keep(&s, "main", 0, 1) && keep(&s, "other", 0, 1));
        CU_ASSERT(handles_reach(&s, 0));
        CU_ASSERT(!take(&s, "main", 0, 1));
    }
    scene_close(&s);
}

static void test_nothing_is_kept_where_nothing_is_to_be(void)
{
    struct scene s;
    scene_open(&s, 0);
    CU_ASSERT(!keep(&s, "main", 0, 1));
    struct lease_list *list = s.list;
    s.list = NULL;
    CU_ASSERT(!keep(&s, "main", 0, 1) && !take(&s, "main", 0, 1));
    s.list = list;
    scene_close(&s);
}

struct worker {
    struct scene *s;
    zs_lsn id;
};

static void *work(void *context)
{
    struct worker *w = context;
    struct lease_facts facts[LEASES_MAX];
    for (int i = 0; i < 300; i++) {
        (void)keep(w->s, "main", w->id, 1);
        (void)take(w->s, "main", i % 2 == 0 ? w->id : 1, 1);
        (void)lease_list_look(w->s->list, facts);
        if (i % 50 == 0)
            lease_drop(w->s->list, "main");
    }
    return NULL;
}

/* Threads, and a time so short that the timer takes part. */
static void test_many_at_once(void)
{
    enum { THREADS = 4 };
    struct scene s;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    scene_open(&s, 100000);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.s = &s, .id = (zs_lsn)i + 1};
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    CU_ASSERT(handles_reach(&s, 0));
    scene_close(&s);
}

SUITE("sync/lease", {"it ends for good", test_it_ends_for_good},
      {"a receiver that arrived ends one", test_a_receiver_that_arrived_ends_one},
      {"a lease is for one transfer alone", test_it_is_for_one_transfer},
      {"the oldest goes for a new one", test_the_oldest_goes_for_a_new_one},
      {"a lease goes with its branch", test_it_goes_with_its_branch},
      {"a lease ends by itself", test_it_ends_by_itself},
      {"nothing is kept where nothing is to be", test_nothing_is_kept_where_nothing_is_to_be},
      {"many keep, take and drop at once", test_many_at_once})
