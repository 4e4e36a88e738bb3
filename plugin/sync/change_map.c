/* change_map.c - see change_map.h. */
#include "sync/change_map.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "sync/roaring_check.h"

#include <roaring/roaring.h>
#include <stdlib.h>
#include <string.h>
#include <zenith-sync/store.h>

#define PREFIX 14
#define HEAD   52u
#define TAIL   8u
/* What is taken in memory, measured with glibc, which is more than it is encoded: two bytes a key
 * in an array container, a container's and a prefix's own.  While keys are added the container
 * is charged whenever a key is not in the last one's, which is too much: settle() counts. */
#define KEY_COST       2u
#define CONTAINER_COST 72u
#define PREFIX_COST    112u

static const uint8_t magic[8] = {'Z', 'S', 'C', 'H', 'M', 'A', 'P', '1'};

struct page_set {
    uint8_t prefix[PREFIX];
    roaring_bitmap_t *blocks;
};

struct change_map {
    struct page_set *sets; /* ascending by prefix */
    uint32_t nsets, capacity;
    uint64_t cost; /* an upper bound of what it takes */
    uint8_t last_key[ZS_KEY_BYTES];
    bool everything;
};

CLEANUP_POINTER(struct change_map, change_map_close)

int change_map_open(struct change_map **out, struct zs_error *e)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? error_memory(e) : ZS_OK;
}

static void forget(struct change_map *m)
{
    for (uint32_t i = 0; i < m->nsets; i++)
        roaring_bitmap_free(m->sets[i].blocks);
    free(m->sets);
    m->sets = NULL;
    m->nsets = m->capacity = 0;
}

void change_map_close(struct change_map *m)
{
    if (m == NULL)
        return;
    forget(m);
    free(m);
}

void change_map_become_everything(struct change_map *m)
{
    forget(m);
    m->everything = true;
    m->cost = 0;
}

static uint64_t set_cost(const roaring_bitmap_t *blocks)
{
    return (uint64_t)blocks->high_low_container.size * CONTAINER_COST +
           roaring_bitmap_portable_size_in_bytes(blocks);
}

void change_map_compact(struct change_map *m)
{
    m->cost = 0;
    for (uint32_t i = 0; i < m->nsets; i++) {
        (void)roaring_bitmap_run_optimize(m->sets[i].blocks);
        (void)roaring_bitmap_shrink_to_fit(m->sets[i].blocks);
        m->cost += PREFIX_COST + set_cost(m->sets[i].blocks);
    }
}

/* What was charged passed the bound: is it taken?  A map that stays is left so much room that the
 * next look is far away. */
static void settle(struct change_map *m)
{
    if (m->cost <= CHANGE_MAP_MAX_BYTES)
        return;
    change_map_compact(m);
    if (m->cost > CHANGE_MAP_MAX_BYTES - CHANGE_MAP_MAX_BYTES / 4)
        change_map_become_everything(m);
}

/* The place of `prefix`, or where it belongs.  The last place is tried first: keys
 * come in ascending order but for merges. */
static bool find(const struct change_map *m, const uint8_t *prefix, uint32_t *at)
{
    if (m->nsets > 0) {
        int c = memcmp(prefix, m->sets[m->nsets - 1].prefix, PREFIX);
        *at = c > 0 ? m->nsets : m->nsets - 1;
        if (c >= 0)
            return c == 0;
    }
    uint32_t low = 0, high = m->nsets;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int c = memcmp(prefix, m->sets[mid].prefix, PREFIX);
        if (c == 0) {
            *at = mid;
            return true;
        }
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    *at = low;
    return false;
}

static int grow(struct change_map *m, struct zs_error *e)
{
    if (m->nsets < m->capacity)
        return ZS_OK;
    uint32_t capacity = m->capacity == 0 ? 16 : 2 * m->capacity;
    struct page_set *sets = reallocarray(m->sets, capacity, sizeof *sets);
    if (sets == NULL) {
        (void)error_memory(e);
        return ZS_FAIL; /* said here, where a linter sees it */
    }
    m->sets = sets;
    m->capacity = capacity;
    return ZS_OK;
}

