/* test_recording.c - what is written through the recording store can be found again by
 * what changed: recording, epochs and selection together, held against full scans. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_store.h"
#include "sync/epochs.h"
#include "sync/recording.h"
#include "sync/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_POINTER(struct change_map, change_map_close)

static struct zs_error e;

struct world {
    struct stub_store *stub;
    struct zs_store host; /* imported */
    struct recording recording;
    const struct zs_store *store;
};

static void world_open(struct world *w, unsigned options)
{
    ASSERT_OK(stub_store_open(options, &w->stub, &e));
    ASSERT_OK(store_import(stub_store_table(w->stub), &w->host, &e));
    recording_init(&w->recording, &w->host);
    w->store = &w->recording.table;
    ASSERT_OK(stub_store_branch_create(w->stub, "main", NULL, NULL, &e));
}

static void world_close(struct world *w)
{
    CU_ASSERT(stub_store_open_handles(w->stub) == 0);
    stub_store_close(w->stub);
}

static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

/* One commit through `store` of n pages chosen by the seed, ascending. */
static zs_lsn commit_some(const struct zs_store *store, uint32_t *seed, uint32_t n, zs_lsn step)
{
    CLEANUP(ingest_close) struct ingest in = {0};
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(store, "main", &info, &e));
    zs_lsn upto = info.last_valid_lsn + step;
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = "main",
                                  .base_lsn = info.last_valid_lsn,
                                  .target_lsn = upto};
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    uint32_t block = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t value[16];
        block += 1 + (next_random(seed) % 3 == 0 ? next_random(seed) % 50 : 0);
        put_u64le(value, *seed);
        put_u64le(value + 8, i);
        struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 16, .lsn = upto, .value = value};
        r.key[13] = (uint8_t)(block / 512); /* several prefixes, in order */
        put_u32be(r.key + 14, block % 512);
        if (next_random(seed) % 10 == 0) {
            r.kind = ZS_KIND_TOMBSTONE;
            r.len = 0;
            r.value = NULL;
        }
        ASSERT_OK(ingest_put(&in, &r, 1, &e));
    }
    struct zs_ingest_state state;
    ASSERT_OK(ingest_state(&in, &state, &e));
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = upto,
                               .sum = state.sum,
                               .end = {.lsn = upto,
                                       .digest = digest_plus(state.base.digest, state.sum),
                                       .records = state.base.records + state.records,
                                       .bytes = state.base.bytes + state.bytes}};
    ASSERT_OK(ingest_commit(&in, &commit, &e));
    return upto;
}

/* How many records a selection gives and what they sum to. */
static struct zs_digest select_sum(const struct snapshot *s, zs_lsn after, struct change_map *map,
                                   uint64_t *count)
{
    struct selection sel = {.map = map, .walk = {.map = map}};
    struct zs_digest sum = {0};
    struct zs_record records[32];
    uint8_t buf[512];
    *count = 0;
    ASSERT_OK(iter_open(s, after, s->info.last_valid_lsn, &sel.iter, &e));
    for (bool more = true; more;) {
        uint64_t n = 0;
        ASSERT_OK(selection_next(&sel, records, 32, buf, sizeof buf, &n, &more, &e));
        digest_add_records(&sum, records, n);
        *count += n;
    }
    selection_close(&sel);
    return sum;
}

static struct change_map *changed(const struct snapshot *s, zs_lsn after, char *why)
{
    struct change_map *map = NULL;
    ASSERT_OK(epochs_changed(s, after, s->info.last_valid_lsn, &map, why, 128, &e));
    return map;
}

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
    zs_lsn first = 0, from = 0;
    uint64_t count = 0, bytes = 0, by_map = 0, by_scan = 0;
    char why[128];
    world_open(&w, 0);
    for (int i = 0; i < 200; i++) {
        zs_lsn at = commit_some(w.store, &x, 20, 0x10);
        first = i == 0 ? at : first;
    }
    CLEANUP(snapshot_close) struct snapshot s = {0};
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    ASSERT_OK(epochs_coverage(&s, &from, &count, &bytes, &e));
    CU_ASSERT(from == first);
    CU_ASSERT(count <= EPOCHS_MAX + 1);
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
        {0, 0, 0, false},
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

SUITE("sync/recording",
      {"the map selects exactly what a full scan finds", test_map_selects_what_a_scan_finds},
      {"old epochs merge and still cover", test_old_epochs_merge_and_still_cover},
      {"a gap is never taken for nothing changed", test_gap_is_never_taken_for_nothing_changed},
      {"a store without blobs is only passed on", test_store_without_blobs_is_only_passed_on},
      {"the cheaper of scan and seeks is taken", test_cheaper_way_is_taken},
      {"epoch names read back, and others are not ours",
       test_epoch_names_read_back_and_others_are_not_ours})
