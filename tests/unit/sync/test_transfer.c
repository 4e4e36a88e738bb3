/* test_transfer.c - the list of transfers: what it keeps, in which order, and its facts. */
#include "../../support/suite.h"

#include "base/error.h"
#include "sync/transfer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 256 };

struct seen {
    struct transfer_facts facts[MOST];
    size_t n, stop_after;
};

static int see(void *context, const struct transfer_facts *facts)
{
    struct seen *s = context;
    if (s->n < MOST)
        s->facts[s->n++] = *facts;
    return s->n == s->stop_after;
}

static struct seen *look(struct transfer_list *list, size_t stop_after)
{
    static struct seen seen; /* large */
    struct zs_error e = {0};
    seen.n = 0;
    seen.stop_after = stop_after;
    ASSERT_OK(transfer_list_visit(list, see, &seen, &e));
    return &seen;
}

static void test_facts_are_told_as_they_are(void)
{
    struct zs_error e = {0}, why;
    struct transfer_list *list = NULL;
    ASSERT_OK(transfer_list_open(&list, &e));
    int64_t before_s = (int64_t)time(NULL);
    struct transfer *t = transfer_begin(list, "perform_push", "main", "stub://b");
    CU_ASSERT_FATAL(t != NULL);
    struct transfer_facts f = transfer_look(t);
    CU_ASSERT(f.started_unix_ns / INT64_C(1000000000) >= before_s - 1); /* a coarser clock */
    CU_ASSERT(f.started_unix_ns / INT64_C(1000000000) <= (int64_t)time(NULL) + 1);
    CU_ASSERT(f.phase == PHASE_CONNECT && !f.has_verdict && f.ended_ns == 0 && f.id == 1);
    CU_ASSERT(f.started_ns > 0);
    ASSERT_TEXT(f.command, "perform_push");
    ASSERT_TEXT(f.branch, "main");
    ASSERT_TEXT(f.peer, "stub://b");
    transfer_phase(t, PHASE_SEND);
    transfer_range(t, VERDICT_BEHIND, 5, 9, 100, 200);
    transfer_count(t, 3, 40, 50);
    transfer_count(t, 4, 50, 110);
    f = transfer_look(t);
    CU_ASSERT(f.phase == PHASE_SEND && f.has_verdict && f.verdict == VERDICT_BEHIND);
    CU_ASSERT(f.from_lsn == 5 && f.to_lsn == 9 && f.total_records == 100 && f.total_bytes == 200);
    CU_ASSERT(f.records == 7 && f.bytes == 90 && f.wire_bytes == 110);
    error_set(&why, ZS_BUSY, "it is busy");
    transfer_end(t, &why);
    struct transfer *good = transfer_begin(list, "branch_push", "x", "y");
    CU_ASSERT_FATAL(good != NULL);
    transfer_end(good, NULL);
    const struct seen *s = look(list, 0);
    CU_ASSERT_FATAL(s->n == 2);
    CU_ASSERT(s->facts[0].phase == PHASE_DONE && s->facts[0].id == 2 && s->facts[0].ended_ns > 0);
    CU_ASSERT(s->facts[1].phase == PHASE_FAILED && s->facts[1].id == 1);
    ASSERT_TEXT(s->facts[1].error.message, "it is busy");
    transfer_list_close(list);
}

static void test_names_that_are_too_long_are_cut(void)
{
    struct zs_error e = {0};
    struct transfer_list *list = NULL;
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ASSERT_OK(transfer_list_open(&list, &e));
    struct transfer *t = transfer_begin(list, "perform_push", longer, longer);
    CU_ASSERT_FATAL(t != NULL);
    struct transfer_facts f = transfer_look(t);
    CU_ASSERT(strlen(f.branch) == ZS_BRANCH_NAME_MAX && strlen(f.peer) == sizeof f.peer - 1);
    transfer_list_close(list);
}