/* The bitmap of `prefix`, made if it is new. */
static int set_for(struct change_map *m, const uint8_t *prefix, roaring_bitmap_t **out,
                   struct zs_error *e)
{
    uint32_t at = 0;
    if (!find(m, prefix, &at)) {
        TRY(grow(m, e));
        roaring_bitmap_t *blocks = roaring_bitmap_create();
        if (blocks == NULL) {
            (void)error_memory(e);
            return ZS_FAIL; /* said here, where a linter sees it */
        }
        memmove(&m->sets[at + 1], &m->sets[at], (size_t)(m->nsets - at) * sizeof *m->sets);
        memcpy(m->sets[at].prefix, prefix, PREFIX);
        m->sets[at].blocks = blocks;
        m->nsets++;
        m->cost += PREFIX_COST;
    }
    *out = m->sets[at].blocks;
    return ZS_OK;
}

int change_map_add(struct change_map *m, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e)
{
    roaring_bitmap_t *blocks = NULL;
    if (m->everything)
        return ZS_OK;
    TRY(set_for(m, key, &blocks, e));
    if (roaring_bitmap_add_checked(blocks, get_u32be(key + PREFIX))) {
        bool same_container = memcmp(key, m->last_key, ZS_KEY_BYTES - 2) == 0;
        m->cost += KEY_COST + (same_container ? 0 : CONTAINER_COST);
        memcpy(m->last_key, key, ZS_KEY_BYTES);
    }
    settle(m);
    return ZS_OK;
}

int change_map_merge(struct change_map *m, const struct change_map *other, struct zs_error *e)
{
    if (other->everything)
        change_map_become_everything(m);
    for (uint32_t i = 0; i < other->nsets && !m->everything; i++) {
        roaring_bitmap_t *blocks = NULL;
        TRY(set_for(m, other->sets[i].prefix, &blocks, e));
        uint64_t before = set_cost(blocks);
        roaring_bitmap_or_inplace(blocks, other->sets[i].blocks);
        uint64_t after = set_cost(blocks);
        m->cost += after > before ? after - before : 0;
        settle(m);
    }
    return ZS_OK;
}

bool change_map_is_everything(const struct change_map *m)
{
    return m->everything;
}

uint64_t change_map_count(const struct change_map *m)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < m->nsets; i++)
        n += roaring_bitmap_get_cardinality(m->sets[i].blocks);
    return n;
}

uint64_t change_map_cost(const struct change_map *m)
{
    return m->cost;
}

bool change_map_has(const struct change_map *m, const uint8_t key[ZS_KEY_BYTES])
{
    uint32_t at = 0;
    return m->everything || (find(m, key, &at) &&
                             roaring_bitmap_contains(m->sets[at].blocks, get_u32be(key + PREFIX)));
}

int change_map_encode(const struct change_map *m, const struct change_epoch *epoch, uint8_t **bytes,
                      size_t *len, struct zs_error *e)
{
    *bytes = NULL;
    *len = 0;
    if (m->everything)
        return ZS_OK;
    size_t size = HEAD + TAIL;
    for (uint32_t i = 0; i < m->nsets; i++) {
        (void)roaring_bitmap_run_optimize(m->sets[i].blocks);
        size += PREFIX + 4 + roaring_bitmap_portable_size_in_bytes(m->sets[i].blocks);
    }
    uint8_t *out = malloc(size);
    if (out == NULL)
        return error_memory(e);
    memcpy(out, magic, sizeof magic);
    put_u64le(out + 8, epoch->from_lsn);
    put_u64le(out + 16, epoch->to_lsn);
    memcpy(out + 24, epoch->timeline.bytes, ZS_TIMELINE_BYTES);
    put_u64le(out + 40, change_map_count(m));
    put_u32le(out + 48, m->nsets);
    uint8_t *at = out + HEAD;
    for (uint32_t i = 0; i < m->nsets; i++) {
        memcpy(at, m->sets[i].prefix, PREFIX);
        size_t n = roaring_bitmap_portable_serialize(m->sets[i].blocks, (char *)at + PREFIX + 4);
        put_u32le(at + PREFIX, (uint32_t)n);
        at += PREFIX + 4 + n;
    }
    put_u64le(at, XXH3_64bits(out, size - TAIL));
    *bytes = out;
    *len = size;
    return ZS_OK;
}

