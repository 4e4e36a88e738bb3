/* test_push_pull_resume.c - transfers that are cut off and gone on with, over two hosts. */
#include "fixture.h"

static const struct {
    char runs;
    const char *line;
} ways[] = {
    {'a', "perform_push main stub://b"},
    {'b', "perform_pull main stub://a"},
};

enum { WAYS = 2 };

/* a has some 12 MB more than b, whose branch is not there (`fresh`) or behind. */
static void scene_open(struct world *w, bool fresh, unsigned b_options)
{
    world_open_with(w, 0, b_options, NULL);
    w->a.module.sync_bytes = w->b.module.sync_bytes = 1000000;
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, 300);
    if (!fresh)
        RUN_OK(&w->a, "perform_push main stub://b", "absent");
    grow(&w->a, "main", 2, 3000);
}

static uint64_t total(const struct side *s)
{
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct zs_error e = {0};
    const struct zs_store *t = stub_store_table(s->store);
    must(t->branch_find(t->self, "main", &info, &e), &e);
    return info.records;
}

struct stages {
    unsigned n;
    uint64_t records;
};

static int32_t count_stage(void *context, const struct zs_stage_info *info)
{
    (void)info;
    ((struct stages *)context)->n++;
    return 0;
}

static unsigned stages_of(const struct side *s)
{
    struct stages found = {0};
    struct zs_error e = {0};
    const struct zs_store *t = stub_store_table(s->store);
    must(t->stage_list(t->self, count_stage, &found, &e), &e);
    return found.n;
}

/* Run the line with the nth put of b failing, as a cut there; true if it was reached. */
static bool cut(struct world *w, int way, unsigned long nth, struct client *c)
{
    stub_faults_arm(&w->b.faults, &(struct stub_fault){.operation = "ingest_put",
                                                       .nth = nth,
                                                       .sqlstate = ZS_CONNECTION_LOST});
    client_open(c);
    client_run(c, side_of(w, ways[way].runs), ways[way].line);
    bool fired = stub_faults_fired(&w->b.faults);
    stub_faults_arm(&w->b.faults, &(struct stub_fault){.nth = 0});
    return fired;
}

/* The same again; what it sent and whether it went on. */
static uint64_t again(struct world *w, int way, const char *resumed)
{
    struct client c;
    client_open(&c);
    client_run(&c, side_of(w, ways[way].runs), ways[way].line);
    assert_ok(c.rc, &c.e, "the same again", __FILE__, __LINE__);
    ASSERT_TEXT(cell(&c, "resumed"), resumed);
    uint64_t records = strtoull(cell(&c, "records"), NULL, 10);
    client_close(&c);
    CU_ASSERT(same_branch(&w->a, "main", &w->b, "main"));
    CU_ASSERT(stages_of(&w->a) == 0 && stages_of(&w->b) == 0);
    return records;
}

static void test_a_cut_at_each_batch(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int fresh = 0; fresh < 2; fresh++) {
            uint64_t last = UINT64_MAX;
            for (unsigned long n = 1;; n++) {
                struct world w;
                struct client c;
                scene_open(&w, fresh != 0, fresh != 0 ? STUB_STORE_COPIES : 0);
                uint64_t missing = total(&w.a) - (fresh ? 0 : total(&w.b));
                CLEANUP(free_ptr) char *before = picture(&w.b);
                bool fired = cut(&w, way, n, &c);
                CU_ASSERT(fired == (c.rc != ZS_OK));
                if (fired) {
                    CLEANUP(free_ptr) char *after = picture(&w.b);
                    ASSERT_TEXT(after, before); /* nothing of it is served */
                    bool kept = stages_of(&w.b) == 1;
                    CU_ASSERT(kept ? n > 1 : n < 3);
                    bool said = strstr(c.e.hint, "goes on from ") != NULL;
                    CU_ASSERT(!said || kept);
                    CU_ASSERT(!kept || said || strstr(c.e.hint, "sends what is missing") != NULL);
                    uint64_t sent = again(&w, way, kept ? "true" : "false");
                    CU_ASSERT(kept ? sent < missing && sent <= last : sent == missing);
                    last = sent;
                }
                client_close(&c);
                world_close(&w);
                if (!fired) {
                    CU_ASSERT(n > 8);
                    break;
                }
            }
        }
}

