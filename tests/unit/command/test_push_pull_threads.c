/* test_push_pull_threads.c - transfers in which both sides have started their thread: every
 * callback, message and poll fails once there, too; the first failure goes up untouched, the
 * receiver is as before or complete, and the same command then converges. */
#include "fixture.h"

static const struct {
    char runs;
    const char *line;
} ways[] = {
    {'a', "perform_push main stub://b"},
    {'b', "perform_pull main stub://a"},
};

/* Under ThreadSanitizer a run takes seconds: every so many calls, messages and polls. */
#ifdef __SANITIZE_THREAD__
#define STEP 17
#else
#define STEP 1
#endif

enum { WAYS = 2, INLINE = 1 };

/* a has some 5 batches, the first of which goes without a thread; one is a single record.
 * With STUB_STORE_COPIES a's store reads a batch at a time, else all of it at once. */
static void scene_open_with(struct world *w, unsigned a_options)
{
    world_open_with(w, a_options, 0, NULL);
    w->a.module.inline_batches = w->b.module.inline_batches = INLINE;
    w->a.module.sync_bytes = w->b.module.sync_bytes = 1000000;
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, 900);
    grow_one(&w->a, "main", 3, ZS_KIND_IMAGE, 1100000);
}

static void scene_open(struct world *w)
{
    scene_open_with(w, STUB_STORE_COPIES);
}

/* As it was, or complete; and the same line converges. */
static void check_aftermath(struct world *w, int way, const struct client *c, const char *what,
                            unsigned long n)
{
    CLEANUP(free_ptr) char *b = picture(&w->b);
    bool there = c->rc == ZS_OK || strcmp(b, "") != 0;
    bool good = (!there || same_branch(&w->a, "main", &w->b, "main")) &&
                (c->rc == ZS_OK || c->e.message[0] != '\0') && leaked_handles(&w->a) == 0 &&
                leaked_handles(&w->b) == 0;
    CU_ASSERT(good);
    if (!good)
        (void)printf("%s, %s %lu: %d %s %s\n", ways[way].line, what, n, c->rc, c->e.sqlstate,
                     c->e.message);
    struct client again;
    client_open(&again);
    client_run(&again, side_of(w, ways[way].runs), ways[way].line);
    assert_ok(again.rc, &again.e, "the same again", __FILE__, __LINE__);
    CU_ASSERT(same_branch(&w->a, "main", &w->b, "main"));
    client_close(&again);
}

static void test_what_goes_through_threads_arrives(void)
{
    for (int way = 0; way < WAYS; way++)
        for (unsigned copies = 0; copies < 2; copies++) {
            struct world w;
            struct client c;
            scene_open_with(&w, copies == 1 ? STUB_STORE_COPIES : 0);
            grow_one(&w.a, "main", 5, ZS_KIND_IMAGE,
                     3000000); /* more than a slot goes on holding */
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            assert_ok(c.rc, &c.e, ways[way].line, __FILE__, __LINE__);
            check_aftermath(&w, way, &c, "no fault", copies);
            client_close(&c);
            world_close(&w);
        }
}

static void fail_every_call(char side, enum stub_fault_kind kind)
{
    for (int way = 0; way < WAYS; way++)
        for (unsigned long n = 1;; n += STEP) {
            struct world w;
            struct client c;
            scene_open(&w);
            struct stub_faults *f = &side_of(&w, side)->faults;
            stub_faults_arm(f, &(struct stub_fault){.nth = n, .kind = kind});
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            bool fired = stub_faults_fired(f);
            stub_faults_arm(f, &(struct stub_fault){.nth = 0});
            CU_ASSERT(fired || c.rc == ZS_OK);
            if (fired && c.rc != ZS_OK)
                ASSERT_TEXT(c.e.sqlstate,
                            kind == STUB_FAULT_SILENT ? ZS_INTERNAL_ERROR : ZS_IO_ERROR);
            check_aftermath(&w, way, &c, "call", n);
            client_close(&c);
            world_close(&w);
            if (!fired) {
                CU_ASSERT(n > 7); /* there were several batches */
                break;
            }
        }
}

static void test_each_call_of_the_sending_store_may_fail(void)
{
    fail_every_call('a', STUB_FAULT_FAIL);
    fail_every_call('a', STUB_FAULT_SILENT);
}

static void test_each_call_of_the_receiving_store_may_fail(void)
{
    fail_every_call('b', STUB_FAULT_FAIL);
    fail_every_call('b', STUB_FAULT_SILENT);
}