static int damaged(struct zs_error *e, const char *what)
{
    return error_set(e, ZS_CORRUPT, "a stored change map is damaged: %s", what);
}

/* One prefix and its bitmap.  Roaring trusts what it has read, so that a bitmap is looked
 * through before. */
static int decode_set(struct reader *r, struct change_map *m, struct zs_error *e)
{
    const uint8_t *prefix = reader_take(r, PREFIX);
    uint32_t n = reader_u32le(r);
    const uint8_t *bits = reader_take(r, n);
    if (r->failed)
        return damaged(e, "it ends too early");
    if (m->nsets > 0 && memcmp(prefix, m->sets[m->nsets - 1].prefix, PREFIX) <= 0)
        return damaged(e, "its prefixes are out of order");
    if (!roaring_is_sound(bits, n))
        return damaged(e, "a bitmap in it cannot be read");
    TRY(grow(m, e));
    roaring_bitmap_t *blocks = roaring_bitmap_portable_deserialize_safe((const char *)bits, n);
    if (blocks == NULL)
        return error_memory(e);
    memcpy(m->sets[m->nsets].prefix, prefix, PREFIX);
    m->sets[m->nsets].blocks = blocks;
    m->nsets++;
    m->cost += PREFIX_COST + set_cost(blocks);
    return ZS_OK;
}

int change_map_decode(const uint8_t *bytes, size_t len, struct change_epoch *epoch,
                      struct change_map **out, struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *m = NULL;
    if (len < HEAD + TAIL || memcmp(bytes, magic, sizeof magic) != 0)
        return damaged(e, "it does not begin like one");
    if (len > ZS_BLOB_MAX)
        return damaged(e, "it is too large");
    if (XXH3_64bits(bytes, len - TAIL) != get_u64le(bytes + len - TAIL))
        return damaged(e, "its checksum does not fit");
    struct reader r = reader_over(bytes + 48, len - 48 - TAIL);
    uint32_t nsets = reader_u32le(&r);
    TRY(change_map_open(&m, e));
    for (uint32_t i = 0; i < nsets && !m->everything; i++) {
        TRY(decode_set(&r, m, e));
        if (m->cost > CHANGE_MAP_MAX_BYTES)
            change_map_become_everything(m);
    }
    if (!m->everything && reader_left(&r) != 0)
        return damaged(e, "something stands behind its end");
    if (!m->everything && change_map_count(m) != get_u64le(bytes + 40))
        return damaged(e, "its keys are not as many as it says");
    epoch->from_lsn = get_u64le(bytes + 8);
    epoch->to_lsn = get_u64le(bytes + 16);
    memcpy(epoch->timeline.bytes, bytes + 24, ZS_TIMELINE_BYTES);
    *out = m;
    m = NULL;
    return ZS_OK;
}

bool change_walk_next(struct change_walk *w, uint8_t first[ZS_KEY_BYTES],
                      uint8_t last[ZS_KEY_BYTES])
{
    for (; w->prefix < w->map->nsets; w->prefix++, w->block = 0) {
        const struct page_set *set = &w->map->sets[w->prefix];
        roaring_uint32_iterator_t it;
        roaring_init_iterator(set->blocks, &it);
        if (w->block > UINT32_MAX || !it.has_value ||
            !roaring_move_uint32_iterator_equalorlarger(&it, (uint32_t)w->block))
            continue;
        uint32_t from = it.current_value, to = from;
        while (roaring_advance_uint32_iterator(&it) && it.current_value == to + 1)
            to++;
        memcpy(first, set->prefix, PREFIX);
        put_u32be(first + PREFIX, from);
        memcpy(last, set->prefix, PREFIX);
        put_u32be(last + PREFIX, to);
        w->block = (uint64_t)to + 1;
        return true;
    }
    return false;
}

uint64_t change_map_runs(const struct change_map *m)
{
    struct change_walk w = {.map = m};
    uint8_t first[ZS_KEY_BYTES], last[ZS_KEY_BYTES];
    uint64_t runs = 0;
    while (change_walk_next(&w, first, last))
        runs++;
    return runs;
}
