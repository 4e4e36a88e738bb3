/* digest.h - the history digest: a sum of record hashes modulo 2^128.
 * Definition: zenith-sync/types.h, struct zs_digest.  Threads: any. */
#ifndef ZS_BASE_DIGEST_H
#define ZS_BASE_DIGEST_H

#include <stdbool.h>
#include <zenith-sync/types.h>

/* XXH3_128 of one record. */
struct zs_digest digest_record(const struct zs_record *record);

/* Add each record's hash to *sum. */
void digest_add_records(struct zs_digest *sum, const struct zs_record *records, uint64_t n);

static inline struct zs_digest digest_plus(struct zs_digest a, struct zs_digest b)
{
    struct zs_digest r = {.lo = a.lo + b.lo};
    r.hi = a.hi + b.hi + (r.lo < a.lo);
    return r;
}

static inline struct zs_digest digest_minus(struct zs_digest a, struct zs_digest b)
{
    struct zs_digest r = {.lo = a.lo - b.lo};
    r.hi = a.hi - b.hi - (a.lo < b.lo);
    return r;
}

static inline bool digest_equal(struct zs_digest a, struct zs_digest b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static inline bool digest_is_zero(struct zs_digest d)
{
    return d.lo == 0 && d.hi == 0;
}

#endif
