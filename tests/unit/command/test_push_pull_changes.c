/* test_push_pull_changes.c - increments by the change map, between two hosts: that it
 * is used, that a map which lies is found out before the commit, and that one which is
 * gone is said. */
#include "fixture.h"

#include "sync/epochs.h"
#include "sync/recording.h"

CLEANUP_POINTER(struct change_map, change_map_close)

enum { PAGES = 3000 };

/* One commit through `store`: every `every`-th of PAGES pages. */
static zs_lsn commit_pages(const struct zs_store *store, uint32_t every, uint64_t seed)
{
    struct zs_error e = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    struct zs_branch_info info;
    static uint8_t page[8192];
    must(store_branch_find(store, "main", &info, &e), &e);
    zs_lsn upto = info.last_valid_lsn + 0x1000;
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = "main",
                                  .base_lsn = info.last_valid_lsn,
                                  .target_lsn = upto};
    must(ingest_begin(store, &spec, &in, &e), &e);
    for (uint32_t block = 0; block < PAGES; block += every) {
        struct zs_record r = {
            .kind = ZS_KIND_IMAGE, .len = sizeof page, .lsn = upto, .value = page};
        put_u64le(page, mix(seed + block));
        put_u32be(r.key + 14, block);
        must(ingest_put(&in, &r, 1, &e), &e);
    }
    struct zs_ingest_state state;
    must(ingest_state(&in, &state, &e), &e);
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = upto,
                               .sum = state.sum,
                               .end = {.lsn = upto,
                                       .digest = digest_plus(state.base.digest, state.sum),
                                       .records = state.base.records + state.records,
                                       .bytes = state.base.bytes + state.bytes}};
    must(ingest_commit(&in, &commit, &e), &e);
    return upto;
}

/* Both hosts record, as plugin.c has it. */
struct recorded {
    struct world w;
    struct zs_store host_a, host_b;
    struct recording a, b;
};

static void recorded_open_with(struct recorded *r, unsigned a_options, unsigned b_options)
{
    world_open_with(&r->w, a_options, b_options, NULL);
    r->host_a = r->w.a.module.store;
    r->host_b = r->w.b.module.store;
    recording_init(&r->a, &r->host_a);
    recording_init(&r->b, &r->host_b);
    r->w.a.module.store = r->a.table;
    r->w.b.module.store = r->b.table;
    branch_make(&r->w.a, "main");
    commit_pages(&r->a.table, 1, 1);
    CU_ASSERT(RUN_OK(&r->w.a, "perform_push main stub://b", "absent") == PAGES);
}

static void recorded_open(struct recorded *r)
{
    recorded_open_with(r, 0, STUB_STORE_COPIES); /* both ways to hand out values */
}

/* Put another blob in the place of the epoch that ends at the branch's last_valid_lsn;
 * map NULL removes it. */
static void replace_epoch(const struct zs_store *store, const struct change_map *map)
{
    struct zs_error e = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    CLEANUP(free_ptr) uint8_t *data = NULL;
    size_t len = 0;
    char name[EPOCH_NAME_BYTES];
    struct zs_branch_info info;
    must(store_branch_find(store, "main", &info, &e), &e);
    zs_lsn at = info.last_valid_lsn;
    struct change_epoch epoch = {.timeline = info.timeline, .from_lsn = at - 0x1000, .to_lsn = at};
    if (map != NULL)
        must(change_map_encode(map, &epoch, &data, &len, &e), &e);
    epoch_name(at, name);
    struct zs_blob blob = {.name = name, .data = data, .len = len};
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = at, .target_lsn = at};
    must(ingest_begin(store, &spec, &in, &e), &e);
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = at,
                               .end = in.state.base,
                               .blobs = &blob,
                               .nblobs = 1};
    must(ingest_commit(&in, &commit, &e), &e);
}

