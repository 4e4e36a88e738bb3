/* batch_holes.c - see batch_holes.h. */
#include "wire/batch_holes.h"

#include "base/bytes.h"

/* Where the zeros end that begin at or before `at`. */
static uint32_t run_end(const uint8_t *value, uint32_t at, uint32_t len)
{
    while (len - at >= 32 && (get_u64le(value + at) | get_u64le(value + at + 8) |
                              get_u64le(value + at + 16) | get_u64le(value + at + 24)) == 0)
        at += 32;
    while (at < len && value[at] == 0)
        at++;
    return at;
}

/* Where they begin, not before `least`. */
static uint32_t run_start(const uint8_t *value, uint32_t at, uint32_t least)
{
    while (at - least >= 8 && get_u64le(value + at - 8) == 0)
        at -= 8;
    while (at > least && value[at - 1] == 0)
        at--;
    return at;
}

struct batch_hole batch_hole_find(const uint8_t *value, uint32_t len)
{
    struct batch_hole best = {0};
    uint32_t seen = 0; /* no run of before goes on here */
    for (uint32_t at = 0; len >= 8 && at <= len - 8;) {
        if (get_u64le(value + at) == 0) {
            uint32_t start = run_start(value, at, seen), end = run_end(value, at, len);
            if (end - start > best.len && end - start >= BATCH_HOLE_LEAST)
                best = (struct batch_hole){.at = start, .len = end - start};
            seen = end;
            at = end - end % BATCH_HOLE_STRIDE;
        }
        at += BATCH_HOLE_STRIDE;
    }
    return best;
}
