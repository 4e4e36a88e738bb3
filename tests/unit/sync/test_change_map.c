/* test_change_map.c - sets of keys, their durable form and its damages. */
#include "../../support/suite.h"
#include "base/bytes.h"
#include "sync/change_map.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct zs_error e;
static const struct change_epoch epoch = {
    .timeline = {{1, 2, 3}}, .from_lsn = 0x10, .to_lsn = 0x1600000020};

static void key_of(uint8_t relation, uint32_t block, uint8_t key[ZS_KEY_BYTES])
{
    memset(key, 0, ZS_KEY_BYTES);
    key[12] = relation;
    put_u32be(key + 14, block);
}

static void add(struct change_map *m, uint8_t relation, uint32_t block)
{
    uint8_t key[ZS_KEY_BYTES];
    key_of(relation, block, key);
    ASSERT_OK(change_map_add(m, key, &e));
}

static bool has(const struct change_map *m, uint8_t relation, uint32_t block)
{
    uint8_t key[ZS_KEY_BYTES];
    key_of(relation, block, key);
    return change_map_has(m, key);
}

static struct change_map *open_map(void)
{
    struct change_map *m = NULL;
    ASSERT_OK(change_map_open(&m, &e));
    return m;
}

static void test_holds_what_was_added_in_any_order(void)
{
    struct change_map *m = open_map();
    bool model[4][2048] = {{false}};
    uint64_t count = 0;
    uint32_t x = 12345;
    for (int i = 0; i < 3000; i++) {
        x = x * 1664525u + 1013904223u;
        uint8_t relation = (uint8_t)(x >> 30);
        uint32_t block = x >> 8 & 2047;
        count += !model[relation][block];
        model[relation][block] = true;
        add(m, relation, block);
    }
    CU_ASSERT(change_map_count(m) == count);
    for (uint8_t r = 0; r < 4; r++)
        for (uint32_t b = 0; b < 2048; b++)
            CU_ASSERT(has(m, r, b) == model[r][b]);
    change_map_close(m);
}

static void test_walk_gives_runs_in_order(void)
{
    static const struct {
        uint8_t relation;
        uint32_t from, to;
    } runs[] = {{1, 0, 0}, {1, 5, 9}, {1, UINT32_MAX, UINT32_MAX}, {2, 65530, 65540}, {9, 7, 7}};
    enum { N = sizeof runs / sizeof *runs };
    struct change_map *m = open_map();
    for (int i = N - 1; i >= 0; i--)
        for (uint64_t b = runs[i].from; b <= runs[i].to; b++)
            add(m, runs[i].relation, (uint32_t)b);
    struct change_walk w = {.map = m};
    uint8_t first[ZS_KEY_BYTES], last[ZS_KEY_BYTES], want[ZS_KEY_BYTES];
    for (int i = 0; i < N; i++) {
        CU_ASSERT_FATAL(change_walk_next(&w, first, last));
        key_of(runs[i].relation, runs[i].from, want);
        CU_ASSERT(memcmp(first, want, sizeof want) == 0);
        key_of(runs[i].relation, runs[i].to, want);
        CU_ASSERT(memcmp(last, want, sizeof want) == 0);
    }
    CU_ASSERT(!change_walk_next(&w, first, last));
    CU_ASSERT(change_map_runs(m) == N);
    change_map_close(m);
}

static void test_merge_is_union(void)
{
    struct change_map *a = open_map(), *b = open_map();
    add(a, 1, 1);
    add(a, 3, 3);
    add(b, 1, 2);
    add(b, 2, 2);
    add(b, 3, 3);
    ASSERT_OK(change_map_merge(a, b, &e));
    CU_ASSERT(change_map_count(a) == 4);
    CU_ASSERT(has(a, 1, 1) && has(a, 1, 2) && has(a, 2, 2) && has(a, 3, 3));
    change_map_close(a);
    change_map_close(b);
}

static uint8_t *encode_some(size_t *len)
{
    struct change_map *m = open_map();
    for (uint32_t b = 0; b < 300; b++)
        add(m, (uint8_t)(b % 3), b * b);
    uint8_t *bytes = NULL;
    ASSERT_OK(change_map_encode(m, &epoch, &bytes, len, &e));
    CU_ASSERT_FATAL(bytes != NULL);
    change_map_close(m);
    return bytes;
}

static void test_reads_back_what_was_written(void)
{
    size_t len = 0;
    uint8_t *bytes = encode_some(&len);
    struct change_epoch got;
    struct change_map *m = NULL;
    ASSERT_OK(change_map_decode(bytes, len, &got, &m, &e));
    CU_ASSERT(memcmp(&got, &epoch, sizeof got) == 0);
    CU_ASSERT(change_map_count(m) == 300);
    for (uint32_t b = 0; b < 300; b++)
        CU_ASSERT(has(m, (uint8_t)(b % 3), b * b));
    change_map_close(m);
    free(bytes);
}