/* Run and hand back the first warning, "" if there was none. */
static void run_for_warning(struct side *side, const char *line, char *warning, size_t size)
{
    struct client c;
    client_open(&c);
    client_run(&c, side, line);
    assert_ok(c.rc, &c.e, line, __FILE__, __LINE__);
    ASSERT_TEXT(cell(&c, "verdict"), "behind");
    warning[0] = '\0';
    for (uint64_t i = 0; i < c.s.notice_count; i++)
        if (strcmp(c.s.notices[i].sqlstate, "01000") == 0 && warning[0] == '\0')
            (void)snprintf(warning, size, "%s", c.s.notices[i].message);
    client_close(&c);
}

static void test_increment_goes_by_the_map_both_ways(void)
{
    struct recorded r;
    char warning[512];
    recorded_open(&r);
    commit_pages(&r.a.table, 500, 2);
    stub_faults_arm(&r.w.a.faults, &(struct stub_fault){.operation = "iter_range"}); /* counts */
    run_for_warning(&r.w.a, "perform_push main stub://b", warning, sizeof warning);
    ASSERT_TEXT(warning, "");
    CU_ASSERT(stub_faults_calls(&r.w.a.faults) == PAGES / 500); /* a seek per changed page */
    CU_ASSERT(same_branch(&r.w.a, "main", &r.w.b, "main"));
    /* What was received was recorded too, so b can hand it on. */
    commit_pages(&r.b.table, 700, 3);
    run_for_warning(&r.w.a, "perform_pull main stub://b", warning, sizeof warning);
    CU_ASSERT(same_branch(&r.w.a, "main", &r.w.b, "main"));
    world_close(&r.w);
}

/* A commit of blocks 0, 500, 1000, ..., of which the map leaves one out. */
static void commit_with_a_lie(struct recorded *r)
{
    struct zs_error e = {0};
    CLEANUP(change_map_close_ptr) struct change_map *lie = NULL;
    uint8_t key[ZS_KEY_BYTES] = {0};
    commit_pages(&r->a.table, 500, 2);
    must(change_map_open(&lie, &e), &e);
    for (uint32_t block = 0; block < PAGES; block += 500) {
        put_u32be(key + 14, block);
        if (block != 1500) /* the bit that is dropped */
            must(change_map_add(lie, key, &e), &e);
    }
    replace_epoch(&r->host_a, lie);
}

/* Whoever runs the command is told, with progress or without, at whichever end the map is. */
static const struct {
    bool pull;
    const char *line, *begins;
} ways[] = {{false, "perform_push main stub://b", ""},
            {false, "perform_push main stub://b (progress off)", ""},
            {true, "perform_pull main stub://a", "the far side says: "},
            {true, "perform_pull main stub://a (progress off)", "the far side says: "}};

static void test_map_that_lies_is_found_out(void)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct recorded r;
        char warning[512];
        recorded_open(&r);
        commit_with_a_lie(&r);
        run_for_warning(ways[i].pull ? &r.w.b : &r.w.a, ways[i].line, warning, sizeof warning);
        CU_ASSERT(strncmp(warning, ways[i].begins, strlen(ways[i].begins)) == 0);
        CU_ASSERT(strstr(warning, "change map missed something") != NULL);
        CU_ASSERT(strstr(warning, "rebuild-map main") != NULL);
        CU_ASSERT(same_branch(&r.w.a, "main", &r.w.b, "main"));
        world_close(&r.w);
    }
}

static void test_map_that_is_gone_is_said_and_scanned_for(void)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct recorded r;
        char warning[512];
        recorded_open(&r);
        commit_pages(&r.a.table, 500, 2);
        replace_epoch(&r.host_a, NULL);
        run_for_warning(ways[i].pull ? &r.w.b : &r.w.a, ways[i].line, warning, sizeof warning);
        CU_ASSERT(strncmp(warning, ways[i].begins, strlen(ways[i].begins)) == 0);
        CU_ASSERT(strstr(warning, "no change map ends at") != NULL);
        CU_ASSERT(same_branch(&r.w.a, "main", &r.w.b, "main"));
        world_close(&r.w);
    }
}

