/* bytes.h - little- and big-endian integers, and a reader that cannot overrun.
 * A reader goes over bytes that somebody else chose: a read past the end gives
 * zeros and sets `failed`, which is checked once, at the end.  Threads: none. */
#ifndef ZS_BASE_BYTES_H
#define ZS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The wire and the files are little-endian; so is every machine the ABI runs on
 * today.  The memcpy compiles to one load or store. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "add byte swaps for this machine");

static inline uint16_t get_u16le(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t get_u32le(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t get_u64le(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void put_u16le(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void put_u32le(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void put_u64le(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline uint16_t get_u16be(const void *p)
{
    return __builtin_bswap16(get_u16le(p));
}

static inline uint32_t get_u32be(const void *p)
{
    return __builtin_bswap32(get_u32le(p));
}

static inline uint64_t get_u64be(const void *p)
{
    return __builtin_bswap64(get_u64le(p));
}

static inline void put_u16be(void *p, uint16_t v)
{
    put_u16le(p, __builtin_bswap16(v));
}

static inline void put_u32be(void *p, uint32_t v)
{
    put_u32le(p, __builtin_bswap32(v));
}

static inline void put_u64be(void *p, uint64_t v)
{
    put_u64le(p, __builtin_bswap64(v));
}

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct reader reader_over(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    return (struct reader){.at = at, .end = at + len};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* The next n bytes, or NULL (and failed) if there are fewer. */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
    if (r->failed || reader_left(r) < n) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p == NULL ? 0 : *p;
}

static inline uint16_t reader_u16be(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p == NULL ? 0 : get_u16be(p);
}

static inline uint32_t reader_u32be(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p == NULL ? 0 : get_u32be(p);
}

static inline uint32_t reader_u32le(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p == NULL ? 0 : get_u32le(p);
}

static inline uint64_t reader_u64le(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);
    return p == NULL ? 0 : get_u64le(p);
}

/* The next NUL-terminated string (a view), or NULL if no NUL is left. */
static inline const char *reader_cstring(struct reader *r)
{
    const uint8_t *nul = r->failed ? NULL : memchr(r->at, 0, reader_left(r));
    if (nul == NULL) {
        r->failed = true;
        return NULL;
    }
    return (const char *)reader_take(r, (size_t)(nul - r->at) + 1);
}

#endif
