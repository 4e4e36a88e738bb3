/* test_push_pull_hosts.c - hosts that differ: histories that lack each other's points,
 * collected versions, no digests; and branches that somebody else writes meanwhile. */
#include "fixture.h"

static const struct {
    char runs;
    const char *line, *to_other;
} ways[] = {
    {'a', "perform_push main stub://b", "perform_push main stub://b other"},
    {'b', "perform_pull main stub://a", "perform_pull other stub://a main"},
};

enum { WAYS = 2 };

/* Copy the records in (after, upto] of one branch to the other as one commit of the host's
 * own writer: the same history in coarser steps. */
static void copy_coarsely(struct side *from, struct side *to, const char *branch, zs_lsn upto)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(iter_close) struct iter it = {0};
    static struct zs_record records[4096];
    uint64_t n = 0, got = 0;
    must(snapshot_open(stub_store_table(from->store), branch, &s, &e), &e);
    must(iter_open(&s, last_lsn(to, branch), upto, &it, &e), &e);
    for (bool more = true; more; n += got) /* the values stay where they are in the store */
        must(iter_next(&it, records + n, 4096 - n, NULL, 0, &got, &more, &e), &e);
    must(stub_store_write(to->store, branch, records, n, upto, &e), &e);
}

/* Two branches with one history that was committed in other steps: a in many, b in one.
 * Where b stands is no point of the other side's, whichever is asked. */
static void test_points_that_the_other_side_lacks_are_summed(void)
{
    for (int i = 0; i < WAYS; i++)
        for (int equal = 0; equal < 2; equal++) {
            struct world w;
            world_open_with(&w, 0, 0, NULL);
            branch_make(&w.a, "main");
            branch_make(&w.b, "main");
            for (uint64_t k = 0; k < 3; k++)
                grow(&w.a, "main", k, 20);
            zs_lsn top = last_lsn(&w.a, "main");
            /* Not a point of a's: five of its records are above. */
            zs_lsn place = equal ? top : top - 0x128;
            copy_coarsely(&w.a, &w.b, "main", place);
            struct side *runs = side_of(&w, ways[i].runs);
            uint64_t sent = RUN_OK(runs, ways[i].line, equal ? "equal" : "behind");
            CU_ASSERT(sent == (equal ? 0 : 5));
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            world_close(&w);

            /* The other way round: a, with the many points, is the one that receives.  It is
             * ahead, and only it can know whether it was ever where b is. */
            if (equal)
                continue;
            world_open_with(&w, 0, 0, NULL);
            branch_make(&w.a, "main");
            branch_make(&w.b, "main");
            for (uint64_t k = 0; k < 3; k++)
                grow(&w.b, "main", k, 20);
            copy_coarsely(&w.b, &w.a, "main", last_lsn(&w.b, "main") - 0x128);
            struct zs_error e = RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].line, "ZS001");
            CU_ASSERT(strstr(e.detail, lsn_text(last_lsn(&w.a, "main")).s) != NULL);
            grow(&w.a, "main", 77, 1); /* and now both have something of their own */
            RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].line, "ZS003");
            world_close(&w);
        }
}

/* What sync_status says of the newest transfer must be what the receiver decided. */
static void test_a_verdict_that_the_receiver_gave_is_shown(void)
{
    struct world w;
    struct client c;
    world_open_with(&w, 0, 0, NULL);
    branch_make(&w.a, "main");
    branch_make(&w.b, "main");
    grow(&w.a, "main", 1, 20);
    grow(&w.b, "main", 2, 60);
    RUN_REFUSED(&w, &w.a, "perform_push main stub://b", "ZS003");
    for (int i = 0; i < 2; i++) {
        client_open(&c);
        client_run(&c, i == 0 ? &w.a : &w.b, "sync_status");
        ASSERT_TEXT(cell(&c, "verdict"), "unrelated");
        client_close(&c);
    }
    world_close(&w);
}

