/* test_epochs.c - the epochs that a branch keeps: which ones are believed, and which go when
 * there are too many. */
#include "map_fixture.h"
#include "sync/coverage.h"

/* A blob that is kept beside the map, or for an epoch. */
struct planted {
    char name[EPOCH_NAME_BYTES];
    const void *data;
    size_t len;
};

/* One commit of the host's own that keeps these blobs; where it ends. */
static zs_lsn plant(struct world *w, const struct planted *planted, uint32_t n, zs_lsn step)
{
    CLEANUP(free_ptr) struct zs_blob *blobs = calloc(n, sizeof *blobs);
    struct zs_branch_info info;
    if (blobs == NULL)
        abort();
    for (uint32_t i = 0; i < n; i++)
        blobs[i] = (struct zs_blob){
            .name = planted[i].name, .data = planted[i].data, .len = planted[i].len};
    ASSERT_OK(store_branch_find(&w->host, "main", &info, &e));
    struct zs_record r = {
        .kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = info.last_valid_lsn + 1};
    struct stub_write write = {
        .records = &r, .n = 1, .upto_lsn = info.last_valid_lsn + step, .blobs = blobs, .nblobs = n};
    ASSERT_OK(stub_store_write_with(w->stub, "main", &write, &e));
    return write.upto_lsn;
}

/* A map of so many keys behind a prefix, encoded; the caller's. */
static uint8_t *encoded(const struct change_epoch *epoch, uint8_t prefix, uint32_t keys,
                        size_t *len)
{
    CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
    uint8_t *data = NULL;
    ASSERT_OK(change_map_open(&map, &e));
    for (uint32_t i = 0; i < keys; i++) {
        uint8_t key[ZS_KEY_BYTES] = {prefix};
        put_u32be(key + 14, 16 * i); /* far enough from each other to be no run and no bits */
        ASSERT_OK(change_map_add(map, key, &e));
    }
    ASSERT_OK(change_map_encode(map, epoch, &data, len, &e));
    CU_ASSERT_FATAL(data != NULL);
    return data;
}

static struct zs_timeline_id timeline_of(const struct world *w)
{
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(&w->host, "main", &info, &e));
    return info.timeline;
}

/* An epoch is what its name says, of this timeline; one that is not is as good as none. */
static void test_an_epoch_that_is_not_what_it_is_called(void)
{
    static const struct {
        zs_lsn from, to;
        uint8_t other; /* of the timeline */
        const char *why;
    } cases[] = {{0x100, 0x200, 0, NULL},
                 {0x100, 0x200, 1, "ends at 0/200 is another timeline's"},
                 {0x100, 0x1f0, 0, "ends at 0/200 is another timeline's"},
                 {0x200, 0x200, 0, "ends at 0/200 is another timeline's"},
                 {0x180, 0x200, 0, "no change map ends at 0/180"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        char why[128] = "";
        struct planted p = {.len = 0};
        world_open(&w, 0);
        struct change_epoch epoch = {
            .timeline = timeline_of(&w), .from_lsn = cases[i].from, .to_lsn = cases[i].to};
        epoch.timeline.bytes[0] ^= cases[i].other;
        CLEANUP(free_ptr) uint8_t *data = encoded(&epoch, 0, 3, &p.len);
        p.data = data;
        epoch_name(0x200, p.name);
        plant(&w, NULL, 0, 0x100);
        CU_ASSERT(plant(&w, &p, 1, 0x100) == 0x200);
        CLEANUP(snapshot_close) struct snapshot s = {0};
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        CLEANUP(change_map_close_ptr) struct change_map *map = changed(&s, 0x100, why);
        CU_ASSERT((map != NULL) == (cases[i].why == NULL));
        if (cases[i].why != NULL)
            CU_ASSERT(strstr(why, cases[i].why) != NULL);
        snapshot_close(&s);
        world_close(&w);
    }
}

/* Each fits into an epoch, and both together do not. */
static void test_epochs_that_hold_too_much_together(void)
{
    enum { KEYS = 2200000 }; /* of two bytes each */
    struct world w;
    char why[128] = "";
    struct planted p[2];
    uint8_t *data[2];
    world_open(&w, 0);
    for (uint8_t i = 0; i < 2; i++) {
        struct change_epoch epoch = {.timeline = timeline_of(&w),
                                     .from_lsn = 0x100 + 0x80u * i,
                                     .to_lsn = 0x180 + 0x80u * i};
        p[i].data = data[i] = encoded(&epoch, i, KEYS, &p[i].len);
        epoch_name(epoch.to_lsn, p[i].name);
    }
    plant(&w, NULL, 0, 0x100);
    CU_ASSERT(plant(&w, p, 2, 0x100) == 0x200);
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    CU_ASSERT(changed(&s, 0x100, why) == NULL);
    ASSERT_TEXT(why, "too much changed for a map");
    CLEANUP(change_map_close_ptr) struct change_map *newer = changed(&s, 0x180, why);
    CU_ASSERT(newer != NULL && change_map_count(newer) == KEYS);
    snapshot_close(&s);
    free(data[0]);
    free(data[1]);
    world_close(&w);
}

static struct epoch_list listed(const struct world *w)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct epoch_list list;
    ASSERT_OK(snapshot_open(w->store, "main", &s, &e));
    ASSERT_OK(epoch_list_read(&s, &list, &e));
    return list;
}

