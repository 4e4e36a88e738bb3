/* test_push_pull_cancel.c - a stop is asked for at every moment that somebody looks; and
 * many transfers at once. */
#include "fixture.h"

#include "sync/cancel.h"

#include <pthread.h>

static const struct {
    char runs;
    const char *line;
} ways[] = {
    {'a', "perform_push main stub://b"},
    {'b', "perform_pull main stub://a"},
};

enum { WAYS = 2 };

static void scene_open(struct world *w)
{
    world_open(w);
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, 300);
    RUN_OK(&w->a, "perform_push main stub://b", "absent");
    grow(&w->a, "main", 2, 600);
}

/* The near client cancels at its n-th poll: 57014 and nothing changed, or a success. */
static void test_a_cancel_at_every_poll_leaves_before_or_after(void)
{
    for (int way = 0; way < WAYS; way++) {
        for (unsigned long n = 1;; n++) {
            struct world w;
            struct client c;
            scene_open(&w);
            CLEANUP(free_ptr) char *before = picture(&w.b);
            client_open(&c);
            stub_cancel_at_poll(&c.s.cancel, n);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            bool asked = c.s.cancel.asked;
            bool complete = same_branch(&w.a, "main", &w.b, "main");
            CLEANUP(free_ptr) char *after = picture(&w.b);
            if (c.rc == ZS_OK) {
                CU_ASSERT(complete);
            } else {
                ASSERT_TEXT(c.e.sqlstate, ZS_CANCELLED);
                CU_ASSERT(asked && c.e.retry == ZS_RETRY_RESUME);
                ASSERT_TEXT(after, before);
                RUN_OK(side_of(&w, ways[way].runs), ways[way].line, "behind");
            }
            client_close(&c);
            world_close(&w);
            if (!asked) {
                CU_ASSERT(n > 10);
                break;
            }
        }
    }
}

/* The request comes while b's store commits: it is too late, and that is what is said. */
static struct {
    struct zs_store inner;
    struct client *client;
} committing;

static int32_t commit_and_cancel(struct zs_ingest *in, const struct zs_commit *commit,
                                 struct zs_error *e)
{
    stub_cancel_request(&committing.client->s.cancel);
    return committing.inner.ingest_commit(in, commit, e);
}

static int first_phase(void *context, const struct transfer_facts *facts)
{
    *(enum transfer_phase *)context = facts->phase;
    return 1;
}

static void test_a_cancel_during_the_commit_is_too_late_and_said(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        struct client c;
        bool told = false;
        scene_open(&w);
        client_open(&c);
        committing.inner = w.b.module.store;
        committing.client = &c;
        w.b.module.store.ingest_commit = commit_and_cancel;
        client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
        assert_ok(c.rc, &c.e, ways[way].line, __FILE__, __LINE__);
        ASSERT_TEXT(cell(&c, "verdict"), "behind");
        for (uint64_t i = 0; i < c.s.notice_count; i++)
            told = told || (error_is(&c.s.notices[i], "01000") &&
                            strstr(c.s.notices[i].message, "complete") != NULL);
        CU_ASSERT(told && same_branch(&w.a, "main", &w.b, "main"));
        /* The far side heard how it ended, too. */
        enum transfer_phase phase = PHASE_FAILED;
        struct side *far = side_of(&w, ways[way].runs == 'a' ? 'b' : 'a');
        must(transfer_list_visit(far->module.transfers, first_phase, &phase, &c.e), &c.e);
        CU_ASSERT_EQUAL(phase, PHASE_DONE);
        client_close(&c);
        world_close(&w);
    }
}

/* And just before: COMMIT has come, the store has not begun. */
static int32_t look_and_cancel(struct zs_ingest *in, struct zs_ingest_state *state,
                               struct zs_error *e)
{
    stub_cancel_request(&committing.client->s.cancel);
    return committing.inner.ingest_state(in, state, e);
}

static void test_a_cancel_before_the_commit_is_in_time(void)
{
    struct world w;
    struct client c;
    scene_open(&w);
    CLEANUP(free_ptr) char *before = picture(&w.b);
    client_open(&c);
    committing.inner = w.b.module.store;
    committing.client = &c;
    w.b.module.store.ingest_state = look_and_cancel;
    client_run(&c, &w.b, "perform_pull main stub://a");
    assert_fails(c.rc, &c.e, ZS_CANCELLED, "perform_pull", __FILE__, __LINE__);
    CLEANUP(free_ptr) char *after = picture(&w.b);
    ASSERT_TEXT(after, before);
    client_close(&c);
    world_close(&w);
}

static void cancel_now(void *context, const struct zs_error *notice)
{
    if (strstr(notice->detail, "\"connect\"") == NULL)
        stub_cancel_request(context);
}

/* A slow link: the request comes while a batch waits for its turn; at this rate all of it
 * would take minutes. */
