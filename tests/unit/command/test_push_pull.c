/* test_push_pull.c - a branch travels between two hosts in memory, by the real commands:
 * every verdict in both directions, and every shape of record. */
#include "fixture.h"

/* The same line in both directions: a pushes to b, or b pulls from a.  What a test says of
 * "a" and "b" then holds either way. */
static const struct {
    char runs; /* who */
    const char *to_b, *to_other, *dry;
} ways[] = {
    {'a', "perform_push main stub://b", "perform_push main stub://b other",
     "perform_push main stub://b (dry_run)"},
    {'b', "perform_pull main stub://a", "perform_pull other stub://a main",
     "perform_pull main stub://a (dry_run)"},
};

enum { WAYS = 2 };

static void test_absent_then_equal_then_behind(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        world_open(&w);
        struct side *runs = side_of(&w, ways[i].runs);
        branch_make(&w.a, "main");
        for (uint64_t round = 0; round < 3; round++) {
            uint32_t n = round == 1 ? 7 : 700; /* several batches, and less than one */
            grow(&w.a, "main", round, n);
            CU_ASSERT(RUN_OK(runs, ways[i].to_b, round == 0 ? "absent" : "behind") == n);
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            char *before = picture(&w.b);
            CU_ASSERT(RUN_OK(runs, ways[i].to_b, "equal") == 0);
            char *after = picture(&w.b);
            ASSERT_TEXT(after, before);
            free(before);
            free(after);
        }
        CLEANUP(free_ptr) char *a = picture(&w.a);
        CLEANUP(free_ptr) char *b = picture(&w.b);
        ASSERT_TEXT(b, a); /* timeline id, history points and counts too */
        world_close(&w);
    }
}

static void test_ahead_is_refused_and_the_other_direction_works(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 50);
        RUN_OK(&w.a, "perform_push main stub://b", "absent");
        grow(&w.b, "main", 2, 50);
        struct zs_error e = RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].to_b, "ZS001");
        CU_ASSERT(strstr(e.hint, ways[i].runs == 'a' ? "zenith pull main" : "zenith push main") !=
                  NULL);
        RUN_OK(&w.b, "perform_push main stub://a", "behind");
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
        RUN_OK(side_of(&w, ways[i].runs), ways[i].to_b, "equal");
        world_close(&w);
    }
}

static void test_diverged_is_refused_and_names_the_common_point(void)
{
    /* The LSN that each side reaches after the common point is what makes a difference. */
    static const struct {
        uint32_t a, b;
    } grows[] = {{10, 20}, {20, 10}, {15, 15}};
    for (int i = 0; i < WAYS; i++)
        for (size_t g = 0; g < 3; g++) {
            struct world w;
            world_open(&w);
            branch_make(&w.a, "main");
            grow(&w.a, "main", 1, 50);
            RUN_OK(&w.a, "perform_push main stub://b", "absent");
            zs_lsn common = last_lsn(&w.a, "main");
            grow(&w.a, "main", 2, grows[g].a);
            grow(&w.b, "main", 3, grows[g].b);
            struct side *runs = side_of(&w, ways[i].runs);
            struct zs_error e = RUN_REFUSED(&w, runs, ways[i].to_b, "ZS002");
            CU_ASSERT(strstr(e.detail, lsn_text(common).s) != NULL);
            (void)RUN_REFUSED(&w, runs, ways[i].dry, "ZS002");
            RUN_OK(runs, ways[i].to_other, "absent");
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "other"));
            world_close(&w);
        }
}

static void test_unrelated_is_refused(void)
{
    static const struct {
        uint32_t a, b;
    } grows[] = {{10, 20}, {20, 10}, {15, 15}};
    for (int i = 0; i < WAYS; i++)
        for (size_t g = 0; g < 3; g++) {
            struct world w;
            world_open(&w);
            branch_make(&w.a, "main");
            branch_make(&w.b, "main");
            grow(&w.a, "main", 1, grows[g].a);
            grow(&w.b, "main", 2, grows[g].b);
            RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].to_b, "ZS003");
            RUN_OK(side_of(&w, ways[i].runs), ways[i].to_other, "absent");
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "other"));
            world_close(&w);
        }
}