static void test_running_ones_come_first_and_then_the_newest(void)
{
    struct zs_error e = {0};
    struct transfer_list *list = NULL;
    struct transfer *t[6];
    static const uint64_t order[6] = {6, 4, 1, 5, 3, 2}; /* 1, 4 and 6 run */
    ASSERT_OK(transfer_list_open(&list, &e));
    for (int i = 0; i < 6; i++) {
        t[i] = transfer_begin(list, "perform_pull", "b", "p");
        CU_ASSERT_FATAL(t[i] != NULL);
    }
    transfer_end(t[1], NULL);
    transfer_end(t[2], NULL);
    transfer_end(t[4], NULL);
    const struct seen *s = look(list, 0);
    CU_ASSERT_FATAL(s->n == 6);
    for (int i = 0; i < 6; i++)
        CU_ASSERT(s->facts[i].id == order[i]);
    CU_ASSERT(look(list, 2)->n == 2); /* a visitor may end it */
    transfer_list_close(list);
}

static void test_the_list_is_bounded_but_for_those_that_run(void)
{
    struct zs_error e = {0};
    struct transfer_list *list = NULL;
    struct transfer *running[40];
    ASSERT_OK(transfer_list_open(&list, &e));
    for (int i = 0; i < 40; i++) {
        running[i] = transfer_begin(list, "perform_pull", "b", "p");
        CU_ASSERT_FATAL(running[i] != NULL);
    }
    for (int i = 0; i < 500; i++) {
        struct transfer *t = transfer_begin(list, "perform_push", "b", "p");
        CU_ASSERT_FATAL(t != NULL);
        transfer_end(t, NULL);
    }
    const struct seen *s = look(list, 0);
    CU_ASSERT_FATAL(s->n == 40 + TRANSFER_KEEP);
    CU_ASSERT(s->facts[40].id == 540 && s->facts[s->n - 1].id == 540 - TRANSFER_KEEP + 1);

    /* A long one is remembered by its end, however many short ones came meanwhile. */
    transfer_end(running[0], NULL);
    s = look(list, 0);
    CU_ASSERT(s->n == 39 + TRANSFER_KEEP);
    bool found = false;
    for (size_t i = 0; i < s->n; i++)
        found = found || (s->facts[i].id == 1 && s->facts[i].ended_ns != 0);
    CU_ASSERT(found);
    for (int i = 1; i < 40; i++)
        transfer_end(running[i], NULL);
    CU_ASSERT(look(list, 0)->n == TRANSFER_KEEP);
    transfer_list_close(list);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { WORKERS = 4 };

struct load {
    struct transfer_list *list;
    struct zs_error why; /* what each one ends with: long, so that half of it is seen as such */
    atomic_bool over;
    uint32_t looks; /* at a transfer */
    bool whole;
};

static void *work(void *arg)
{
    struct load *load = arg;
    for (int i = 0; i < 200 || !atomic_load(&load->over); i++) {
        struct transfer *t = transfer_begin(load->list, "perform_push", "b", "p");
        if (t == NULL)
            abort();
        for (int j = 0; j < 10; j++)
            transfer_count(t, 1, 2, (uint64_t)j);
        struct transfer_facts f = transfer_look(t);
        if (f.records != 10 || f.bytes != 20)
            abort();
        transfer_end(t, &load->why);
    }
    return NULL;
}

/* What is told belongs together, also while it is added to. */
static int look_close(void *context, const struct transfer_facts *facts)
{
    struct load *load = context;
    load->looks++;
    load->whole = load->whole && facts->id > 0 && facts->bytes == 2 * facts->records;
    if (facts->ended_ns != 0)
        load->whole = load->whole && facts->records == 10 && facts->phase == PHASE_FAILED &&
                      memcmp(&facts->error, &load->why, sizeof load->why) == 0;
    return 0;
}

static void test_many_threads_may_use_it(void)
{
    struct zs_error e = {0};
    struct load load = {.why = {.sqlstate = ZS_BUSY}, .whole = true};
    pthread_t threads[WORKERS];
    memset(load.why.message, 'm', sizeof load.why.message - 1);
    memset(load.why.detail, 'd', sizeof load.why.detail - 1);
    memset(load.why.hint, 'h', sizeof load.why.hint - 1);
    ASSERT_OK(transfer_list_open(&load.list, &e));
    for (int i = 0; i < WORKERS; i++)
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, work, &load) == 0);
    while (load.looks < 200000)
        ASSERT_OK(transfer_list_visit(load.list, look_close, &load, &e));
    atomic_store(&load.over, true);
    for (int i = 0; i < WORKERS; i++)
        (void)pthread_join(threads[i], NULL);
    CU_ASSERT(load.whole);
    const struct seen *s = look(load.list, 0);
    CU_ASSERT(s->n == TRANSFER_KEEP);
    transfer_list_close(load.list);
}

