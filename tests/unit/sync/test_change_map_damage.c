/* test_change_map_damage.c - maps whose checksum fits and that cannot be: what a fault before
 * the checksum was made, or a peer with a store, could leave. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "sync/change_map.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zenith-sync/store.h>

/* head 52: ... keys at 40, sets at 48 | prefix 14, length 4, bitmap | ... | checksum 8 */
enum { KEYS = 40, SETS = 48, FIRST = 52, PREFIX = 14 };

static struct zs_error e;

static uint8_t *two_sets(size_t *len)
{
    struct change_map *m = NULL;
    struct change_epoch epoch = {.from_lsn = 1, .to_lsn = 2};
    uint8_t *bytes = NULL;
    ASSERT_OK(change_map_open(&m, &e));
    for (uint8_t relation = 1; relation <= 2; relation++) {
        uint8_t key[ZS_KEY_BYTES] = {0};
        key[13] = relation;
        put_u32be(key + 14, 7u * relation);
        ASSERT_OK(change_map_add(m, key, &e));
    }
    ASSERT_OK(change_map_encode(m, &epoch, &bytes, len, &e));
    change_map_close(m);
    if (bytes == NULL)
        abort();
    return bytes;
}

static int decode_sealed(uint8_t *bytes, size_t len)
{
    struct change_map *m = NULL;
    struct change_epoch epoch;
    put_u64le(bytes + len - 8, XXH3_64bits(bytes, len - 8));
    int rc = change_map_decode(bytes, len, &epoch, &m, &e);
    CU_ASSERT((rc == ZS_OK) == (m != NULL));
    change_map_close(m);
    return rc;
}

static void test_maps_that_cannot_be(void)
{
    enum {
        GOOD,
        ORDER,
        SAME,
        BITMAP,
        MORE_SETS,
        FEWER_SETS,
        MORE_KEYS,
        LONG_SET,
        BEHIND,
        OTHER,
        SHORT,
        CASES
    };
    static const char *const says[] = {
        [ORDER] = "out of order",        [SAME] = "out of order",
        [BITMAP] = "cannot be read",     [MORE_SETS] = "ends too early",
        [FEWER_SETS] = "behind its end", [MORE_KEYS] = "not as many as it says",
        [LONG_SET] = "ends too early",   [BEHIND] = "behind its end",
        [OTHER] = "not begin like one",  [SHORT] = "not begin like one",
    };
    for (int which = 0; which < CASES; which++) {
        size_t len = 0;
        uint8_t *made = two_sets(&len);
        uint8_t *bytes = calloc(1, len + 1);
        if (bytes == NULL)
            abort();
        memcpy(bytes, made, len);
        if (which == ORDER)
            bytes[FIRST + 13] = 3;
        if (which == SAME)
            bytes[FIRST + 13] = 2;
        if (which == BITMAP)
            bytes[FIRST + PREFIX + 4] ^= 0xFF;
        if (which == MORE_SETS)
            put_u32le(bytes + SETS, 3);
        if (which == FEWER_SETS)
            put_u32le(bytes + SETS, 1);
        if (which == MORE_KEYS)
            put_u64le(bytes + KEYS, 3);
        if (which == LONG_SET)
            put_u32le(bytes + FIRST + PREFIX, (uint32_t)len);
        if (which == BEHIND)
            len++;
        if (which == OTHER)
            bytes[0] ^= 1;
        if (which == SHORT)
            len = FIRST + 7;
        int rc = decode_sealed(bytes, len);
        if (which == GOOD) {
            ASSERT_OK(rc);
        } else {
            ASSERT_FAILS(rc, ZS_CORRUPT);
            CU_ASSERT(strstr(e.message, says[which]) != NULL);
        }
        free(made);
        free(bytes);
    }
}

static void test_a_map_is_no_larger_than_a_blob(void)
{
    size_t len = 0;
    uint8_t *made = two_sets(&len);
    uint8_t *bytes = calloc(1, ZS_BLOB_MAX + 1);
    if (bytes == NULL)
        abort();
    memcpy(bytes, made, len);
    ASSERT_FAILS(decode_sealed(bytes, ZS_BLOB_MAX + 1), ZS_CORRUPT);
    CU_ASSERT(strstr(e.message, "too large") != NULL);
    ASSERT_FAILS(decode_sealed(bytes, ZS_BLOB_MAX), ZS_CORRUPT);
    CU_ASSERT(strstr(e.message, "behind its end") != NULL);
    free(made);
    free(bytes);
}

static void test_what_holds_everything_goes_on_doing_so(void)
{
    struct change_map *all = NULL, *some = NULL;
    uint8_t key[ZS_KEY_BYTES] = {0};
    ASSERT_OK(change_map_open(&all, &e));
    ASSERT_OK(change_map_open(&some, &e));
    for (uint32_t i = 0; !change_map_is_everything(all); i++) { /* a container for each */
        put_u32be(key + 8, i >> 16);
        put_u32be(key + 14, i << 16);
        ASSERT_OK(change_map_add(all, key, &e));
    }
    ASSERT_OK(change_map_add(all, key, &e));
    ASSERT_OK(change_map_add(some, key, &e));
    ASSERT_OK(change_map_merge(all, some, &e));
    CU_ASSERT(change_map_is_everything(all) && change_map_count(all) == 0);
    CU_ASSERT(!change_map_is_everything(some) && change_map_count(some) == 1);
    key[0] = 9;
    CU_ASSERT(change_map_has(all, key) && !change_map_has(some, key));
    change_map_close(all);
    change_map_close(some);
    change_map_close(NULL);
}

/* One that is small as it lies there and would be too much in memory: everything, so that whoever
 * wanted it scans. */
static void test_a_map_that_is_too_much_in_memory(void)
{
    enum { MANY = 60000 };
    size_t two = 0;
    uint8_t *small = two_sets(&two);
    size_t set = (two - FIRST - 8) / 2, len = FIRST + MANY * set + 8;
    CLEANUP(free_ptr) uint8_t *bytes = malloc(len);
    struct change_map *m = NULL;
    struct change_epoch epoch;
    if (bytes == NULL)
        abort();
    memcpy(bytes, small, FIRST);
    put_u64le(bytes + KEYS, MANY);
    put_u32le(bytes + SETS, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t *at = bytes + FIRST + i * set;
        memcpy(at, small + FIRST, set);
        put_u32be(at + PREFIX - 4, i);
    }
    put_u64le(bytes + len - 8, XXH3_64bits(bytes, len - 8));
    CU_ASSERT(len < CHANGE_MAP_MAX_BYTES / 2);
    ASSERT_OK(change_map_decode(bytes, len, &epoch, &m, &e));
    CU_ASSERT(change_map_is_everything(m) && epoch.to_lsn == 2);
    change_map_close(m);
    free(small);
}

SUITE("sync/change_map_damage",
      {"one that is too much in memory is everything", test_a_map_that_is_too_much_in_memory},
      {"maps that cannot be are damaged", test_maps_that_cannot_be},
      {"a map is no larger than a blob", test_a_map_is_no_larger_than_a_blob},
      {"what holds everything goes on doing so", test_what_holds_everything_goes_on_doing_so})