/* Too many, or too large: the oldest go until both bounds hold, and what else a store keeps stays.
 * None of these can be merged. */
static void test_too_many_epochs_let_the_oldest_go(void)
{
    static const struct {
        size_t len;
        uint32_t count, tiny; /* the first `tiny` have one byte */
        uint32_t gone;        /* after one commit more */
    } cases[] = {
        {100, 3, 0, 0},          {100, EPOCHS_MAX - 1, 0, 0},
        {100, EPOCHS_MAX, 0, 1}, {100, EPOCH_LIST_MAX, 0, EPOCH_MERGES},
        {8000000, 9, 0, 1},      {8000000, 49, 40, 41},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        uint32_t seed = 1;
        CLEANUP(free_ptr) uint8_t *junk = calloc(1, cases[i].len);
        CLEANUP(free_ptr) struct planted *p = calloc(cases[i].count + 1, sizeof *p);
        if (junk == NULL || p == NULL)
            abort();
        world_open(&w, 0);
        for (uint32_t k = 0; k < cases[i].count; k++) {
            p[k] = (struct planted){.data = junk, .len = k < cases[i].tiny ? 1 : cases[i].len};
            epoch_name(0x10 + k, p[k].name);
        }
        p[cases[i].count] = (struct planted){.name = "another", .data = junk, .len = 1};
        plant(&w, p, cases[i].count + 1, 0x1000);
        CU_ASSERT(listed(&w).count == cases[i].count);
        zs_lsn last = commit_some(w.store, &seed, 5, 0x100);
        struct epoch_list list = listed(&w);
        CU_ASSERT(list.count == cases[i].count + 1 - cases[i].gone);
        CU_ASSERT(list.at[0].to_lsn == 0x10 + cases[i].gone);
        CU_ASSERT(list.at[list.count - 1].to_lsn == last);
        world_close(&w);
    }
}

/* More than a list takes: it says so, and the next commits bring it down. */
static void test_a_list_that_overflows(void)
{
    struct world w;
    uint32_t seed = 1;
    enum { MANY = EPOCH_LIST_MAX + 2 * EPOCH_MERGES };
    static struct planted p[MANY];
    world_open(&w, 0);
    for (uint32_t k = 0; k < MANY; k++) {
        p[k] = (struct planted){.data = "x", .len = 1};
        epoch_name(0x10 + k, p[k].name);
    }
    plant(&w, p, MANY, 0x1000);
    CU_ASSERT(listed(&w).overflow && listed(&w).count == EPOCH_LIST_MAX);
    commit_some(w.store, &seed, 5, 0x100);
    CU_ASSERT(listed(&w).overflow && listed(&w).at[0].to_lsn == 0x10 + EPOCH_MERGES);
    world_close(&w);
}