/* In the thread, on either side of either way: its words, and nothing added to them. */
static void test_a_failure_in_a_thread_goes_up_untouched(void)
{
    static const struct {
        char side;
        const char *operation;
        unsigned nth;
    } cases[] = {{'a', "iter_next", 4}, {'b', "ingest_put", 3}, {'b', "ingest_sync", 2}};
    for (int way = 0; way < WAYS; way++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            struct world w;
            struct client c;
            char message[64];
            scene_open(&w);
            stub_faults_arm(&side_of(&w, cases[k].side)->faults,
                            &(struct stub_fault){.operation = cases[k].operation,
                                                 .nth = cases[k].nth,
                                                 .sqlstate = ZS_OUT_OF_MEMORY});
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            assert_fails(c.rc, &c.e, ZS_OUT_OF_MEMORY, ways[way].line, __FILE__, __LINE__);
            (void)snprintf(message, sizeof message, "injected fault in %s", cases[k].operation);
            ASSERT_TEXT(c.e.message, message);
            ASSERT_TEXT(c.e.detail, "");
            client_close(&c);
            world_close(&w);
        }
}

/* A value that changes, or a record that is lost, in the thread. */
static void test_what_a_store_spoils_never_becomes_visible(void)
{
    static const struct {
        const char *operation;
        enum stub_fault_kind kind;
        char side;
    } cases[] = {{"iter_next", STUB_FAULT_FLIP, 'a'},
                 {"iter_next", STUB_FAULT_DROP, 'a'},
                 {"ingest_put", STUB_FAULT_FLIP, 'b'},
                 {"ingest_put", STUB_FAULT_DROP, 'b'}};
    for (int way = 0; way < WAYS; way++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
            for (unsigned long n = 2; n < 4; n++) {
                struct world w;
                struct client c;
                scene_open(&w);
                struct stub_faults *f = &side_of(&w, cases[k].side)->faults;
                stub_faults_arm(f, &(struct stub_fault){.operation = cases[k].operation,
                                                        .nth = n,
                                                        .kind = cases[k].kind});
                client_open(&c);
                client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
                CU_ASSERT(stub_faults_fired(f));
                assert_fails(c.rc, &c.e, ZS_CORRUPT, ways[way].line, __FILE__, __LINE__);
                CLEANUP(free_ptr) char *after = picture(&w.b);
                ASSERT_TEXT(after, "");
                stub_faults_arm(f, &(struct stub_fault){.nth = 0});
                check_aftermath(&w, way, &c, cases[k].operation, n);
                client_close(&c);
                world_close(&w);
            }
}

/* With faults over the channel messages cannot be kept, and are copied; without, they are kept. */
static void test_each_message_may_be_lost(void)
{
    static const enum stub_fault_kind kinds[] = {STUB_FAULT_FAIL, STUB_FAULT_CUT, STUB_FAULT_FLIP};
    for (int way = 0; way < WAYS; way++)
        for (int end = 0; end < 2; end++)
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
                for (unsigned long n = 1;; n += STEP) {
                    struct world w;
                    struct client c;
                    scene_open(&w);
                    struct stub_faults *f = end == 0 ? &w.near_net : &w.far_net;
                    stub_faults_arm(f, &(struct stub_fault){.nth = n, .kind = kinds[k]});
                    stub_network_faults(w.net, end == 0 ? f : NULL, end == 0 ? NULL : f);
                    client_open(&c);
                    client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
                    bool fired = stub_faults_fired(f);
                    stub_network_faults(w.net, NULL, NULL);
                    CU_ASSERT(fired || c.rc == ZS_OK);
                    check_aftermath(&w, way, &c, "message", n);
                    client_close(&c);
                    world_close(&w);
                    if (!fired)
                        break;
                }
}

/* Whoever asks, the command's thread or the reader's: nothing is visible, unless it came too
 * late, and then all is. */
static void test_a_cancel_at_every_poll_leaves_before_or_after(void)
{
    for (int way = 0; way < WAYS; way++)
        for (unsigned long polls = 1;; polls += STEP) {
            struct world w;
            struct client c;
            scene_open(&w);
            client_open(&c);
            stub_cancel_at_poll(&c.s.cancel, polls);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            if (c.rc != ZS_OK)
                ASSERT_TEXT(c.e.sqlstate, ZS_CANCELLED);
            bool over = !c.s.cancel.asked;
            check_aftermath(&w, way, &c, "poll", polls);
            client_close(&c);
            world_close(&w);
            if (over) {
                CU_ASSERT(polls > 10);
                break;
            }
        }
}

SUITE("command/push_pull_threads",
      {"what goes through threads arrives", test_what_goes_through_threads_arrives},
      {"each call of the sending store may fail", test_each_call_of_the_sending_store_may_fail},
      {"each call of the receiving store may fail", test_each_call_of_the_receiving_store_may_fail},
      {"a failure in a thread goes up untouched", test_a_failure_in_a_thread_goes_up_untouched},
      {"what a store spoils never becomes visible", test_what_a_store_spoils_never_becomes_visible},
      {"each message may be lost", test_each_message_may_be_lost},
      {"a cancel at every poll leaves before or after",
       test_a_cancel_at_every_poll_leaves_before_or_after})
