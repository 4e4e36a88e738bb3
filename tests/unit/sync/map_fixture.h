/* map_fixture.h - a store in memory behind the recording one, commits by chance, and what
 * a map selects held against full scans. */
#ifndef TESTS_UNIT_SYNC_MAP_FIXTURE_H
#define TESTS_UNIT_SYNC_MAP_FIXTURE_H

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

#define UNUSED __attribute__((unused))

CLEANUP_POINTER(struct change_map, change_map_close)

UNUSED static struct zs_error e;

struct world {
    struct stub_store *stub;
    struct zs_store host; /* imported */
    struct recording recording;
    const struct zs_store *store;
};

UNUSED static void world_open(struct world *w, unsigned options)
{
    ASSERT_OK(stub_store_open(options, &w->stub, &e));
    ASSERT_OK(store_import(stub_store_table(w->stub), &w->host, &e));
    recording_init(&w->recording, &w->host);
    w->store = &w->recording.table;
    ASSERT_OK(stub_store_branch_create(w->stub, "main", NULL, NULL, &e));
}

UNUSED static void world_close(struct world *w)
{
    CU_ASSERT(stub_store_open_handles(w->stub) == 0);
    stub_store_close(w->stub);
}

UNUSED static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

/* What an ingest has, as a commit at this LSN. */
UNUSED static int commit_at(struct ingest *in, zs_lsn upto)
{
    struct zs_ingest_state state;
    TRY(ingest_state(in, &state, &e));
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = upto,
                               .sum = state.sum,
                               .end = {.lsn = upto,
                                       .digest = digest_plus(state.base.digest, state.sum),
                                       .records = state.base.records + state.records,
                                       .bytes = state.base.bytes + state.bytes}};
    return ingest_commit(in, &commit, &e);
}

/* The blocks [from, to) of one relation, at one LSN. */
UNUSED static int put_blocks(struct ingest *in, uint32_t from, uint32_t to, zs_lsn lsn)
{
    for (; from < to; from++) {
        struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .lsn = lsn, .value = "x"};
        put_u32be(r.key + 14, from);
        TRY(ingest_put(in, &r, 1, &e));
    }
    return ZS_OK;
}

/* One commit through `store` of n pages chosen by the seed, ascending. */
UNUSED static zs_lsn commit_some(const struct zs_store *store, uint32_t *seed, uint32_t n,
                                 zs_lsn step)
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
    ASSERT_OK(commit_at(&in, upto));
    return upto;
}

/* How many records a selection gives and what they sum to. */
UNUSED static struct zs_digest select_sum(const struct snapshot *s, zs_lsn after,
                                          struct change_map *map, uint64_t *count)
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

UNUSED static struct change_map *changed(const struct snapshot *s, zs_lsn after, char *why)
{
    struct change_map *map = NULL;
    ASSERT_OK(epochs_changed(s, after, s->info.last_valid_lsn, &map, why, 128, &e));
    return map;
}

/* For every pair of history points: what the map selects, where there is one, is what a
 * scan finds.  How many ranges had a map. */
UNUSED static unsigned check_every_range(const struct world *w)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct zs_point points[256];
    uint64_t n = 0;
    unsigned mapped = 0;
    char why[128];
    ASSERT_OK(snapshot_open(w->store, "main", &s, &e));
    ASSERT_OK(snapshot_history(&s, s.info.last_valid_lsn, points, 256, &n, &e));
    for (uint64_t i = 1; i < n; i++) {
        uint64_t by_map = 0, by_scan = 0;
        struct change_map *map = changed(&s, points[i].lsn, why);
        if (map == NULL)
            continue;
        mapped++;
        struct zs_digest want = select_sum(&s, points[i].lsn, NULL, &by_scan);
        struct zs_digest got = select_sum(&s, points[i].lsn, map, &by_map); /* takes the map */
        CU_ASSERT(by_map == by_scan && digest_equal(got, want));
    }
    return mapped;
}

#endif