/* Two that are no neighbours are not made one of: what lies between was never noted. */
static void test_only_neighbours_are_merged(void)
{
    enum { NONE, BETWEEN, DAMAGED, OVERLAP, CASES };
    for (int gap = 0; gap < CASES; gap++) {
        struct world w;
        uint32_t seed = 1;
        static struct planted p[EPOCHS_MAX];
        static const uint8_t junk[4096];
        uint8_t *data[2];
        world_open(&w, 0);
        for (uint32_t k = 0; k < EPOCHS_MAX; k++) {
            p[k] = (struct planted){.data = junk, .len = sizeof junk};
            epoch_name(0x20 + 0x10u * k, p[k].name);
        }
        for (uint8_t k = 0; k < 2; k++) {
            struct change_epoch epoch = {.timeline = timeline_of(&w),
                                         .from_lsn = 0x10 + 0x10u * k + (gap == BETWEEN ? k : 0u),
                                         .to_lsn = 0x20 + 0x10u * k};
            if (gap == OVERLAP && k == 1)
                epoch.from_lsn = 0x8; /* before the other one begins */
            data[k] = encoded(&epoch, k, 3, &p[k].len);
            p[k].data = data[k];
        }
        if (gap == DAMAGED)
            p[1].len--; /* damaged */
        plant(&w, p, EPOCHS_MAX, 0x1000);
        commit_some(w.store, &seed, 5, 0x100);
        CLEANUP(snapshot_close) struct snapshot s = {0};
        CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
        struct change_epoch epoch = {.from_lsn = 0};
        char why[128];
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        CU_ASSERT(listed(&w).count == EPOCHS_MAX && listed(&w).at[0].to_lsn == 0x30);
        ASSERT_OK(epoch_load(&s, 0x30, &epoch, &map, why, sizeof why, &e));
        CU_ASSERT((map != NULL) == (gap != DAMAGED));
        if (map != NULL)
            CU_ASSERT(epoch.from_lsn == (gap == BETWEEN   ? 0x21
                                         : gap == OVERLAP ? 0x8
                                                          : 0x10) &&
                      change_map_count(map) == (gap == BETWEEN ? 3 : 6));
        snapshot_close(&s);
        free(data[0]);
        free(data[1]);
        world_close(&w);
    }
}

/* An epoch of this timeline of so many relations, one page each. */
static uint8_t *encoded_relations(const struct world *w, zs_lsn from, zs_lsn to, uint32_t relations,
                                  size_t *len)
{
    CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
    struct change_epoch epoch = {.timeline = timeline_of(w), .from_lsn = from, .to_lsn = to};
    uint8_t *data = NULL;
    ASSERT_OK(change_map_open(&map, &e));
    for (uint32_t i = 0; i < relations; i++) {
        uint8_t key[ZS_KEY_BYTES] = {0};
        put_u32be(key + 8, i + (uint32_t)to * relations); /* none in two epochs */
        ASSERT_OK(change_map_add(map, key, &e));
    }
    ASSERT_OK(change_map_encode(map, &epoch, &data, len, &e));
    CU_ASSERT_FATAL(data != NULL);
    return data;
}

/* Small on disk, and in memory too much for one: the oldest goes, and no gap is made. */
static void test_what_is_too_much_for_one_leaves_no_gap(void)
{
    struct world w;
    uint32_t seed = 1;
    struct coverage c;
    static struct planted p[EPOCHS_MAX];
    world_open(&w, 0);
    for (uint32_t k = 0; k < EPOCHS_MAX; k++) {
        p[k].data = encoded_relations(&w, 0x10 + k, 0x11 + k, 24000, &p[k].len);
        CU_ASSERT(p[k].len < CHANGE_MAP_MAX_BYTES / 4);
        epoch_name(0x11 + k, p[k].name);
    }
    plant(&w, p, EPOCHS_MAX, 0x10 + EPOCHS_MAX);
    commit_some(w.store, &seed, 5, 0x100);
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    ASSERT_OK(coverage_read(&s, &c, &e));
    CU_ASSERT(c.ngaps == 0 && c.from_lsn == 0x11 && listed(&w).count == EPOCHS_MAX);
    snapshot_close(&s);
    for (uint32_t k = 0; k < EPOCHS_MAX; k++)
        free((void *)(uintptr_t)p[k].data);
    world_close(&w);
}