/* The others go on; what has ended counts no more. */
static void test_one_user_has_so_many_under_way(void)
{
    static const struct {
        unsigned per_user, may;
    } cases[] = {{1, 1}, {3, 3}, {0, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct transfer_list *list = NULL;
        struct transfer *t[10];
        ASSERT_OK(transfer_list_open(&list, &e));
        transfer_list_limit(list, cases[i].per_user);
        for (unsigned n = 0; n < 10; n++) {
            t[n] = transfer_begin(list, "branch_pull", "main", "far");
            CU_ASSERT_FATAL(t[n] != NULL);
            if (n < cases[i].may) {
                ASSERT_OK(transfer_own(t[n], "anna", &e));
                continue;
            }
            ASSERT_FAILS(transfer_own(t[n], "anna", &e), ZS_LIMIT_EXCEEDED);
            CU_ASSERT(strstr(e.message, "\"anna\"") != NULL);
            CU_ASSERT(strstr(e.hint, "max_transfers") != NULL);
            CU_ASSERT(transfer_look(t[n]).phase == PHASE_FAILED);
        }
        t[9] = transfer_begin(list, "branch_pull", "main", "far");
        ASSERT_OK(transfer_own(t[9], "bert", &e));
        transfer_end(t[0], NULL);
        t[0] = transfer_begin(list, "branch_pull", "main", "far");
        ASSERT_OK(transfer_own(t[0], "anna", &e));
        transfer_list_close(list);
    }
}

static void test_one_that_starts_is_somebodys_or_nobodys(void)
{
    struct zs_error e = {0};
    struct transfer_list *list = NULL;
    struct transfer *first = NULL, *second = NULL;
    ASSERT_OK(transfer_list_open(&list, &e));
    transfer_list_limit(list, 1);
    ASSERT_OK(transfer_start(list, "branch_pull", "main", "far", "anna", &first, &e));
    CU_ASSERT_FATAL(first != NULL && transfer_look(first).phase == PHASE_CONNECT);
    ASSERT_FAILS(transfer_start(list, "branch_pull", "main", "far", "anna", &second, &e),
                 ZS_LIMIT_EXCEEDED);
    CU_ASSERT(second == NULL);
    ASSERT_OK(transfer_start(list, "branch_pull", "main", "far", NULL, &second, &e));
    transfer_list_close(list);
}

SUITE("sync/transfer", {"one user has so many under way", test_one_user_has_so_many_under_way},
      {"one that starts is somebody's, or was nobody's",
       test_one_that_starts_is_somebodys_or_nobodys},
      {"facts are told as they are", test_facts_are_told_as_they_are},
      {"names that are too long are cut", test_names_that_are_too_long_are_cut},
      {"running ones come first, and then the newest",
       test_running_ones_come_first_and_then_the_newest},
      {"the list is bounded, but for those that run",
       test_the_list_is_bounded_but_for_those_that_run},
      {"many threads may use it", test_many_threads_may_use_it})
