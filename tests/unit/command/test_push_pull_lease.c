/* test_push_pull_lease.c - the source collects garbage between a cut and the next try: what
 * is kept for that one serves it, for as long as it is kept. */
#include "fixture.h"

#include <time.h>

static const struct {
    char runs;
    const char *line;
} ways[] = {
    {'a', "perform_push main stub://b"},
    {'b', "perform_pull main stub://a"},
};

enum { WAYS = 2 };

static void keep_for(struct world *w, int64_t ns)
{
    struct zs_error e = {0};
    lease_list_close(w->a.module.leases);
    must(lease_list_open(ns, &w->a.module.leases, &e), &e);
}

/* a is far ahead of b, and a transfer of it is cut off. */
static void scene_open_on(struct world *w, unsigned options, int way, bool fresh, int64_t keep_ns)
{
    struct client c;
    world_open_with(w, options, STUB_STORE_COPIES, NULL);
    keep_for(w, keep_ns);
    w->a.module.sync_bytes = w->b.module.sync_bytes = 1000000;
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, 300);
    if (!fresh)
        RUN_OK(&w->a, "perform_push main stub://b", "absent");
    grow(&w->a, "main", 2, 3000);
    stub_faults_arm(
        &w->b.faults,
        &(struct stub_fault){.operation = "ingest_put", .nth = 6, .sqlstate = ZS_CONNECTION_LOST});
    client_open(&c);
    CU_ASSERT(client_run(&c, side_of(w, ways[way].runs), ways[way].line) != ZS_OK);
    client_close(&c);
    stub_faults_arm(&w->b.faults, &(struct stub_fault){.nth = 0});
}

static void scene_open(struct world *w, int way, bool fresh, int64_t keep_ns)
{
    scene_open_on(w, 0, way, fresh, keep_ns);
}

static void collect(struct world *w)
{
    struct zs_error e = {0};
    must(stub_store_gc(w->a.store, "main", last_lsn(&w->a, "main"), NULL, &e), &e);
}

static unsigned leases_of(struct side *s)
{
    struct client c;
    client_open(&c);
    CU_ASSERT(client_run(&c, s, "leases") == ZS_OK);
    unsigned n = (unsigned)c.s.rows;
    if (n > 0) {
        ASSERT_TEXT(cell(&c, "branch"), "main");
        CU_ASSERT(strtol(cell(&c, "left_seconds"), NULL, 10) > 3000);
    }
    client_close(&c);
    return n;
}

static bool at_the_same_point(const struct world *w)
{
    struct zs_branch_info x = {.struct_size = sizeof x}, y = x;
    struct zs_error e = {0};
    const struct zs_store *a = stub_store_table(w->a.store), *b = stub_store_table(w->b.store);
    must(a->branch_find(a->self, "main", &x, &e), &e);
    must(b->branch_find(b->self, "main", &y, &e), &e);
    return x.last_valid_lsn == y.last_valid_lsn && digest_equal(x.digest, y.digest);
}

/* Run the line again; how it went, and the warnings in one text. */
static void again(struct world *w, int way, const char *resumed, char *said, size_t size)
{
    struct client c;
    said[0] = '\0';
    client_open(&c);
    client_run(&c, side_of(w, ways[way].runs), ways[way].line);
    assert_ok(c.rc, &c.e, "the same again", __FILE__, __LINE__);
    ASSERT_TEXT(cell(&c, "resumed"), resumed);
    for (uint64_t i = 0; i < c.s.notice_count; i++)
        (void)snprintf(said + strlen(said), size - strlen(said), "%s\n", c.s.notices[i].message);
    client_close(&c);
}

static void test_what_is_kept_serves_the_next_try(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int fresh = 0; fresh < 2; fresh++)
            for (int moved = 0; moved < 2; moved++) {
                struct world w;
                char said[4096];
                scene_open(&w, way, fresh != 0, INT64_C(3600) * 1000000000);
                CU_ASSERT(leases_of(&w.a) == 1 && leases_of(&w.b) == 0);
                collect(&w);
                if (moved)
                    grow(&w.a, "main", 3, 200);
                again(&w, way, "true", said, sizeof said);
                CU_ASSERT(at_the_same_point(&w));
                CU_ASSERT(leases_of(&w.a) == 0);
                CU_ASSERT(stub_store_open_handles(w.a.store) == 0);
                world_close(&w);
            }
}

