/* test_recording.c - what is written through the recording store can be found again by
 * what changed: recording, epochs and selection together, held against full scans. */
#include "map_fixture.h"
#include "sync/coverage.h"

static void test_map_selects_what_a_scan_finds(void)
{
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct world w;
        uint32_t x = seed;
        zs_lsn at[40];
        char why[128];
        world_open(&w, seed % 2 == 0 ? STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS : 0);
        for (int i = 0; i < 40; i++)
            at[i] = commit_some(w.store, &x, 1 + next_random(&x) % 60, 0x100);
        CLEANUP(snapshot_close) struct snapshot s = {0};
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        for (int i = 0; i < 39; i++) {
            uint64_t by_map = 0, by_scan = 0;
            struct change_map *map = changed(&s, at[i], why);
            CU_ASSERT_FATAL(map != NULL);
            struct zs_digest want = select_sum(&s, at[i], NULL, &by_scan);
            struct zs_digest got = select_sum(&s, at[i], map, &by_map); /* takes the map */
            CU_ASSERT(by_map == by_scan && digest_equal(got, want));
        }
        snapshot_close(&s);
        world_close(&w);
    }
}

/* More commits than epochs are kept: the old ones are merged, and still cover. */
static void test_old_epochs_merge_and_still_cover(void)
{
    struct world w;
    uint32_t x = 99;
    zs_lsn first = 0;
    uint64_t by_map = 0, by_scan = 0;
    struct coverage coverage;
    char why[128];
    world_open(&w, 0);
    for (int i = 0; i < 200; i++) {
        zs_lsn at = commit_some(w.store, &x, 20, 0x10);
        first = i == 0 ? at : first;
    }
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    ASSERT_OK(coverage_read(&s, &coverage, &e));
    CU_ASSERT(coverage.from_lsn == first && coverage.ngaps == 0);
    CU_ASSERT(coverage.epochs <= EPOCHS_MAX + 1);
    struct change_map *map = changed(&s, first, why);
    CU_ASSERT_FATAL(map != NULL);
    struct zs_digest want = select_sum(&s, first, NULL, &by_scan);
    struct zs_digest got = select_sum(&s, first, map, &by_map);
    CU_ASSERT(by_map == by_scan && digest_equal(got, want));
    snapshot_close(&s);
    world_close(&w);
}

/* Each way to lose an epoch must be known as such: never an empty map. */
static void test_gap_is_never_taken_for_nothing_changed(void)
{
    static const char *const ways[] = {"written past the recording store", "blob removed",
                                       "blob damaged", "another timeline's blob"};
    for (int way = 0; way < 4; way++) {
        struct world w;
        uint32_t x = 7;
        char why[128] = "", name[EPOCH_NAME_BYTES];
        world_open(&w, 0);
        zs_lsn first = commit_some(w.store, &x, 10, 0x100);
        zs_lsn second = commit_some(way == 0 ? &w.host : w.store, &x, 10, 0x100);
        if (way > 0) { /* an empty commit past the recording store, with a blob of our own */
            CLEANUP(ingest_close) struct ingest in = {0};
            CLEANUP(free_ptr) uint8_t *data = NULL;
            CLEANUP(change_map_close_ptr) struct change_map *m = NULL;
            struct change_epoch foreign = {.from_lsn = first, .to_lsn = second};
            size_t len = 0;
            struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                          .branch = "main",
                                          .base_lsn = second,
                                          .target_lsn = second};
            ASSERT_OK(change_map_open(&m, &e));
            ASSERT_OK(change_map_encode(m, &foreign, &data, &len, &e));
            data[len - 1] ^= (uint8_t)(way == 2);
            epoch_name(second, name);
            struct zs_blob blob = {.name = name, .data = way == 1 ? NULL : data, .len = len};
            ASSERT_OK(ingest_begin(&w.host, &spec, &in, &e));
            struct zs_commit commit = {.struct_size = sizeof commit,
                                       .upto_lsn = second,
                                       .end = in.state.base,
                                       .blobs = &blob,
                                       .nblobs = 1};
            ASSERT_OK(ingest_commit(&in, &commit, &e));
        }
        CLEANUP(snapshot_close) struct snapshot s = {0};
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        struct change_map *map = changed(&s, first, why);
        CU_ASSERT(map == NULL);
        if (map != NULL || strstr(why, "change map") == NULL)
            printf("%s: \"%s\"\n", ways[way], why);
        CU_ASSERT(strstr(why, "change map") != NULL);
        change_map_close(map);
        snapshot_close(&s);
        world_close(&w);
    }
}