/* Where one side keeps no digests nothing would find the lie: the map is not used. */
static void test_without_digests_no_map_is_believed(void)
{
    static const unsigned sides[][2] = {{STUB_STORE_NO_DIGEST, STUB_STORE_NO_DIGEST},
                                        {0, STUB_STORE_NO_DIGEST},
                                        {STUB_STORE_NO_DIGEST, 0}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct recorded r;
        char warning[512];
        recorded_open_with(&r, sides[i][0], sides[i][1]);
        commit_with_a_lie(&r);
        run_for_warning(&r.w.a, "perform_push main stub://b", warning, sizeof warning);
        CU_ASSERT(strstr(warning, "without digests on both sides") != NULL);
        CU_ASSERT(same_branch(&r.w.a, "main", &r.w.b, "main"));
        world_close(&r.w);
    }
}

/* The gap is shown, and a rebuild closes it. */
static void test_gap_is_shown_and_can_be_closed(void)
{
    struct recorded r;
    struct client c;
    char warning[512];
    recorded_open(&r);
    commit_pages(&r.a.table, 500, 2);
    commit_pages(&r.a.table, 700, 3);
    replace_epoch(&r.host_a, NULL);
    client_open(&c);
    CU_ASSERT(client_run(&c, &r.w.a, "change_maps") == ZS_OK);
    ASSERT_TEXT(cell(&c, "branch"), "main");
    ASSERT_TEXT(cell(&c, "epochs"), "1");
    ASSERT_TEXT(cell(&c, "gaps"), "1");
    ASSERT_TEXT(cell(&c, "gap_ranges"), "0/2000..0/3000");
    CU_ASSERT(strstr(cell(&c, "reason"), "past the change map") != NULL);
    client_close(&c);
    client_open(&c);
    client_run(&c, &r.w.a, "change_map_rebuild main");
    assert_ok(c.rc, &c.e, "rebuild", __FILE__, __LINE__);
    ASSERT_TEXT(cell(&c, "epochs"), "3");
    ASSERT_TEXT(cell(&c, "to_lsn"), "0/3000");
    CU_ASSERT(c.s.notice_count > 0 && strstr(c.s.notices[0].detail, "\"scan\"") != NULL);
    client_close(&c);
    client_open(&c);
    CU_ASSERT(client_run(&c, &r.w.a, "change_maps") == ZS_OK);
    ASSERT_TEXT(cell(&c, "from_lsn"), "0/0");
    ASSERT_TEXT(cell(&c, "gaps"), "0");
    client_close(&c);
    run_for_warning(&r.w.a, "perform_push main stub://b", warning, sizeof warning);
    ASSERT_TEXT(warning, "");
    CU_ASSERT(same_branch(&r.w.a, "main", &r.w.b, "main"));
    client_open(&c);
    client_run(&c, &r.w.a, "change_map_rebuild nobody");
    assert_fails(c.rc, &c.e, ZS_NO_SUCH_BRANCH, "no branch", __FILE__, __LINE__);
    client_run(&c, &r.w.a, "change_map_rebuild");
    assert_fails(c.rc, &c.e, ZS_SYNTAX_ERROR, "no name", __FILE__, __LINE__);
    client_run(&c, &r.w.a, "change_maps main");
    assert_fails(c.rc, &c.e, ZS_SYNTAX_ERROR, "a name", __FILE__, __LINE__);
    client_close(&c);
    world_close(&r.w);
}

SUITE("command/push_pull_changes",
      {"a gap is shown, and a rebuild closes it", test_gap_is_shown_and_can_be_closed},
      {"an increment goes by the map, both ways", test_increment_goes_by_the_map_both_ways},
      {"a map that lies is found out before the commit, and the push succeeds",
       test_map_that_lies_is_found_out},
      {"without digests no map is believed", test_without_digests_no_map_is_believed},
      {"a map that is gone is said, and the branch is scanned",
       test_map_that_is_gone_is_said_and_scanned_for})