static void test_a_collected_source_sends_all_or_nothing(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        struct zs_error e = {0};
        world_open(&w);
        struct side *runs = side_of(&w, ways[i].runs);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 200);
        RUN_OK(runs, ways[i].line, "absent"); /* b has what comes before the collection */
        zs_lsn old = last_lsn(&w.a, "main");
        grow(&w.a, "main", 2, 200);
        uint64_t dropped = 0;
        must(stub_store_gc(w.a.store, "main", old, &dropped, &e), &e);
        CU_ASSERT(dropped > 0);
        CU_ASSERT(RUN_OK(runs, ways[i].line, "behind") == 200); /* exactly at the cutoff */

        grow(&w.a, "main", 3, 200);
        must(stub_store_gc(w.a.store, "main", last_lsn(&w.a, "main"), &dropped, &e), &e);
        e = RUN_REFUSED(&w, runs, ways[i].line, ZS_NOT_SUPPORTED);
        CU_ASSERT(strstr(e.message, "collected") != NULL && strstr(e.hint, "name") != NULL);

        RUN_OK(runs, ways[i].to_other, "absent"); /* in full */
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "other"));
        struct zs_branch_info a, b;
        must(store_branch_find(stub_store_table(w.a.store), "main", &a, &e), &e);
        must(store_branch_find(stub_store_table(w.b.store), "other", &b, &e), &e);
        CU_ASSERT(a.gc_cutoff_lsn == b.gc_cutoff_lsn && a.gc_cutoff_lsn > 0);
        grow(&w.a, "main", 4, 50); /* and from then on what is new */
        CU_ASSERT(RUN_OK(runs, ways[i].to_other, "behind") == 50);
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "other"));
        world_close(&w);
    }
}

/* Neither side can tell any more whether b's place was ever a's. */
static void test_a_place_below_the_cutoff_that_nobody_lists_is_refused(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        struct zs_error e = {0};
        world_open_with(&w, 0, 0, NULL);
        branch_make(&w.a, "main");
        branch_make(&w.b, "main");
        grow(&w.a, "main", 1, 40);
        copy_coarsely(&w.a, &w.b, "main", last_lsn(&w.a, "main") - 0x180);
        must(stub_store_gc(w.a.store, "main", last_lsn(&w.a, "main"), NULL, &e), &e);
        RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].line, ZS_NOT_SUPPORTED);
        /* and with the ends exchanged: the receiver is the one that collected */
        RUN_REFUSED(&w, &w.b, "perform_push main stub://a", ZS_NOT_SUPPORTED);
        RUN_REFUSED(&w, &w.a, "perform_pull main stub://b", ZS_NOT_SUPPORTED);
        world_close(&w);
    }
}

/* Each pair of hosts of which at least one keeps no digests. */
static void test_without_digests_timeline_ids_decide(void)
{
    static const unsigned pairs[][2] = {{STUB_STORE_NO_DIGEST, STUB_STORE_NO_DIGEST},
                                        {0, STUB_STORE_NO_DIGEST},
                                        {STUB_STORE_NO_DIGEST, STUB_STORE_COPIES}};
    for (int i = 0; i < WAYS; i++)
        for (size_t p = 0; p < 3; p++) {
            struct world w;
            world_open_with(&w, pairs[p][0], pairs[p][1], NULL);
            struct side *runs = side_of(&w, ways[i].runs);
            branch_make(&w.a, "main");
            grow(&w.a, "main", 1, 100);
            RUN_OK(runs, ways[i].line, "absent");
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            RUN_OK(runs, ways[i].line, "equal");
            grow(&w.a, "main", 2, 100);
            RUN_OK(runs, ways[i].line, "behind");
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            RUN_REFUSED(&w, runs, ways[i].to_other, ZS_ALREADY_EXISTS); /* a second name */
            grow(&w.b, "main", 3, 10);
            RUN_REFUSED(&w, runs, ways[i].line, "ZS001");
            branch_make(&w.b, "other"); /* another timeline, though it is empty */
            RUN_REFUSED(&w, runs, ways[i].to_other, "ZS003");
            world_close(&w);
        }
}

/* ---- others at work
 * ------------------------------------------------------------------------------ */