/* A host that writes WAL has moved on, and lists no point where the cut transfer was to end. */
static void test_what_is_kept_knows_where_it_was_to_end(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int fresh = 0; fresh < 2; fresh++) {
            struct world w;
            char said[4096];
            scene_open_on(&w, STUB_STORE_FEW_POINTS, way, fresh != 0, INT64_C(3600) * 1000000000);
            grow(&w.a, "main", 3, 200);
            again(&w, way, "true", said, sizeof said);
            CU_ASSERT(at_the_same_point(&w));
            CU_ASSERT(leases_of(&w.a) == 0);
            world_close(&w);
        }
}

static int32_t (*counted_open)(void *self, const char *branch, struct zs_branch_info *info,
                               struct zs_snapshot **out, struct zs_error *e);
static int32_t (*counted_history)(struct zs_snapshot *snapshot, zs_lsn upto_lsn,
                                  struct zs_point *points, uint64_t n, uint64_t *count,
                                  struct zs_error *e);

static int32_t uncounted_open(void *self, const char *branch, struct zs_branch_info *info,
                              struct zs_snapshot **out, struct zs_error *e)
{
    TRY(counted_open(self, branch, info, out, e));
    info->records = info->bytes = 0;
    return ZS_OK;
}

static int32_t uncounted_history(struct zs_snapshot *snapshot, zs_lsn upto_lsn,
                                 struct zs_point *points, uint64_t n, uint64_t *count,
                                 struct zs_error *e)
{
    TRY(counted_history(snapshot, upto_lsn, points, n, count, e));
    for (uint64_t i = 0; i < *count; i++)
        points[i].records = points[i].bytes = 0;
    return ZS_OK;
}

/* A host need not know how many records it has; what was kept fits all the same. */
static void test_a_source_that_does_not_count(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        char said[4096];
        scene_open(&w, way, false, INT64_C(3600) * 1000000000);
        struct zs_store *source = &w.a.module.store;
        counted_open = source->snapshot_open;
        counted_history = source->snapshot_history;
        source->snapshot_open = uncounted_open;
        source->snapshot_history = uncounted_history;
        again(&w, way, "true", said, sizeof said);
        CU_ASSERT(at_the_same_point(&w));
        world_close(&w);
    }
}

static void test_without_it_the_transfer_starts_again(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        char said[4096];
        scene_open(&w, way, true, 20000000);
        int64_t until = clock_now_ns() + INT64_C(20) * 1000000000;
        while (stub_store_open_handles(w.a.store) > 0 && clock_now_ns() < until)
            (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        CU_ASSERT(stub_store_open_handles(w.a.store) == 0); /* by itself */
        collect(&w);
        again(&w, way, "false", said, sizeof said);
        CU_ASSERT(strstr(said, "starts again") != NULL);
        CU_ASSERT(at_the_same_point(&w));
        world_close(&w);
    }
}

/* Collected above the token's Y: the next try ends there, and says so. */
static void test_it_goes_as_far_as_what_is_kept(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        char said[4096];
        scene_open(&w, way, false, INT64_C(3600) * 1000000000);
        zs_lsn y = last_lsn(&w.a, "main");
        grow(&w.a, "main", 3, 200);
        collect(&w);
        again(&w, way, "true", said, sizeof said);
        CU_ASSERT(last_lsn(&w.b, "main") == y);
        CU_ASSERT(strstr(said, "have been collected") != NULL); /* on whichever side one is */
        world_close(&w);
    }
}

/* A try that fails early gives back what it took, and one that is cut off keeps it. */
static void test_a_try_that_fails_keeps_it(void)
{
    static const struct stub_fault faults[] = {
        {.operation = "ingest_resume", .nth = 1, .sqlstate = ZS_BUSY},
        {.operation = "ingest_put", .nth = 1, .sqlstate = ZS_CONNECTION_LOST},
        {.operation = "ingest_put", .nth = 3, .sqlstate = ZS_CONNECTION_LOST},
    };
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        struct client c;
        char said[4096];
        scene_open(&w, way, false, INT64_C(3600) * 1000000000);
        collect(&w);
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
            stub_faults_arm(&w.b.faults, &faults[i]);
            client_open(&c);
            CU_ASSERT(client_run(&c, side_of(&w, ways[way].runs), ways[way].line) != ZS_OK);
            CU_ASSERT(stub_faults_fired(&w.b.faults));
            client_close(&c);
            CU_ASSERT(leases_of(&w.a) == 1);
        }
        stub_faults_arm(&w.b.faults, &(struct stub_fault){.nth = 0});
        again(&w, way, "true", said, sizeof said);
        CU_ASSERT(at_the_same_point(&w) && leases_of(&w.a) == 0);
        world_close(&w);
    }
}

