/* test_push_pull_faults.c - every callback, message and poll fails once: the error is clear,
 * the receiver is as before or complete, and the same command then converges. */
#include "fixture.h"

#include "stub/stub_pipe.h"

static const struct {
    char runs;
    const char *line;
} ways[] = {
    {'a', "perform_push main stub://b"},
    {'b', "perform_pull main stub://a"},
};

enum { WAYS = 2 };

/* What b has of a's branch: nothing; some; nothing and some, and besides a stage of what it
 * lacks, that a cut left behind; the first of these with a source that has moved on. */
enum scene { FRESH, BEHIND, STAGED_FRESH, STAGED_BEHIND, STAGED_MOVED };

/* Where an interrupted range ends, at which a resumed command may stop as well. */
struct middle {
    zs_lsn lsn; /* 0: there is none */
    struct zs_digest sum;
};

static struct zs_digest sum_of(const struct side *s)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot now = {0};
    uint64_t records = 0;
    must(snapshot_open(stub_store_table(s->store), "main", &now, &e), &e);
    return content(&now, &records);
}

static int32_t count_stage(void *context, const struct zs_stage_info *info)
{
    (void)info;
    ++*(unsigned *)context;
    return 0;
}

static unsigned stages_of(const struct side *s)
{
    unsigned n = 0;
    struct zs_error e = {0};
    const struct zs_store *t = stub_store_table(s->store);
    must(t->stage_list(t->self, count_stage, &n, &e), &e);
    return n;
}

/* Cut at b's third batch. */
static void leave_a_stage(struct world *w, int way)
{
    struct client c;
    w->a.module.sync_bytes = w->b.module.sync_bytes = 1000000;
    stub_faults_arm(
        &w->b.faults,
        &(struct stub_fault){.operation = "ingest_put", .nth = 3, .sqlstate = ZS_CONNECTION_LOST});
    client_open(&c);
    CU_ASSERT(client_run(&c, side_of(w, ways[way].runs), ways[way].line) != ZS_OK);
    client_close(&c);
    stub_faults_arm(&w->b.faults, &(struct stub_fault){.nth = 0});
    CU_ASSERT(stages_of(&w->b) == 1);
}

static void scene_open(struct world *w, enum scene scene, int way, struct middle *middle)
{
    *middle = (struct middle){0};
    world_open(w);
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, 60);
    if (scene == BEHIND || scene == STAGED_BEHIND)
        RUN_OK(&w->a, "perform_push main stub://b", "absent");
    grow(&w->a, "main", 2, scene < STAGED_FRESH ? 60 : 1000);
    grow_one(&w->a, "main", 3, ZS_KIND_IMAGE, 1100000);
    if (scene < STAGED_FRESH)
        return;
    leave_a_stage(w, way);
    if (scene == STAGED_MOVED) {
        *middle = (struct middle){.lsn = last_lsn(&w->a, "main"), .sum = sum_of(&w->a)};
        grow(&w->a, "main", 4, 60);
    }
}

static bool is_middle(const struct side *s, const struct middle *middle)
{
    return middle->lsn != 0 && last_lsn(s, "main") == middle->lsn &&
           digest_equal(sum_of(s), middle->sum);
}

/* What a failed or a lucky command left behind: b is as before, or complete, or where the range
 * that it was gone on with ends; nothing of a
 * changed; no handle is open; and the same line, without the fault, converges. */
static void check_aftermath(struct world *w, int way, const struct client *c, const char *b_before,
                            const struct middle *middle, const char *what, unsigned long n)
{
    CLEANUP(free_ptr) char *b = picture(&w->b);
    bool complete = same_branch(&w->a, "main", &w->b, "main");
    bool good = complete || strcmp(b, b_before) == 0 || is_middle(&w->b, middle);
    if (c->rc == ZS_OK)
        good = good && complete;
    else
        good = good && c->e.sqlstate[0] != '\0' && c->e.message[0] != '\0';
    good = good && leaked_handles(&w->a) == 0 && leaked_handles(&w->b) == 0;
    CU_ASSERT(good);
    if (!good)
        (void)printf("%s, %s %lu: %d %s %s\n", ways[way].line, what, n, c->rc, c->e.sqlstate,
                     c->e.message);
    struct client again;
    client_open(&again);
    client_run(&again, side_of(w, ways[way].runs), ways[way].line);
    assert_ok(again.rc, &again.e, "the same again", __FILE__, __LINE__);
    CU_ASSERT(same_branch(&w->a, "main", &w->b, "main"));
    CU_ASSERT(stages_of(&w->a) == 0 && stages_of(&w->b) == 0);
    client_close(&again);
}

/* ---- stores ---------------------------------------------------------------------------------- */

/* Fail each call of one side's store, one after the other, until there are no more.  Where SHORT
 * asks for less (under a sanitizer), each fifth of the scenes that take longest to lay. */