static void test_a_busy_branch_is_refused_at_once(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        struct zs_error e = {0};
        struct ingest in = {0};
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 400);
        branch_make(&w.b, "main");
        struct zs_ingest_spec spec = {
            .struct_size = sizeof spec, .branch = "main", .target_lsn = 0x100};
        must(ingest_begin(stub_store_table(w.b.store), &spec, &in, &e), &e);
        e = RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].line, ZS_BUSY);
        CU_ASSERT(e.retry == ZS_RETRY_LATER);
        ingest_close(&in);
        RUN_OK(side_of(&w, ways[i].runs), ways[i].line, "behind");
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
        world_close(&w);
    }
}

/* A store whose n-th ingest_put is a moment for the host's own writer. */
struct meddler {
    const struct zs_store *inner;
    struct side *side;
    int puts, at;
    void (*meddle)(struct side *side);
};

static struct meddler *meddling; /* ingest_put gets nothing but the ingest's handle */

static int32_t put_and_meddle(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                              struct zs_error *e)
{
    if (meddling->puts++ == meddling->at)
        meddling->meddle(meddling->side);
    return meddling->inner->ingest_put(in, records, n, e);
}

static void write_meanwhile(struct side *side)
{
    grow(side, "main", 99, 3);
}

static void test_a_branch_that_moved_meanwhile_is_left_alone(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 400);
        RUN_OK(&w.a, "perform_push main stub://b", "absent");
        grow(&w.a, "main", 2, 400);
        struct zs_store inner = w.b.module.store;
        struct meddler m = {.inner = &inner, .side = &w.b, .at = 1, .meddle = write_meanwhile};
        meddling = &m;
        w.b.module.store.ingest_put = put_and_meddle;
        struct client c;
        client_open(&c);
        client_run(&c, side_of(&w, ways[i].runs), ways[i].line);
        assert_fails(c.rc, &c.e, ZS_MOVED_MEANWHILE, ways[i].line, __FILE__, __LINE__);
        client_close(&c);
        w.b.module.store = inner;
        CU_ASSERT(m.puts > 1);
        RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].line, "ZS002"); /* b's own stands */
        world_close(&w);
    }
}

/* A snapshot is what travels, whatever is written to the source meanwhile. */
static void grow_source(struct side *side)
{
    struct zs_error e = {0};
    grow(side, "main", 55, 200);
    must(stub_store_gc(side->store, "main", last_lsn(side, "main"), NULL, &e), &e);
}

static void test_a_source_that_is_written_and_collected_meanwhile_does_not_matter(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 900);
        zs_lsn sent = last_lsn(&w.a, "main");
        struct zs_store inner = w.b.module.store;
        struct meddler m = {.inner = &inner, .side = &w.a, .at = 1, .meddle = grow_source};
        meddling = &m;
        w.b.module.store.ingest_put = put_and_meddle;
        CU_ASSERT(RUN_OK(side_of(&w, ways[i].runs), ways[i].line, "absent") == 900);
        w.b.module.store = inner;
        CU_ASSERT(m.puts > 1 && last_lsn(&w.b, "main") == sent);
        CU_ASSERT(last_lsn(&w.a, "main") > sent);
        world_close(&w);
    }
}

SUITE("command/push_pull_hosts",
      {"points that the other side lacks are summed",
       test_points_that_the_other_side_lacks_are_summed},
      {"a verdict that the receiver gave is shown", test_a_verdict_that_the_receiver_gave_is_shown},
      {"a collected source sends all or nothing", test_a_collected_source_sends_all_or_nothing},
      {"a place below the cutoff that nobody lists is refused",
       test_a_place_below_the_cutoff_that_nobody_lists_is_refused},
      {"without digests timeline ids decide", test_without_digests_timeline_ids_decide},
      {"a busy branch is refused at once", test_a_busy_branch_is_refused_at_once},
      {"a branch that moved meanwhile is left alone",
       test_a_branch_that_moved_meanwhile_is_left_alone},
      {"a source that is written and collected meanwhile does not matter",
       test_a_source_that_is_written_and_collected_meanwhile_does_not_matter})