static void test_every_damage_is_found(void)
{
    size_t len = 0;
    uint8_t *bytes = encode_some(&len);
    struct change_epoch got;
    struct change_map *m = NULL;
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x10;
        ASSERT_FAILS(change_map_decode(bytes, len, &got, &m, &e), ZS_CORRUPT);
        bytes[i] ^= 0x10;
        uint8_t *cut = malloc(i == 0 ? 1 : i); /* exact size, so that a read past it is seen */
        if (cut == NULL)
            abort();
        memcpy(cut, bytes, i);
        ASSERT_FAILS(change_map_decode(cut, i, &got, &m, &e), ZS_CORRUPT);
        free(cut);
    }
    CU_ASSERT(m == NULL);
    free(bytes);
}

static void test_outgrown_map_holds_everything_and_is_not_written(void)
{
    struct change_map *m = open_map();
    /* One key per container: the dearest shape there is. */
    for (uint64_t i = 0; !change_map_is_everything(m); i++) {
        CU_ASSERT_FATAL(i < CHANGE_MAP_MAX_BYTES);
        uint8_t key[ZS_KEY_BYTES] = {0};
        put_u32be(key + 8, (uint32_t)(i >> 16));
        put_u32be(key + 14, (uint32_t)(i << 16));
        ASSERT_OK(change_map_add(m, key, &e));
    }
    CU_ASSERT(has(m, 77, 77));
    uint8_t *bytes = NULL;
    size_t len = 1;
    ASSERT_OK(change_map_encode(m, &epoch, &bytes, &len, &e));
    CU_ASSERT(bytes == NULL && len == 0);
    struct change_map *other = open_map();
    ASSERT_OK(change_map_merge(other, m, &e));
    CU_ASSERT(change_map_is_everything(other));
    change_map_close(other);
    change_map_close(m);
}

static void test_encoded_size_stays_below_the_bound(void)
{
    struct change_map *m = open_map();
    uint32_t x = 1;
    uint8_t *bytes = NULL;
    size_t len = 0;
    for (int i = 0; i < 1000000 && !change_map_is_everything(m); i++) {
        x = x * 1664525u + 1013904223u;
        add(m, (uint8_t)(x >> 28), x >> 6 & 0x3ffff);
    }
    ASSERT_OK(change_map_encode(m, &epoch, &bytes, &len, &e));
    CU_ASSERT(len <= CHANGE_MAP_MAX_BYTES);
    free(bytes);
    change_map_close(m);
}

/* 40 GiB of neighbours are one run, in memory and on disk, in whatever order they came. */
static void test_neighbours_take_little(void)
{
    for (int upwards = 0; upwards < 2; upwards++) {
        enum { BLOCKS = 5000000 };
        struct change_map *m = open_map();
        uint8_t *bytes = NULL;
        size_t len = 0;
        for (uint32_t i = 0; i < BLOCKS; i++)
            add(m, 1, upwards ? i : BLOCKS - 1 - i);
        CU_ASSERT(!change_map_is_everything(m) && change_map_count(m) == BLOCKS);
        change_map_compact(m);
        CU_ASSERT(change_map_cost(m) < 16384);
        ASSERT_OK(change_map_encode(m, &epoch, &bytes, &len, &e));
        CU_ASSERT(bytes != NULL && len < 4096);
        free(bytes);
        change_map_close(m);
    }
}

/* The dearest shapes there are: a relation each, and a container each. */
static void test_the_bound_is_one_of_memory(void)
{
    for (int shape = 0; shape < 2; shape++) {
        struct change_map *m = open_map();
        size_t before = mallinfo2().uordblks, most = 0;
        uint32_t keys = 0;
        for (; !change_map_is_everything(m); keys++) {
            uint8_t key[ZS_KEY_BYTES] = {0};
            put_u32be(key + 8, shape == 0 ? keys : keys >> 15);
            put_u32be(key + 14, shape == 0 ? 7 : keys << 16);
            ASSERT_OK(change_map_add(m, key, &e));
            size_t now = keys % 1024 == 0 ? mallinfo2().uordblks : 0; /* it is slow */
            most = now > most ? now : most;
        }
        CU_ASSERT(keys > (shape == 0 ? 30000u : 60000u));
        CU_ASSERT(most <= before + CHANGE_MAP_MAX_BYTES +
                              CHANGE_MAP_MAX_BYTES / 8); /* 0 with a sanitizer's malloc */
        change_map_close(m);
    }
}

SUITE("sync/change_map", {"neighbours take little", test_neighbours_take_little},
      {"the bound is one of memory", test_the_bound_is_one_of_memory},
      {"a map holds what was added, in any order", test_holds_what_was_added_in_any_order},
      {"a walk gives runs of blocks in key order", test_walk_gives_runs_in_order},
      {"a merge is the union", test_merge_is_union},
      {"a map reads back as it was written", test_reads_back_what_was_written},
      {"every flipped byte and every cut is found", test_every_damage_is_found},
      {"a map that outgrew its bound holds everything and is not written",
       test_outgrown_map_holds_everything_and_is_not_written},
      {"what is written stays below the bound", test_encoded_size_stays_below_the_bound})
