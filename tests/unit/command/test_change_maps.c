/* test_change_maps.c - what change_maps says of each branch, and change_map_rebuild while it
 * waits. */
#include "fixture.h"

#include "sync/coverage.h"
#include "sync/recording.h"

#include <stdatomic.h>

/* One host whose store keeps a change map. */
struct scene {
    struct world w;
    struct zs_store host;
    struct recording recording;
};

static void scene_open(struct scene *s, unsigned options)
{
    world_open_with(&s->w, options, 0, NULL);
    s->host = s->w.a.module.store;
    recording_init(&s->recording, &s->host);
    s->w.a.module.store = s->recording.table;
}

static void scene_close(struct scene *s)
{
    world_close(&s->w);
}

/* A commit that is noted: an ingest of one record. */
static zs_lsn note(struct scene *s, const char *branch)
{
    struct zs_error e = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    zs_lsn base = last_lsn(&s->w.a, branch), upto = base + 0x10;
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = branch, .base_lsn = base, .target_lsn = upto};
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = upto};
    struct zs_ingest_state state;
    must(ingest_begin(&s->w.a.module.store, &spec, &in, &e), &e);
    must(ingest_put(&in, &r, 1, &e), &e);
    must(ingest_state(&in, &state, &e), &e);
    struct zs_commit c = {.struct_size = sizeof c,
                          .upto_lsn = upto,
                          .sum = state.sum,
                          .end = {.lsn = upto,
                                  .digest = digest_plus(state.base.digest, state.sum),
                                  .records = state.base.records + 1,
                                  .bytes = state.base.bytes + 1}};
    must(ingest_commit(&in, &c, &e), &e);
    return upto;
}

static void make_gaps(struct scene *s, unsigned n)
{
    branch_make(&s->w.a, "main");
    grow_one(&s->w.a, "main", 1, ZS_KIND_WAL, 8);
    note(s, "main");
    for (unsigned i = 0; i < n; i++) {
        grow_one(&s->w.a, "main", i, ZS_KIND_WAL, 8); /* past the map */
        note(s, "main");
    }
}

/* As many as are named, and one more. */
static void test_gaps_are_named_and_counted(void)
{
    static const struct {
        unsigned gaps;
        const char *count, *ranges, *ends;
    } cases[] = {{0, "0", "(null)", ""},
                 {1, "1", "0/20..0/30", ""},
                 {2, "2", "0/40..0/50 0/20..0/30", ""},
                 {COVERAGE_GAPS, "8", NULL, " 0/20..0/30"},
                 {COVERAGE_GAPS + 1, "9", NULL, " 0/40..0/50 and 1 more"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct client c;
        scene_open(&s, 0);
        make_gaps(&s, cases[i].gaps);
        client_open(&c);
        CU_ASSERT(client_run(&c, &s.w.a, "change_maps") == ZS_OK && c.s.rows == 1);
        ASSERT_TEXT(cell(&c, "branch"), "main");
        ASSERT_TEXT(cell(&c, "from_lsn"), "0/10");
        ASSERT_TEXT(cell(&c, "gaps"), cases[i].count);
        const char *ranges = cell(&c, "gap_ranges");
        if (cases[i].ranges != NULL)
            ASSERT_TEXT(ranges, cases[i].ranges);
        size_t ends = strlen(cases[i].ends);
        CU_ASSERT(strlen(ranges) >= ends);
        ASSERT_TEXT(ranges + strlen(ranges) - ends, cases[i].ends);
        CU_ASSERT((strstr(cell(&c, "reason"), "past the change map") != NULL) ==
                  (cases[i].gaps > 0));
        client_close(&c);
        scene_close(&s);
    }
}

/* LSNs of any length fit into the row. */
static void test_the_longest_lsns_fit(void)
{
    struct scene s;
    struct client c;
    struct zs_error e = {0};
    scene_open(&s, 0);
    branch_make(&s.w.a, "main");
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = 1};
    must(stub_store_write(s.w.a.store, "main", &r, 1, UINT64_C(0xF000000080000000), &e), &e);
    note(&s, "main");
    for (unsigned i = 0; i <= COVERAGE_GAPS; i++) {
        grow_one(&s.w.a, "main", i, ZS_KIND_WAL, 8);
        note(&s, "main");
    }
    client_open(&c);
    CU_ASSERT(client_run(&c, &s.w.a, "change_maps") == ZS_OK);
    const char *ranges = cell(&c, "gap_ranges");
    CU_ASSERT(strlen(ranges) == COVERAGE_GAPS * 37 - 1 + strlen(" and 1 more"));
    ASSERT_TEXT(ranges + strlen(ranges) - 11, " and 1 more");
    client_close(&c);
    scene_close(&s);
}