static void fail_every_call(char side, enum stub_fault_kind kind, enum scene scene)
{
    bool less = getenv("SHORT") != NULL; /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    unsigned long step = less && scene >= STAGED_FRESH ? 5 : 1;
    for (int way = 0; way < WAYS; way++)
        for (unsigned long n = 1;; n += step) {
            struct world w;
            struct client c;
            struct middle middle;
            scene_open(&w, scene, way, &middle);
            CLEANUP(free_ptr) char *before = picture(&w.b);
            struct stub_faults *f = &side_of(&w, side)->faults;
            stub_faults_arm(f, &(struct stub_fault){.nth = n, .kind = kind});
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            bool fired = stub_faults_fired(f);
            stub_faults_arm(f, &(struct stub_fault){.nth = 0});
            CU_ASSERT(fired || c.rc == ZS_OK);
            /* Every call matters, but for one that was to fail by itself ("no such branch"). */
            CU_ASSERT(!fired || c.rc != ZS_OK || kind == STUB_FAULT_FAIL_AFTER);
            if (fired && c.rc != ZS_OK)
                ASSERT_TEXT(c.e.sqlstate,
                            kind == STUB_FAULT_SILENT ? ZS_INTERNAL_ERROR : ZS_IO_ERROR);
            if (!fired)
                ASSERT_TEXT(cell(&c, "resumed"), scene < STAGED_FRESH ? "false" : "true");
            check_aftermath(&w, way, &c, before, &middle, "call", n);
            client_close(&c);
            world_close(&w);
            if (!fired) {
                CU_ASSERT(n > 3); /* it did look at something */
                break;
            }
        }
}

static void test_each_call_of_the_sending_store_may_fail(void)
{
    fail_every_call('a', STUB_FAULT_FAIL, FRESH);
    fail_every_call('a', STUB_FAULT_FAIL_AFTER, BEHIND);
    fail_every_call('a', STUB_FAULT_SILENT, BEHIND);
}

static void test_each_call_of_the_receiving_store_may_fail(void)
{
    fail_every_call('b', STUB_FAULT_FAIL, FRESH);
    fail_every_call('b', STUB_FAULT_FAIL, BEHIND);
    fail_every_call('b', STUB_FAULT_FAIL_AFTER, FRESH);
    fail_every_call('b', STUB_FAULT_SILENT, BEHIND);
}

static void test_each_call_of_the_sending_store_may_fail_in_what_is_gone_on_with(void)
{
    fail_every_call('a', STUB_FAULT_FAIL, STAGED_FRESH);
    fail_every_call('a', STUB_FAULT_FAIL, STAGED_BEHIND);
    fail_every_call('a', STUB_FAULT_FAIL, STAGED_MOVED);
    fail_every_call('a', STUB_FAULT_FAIL_AFTER, STAGED_FRESH);
}

static void test_each_call_of_the_receiving_store_may_fail_in_what_is_gone_on_with(void)
{
    fail_every_call('b', STUB_FAULT_FAIL, STAGED_FRESH);
    fail_every_call('b', STUB_FAULT_FAIL, STAGED_BEHIND);
    fail_every_call('b', STUB_FAULT_FAIL, STAGED_MOVED);
    fail_every_call('b', STUB_FAULT_FAIL_AFTER, STAGED_FRESH);
    fail_every_call('b', STUB_FAULT_SILENT, STAGED_BEHIND);
}

/* A value that changes, or a record that is lost, on its way out of or into a store. */
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
            for (unsigned long n = 1; n < 4; n++) {
                struct world w;
                struct client c;
                struct middle none;
                scene_open(&w, n == 2 ? FRESH : BEHIND, way, &none);
                CLEANUP(free_ptr) char *before = picture(&w.b);
                struct stub_faults *f = &side_of(&w, cases[k].side)->faults;
                stub_faults_arm(f, &(struct stub_fault){.operation = cases[k].operation,
                                                        .nth = n,
                                                        .kind = cases[k].kind});
                client_open(&c);
                client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
                if (!stub_faults_fired(f)) { /* all came in fewer calls */
                    CU_ASSERT(n > 1 && c.rc == ZS_OK);
                    client_close(&c);
                    world_close(&w);
                    break;
                }
                assert_fails(c.rc, &c.e, ZS_CORRUPT, ways[way].line, __FILE__, __LINE__);
                CU_ASSERT(c.e.hint[0] != '\0');
                CLEANUP(free_ptr) char *after = picture(&w.b);
                ASSERT_TEXT(after, before);
                stub_faults_arm(f, &(struct stub_fault){.nth = 0});
                check_aftermath(&w, way, &c, before, &none, cases[k].operation, n);
                client_close(&c);
                world_close(&w);
            }
}

static void test_the_far_error_arrives_untouched(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        struct client c;
        struct middle none;
        scene_open(&w, FRESH, way, &none);
        struct side *far = ways[way].runs == 'a' ? &w.b : &w.a;
        stub_faults_arm(&far->faults,
                        &(struct stub_fault){.operation = way == 0 ? "ingest_commit" : "iter_next",
                                             .nth = 1,
                                             .sqlstate = ZS_DISK_FULL});
        client_open(&c);
        client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
        assert_fails(c.rc, &c.e, ZS_DISK_FULL, ways[way].line, __FILE__, __LINE__);
        ASSERT_TEXT(c.e.message,
                    way == 0 ? "injected fault in ingest_commit" : "injected fault in iter_next");
        ASSERT_TEXT(c.e.detail, "");
        ASSERT_TEXT(c.e.hint, "");
        CU_ASSERT(c.e.retry == ZS_RETRY_LATER);
        client_close(&c);
        world_close(&w);
    }
}