/* A line that goes when DONE comes. */
static struct {
    bool on;
    struct zs_channel channel;
} deaf;

static int32_t deaf_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    int32_t got = deaf.channel.recv(self, timeout_ms, msg, len, e);
    if (!deaf.on || got != ZS_RECV_MESSAGE || *(const char *)*msg != 'D')
        return got;
    error_set(e, ZS_CONNECTION_LOST, "the line went");
    return ZS_RECV_ERROR;
}

static int32_t deaf_connect(void *self, const struct zs_connect *spec, struct zs_channel *out,
                            struct zs_error *e)
{
    TRY(stub_transport_table()->connect(self, spec, out, e));
    deaf.channel = *out;
    out->recv = deaf_recv;
    return ZS_OK;
}

/* The far side had committed when the line went, and is complete: that ends the lease, when it
 * comes again with nothing to do, or for what is newer. */
static void test_a_commit_that_was_not_heard_of_is_settled(void)
{
    for (int newer = 0; newer < 2; newer++)
        for (int dry = 0; dry < 2; dry++) {
            struct world w;
            char said[4096];
            struct zs_transport table = *stub_transport_table();
            table.connect = deaf_connect;
            world_open_with(&w, 0, 0, &table);
            branch_make(&w.a, "main");
            grow(&w.a, "main", 1, 300);
            deaf.on = true;
            struct client c;
            client_open(&c);
            client_run(&c, &w.a, ways[0].line);
            CU_ASSERT(c.rc != ZS_OK && error_is(&c.e, ZS_CONNECTION_LOST));
            client_close(&c);
            deaf.on = false;
            CU_ASSERT(leases_of(&w.a) == 1 && at_the_same_point(&w));
            if (newer)
                grow(&w.a, "main", 2, 30);
            if (dry) {
                RUN_OK(&w.a, "perform_push main stub://b (dry_run on)", newer ? "behind" : "equal");
                CU_ASSERT(leases_of(&w.a) == 1); /* that was only a question */
            }
            again(&w, 0, "false", said, sizeof said);
            CU_ASSERT(leases_of(&w.a) == 0 && at_the_same_point(&w));
            world_close(&w);
        }
}

/* Refused, not cut: nobody waits. */
static void test_nothing_is_kept_for_nobody(void)
{
    static const struct stub_fault faults[] = {
        {.operation = "ingest_put", .nth = 6, .sqlstate = ZS_DISK_FULL},
        {.operation = "ingest_begin", .nth = 1, .sqlstate = ZS_BUSY},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct world w;
        struct client c;
        world_open(&w);
        w.a.module.sync_bytes = w.b.module.sync_bytes = 1000000;
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 3000);
        stub_faults_arm(&w.b.faults, &faults[i]);
        client_open(&c);
        CU_ASSERT(client_run(&c, &w.a, ways[0].line) != ZS_OK);
        client_close(&c);
        CU_ASSERT(leases_of(&w.a) == 0);
        world_close(&w);
    }
}

static zs_lsn cutoff_of(struct side *s, const char *branch)
{
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct zs_error e = {0};
    const struct zs_store *store = stub_store_table(s->store);
    must(store->branch_find(store->self, branch, &info, &e), &e);
    return info.gc_cutoff_lsn;
}

static void collect_up_to(struct world *w, zs_lsn lsn)
{
    struct zs_error e = {0};
    must(stub_store_gc(w->a.store, "main", lsn, NULL, &e), &e);
}

static void push_to(struct world *w, const char *line, bool cut)
{
    struct client c;
    struct stub_fault fault = {
        .operation = "ingest_put", .nth = cut ? 6 : 0, .sqlstate = ZS_CONNECTION_LOST};
    stub_faults_arm(&w->b.faults, &fault);
    client_open(&c);
    client_run(&c, &w->a, line);
    CU_ASSERT((c.rc == ZS_OK) == !cut);
    if (!cut)
        assert_ok(c.rc, &c.e, line, __FILE__, __LINE__);
    client_close(&c);
}

/* Two receivers wait for the same Y, and the source collected in between: whoever comes first
 * gets what was kept for the other. */