static void test_a_cancel_ends_a_throttled_transfer(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        struct client c;
        char line[100];
        scene_open(&w);
        CLEANUP(free_ptr) char *before = picture(&w.b);
        (void)snprintf(line, sizeof line, "%s (max_rate 16k)", ways[way].line);
        client_open(&c);
        c.s.on_notice = cancel_now;
        c.s.context = &c.s.cancel;
        client_run(&c, side_of(&w, ways[way].runs), line);
        assert_fails(c.rc, &c.e, ZS_CANCELLED, line, __FILE__, __LINE__);
        CU_ASSERT(strstr(c.e.hint, "Nothing was changed") != NULL); /* which of the two: said */
        CLEANUP(free_ptr) char *after = picture(&w.b);
        ASSERT_TEXT(after, before);
        client_close(&c);
        world_close(&w);
    }
}

/* The far side's session is cancelled (a shutdown there): its error arrives. */
static void test_a_far_cancel_arrives_as_an_error(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        struct client c;
        scene_open(&w);
        CLEANUP(free_ptr) char *before = picture(&w.b);
        struct side *far = ways[way].runs == 'a' ? &w.b : &w.a;
        stub_faults_arm(&far->faults,
                        &(struct stub_fault){.operation = way == 0 ? "ingest_put" : "iter_next",
                                             .nth = 2,
                                             .sqlstate = ZS_CANCELLED});
        client_open(&c);
        client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
        if (stub_faults_fired(&far->faults)) {
            assert_fails(c.rc, &c.e, ZS_CANCELLED, ways[way].line, __FILE__, __LINE__);
            CLEANUP(free_ptr) char *after = picture(&w.b);
            ASSERT_TEXT(after, before);
        } else {
            CU_ASSERT(c.rc == ZS_OK);
        }
        client_close(&c);
        world_close(&w);
    }
}

/* ---- many at once -------------------------------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 3 };

struct worker {
    struct world *w;
    int i;
    int done, busy, other;
};

static void *work(void *arg)
{
    struct worker *k = arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct client c;
        char line[100];
        /* Own branches both ways, and one that all of them push at the same time. */
        (void)snprintf(
            line, sizeof line,
            k->i % 2 == 0 ? "perform_push own%d stub://b" : "perform_pull own%d stub://a", k->i);
        client_open(&c);
        client_run(&c, k->i % 2 == 0 ? &k->w->a : &k->w->b, line);
        k->done += c.rc == ZS_OK ? 1 : 0;
        client_close(&c);
        client_open(&c);
        client_run(&c, &k->w->a, "perform_push main stub://b");
        if (c.rc == ZS_OK)
            k->done++;
        else if (error_is(&c.e, ZS_BUSY) || error_is(&c.e, ZS_ALREADY_EXISTS) ||
                 error_is(&c.e, ZS_MOVED_MEANWHILE))
            k->busy++;
        else
            k->other++;
        client_close(&c);
        client_open(&c);
        client_run(&c, k->i % 2 == 0 ? &k->w->b : &k->w->a, "sync_status");
        k->done += c.rc == ZS_OK ? 1 : 0;
        client_close(&c);
    }
    return NULL;
}

static void test_many_transfers_at_once_do_not_disturb_each_other(void)
{
    struct world w;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    char name[16];
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 300);
    for (int i = 0; i < THREADS; i++) {
        (void)snprintf(name, sizeof name, "own%d", i);
        branch_make(&w.a, name);
        grow(&w.a, name, (uint64_t)i + 10, 300);
        workers[i] = (struct worker){.w = &w, .i = i};
    }
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    int done = 0, busy = 0;
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        done += workers[i].done;
        busy += workers[i].busy;
        CU_ASSERT(workers[i].other == 0);
    }
    CU_ASSERT(done + busy == THREADS * ROUNDS * 3 && done > THREADS * ROUNDS * 2);
    CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
    for (int i = 0; i < THREADS; i++) {
        (void)snprintf(name, sizeof name, "own%d", i);
        CU_ASSERT(same_branch(&w.a, name, &w.b, name));
    }
    world_close(&w);
}

SUITE("command/push_pull_cancel",
      {"a cancel at every poll leaves before or after",
       test_a_cancel_at_every_poll_leaves_before_or_after},
      {"a cancel during the commit is too late, and said",
       test_a_cancel_during_the_commit_is_too_late_and_said},
      {"a cancel before the commit is in time", test_a_cancel_before_the_commit_is_in_time},
      {"a cancel ends a throttled transfer", test_a_cancel_ends_a_throttled_transfer},
      {"a far cancel arrives as an error", test_a_far_cancel_arrives_as_an_error},
      {"many transfers at once do not disturb each other",
       test_many_transfers_at_once_do_not_disturb_each_other})
