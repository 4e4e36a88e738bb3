/* batch_holes.h - runs of zeros in values, which need not travel.
 * Flow: wire/batch finds and leaves them out, wire/batch_read makes them anew.
 * A PostgreSQL page has one between its line pointers and its tuples; here it is a run of
 * zeros like any other, and a value is whatever a host keeps.
 * Threads: any. */
#ifndef ZS_WIRE_BATCH_HOLES_H
#define ZS_WIRE_BATCH_HOLES_H

#include <stdint.h>

/* Of `len` bytes at `at` in a value; len 0: none. */
struct batch_hole {
    uint32_t at, len;
};

/* One word in so many bytes is looked at: a run of that length and a word more is always
 * found, a full page costs 16 looks. */
#define BATCH_HOLE_STRIDE 512u

/* The longest run of zeros that is found, at least BATCH_HOLE_LEAST bytes. */
#define BATCH_HOLE_LEAST 128u
struct batch_hole batch_hole_find(const uint8_t *value, uint32_t len);

#endif
