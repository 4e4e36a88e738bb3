/* fuzz_kv_layout.c - keys and values of the store's engine (kv/kv_layout.h).
 * Input: a byte for the key's length, the key, then the value.
 * Holds: what decodes encodes to the same bytes; a refusal leaves the output. */
#include "support.h"

#include "base/bytes.h"
#include "kv/kv_layout.h"

static void check_record(const char *key, size_t len)
{
    struct zs_record r, untouched;
    char again[KV_RECORD_KEY];
    memset(&r, 0x77, sizeof r);
    untouched = r;
    if (!kv_record_of_key(key, len, &r)) {
        HOLDS(memcmp(&r, &untouched, sizeof r) == 0);
        return;
    }
    HOLDS(r.len == untouched.len && r.value == untouched.value && r.flags == untouched.flags);
    kv_key_record(again, get_u64be(key + 1), r.key, r.lsn, r.kind);
    HOLDS(len == sizeof again && memcmp(again, key, len) == 0 && kv_lsn_of_key(key) == r.lsn);
}

static void check_branch(const char *value, size_t len)
{
    struct branch_meta meta;
    char again[KV_BRANCH_VALUE];
    if (!kv_branch_decode(value, len, &meta))
        return;
    kv_branch_encode(&meta, again);
    HOLDS(len == sizeof again && memcmp(again, value, len) == 0);
}

static void check_point(const char *key, size_t key_len, const char *value, size_t len)
{
    struct zs_point point;
    char again[KV_POINT_VALUE];
    if (!kv_point_decode(key, key_len, value, len, &point))
        return;
    kv_point_encode(&point, again);
    struct kv_key k = kv_key_point(get_u64be(key + 1), point.lsn);
    HOLDS(len == sizeof again && memcmp(again, value, len) == 0);
    HOLDS(key_len == k.len && memcmp(k.bytes, key, k.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t space = 0;
    if (size < 1 || size > 1024)
        return 0;
    size_t key_len = data[0] < size - 1 ? data[0] : size - 1;
    size_t len = size - 1 - key_len;
    const char *key = (const char *)fuzz_bytes(0, data + 1, key_len);
    const char *value = (const char *)fuzz_bytes(1, data + 1 + key_len, len);
    check_record(key, key_len);
    check_branch(value, len);
    check_point(key, key_len, value, len);
    if (kv_space_of_dead(key, key_len, &space)) {
        struct kv_key k = kv_key_dead(space);
        HOLDS(key_len == k.len && memcmp(k.bytes, key, k.len) == 0);
    }
    return 0;
}
