/* digest.c - see digest.h.
 * The head and the value are hashed as one stream; the head's 27 bytes are laid
 * out as the definition says, so that no copy of the value is made. */
#include "base/digest.h"

#include "base/bytes.h"

#define XXH_INLINE_ALL /* the streaming state then lives on the stack, and calls inline */
#include <xxhash.h>

struct zs_digest digest_record(const struct zs_record *record)
{
    uint8_t head[ZS_KEY_BYTES + 8 + 1];
    memcpy(head, record->key, ZS_KEY_BYTES);
    put_u64le(head + ZS_KEY_BYTES, record->lsn);
    head[ZS_KEY_BYTES + 8] = record->kind;

    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_128bits_reset(&state);
    (void)XXH3_128bits_update(&state, head, sizeof head);
    if (record->len > 0)
        (void)XXH3_128bits_update(&state, record->value, record->len);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    return (struct zs_digest){.lo = hash.low64, .hi = hash.high64};
}

void digest_add_records(struct zs_digest *sum, const struct zs_record *records, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        *sum = digest_plus(*sum, digest_record(&records[i]));
}
