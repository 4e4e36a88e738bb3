/* fuzz_change_map.c - change maps as they are stored (sync/change_map.h).
 * Input: a byte of mode, then the bytes.  Mode 1 mends the checksum.
 * Holds: what decodes can be walked, in order and to the end, has as many keys as its
 * runs, merges, and encodes to bytes that decode to the same. */
#include "support.h"

#include "base/bytes.h"
#include "sync/change_map.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void mend(uint8_t *bytes, size_t size)
{
    if (size >= 60)
        put_u64le(bytes + size - 8, XXH3_64bits(bytes, size - 8));
}

static void check_walk(const struct change_map *m)
{
    struct change_walk walk = {.map = m};
    uint8_t first[ZS_KEY_BYTES], last[ZS_KEY_BYTES], before[ZS_KEY_BYTES] = {0};
    uint64_t keys = 0, runs = 0;
    while (change_walk_next(&walk, first, last)) {
        HOLDS(memcmp(first, last, ZS_KEY_BYTES) <= 0);
        HOLDS(runs == 0 || memcmp(before, first, ZS_KEY_BYTES) < 0);
        HOLDS(change_map_has(m, first) && change_map_has(m, last));
        keys += (uint64_t)get_u32be(last + 14) - get_u32be(first + 14) + 1;
        memcpy(before, last, sizeof before);
        runs++;
    }
    HOLDS(keys == change_map_count(m) && runs == change_map_runs(m));
}

static void check_again(const struct change_map *m, const struct change_epoch *epoch)
{
    struct change_map *again = NULL, *sum = NULL;
    struct change_epoch same;
    uint8_t *first = NULL, *second = NULL;
    size_t first_len = 0, second_len = 0;
    struct zs_error e;
    fuzz_error_before(&e);
    HOLDS(change_map_encode(m, epoch, &first, &first_len, &e) == ZS_OK && first != NULL);
    HOLDS(fuzz_error_after(change_map_decode(first, first_len, &same, &again, &e), &e));
    HOLDS(change_map_count(again) == change_map_count(m));
    HOLDS(change_map_encode(again, &same, &second, &second_len, &e) == ZS_OK);
    HOLDS(first_len == second_len && memcmp(first, second, first_len) == 0);
    HOLDS(change_map_open(&sum, &e) == ZS_OK && change_map_merge(sum, m, &e) == ZS_OK);
    HOLDS(change_map_merge(sum, again, &e) == ZS_OK);
    HOLDS(change_map_count(sum) == change_map_count(m));
    change_map_close(sum);
    change_map_close(again);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct change_map *m = NULL;
    struct change_epoch epoch;
    struct zs_error e;
    if (size < 1 || size > 4096)
        return 0;
    uint8_t *bytes = fuzz_bytes(0, data + 1, size - 1);
    if (data[0] & 1u)
        mend(bytes, size - 1);
    fuzz_error_before(&e);
    if (!fuzz_error_after(change_map_decode(bytes, size - 1, &epoch, &m, &e), &e)) {
        HOLDS(m == NULL);
        return 0;
    }
    check_walk(m);
    check_again(m, &epoch);
    change_map_close(m);
    return 0;
}
