/* kv_layout.c - see kv_layout.h. */
#include "kv/kv_layout.h"

#include "base/bytes.h"

#include <string.h>

_Static_assert(KV_RECORD_KEY == KV_SPACE_KEY + ZS_KEY_BYTES + 8 + 1, "the picture in kv_layout.h");
#define NUMBERS_AT ((size_t)2 * ZS_TIMELINE_BYTES) /* in a branch's value */

_Static_assert(KV_TAG_BLOB_LENGTH < KV_TAG_RECORD, "metadata sorts before records");

struct kv_key kv_key_tag(uint8_t tag)
{
    struct kv_key k = {.len = 1};
    k.bytes[0] = (char)tag;
    return k;
}

static struct kv_key key_of(uint8_t tag, const void *rest, size_t len)
{
    struct kv_key k = kv_key_tag(tag);
    memcpy(k.bytes + 1, rest, len);
    k.len += len;
    return k;
}

struct kv_key kv_key_version(void)
{
    return key_of(KV_TAG_STORE, "f", 1);
}

struct kv_key kv_key_next_space(void)
{
    return key_of(KV_TAG_STORE, "n", 1);
}

struct kv_key kv_key_branch(const char *name)
{
    return key_of(KV_TAG_BRANCH, name, strnlen(name, ZS_BRANCH_NAME_MAX));
}

struct kv_key kv_key_timeline(struct zs_timeline_id timeline)
{
    return key_of(KV_TAG_TIMELINE, timeline.bytes, ZS_TIMELINE_BYTES);
}

struct kv_key kv_key_space(uint8_t tag, uint64_t space)
{
    uint8_t number[8];
    put_u64be(number, space);
    return key_of(tag, number, sizeof number);
}

struct kv_key kv_key_dead(uint64_t space)
{
    return kv_key_space(KV_TAG_DEAD, space);
}

struct kv_key kv_key_point(uint64_t space, zs_lsn lsn)
{
    struct kv_key k = kv_key_space(KV_TAG_POINT, space);
    put_u64be(k.bytes + k.len, lsn);
    k.len += 8;
    return k;
}

static struct kv_key key_of_blob(uint8_t tag, uint64_t space, const char *name)
{
    struct kv_key k = kv_key_space(tag, space);
    size_t len = strnlen(name, ZS_BLOB_NAME_MAX);
    memcpy(k.bytes + k.len, name, len);
    k.len += len;
    return k;
}

struct kv_key kv_key_blob(uint64_t space, const char *name)
{
    return key_of_blob(KV_TAG_BLOB, space, name);
}

struct kv_key kv_key_blob_length(uint64_t space, const char *name)
{
    return key_of_blob(KV_TAG_BLOB_LENGTH, space, name);
}

void kv_key_record(char *out, uint64_t space, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                   uint8_t kind)
{
    out[0] = KV_TAG_RECORD;
    put_u64be(out + 1, space);
    memcpy(out + KV_SPACE_KEY, key, ZS_KEY_BYTES);
    put_u64be(out + KV_SPACE_KEY + ZS_KEY_BYTES, lsn);
    out[KV_RECORD_KEY - 1] = (char)kind;
}

zs_lsn kv_lsn_of_key(const char *bytes)
{
    return get_u64be(bytes + KV_SPACE_KEY + ZS_KEY_BYTES);
}

bool kv_record_of_key(const char *bytes, size_t len, struct zs_record *record)
{
    if (len != KV_RECORD_KEY || bytes[0] != KV_TAG_RECORD)
        return false;
    uint8_t kind = (uint8_t)bytes[KV_RECORD_KEY - 1];
    if (kind < ZS_KIND_IMAGE || kind > ZS_KIND_TOMBSTONE)
        return false;
    memcpy(record->key, bytes + KV_SPACE_KEY, ZS_KEY_BYTES);
    record->lsn = kv_lsn_of_key(bytes);
    record->kind = kind;
    return true;
}

void kv_branch_encode(const struct branch_meta *meta, char out[KV_BRANCH_VALUE])
{
    const uint64_t numbers[] = {meta->space,     meta->last_valid_lsn, meta->gc_cutoff_lsn,
                                meta->digest.lo, meta->digest.hi,      meta->records,
                                meta->bytes};
    _Static_assert(KV_BRANCH_VALUE == NUMBERS_AT + sizeof numbers, "all of it");
    memcpy(out, meta->timeline.bytes, ZS_TIMELINE_BYTES);
    memcpy(out + ZS_TIMELINE_BYTES, meta->ancestor.bytes, ZS_TIMELINE_BYTES);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put_u64le(out + NUMBERS_AT + 8 * i, numbers[i]);
}

bool kv_branch_decode(const char *bytes, size_t len, struct branch_meta *meta)
{
    if (len != KV_BRANCH_VALUE)
        return false;
    struct branch_meta m = {0};
    uint64_t *const numbers[] = {&m.space,     &m.last_valid_lsn, &m.gc_cutoff_lsn, &m.digest.lo,
                                 &m.digest.hi, &m.records,        &m.bytes};
    memcpy(m.timeline.bytes, bytes, ZS_TIMELINE_BYTES);
    memcpy(m.ancestor.bytes, bytes + ZS_TIMELINE_BYTES, ZS_TIMELINE_BYTES);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = get_u64le(bytes + NUMBERS_AT + 8 * i);
    *meta = m;
    return true;
}

void kv_point_encode(const struct zs_point *point, char out[KV_POINT_VALUE])
{
    put_u64le(out, point->digest.lo);
    put_u64le(out + 8, point->digest.hi);
    put_u64le(out + 16, point->records);
    put_u64le(out + 24, point->bytes);
}

bool kv_point_decode(const char *key, size_t key_len, const char *value, size_t value_len,
                     struct zs_point *point)
{
    if (key_len != KV_POINT_KEY || key[0] != KV_TAG_POINT || value_len != KV_POINT_VALUE)
        return false;
    *point = (struct zs_point){
        .lsn = get_u64be(key + KV_SPACE_KEY),
        .digest = {.lo = get_u64le(value), .hi = get_u64le(value + 8)},
        .records = get_u64le(value + 16),
        .bytes = get_u64le(value + 24),
    };
    return true;
}

bool kv_space_of_dead(const char *bytes, size_t len, uint64_t *space)
{
    if (len != KV_SPACE_KEY || bytes[0] != KV_TAG_DEAD)
        return false;
    *space = get_u64be(bytes + 1);
    return true;
}