static void test_store_without_blobs_is_only_passed_on(void)
{
    struct world w;
    uint32_t x = 5;
    char why[128] = "";
    world_open(&w, STUB_STORE_NO_BLOBS);
    zs_lsn first = commit_some(w.store, &x, 10, 0x100);
    commit_some(w.store, &x, 10, 0x100);
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    CU_ASSERT(changed(&s, first, why) == NULL);
    struct selection sel;
    ASSERT_OK(selection_open(&s, first, s.info.last_valid_lsn, true, &sel, why, sizeof why, &e));
    CU_ASSERT(sel.map == NULL);
    ASSERT_TEXT(why, ""); /* nobody expected a map, so nobody is told */
    selection_close(&sel);
    snapshot_close(&s);
    world_close(&w);
}

static void test_cheaper_way_is_taken(void)
{
    static const struct {
        uint64_t runs, records, bytes;
        bool walk;
    } cases[] = {
        {0, 0, 0, true}, /* a host that does not count its records */
        {1000000, 0, 0, true},
        {1, 0, UINT64_C(1) << 30, true}, /* only their bytes */
        {1, 200000, UINT64_C(1) << 30, true},
        {200, 200000, UINT64_C(3) << 29, true},     /* 0.1 % of 1.5 GB */
        {200000, 200000, UINT64_C(3) << 29, false}, /* every page */
        {10000000, 10000000, 100000000, false},     /* tiny records, all changed */
        {100, 10, 1000, false},                     /* a small branch is scanned */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(selection_pays(cases[i].runs, cases[i].records, cases[i].bytes) == cases[i].walk);
}

static void test_epoch_names_read_back_and_others_are_not_ours(void)
{
    static const char *const others[] = {"",
                                         "changes/",
                                         "changes/16",
                                         "change/0000000000000010",
                                         "changes/00000000000000100",
                                         "changes/000000000000001G",
                                         "changes/000000000000001A"};
    char name[EPOCH_NAME_BYTES];
    zs_lsn lsn = 0;
    epoch_name(0x1A00000010, name);
    ASSERT_TEXT(name, "changes/0000001a00000010");
    CU_ASSERT(epoch_of_name(name, &lsn) && lsn == 0x1A00000010);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT(!epoch_of_name(others[i], &lsn));
}

/* So many keys, then it is over. */
static int32_t some_keys(void *context, const uint8_t key[ZS_KEY_BYTES])
{
    unsigned *left = context;
    (void)key;
    return --*left == 0 ? 1 : 0;
}

/* A commit in two parts, with a cut between them; the map is whole if the store can tell
 * what the first part was, and was asked for all of it. */
static void test_resumed_ingest_notes_all(void)
{
    enum { TELLS_NOT, ALL, NOT_ALL, NOT_ASKED, KEEPS_NONE, CASES };
    for (int how = 0; how < CASES; how++) {
        struct world w;
        uint32_t x = 7;
        CLEANUP(ingest_close) struct ingest in = {0};
        uint8_t token[ZS_TOKEN_MAX];
        uint64_t len = 0;
        bool synced = false;
        struct coverage coverage;
        world_open(&w, how == KEEPS_NONE ? STUB_STORE_NO_BLOBS : 0);
        if (how == TELLS_NOT)
            w.host.ingest_keys = NULL;
        recording_init(&w.recording, &w.host);
        zs_lsn first = commit_some(w.store, &x, 40, 0x100);
        struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                      .branch = "main",
                                      .base_lsn = first,
                                      .target_lsn = first + 0x100};
        ASSERT_OK(ingest_begin(w.store, &spec, &in, &e));
        ASSERT_OK(put_blocks(&in, 0, 10, first + 0x80));
        ASSERT_OK(ingest_sync(&in, "token", 5, &synced, &e));
        ASSERT_OK(put_blocks(&in, 10, 15, first + 0x80)); /* lost */
        ingest_close(&in);
        ASSERT_OK(ingest_resume(w.store, "main", token, &len, &in, &e));
        bool known = false;
        unsigned keys = how == NOT_ALL ? 9 : 11; /* of 10 */
        if (how != NOT_ASKED)
            ASSERT_OK(ingest_keys(&in, some_keys, &keys, &known, &e));
        CU_ASSERT(known == (how != TELLS_NOT && how != NOT_ASKED));
        ASSERT_OK(put_blocks(&in, 20, 30, first + 0x80));
        ASSERT_OK(commit_at(&in, first + 0x100));
        ingest_close(&in);
        CLEANUP(snapshot_close) struct snapshot s = {0};
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        ASSERT_OK(coverage_read(&s, &coverage, &e));
        CU_ASSERT(coverage.epochs == (how == ALL ? 1 : 0));
        snapshot_close(&s);
        CU_ASSERT(check_every_range(&w) == (how == ALL ? 1 : 0));
        ASSERT_FAILS(ingest_resume(w.store, "main", token, &len, &in, &e), ZS_NO_SUCH_BRANCH);
        world_close(&w);
    }
}