/* The link breaks at the nth message of either end. */
static void test_a_cut_link(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int end = 0; end < 2; end++) {
            unsigned resumed = 0;
            for (unsigned long n = 1;; n += 3) {
                struct world w;
                struct client c;
                scene_open(&w, n % 2 == 0, 0);
                struct stub_faults *f = end == 0 ? &w.near_net : &w.far_net;
                stub_faults_arm(f, &(struct stub_fault){.nth = n, .kind = STUB_FAULT_CUT});
                stub_network_faults(w.net, end == 0 ? f : NULL, end == 0 ? NULL : f);
                client_open(&c);
                client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
                bool fired = stub_faults_fired(f);
                stub_network_faults(w.net, NULL, NULL);
                client_close(&c);
                bool kept = stages_of(&w.b) == 1;
                resumed += kept;
                client_open(&c);
                client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
                assert_ok(c.rc, &c.e, "the same again", __FILE__, __LINE__);
                ASSERT_TEXT(cell(&c, "resumed"), kept ? "true" : "false");
                CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
                client_close(&c);
                world_close(&w);
                if (!fired)
                    break;
            }
            CU_ASSERT(resumed > 2);
        }
}

static void test_a_source_that_moved_on(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int fresh = 0; fresh < 2; fresh++) {
            struct world w;
            struct client c;
            scene_open(&w, fresh != 0, 0);
            uint64_t had = fresh ? 0 : total(&w.b);
            CU_ASSERT(cut(&w, way, 6, &c) && stages_of(&w.b) == 1);
            client_close(&c);
            grow(&w.a, "main", 3, 500);
            uint64_t sent = again(&w, way, "true");
            CU_ASSERT(sent > 500 && sent < total(&w.a) - had);
            world_close(&w);
        }
}

/* What does not fit is dropped, said, and sent in full. */
static void test_a_stage_that_fits_no_more(void)
{
    enum { OTHER_SOURCE, COLLECTED, DROPPED, EXPIRED, CASES };
    for (int way = 0; way < WAYS; way++)
        for (int k = 0; k < CASES; k++) {
            struct world w;
            struct client c;
            struct zs_error e = {0};
            scene_open(&w, true, 0);
            CU_ASSERT(cut(&w, way, 6, &c) && stages_of(&w.b) == 1);
            client_close(&c);
            switch (k) {
            case OTHER_SOURCE: /* same name, other history */
                must(stub_store_branch_delete(w.a.store, "main", &e), &e);
                branch_make(&w.a, "main");
                grow(&w.a, "main", 9, 3300);
                break;
            case COLLECTED:
                lease_drop(w.a.module.leases, "main");
                must(stub_store_gc(w.a.store, "main", last_lsn(&w.a, "main"), NULL, &e), &e);
                break;
            case DROPPED:
                client_open(&c);
                CU_ASSERT(client_run(&c, &w.b, "stages") == ZS_OK);
                ASSERT_TEXT(cell(&c, "branch"), "main");
                CU_ASSERT(strtol(cell(&c, "percent"), NULL, 10) > 0);
                client_close(&c);
                client_open(&c);
                CU_ASSERT(client_run(&c, &w.b, "stage_drop main") == ZS_OK);
                client_run(&c, &w.b, "stage_drop main");
                assert_fails(c.rc, &c.e, ZS_NO_SUCH_BRANCH, "drop again", __FILE__, __LINE__);
                client_close(&c);
                break;
            case EXPIRED:
            default:
                stub_store_age_stages(w.b.store, INT64_C(8) * 86400);
                branch_make(&w.b, "z");
                RUN_OK(&w.b, "perform_push z stub://a", "absent");
                RUN_OK(&w.b, "perform_pull y stub://a z", "absent"); /* begins an ingest */
                CU_ASSERT(stages_of(&w.b) == 0);
                break;
            }
            client_open(&c);
            client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
            assert_ok(c.rc, &c.e, "the same again", __FILE__, __LINE__);
            ASSERT_TEXT(cell(&c, "resumed"), "false");
            client_close(&c);
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            CU_ASSERT(stages_of(&w.b) == 0);
            world_close(&w);
        }
}