static void test_two_that_wait_for_the_same(void)
{
    static const char *const lines[] = {"perform_push main stub://b one",
                                        "perform_push main stub://b two"};
    static const char *const names[] = {"one", "two"};
    for (int first = 0; first < 2; first++) {
        struct world w;
        world_open(&w);
        keep_for(&w, INT64_C(3600) * 1000000000);
        w.a.module.sync_bytes = w.b.module.sync_bytes = 1000000;
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 300);
        zs_lsn early = last_lsn(&w.a, "main");
        grow(&w.a, "main", 2, 3000);
        zs_lsn late = last_lsn(&w.a, "main");
        collect_up_to(&w, early);
        push_to(&w, lines[0], true);
        collect_up_to(&w, late);
        push_to(&w, lines[1], true);
        CU_ASSERT_EQUAL(leases_of(&w.a), 2);
        for (int i = 0; i < 2; i++) {
            struct zs_error e = {0};
            int which = i == 0 ? first : 1 - first;
            push_to(&w, lines[which], false);
            CU_ASSERT(cutoff_of(&w.b, names[which]) >= (which == 0 ? early : late));
            must(stub_store_branch_delete(w.b.store, names[which], &e), &e); /* its timeline */
        }
        CU_ASSERT_EQUAL(leases_of(&w.a), 0);
        world_close(&w);
    }
}

/* What is kept ends below what has been collected since: nobody may be told so. */
static void test_collected_beyond_what_is_kept(void)
{
    struct world w;
    world_open(&w);
    keep_for(&w, INT64_C(3600) * 1000000000);
    w.a.module.sync_bytes = w.b.module.sync_bytes = 1000000;
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 300);
    collect(&w);
    grow(&w.a, "main", 2, 3000);
    push_to(&w, ways[0].line, true);
    grow(&w.a, "main", 3, 200);
    collect(&w);
    push_to(&w, ways[0].line, false);
    CU_ASSERT_EQUAL(cutoff_of(&w.b, "main"), cutoff_of(&w.a, "main"));
    CU_ASSERT(at_the_same_point(&w));
    world_close(&w);
}

/* Of the store below; a test's own. */
static struct side *loser;
static unsigned puts_left;
static int32_t (*honest_put)(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                             struct zs_error *e);

/* The source's branch is deleted in the middle of the transfer, and then the link is cut. */
static int32_t put_until_deleted(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                                 struct zs_error *e)
{
    struct zs_error gone = {0};
    if (--puts_left > 0)
        return honest_put(in, records, n, e);
    must(stub_store_branch_delete(loser->store, "main", &gone), &gone);
    lease_drop(loser->module.leases, "main");
    return error_set(e, ZS_CONNECTION_LOST, "the link is cut");
}

static void test_nothing_is_kept_of_a_branch_that_is_gone(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct world w;
        struct client c;
        world_open(&w);
        w.a.module.sync_bytes = w.b.module.sync_bytes = 1000000;
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 3000);
        loser = &w.a;
        puts_left = 6;
        honest_put = w.b.module.store.ingest_put;
        w.b.module.store.ingest_put = put_until_deleted;
        client_open(&c);
        CU_ASSERT(client_run(&c, side_of(&w, ways[way].runs), ways[way].line) != ZS_OK);
        client_close(&c);
        CU_ASSERT(puts_left == 0 && leases_of(&w.a) == 0);
        world_close(&w);
    }
}

SUITE("command/push_pull_lease",
      {"a commit that was not heard of is settled", test_a_commit_that_was_not_heard_of_is_settled},
      {"what is kept serves the next try", test_what_is_kept_serves_the_next_try},
      {"a source that does not count goes on, too", test_a_source_that_does_not_count},
      {"what is kept knows where it was to end", test_what_is_kept_knows_where_it_was_to_end},
      {"without it the transfer starts again, and says so",
       test_without_it_the_transfer_starts_again},
      {"the next try goes as far as what is kept", test_it_goes_as_far_as_what_is_kept},
      {"a try that fails keeps it", test_a_try_that_fails_keeps_it},
      {"nothing is kept for nobody", test_nothing_is_kept_for_nobody},
      {"two that wait for the same get no less", test_two_that_wait_for_the_same},
      {"what ends below what was collected starts again", test_collected_beyond_what_is_kept},
      {"nothing is kept of a branch that is gone", test_nothing_is_kept_of_a_branch_that_is_gone})