static void test_empty_branches_are_ordinary(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        world_open(&w);
        struct side *runs = side_of(&w, ways[i].runs);
        branch_make(&w.a, "main");
        CU_ASSERT(RUN_OK(runs, ways[i].to_b, "absent") == 0);
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
        RUN_OK(runs, ways[i].to_b, "equal");
        grow(&w.a, "main", 1, 30); /* an empty receiver, same timeline */
        CU_ASSERT(RUN_OK(runs, ways[i].to_b, "behind") == 30);
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));

        branch_make(&w.b, "other"); /* an empty receiver, another timeline */
        CU_ASSERT(RUN_OK(runs, ways[i].to_other, "behind") == 30);
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "other"));
        world_close(&w);

        world_open(&w); /* an empty sender */
        branch_make(&w.a, "main");
        branch_make(&w.b, "main");
        grow(&w.b, "main", 1, 5);
        RUN_REFUSED(&w, side_of(&w, ways[i].runs), ways[i].to_b, "ZS001");
        world_close(&w);
    }
}

static void test_one_branch_under_two_names_is_two_timelines(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        struct zs_error e = {0};
        struct zs_branch_info first, second;
        world_open(&w);
        struct side *runs = side_of(&w, ways[i].runs);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 40);
        RUN_OK(runs, ways[i].to_b, "absent");
        RUN_OK(runs, ways[i].to_other, "absent");
        must(store_branch_find(stub_store_table(w.b.store), "main", &first, &e), &e);
        must(store_branch_find(stub_store_table(w.b.store), "other", &second, &e), &e);
        CU_ASSERT(!timeline_equal(first.timeline, second.timeline));
        grow(&w.a, "main", 2, 40); /* and both go on with it */
        RUN_OK(runs, ways[i].to_other, "behind");
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "other"));
        RUN_OK(runs, ways[i].to_b, "behind");
        CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
        world_close(&w);
    }
}

/* Sizes around a batch's, kinds, many versions, and ways in which a store hands out. */
static void test_records_of_every_shape_arrive(void)
{
    static const unsigned options[] = {0, STUB_STORE_COPIES,
                                       STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS};
    static const char *const compressions[] = {"none", "lz4", "zstd"};
    static const uint32_t lens[] = {
        0, 1, 8191, 8192, 8193, 1032191, 1032192, 1032193, 3 * 1024 * 1024, ZS_VALUE_MAX};
    for (int i = 0; i < WAYS; i++)
        for (size_t o = 0; o < 3; o++) {
            struct world w;
            char line[100];
            world_open_with(&w, options[o], 0, NULL);
            branch_make(&w.a, "main");
            for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
                grow_one(&w.a, "main", k * 7919 % 13, ZS_KIND_IMAGE, lens[k]);
                grow_one(&w.a, "main", 100 + k, ZS_KIND_WAL, lens[k] % 5000);
                grow_one(&w.a, "main", 5, ZS_KIND_TOMBSTONE, 0); /* one key, again and again */
            }
            grow(&w.a, "main", 9, 300);
            (void)snprintf(line, sizeof line, "%s (compression %s)", ways[i].to_b, compressions[o]);
            RUN_OK(side_of(&w, ways[i].runs), line, "absent");
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            world_close(&w);
        }
}

static void test_many_tiny_records_fill_batches_by_count(void)
{
    struct world w;
    struct zs_error e = {0};
    enum { N = 40000 }; /* more than two batches of 16384 */
    struct zs_record *records = calloc(N, sizeof *records);
    if (records == NULL)
        abort();
    for (uint32_t i = 0; i < N; i++) {
        records[i] = (struct zs_record){.kind = ZS_KIND_TOMBSTONE, .lsn = i + 1};
        put_u32be(records[i].key + 14, i / 4);
    }
    world_open(&w);
    branch_make(&w.a, "main");
    must(stub_store_write(w.a.store, "main", records, N, N, &e), &e);
    CU_ASSERT(RUN_OK(&w.a, "perform_push main stub://b", "absent") == N);
    CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
    CU_ASSERT(RUN_OK(&w.b, "perform_push main stub://a again", "absent") == N); /* copies */
    CU_ASSERT(same_branch(&w.a, "again", &w.b, "main"));
    free(records);
    world_close(&w);
}

static void test_a_dry_run_says_the_verdict_and_changes_nothing(void)
{
    for (int i = 0; i < WAYS; i++) {
        struct world w;
        world_open(&w);
        struct side *runs = side_of(&w, ways[i].runs);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 40);
        static const char *const verdicts[] = {"absent", "behind", "equal"};
        static const uint64_t estimates[] = {40, 60, 0};
        for (int k = 0; k < 3; k++) {
            CLEANUP(free_ptr) char *before = picture(&w.b);
            CU_ASSERT(RUN_OK(runs, ways[i].dry, verdicts[k]) == estimates[k]);
            CLEANUP(free_ptr) char *after = picture(&w.b);
            ASSERT_TEXT(after, before);
            if (k < 2) /* for the next one: at its beginning, or at its end */
                RUN_OK(runs, ways[i].to_b, verdicts[k]);
            if (k == 0)
                grow(&w.a, "main", 2, 60);
        }
        grow(&w.b, "main", 3, 5);
        RUN_REFUSED(&w, runs, ways[i].dry, "ZS001");
        world_close(&w);
    }
}