/* ---- the network -------------------------------------------------------------------------------
 */

/* Each send, recv, ... of either end fails, is cut, or loses or doubles a message. */
static void test_each_message_may_be_lost(void)
{
    static const enum stub_fault_kind kinds[] = {STUB_FAULT_FAIL, STUB_FAULT_CUT, STUB_FAULT_FLIP,
                                                 STUB_FAULT_DUPLICATE};
    for (int way = 0; way < WAYS; way++)
        for (int end = 0; end < 2; end++)
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
                for (unsigned long n = 1;; n++) {
                    struct world w;
                    struct client c;
                    struct middle none;
                    scene_open(&w, n % 2 == 0 ? FRESH : BEHIND, way, &none);
                    CLEANUP(free_ptr) char *before = picture(&w.b);
                    struct stub_faults *f = end == 0 ? &w.near_net : &w.far_net;
                    stub_faults_arm(f, &(struct stub_fault){.nth = n, .kind = kinds[k]});
                    stub_network_faults(w.net, end == 0 ? f : NULL, end == 0 ? NULL : f);
                    client_open(&c);
                    client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
                    bool fired = stub_faults_fired(f);
                    stub_network_faults(w.net, NULL, NULL);
                    CU_ASSERT(fired || c.rc == ZS_OK);
                    check_aftermath(&w, way, &c, before, &none, "message", n);
                    client_close(&c);
                    world_close(&w);
                    if (!fired)
                        break;
                }
}

static void test_a_cut_anywhere_in_the_stream_leaves_the_receiver_as_it_was(void)
{
    for (int way = 0; way < WAYS; way++)
        for (uint64_t bytes = 1; bytes < 2500000; bytes += 1 + bytes / 2) {
            struct world w;
            struct client c;
            struct middle none;
            scene_open(&w, bytes % 2 == 0 ? FRESH : BEHIND, way, &none);
            CLEANUP(free_ptr) char *before = picture(&w.b);
            stub_faults_arm(&w.near_net,
                            &(struct stub_fault){.kind = STUB_FAULT_CUT, .cut_bytes = bytes});
            stub_network_faults(w.net, &w.near_net, NULL);
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            stub_network_faults(w.net, NULL, NULL);
            if (c.rc != ZS_OK) {
                CU_ASSERT(c.e.retry == ZS_RETRY_RESUME); /* not a fault of the data */
                ASSERT_TEXT(c.e.sqlstate, ZS_CONNECTION_LOST);
            }
            check_aftermath(&w, way, &c, before, &none, "cut at", bytes);
            client_close(&c);
            world_close(&w);
        }
}

/* The same after every single byte of a short one. */
static void test_a_cut_after_every_byte_of_a_short_stream(void)
{
    for (int way = 0; way < WAYS; way++) {
        uint64_t bytes = 1;
        for (bool cut = true; cut; bytes++) {
            struct world w;
            struct client c;
            world_open(&w);
            branch_make(&w.a, "main");
            for (uint64_t seed = 0; seed < 3; seed++)
                grow_one(&w.a, "main", seed, ZS_KIND_WAL, 100);
            CLEANUP(free_ptr) char *before = picture(&w.b);
            stub_faults_arm(&w.near_net,
                            &(struct stub_fault){.kind = STUB_FAULT_CUT, .cut_bytes = bytes});
            stub_network_faults(w.net, &w.near_net, NULL);
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            stub_network_faults(w.net, NULL, NULL);
            cut = c.rc != ZS_OK;
            if (cut)
                ASSERT_TEXT(c.e.sqlstate, ZS_CONNECTION_LOST);
            check_aftermath(&w, way, &c, before, &(struct middle){0}, "cut after", bytes);
            client_close(&c);
            world_close(&w);
        }
        CU_ASSERT(bytes > 500);
    }
}

SUITE("command/push_pull_faults",
      {"each call of the sending store may fail", test_each_call_of_the_sending_store_may_fail},
      {"each call of the receiving store may fail", test_each_call_of_the_receiving_store_may_fail},
      {"each call of the sending store may fail in a transfer that is gone on with",
       test_each_call_of_the_sending_store_may_fail_in_what_is_gone_on_with},
      {"each call of the receiving store may fail in a transfer that is gone on with",
       test_each_call_of_the_receiving_store_may_fail_in_what_is_gone_on_with},
      {"what a store spoils never becomes visible", test_what_a_store_spoils_never_becomes_visible},
      {"the far error arrives untouched", test_the_far_error_arrives_untouched},
      {"each message may be lost", test_each_message_may_be_lost},
      {"a cut anywhere in the stream leaves the receiver as it was",
       test_a_cut_anywhere_in_the_stream_leaves_the_receiver_as_it_was},
      {"a cut after every byte of a short stream leaves the receiver as it was",
       test_a_cut_after_every_byte_of_a_short_stream})