/* A commit without records, with blobs of its own: they are kept, and the map is left be. */
static void test_blobs_of_the_writer_and_empty_commits(void)
{
    struct world w;
    uint32_t x = 7;
    struct coverage before, after;
    struct zs_blob theirs = {.name = "theirs", .data = "blob", .len = 4};
    world_open(&w, 0);
    commit_some(w.store, &x, 40, 0x100);
    zs_lsn at = commit_some(w.store, &x, 40, 0x100);
    for (int grow = 0; grow < 2; grow++) {
        CLEANUP(snapshot_close) struct snapshot s = {0};
        CLEANUP(ingest_close) struct ingest in = {0};
        CLEANUP(free_ptr) uint8_t *data = NULL;
        uint64_t len = 0;
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        ASSERT_OK(coverage_read(&s, &before, &e));
        snapshot_close(&s);
        struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                      .branch = "main",
                                      .base_lsn = at,
                                      .target_lsn = at + (grow ? 0x10 : 0)};
        ASSERT_OK(ingest_begin(w.store, &spec, &in, &e));
        struct zs_point end = in.state.base;
        end.lsn = spec.target_lsn;
        theirs.data = grow ? "more" : "blob";
        struct zs_commit commit = {.struct_size = sizeof commit,
                                   .upto_lsn = spec.target_lsn,
                                   .end = end,
                                   .blobs = &theirs,
                                   .nblobs = 1};
        ASSERT_OK(ingest_commit(&in, &commit, &e));
        ingest_close(&in);
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        ASSERT_OK(coverage_read(&s, &after, &e));
        CU_ASSERT(after.ngaps == 0 && after.from_lsn == before.from_lsn);
        CU_ASSERT(after.epochs == before.epochs + (uint64_t)grow);
        ASSERT_OK(snapshot_blob(&s, "theirs", &data, &len, &e));
        CU_ASSERT(data != NULL && len == 4 && memcmp(data, theirs.data, 4) == 0);
        snapshot_close(&s);
    }
    CU_ASSERT(check_every_range(&w) == 2);
    world_close(&w);
}

SUITE("sync/recording",
      {"a resumed ingest notes all that came before the cut", test_resumed_ingest_notes_all},
      {"a writer's own blobs are kept, and a commit without records notes nothing",
       test_blobs_of_the_writer_and_empty_commits},
      {"the map selects exactly what a full scan finds", test_map_selects_what_a_scan_finds},
      {"old epochs merge and still cover", test_old_epochs_merge_and_still_cover},
      {"a gap is never taken for nothing changed", test_gap_is_never_taken_for_nothing_changed},
      {"a store without blobs is only passed on", test_store_without_blobs_is_only_passed_on},
      {"the cheaper of scan and seeks is taken", test_cheaper_way_is_taken},
      {"epoch names read back, and others are not ours",
       test_epoch_names_read_back_and_others_are_not_ours})
