/* digest.c - see digest.h.
 * The head's 27 bytes are laid out as the definition says.  A short value is copied behind them;
 * any other is hashed with them as one stream, so that no copy of it is made. */
#include "base/digest.h"

#include "base/bytes.h"
#include "base/hash.h"

#define HEAD_BYTES (ZS_KEY_BYTES + 8 + 1)

/* Up to 240 bytes XXH3 is one short function: a record of 32 takes 16 ns in place of 24. */
#define SHORT_BYTES (240 - HEAD_BYTES)

struct zs_digest digest_record(const struct zs_record *record)
{
    uint8_t head[HEAD_BYTES + SHORT_BYTES];
    memcpy(head, record->key, ZS_KEY_BYTES);
    put_u64le(head + ZS_KEY_BYTES, record->lsn);
    head[ZS_KEY_BYTES + 8] = record->kind;

    XXH128_hash_t hash;
    if (record->len <= SHORT_BYTES) {
        if (record->len > 0)
            memcpy(head + HEAD_BYTES, record->value, record->len);
        hash = XXH3_128bits(head, HEAD_BYTES + record->len);
    } else {
        XXH3_state_t state;
        XXH3_INITSTATE(&state);
        (void)XXH3_128bits_reset(&state);
        (void)XXH3_128bits_update(&state, head, HEAD_BYTES);
        (void)XXH3_128bits_update(&state, record->value, record->len);
        hash = XXH3_128bits_digest(&state);
    }
    return (struct zs_digest){.lo = hash.low64, .hi = hash.high64};
}

void digest_add_records(struct zs_digest *sum, const struct zs_record *records, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        *sum = digest_plus(*sum, digest_record(&records[i]));
}