static void test_a_row_and_notices_tell_what_happened(void)
{
    struct world w;
    struct client c;
    char text[32];
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 40);
    client_open(&c);
    client_run(&c, &w.a, "perform_push 'main' 'stub://user:secret@b/' 'x/y' ( compression lz4 )");
    assert_ok(c.rc, &c.e, "push", __FILE__, __LINE__);
    CU_ASSERT_FATAL(c.s.columns == 11 && c.s.rows == 1);
    ASSERT_TEXT(cell(&c, "verdict"), "absent");
    ASSERT_TEXT(cell(&c, "branch"), "main");
    ASSERT_TEXT(cell(&c, "far_branch"), "x/y");
    ASSERT_TEXT(cell(&c, "from_lsn"), "0/0");
    ASSERT_TEXT(cell(&c, "to_lsn"), lsn_text(last_lsn(&w.a, "main")).s);
    ASSERT_TEXT(cell(&c, "records"), "40");
    ASSERT_TEXT(cell(&c, "resumed"), "false");
    struct zs_error e = {0};
    struct zs_branch_info info;
    must(store_branch_find(stub_store_table(w.b.store), "x/y", &info, &e), &e);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)info.bytes);
    ASSERT_TEXT(cell(&c, "raw_bytes"), text);
    CU_ASSERT(strtoull(cell(&c, "wire_bytes"), NULL, 10) > 1000);
    CU_ASSERT(c.s.notice_count >= 1); /* the first at once */
    client_close(&c);
    client_open(&c);
    client_run(&c, &w.a, "perform_push main stub://b x/y (progress off)");
    CU_ASSERT(c.rc == ZS_OK && c.s.notice_count == 0);
    client_close(&c);
    world_close(&w);
}

static void test_compression_is_asked_for_in_both_directions(void)
{
    static const char *const compressions[] = {"none", "lz4", "zstd"};
    static uint8_t same[100000];
    memset(same, 'x', sizeof same);
    for (int i = 0; i < WAYS; i++)
        for (int k = 0; k < 3; k++) {
            struct world w;
            struct client c;
            struct zs_error e = {0};
            char line[100];
            struct zs_record r = {
                .kind = ZS_KIND_IMAGE, .lsn = 1, .len = sizeof same, .value = same};
            world_open(&w);
            branch_make(&w.a, "main");
            must(stub_store_write(w.a.store, "main", &r, 1, 1, &e), &e);
            (void)snprintf(line, sizeof line, "%s (compression %s)", ways[i].to_b, compressions[k]);
            client_open(&c);
            client_run(&c, side_of(&w, ways[i].runs), line);
            assert_ok(c.rc, &c.e, line, __FILE__, __LINE__);
            CU_ASSERT((strtoull(cell(&c, "wire_bytes"), NULL, 10) < 10000) == (k > 0));
            client_close(&c);
            CU_ASSERT(same_branch(&w.a, "main", &w.b, "main"));
            world_close(&w);
        }
}

/* Where no transfer was cut, nobody is told that what was kept does not fit. */
static void test_nothing_is_said_of_what_was_not_kept(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 40);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.b, "perform_pull main stub://a"), ZS_OK);
    for (uint64_t i = 0; i < c.s.notice_count && i < STUB_SESSION_NOTICES; i++)
        CU_ASSERT(strstr(c.s.notices[i].message, "interrupted") == NULL);
    client_close(&c);
    world_close(&w);
}

SUITE("command/push_pull",
      {"nothing is said of what was not kept", test_nothing_is_said_of_what_was_not_kept},
      {"absent, then equal, then behind", test_absent_then_equal_then_behind},
      {"ahead is refused, and the other direction works",
       test_ahead_is_refused_and_the_other_direction_works},
      {"diverged is refused and names the common point",
       test_diverged_is_refused_and_names_the_common_point},
      {"unrelated is refused", test_unrelated_is_refused},
      {"empty branches are ordinary", test_empty_branches_are_ordinary},
      {"one branch under two names is two timelines",
       test_one_branch_under_two_names_is_two_timelines},
      {"records of every shape arrive", test_records_of_every_shape_arrive},
      {"many tiny records fill batches by count", test_many_tiny_records_fill_batches_by_count},
      {"a dry run says the verdict and changes nothing",
       test_a_dry_run_says_the_verdict_and_changes_nothing},
      {"compression is asked for in both directions",
       test_compression_is_asked_for_in_both_directions},
      {"a row and notices tell what happened", test_a_row_and_notices_tell_what_happened})