static void test_a_branch_that_goes_meanwhile_is_left_out(void)
{
    static const struct {
        const char *sqlstate;
        uint64_t rows;
    } cases[] = {{ZS_NO_SUCH_BRANCH, 1}, {ZS_IO_ERROR, 0}};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        struct client c;
        scene_open(&s, 0);
        branch_make(&s.w.a, "gone");
        branch_make(&s.w.a, "main");
        stub_faults_arm(&s.w.a.faults, &(struct stub_fault){.operation = "snapshot_open",
                                                            .nth = 1,
                                                            .sqlstate = cases[i].sqlstate});
        client_open(&c);
        client_run(&c, &s.w.a, "change_maps");
        CU_ASSERT(c.s.rows == cases[i].rows);
        if (cases[i].rows == 1) {
            assert_ok(c.rc, &c.e, "change_maps", __FILE__, __LINE__);
            ASSERT_TEXT(cell(&c, "branch"), "main");
            ASSERT_TEXT(cell(&c, "from_lsn"), "(null)"); /* no map yet */
        } else {
            assert_fails(c.rc, &c.e, cases[i].sqlstate, "change_maps", __FILE__, __LINE__);
        }
        client_close(&c);
        scene_close(&s);
    }
}

static void test_a_store_without_blobs_has_no_rows(void)
{
    struct scene s;
    struct client c;
    scene_open(&s, STUB_STORE_NO_BLOBS);
    branch_make(&s.w.a, "main");
    client_open(&c);
    CU_ASSERT(client_run(&c, &s.w.a, "change_maps") == ZS_OK && c.s.rows == 0);
    client_close(&c);
    (void)RUN_REFUSED(&s.w, &s.w.a, "change_maps all", ZS_SYNTAX_ERROR);
    scene_close(&s);
}

/* Another writer is waited for, and it is said once, until a cancel. */
static int32_t after_three(void *self)
{
    return atomic_fetch_add((atomic_int *)self, 1) >= 12;
}

static void test_a_rebuild_says_that_it_waits(void)
{
    struct scene s;
    struct client c;
    struct zs_error e = {0};
    atomic_int asked = 0;
    scene_open(&s, 0);
    make_gaps(&s, 1);
    struct ingest in = {0};
    zs_lsn base = last_lsn(&s.w.a, "main");
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = base, .target_lsn = base + 1};
    must(ingest_begin(&s.w.a.module.store, &spec, &in, &e), &e);
    client_open(&c);
    struct zs_cancel cancel = {
        .struct_size = sizeof cancel, .fd = -1, .self = &asked, .requested = after_three};
    c.s.session.cancel = &cancel;
    client_run(&c, &s.w.a, "change_map_rebuild main");
    assert_fails(c.rc, &c.e, ZS_CANCELLED, "change_map_rebuild", __FILE__, __LINE__);
    unsigned said = 0;
    for (uint64_t i = 0; i < c.s.notice_count; i++)
        said += strstr(c.s.notices[i].message, "is being written to: waiting") != NULL;
    CU_ASSERT(said == 1);
    client_close(&c);
    ingest_close(&in);
    client_open(&c);
    CU_ASSERT(client_run(&c, &s.w.a, "change_map_rebuild main") == ZS_OK);
    ASSERT_TEXT(cell(&c, "branch"), "main");
    client_close(&c);
    client_open(&c);
    CU_ASSERT(client_run(&c, &s.w.a, "change_maps") == ZS_OK);
    ASSERT_TEXT(cell(&c, "gaps"), "0");
    client_close(&c);
    scene_close(&s);
}

SUITE("command/change_maps",
      {"gaps are named up to a number, and counted", test_gaps_are_named_and_counted},
      {"the longest LSNs fit", test_the_longest_lsns_fit},
      {"a branch that goes meanwhile is left out", test_a_branch_that_goes_meanwhile_is_left_out},
      {"a store without blobs has no rows", test_a_store_without_blobs_has_no_rows},
      {"a rebuild says that it waits", test_a_rebuild_says_that_it_waits})