static void test_a_stage_blocks_nobody(void)
{
    struct world w;
    struct client c;
    scene_open(&w, true, 0);
    CU_ASSERT(cut(&w, 0, 6, &c) && stages_of(&w.b) == 1);
    client_close(&c);
    branch_make(&w.a, "other");
    grow(&w.a, "other", 4, 50);
    RUN_OK(&w.a, "perform_push other stub://b main", "absent"); /* another target */
    CU_ASSERT(same_branch(&w.a, "other", &w.b, "main"));
    CU_ASSERT(stages_of(&w.b) == 0);
    client_open(&c);
    client_run(&c, &w.a, ways[0].line);
    assert_fails(c.rc, &c.e, ZS_UNRELATED, "unrelated now", __FILE__, __LINE__);
    client_close(&c);
    world_close(&w);
}

/* Its second name arrives whole meanwhile, and takes the timeline's id. */
static void test_another_name_that_came_first(void)
{
    struct world w;
    struct client c;
    scene_open(&w, true, 0);
    uint64_t missing = total(&w.a);
    CU_ASSERT(cut(&w, 0, 6, &c) && stages_of(&w.b) == 1);
    client_close(&c);
    RUN_OK(&w.a, "perform_push main stub://b second", "absent");
    CU_ASSERT(stages_of(&w.b) == 1);
    CU_ASSERT(again(&w, 0, "true") < missing);
    CU_ASSERT(same_branch(&w.a, "main", &w.b, "second"));
    grow(&w.a, "main", 3, 10); /* both go on */
    RUN_OK(&w.a, "perform_push main stub://b", "behind");
    RUN_OK(&w.a, "perform_push main stub://b second", "behind");
    world_close(&w);
}

static void test_hosts_without_stages(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int k = 0; k < 2; k++) {
            struct world w;
            struct client c;
            scene_open(&w, true, k == 0 ? STUB_STORE_NO_RESUME : STUB_STORE_NO_DIGEST);
            CU_ASSERT(cut(&w, way, 6, &c) && stages_of(&w.b) == 0);
            CU_ASSERT(strstr(c.e.hint, "goes on") == NULL);
            CU_ASSERT(client_run(&c, &w.b, "stages") == ZS_OK);
            CU_ASSERT(c.s.rows == 0);
            client_run(&c, &w.b, "stage_drop main");
            assert_fails(c.rc, &c.e, ZS_NOT_SUPPORTED, "no stages", __FILE__, __LINE__);
            client_close(&c);
            (void)again(&w, way, "false");
            world_close(&w);
        }
}

static void test_a_full_disk_gives_its_space_back(void)
{
    struct world w;
    struct client c;
    scene_open(&w, true, 0);
    stub_faults_arm(
        &w.b.faults,
        &(struct stub_fault){.operation = "ingest_put", .nth = 6, .sqlstate = ZS_DISK_FULL});
    client_open(&c);
    client_run(&c, &w.a, ways[0].line);
    assert_fails(c.rc, &c.e, ZS_DISK_FULL, "full", __FILE__, __LINE__);
    CU_ASSERT(stages_of(&w.b) == 0 && strstr(c.e.hint, "goes on") == NULL);
    client_close(&c);
    stub_faults_arm(&w.b.faults, &(struct stub_fault){.nth = 0});
    (void)again(&w, 0, "false");
    world_close(&w);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"after a cut at any batch the same command goes on", test_a_cut_at_each_batch},
        {"after a cut link the same command goes on", test_a_cut_link},
        {"a source that moved on is sent to its end", test_a_source_that_moved_on},
        {"a stage that fits no more is dropped", test_a_stage_that_fits_no_more},
        {"a stage blocks nobody", test_a_stage_blocks_nobody},
        {"another name for the branch that came first is in nobody's way",
         test_another_name_that_came_first},
        {"hosts without stages start again", test_hosts_without_stages},
        {"a full disk gives its space back", test_a_full_disk_gives_its_space_back},
    };
    return suite_main("command/push_pull_resume", tests, sizeof tests / sizeof *tests, argc, argv);
}
