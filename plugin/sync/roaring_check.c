/* roaring_check.c - see roaring_check.h. */
#include "sync/roaring_check.h"

#include "base/bytes.h"

enum {
    COOKIE_PLAIN = 12346,
    COOKIE_RUNS = 12347,
    NO_OFFSETS_BELOW = 4, /* containers, if there are runs */
    ARRAY_MAX = 4096,
    CONTAINERS_MAX = 65536,
    BITS_BYTES = 8192,
};

static bool runs_are_sound(struct reader *r, uint32_t count)
{
    const uint8_t *size = reader_take(r, 2);
    uint32_t n = size == NULL ? 0 : get_u16le(size), keys = 0, next = 0;
    const uint8_t *runs = reader_take(r, (size_t)n * 4);
    for (uint32_t i = 0; runs != NULL && i < n; i++) {
        uint32_t first = get_u16le(runs + (size_t)i * 4);
        uint32_t length = get_u16le(runs + (size_t)i * 4 + 2) + 1u;
        if (first < next || first + length > 65536)
            return false;
        next = first + length;
        keys += length;
    }
    return runs != NULL && keys == count;
}

static bool array_is_sound(struct reader *r, uint32_t count)
{
    const uint8_t *keys = reader_take(r, (size_t)count * 2);
    for (uint32_t i = 1; keys != NULL && i < count; i++)
        if (get_u16le(keys + (size_t)i * 2) <= get_u16le(keys + (size_t)i * 2 - 2))
            return false;
    return keys != NULL;
}

static bool bits_are_sound(struct reader *r, uint32_t count)
{
    const uint8_t *bits = reader_take(r, BITS_BYTES);
    uint32_t keys = 0;
    for (size_t i = 0; bits != NULL && i < BITS_BYTES; i += 8)
        keys += (uint32_t)__builtin_popcountll(get_u64le(bits + i));
    return bits != NULL && keys == count;
}

bool roaring_is_sound(const uint8_t *bytes, size_t len)
{
    struct reader r = reader_over(bytes, len);
    uint32_t cookie = reader_u32le(&r), n = 0;
    const uint8_t *runs = NULL;
    if ((cookie & 0xFFFFu) == COOKIE_RUNS) {
        n = (cookie >> 16u) + 1;
        runs = reader_take(&r, (n + 7) / 8);
    } else if (cookie == COOKIE_PLAIN) {
        n = reader_u32le(&r);
    } else {
        return false;
    }
    if (n > CONTAINERS_MAX)
        return false;
    const uint8_t *heads = reader_take(&r, (size_t)n * 4);
    if (runs == NULL || n >= NO_OFFSETS_BELOW)
        (void)reader_take(&r, (size_t)n * 4);
    for (uint32_t i = 0; !r.failed && i < n; i++) {
        const uint8_t *head = heads + (size_t)i * 4;
        uint32_t count = get_u16le(head + 2) + 1u;
        bool good = i == 0 || get_u16le(head) > get_u16le(head - 4);
        if (runs != NULL && (runs[i / 8] >> i % 8 & 1u) != 0)
            good = good && runs_are_sound(&r, count);
        else if (count <= ARRAY_MAX)
            good = good && array_is_sound(&r, count);
        else
            good = good && bits_are_sound(&r, count);
        if (!good)
            return false;
    }
    return !r.failed && reader_left(&r) == 0;
}
