/* map_size.c - what a change map takes per TiB of 8 KiB pages: one epoch in memory and on
 * disk, by the share of pages that changed, scattered or in runs of 64.
 * `make -f plugin.mk bench-map` prints the table. */
#include "base/bytes.h"
#include "sync/change_map.h"
#include "sync/epochs.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { RELATIONS = 128, BLOCKS = 1 << 20 }; /* 128 relations of 8 GiB */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

/* `share` of the pages, in units of 1 / 1000000, in runs of `run` pages. */
static int measure(uint32_t share, uint32_t run, struct zs_error *e)
{
    struct change_map *map = NULL;
    struct change_epoch epoch = {.to_lsn = 1};
    uint8_t key[ZS_KEY_BYTES] = {0}, *bytes = NULL;
    size_t len = 0;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, most = before;
    uint64_t pages = 0;
    if (change_map_open(&map, e) != ZS_OK)
        return ZS_FAIL;
    for (uint32_t i = 0; i < (uint32_t)RELATIONS * (BLOCKS / run); i++) {
        if (mix(i) % 1000000 >= share)
            continue;
        put_u32be(key + 9, i / (BLOCKS / run));
        for (uint32_t k = 0; k < run; k++, pages++) {
            put_u32be(key + 14, i % (BLOCKS / run) * run + k);
            if (change_map_add(map, key, e) != ZS_OK)
                return ZS_FAIL;
        }
        if (pages % 4096 < run && mallinfo2().uordblks + mallinfo2().hblkhd > most)
            most = mallinfo2().uordblks + mallinfo2().hblkhd;
    }
    if (change_map_encode(map, &epoch, &bytes, &len, e) != ZS_OK)
        return ZS_FAIL;
    (void)printf("%9.3f %% %5u %12llu %10.2f MiB ", (double)share / 10000, run,
                 (unsigned long long)pages, (double)(most - before) / 1048576);
    if (bytes == NULL)
        (void)printf("  none: the range is scanned\n");
    else
        (void)printf("%10.2f MiB\n", (double)len / 1048576);
    free(bytes);
    change_map_close(map);
    return ZS_OK;
}

int main(void)
{
    static const struct {
        uint32_t share, run;
    } cases[] = {{10, 1},     {100, 1},   {1000, 1},   {5000, 1},    {10000, 1},   {20000, 1},
                 {100000, 1}, {1000, 64}, {10000, 64}, {100000, 64}, {1000000, 64}};
    struct zs_error e = {0};
    (void)printf("1 TiB of 8 KiB pages; an epoch holds %u MiB at most, a branch %u of them in %u "
                 "MiB\n   changed  runs of       pages      memory         disk\n",
                 CHANGE_MAP_MAX_BYTES >> 20, EPOCHS_MAX, EPOCHS_MAX_BYTES >> 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (measure(cases[i].share, cases[i].run, &e) != ZS_OK) {
            (void)fprintf(stderr, "%s\n", e.message);
            return 1;
        }
    return 0;
}