/* After some were merged a gap is found: those go with what is older, each once. */
static void test_a_gap_behind_what_was_merged(void)
{
    enum { MANY = EPOCHS_MAX + 4, GAP = 20 };
    struct world w;
    uint32_t seed = 1;
    static struct planted p[MANY];
    world_open(&w, 0);
    for (uint32_t k = 0; k < MANY; k++) {
        struct change_epoch epoch = {.timeline = timeline_of(&w),
                                     .from_lsn = 0x10u + 2 * k + (k == GAP ? 1 : 0),
                                     .to_lsn = 0x12u + 2 * k};
        /* the two smallest are good neighbours, the next smallest none */
        p[k].data = encoded(&epoch, 0, k < 2 ? 1 : k == GAP - 1 || k == GAP ? 2 : 9, &p[k].len);
        epoch_name(epoch.to_lsn, p[k].name);
    }
    plant(&w, p, MANY, 0x10 + 2 * MANY);
    commit_some(w.store, &seed, 5, 0x100);
    struct epoch_list list = listed(&w);
    CU_ASSERT(list.count == MANY + 1 - GAP && list.at[0].to_lsn == 0x12u + 2 * GAP);
    for (uint32_t k = 0; k < MANY; k++)
        free((void *)(uintptr_t)p[k].data);
    world_close(&w);
}

/* However many commits there are: nothing is lost, and near the end each has its own. */
static void test_many_commits_are_merged_behind_the_newest(void)
{
    enum { COMMITS = 400, NEAR = EPOCHS_MAX / 2 - 2 };
    struct world w;
    uint32_t seed = 1;
    struct coverage c;
    zs_lsn ends[COMMITS];
    uint64_t largest = 0;
    world_open(&w, 0);
    for (uint32_t i = 0; i < COMMITS; i++)
        ends[i] = commit_some(w.store, &seed, 5, 0x100);
    struct epoch_list list = listed(&w);
    CU_ASSERT_FATAL(list.count == EPOCHS_MAX);
    for (uint32_t i = 0; i < NEAR; i++)
        CU_ASSERT(list.at[list.count - 1 - i].to_lsn == ends[COMMITS - 1 - i]);
    for (uint32_t i = 0; i < list.count; i++)
        largest = list.at[i].bytes > largest ? list.at[i].bytes : largest;
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    ASSERT_OK(coverage_read(&s, &c, &e));
    CU_ASSERT(c.ngaps == 0 && c.from_lsn == ends[0]);
    CU_ASSERT(largest < c.bytes / 4); /* no commit rewrites all that is old */
    snapshot_close(&s);
    world_close(&w);
}

/* Gaps are counted all, and the newest ones named. */
static void test_coverage_counts_every_gap(void)
{
    enum { GAPS = COVERAGE_GAPS + 3 };
    struct world w;
    uint32_t seed = 1;
    struct coverage c;
    world_open(&w, 0);
    commit_some(w.store, &seed, 5, 0x100);
    for (uint32_t i = 0; i < GAPS; i++) {
        commit_some(&w.host, &seed, 5,
                    0x100); /* past the map; what lies below the first epoch is no gap */
        commit_some(w.store, &seed, 5, 0x100);
    }
    zs_lsn last = commit_some(w.store, &seed, 5, 0x100);
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    ASSERT_OK(coverage_read(&s, &c, &e));
    CU_ASSERT(c.epochs == GAPS + 1 && c.ngaps == GAPS - 1);
    CU_ASSERT(c.gaps[0].to_lsn == last - 0x200);
    snapshot_close(&s);
    world_close(&w);
    world_open(&w, STUB_STORE_NO_BLOBS);
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    ASSERT_OK(coverage_read(&s, &c, &e));
    CU_ASSERT(c.epochs == 0 && c.ngaps == 0);
    snapshot_close(&s);
    world_close(&w);
}

SUITE("sync/epochs",
      {"an epoch that is not what it is called is none",
       test_an_epoch_that_is_not_what_it_is_called},
      {"epochs that hold too much together are none", test_epochs_that_hold_too_much_together},
      {"too many let the oldest go", test_too_many_epochs_let_the_oldest_go},
      {"a list that overflows says so", test_a_list_that_overflows},
      {"only neighbours are merged", test_only_neighbours_are_merged},
      {"what is too much for one leaves no gap", test_what_is_too_much_for_one_leaves_no_gap},
      {"a gap behind what was merged", test_a_gap_behind_what_was_merged},
      {"many commits are merged behind the newest", test_many_commits_are_merged_behind_the_newest},
      {"coverage counts every gap", test_coverage_counts_every_gap})
