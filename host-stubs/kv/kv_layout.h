/* kv_layout.h - what the engine's keys and values look like.
 *
 * One ordered key space, told apart by its first byte.  All metadata sorts before
 * all records, so that a commit's metadata fits in one sorted file that overlaps
 * no file with records:
 *
 *   01 'f'                                      layout version, text
 *   01 'n'                                      next free space, u64
 *   02 name                                     struct branch_meta, 88 bytes
 *   03 timeline(16)                             the name of its branch
 *   04 space(8)                                 records waiting to be removed; empty value
 *   05 space(8) lsn(8)                          a history point: digest, records, bytes
 *   06 space(8) name                            a blob
 *   07 space(8) name                            its length, u64: a listing reads no blob
 *   10 space(8) key(18) lsn(8) kind(1)          a record; the engine's value is the record's
 *
 * Numbers in keys are big endian, in values little endian.  A *space* is a number
 * that is given to a timeline when its branch is made here and never used again: what
 * a removed branch leaves behind cannot meet the records of the next one, even if it
 * has the same timeline id.  The kind stands in the key (behind what makes it unique),
 * so that values are handed on as they are, without a copy to prepend a byte.
 *
 * Pure functions.  Threads: any. */
#ifndef HOST_STUBS_KV_LAYOUT_H
#define HOST_STUBS_KV_LAYOUT_H

#include <stdbool.h>
#include <zenith-sync/store.h>

#define KV_LAYOUT_VERSION "zenith-sync kv 2"
/* The one before, without lengths: they are added when it is opened. */
#define KV_LAYOUT_VERSION_1 "zenith-sync kv 1"

#define KV_TAG_STORE       0x01
#define KV_TAG_BRANCH      0x02
#define KV_TAG_TIMELINE    0x03
#define KV_TAG_DEAD        0x04
#define KV_TAG_POINT       0x05
#define KV_TAG_BLOB        0x06
#define KV_TAG_BLOB_LENGTH 0x07
#define KV_TAG_RECORD      0x10

#define KV_SPACE_KEY    9 /* a tag and a space: the start of points, records, the dead */
#define KV_POINT_KEY    17
#define KV_RECORD_KEY   36
#define KV_NAME_KEY_MAX (1 + ZS_BRANCH_NAME_MAX)
#define KV_TIMELINE_KEY (1 + ZS_TIMELINE_BYTES)

#define KV_BRANCH_VALUE 88
#define KV_POINT_VALUE  32

/* An engine key of any sort. */
struct kv_key {
    char bytes[KV_NAME_KEY_MAX];
    size_t len;
};

/* A branch as it is stored. */
struct branch_meta {
    struct zs_timeline_id timeline, ancestor;
    uint64_t space;
    zs_lsn last_valid_lsn, gc_cutoff_lsn;
    struct zs_digest digest;
    uint64_t records, bytes;
};

struct kv_key kv_key_version(void);
struct kv_key kv_key_next_space(void);
struct kv_key kv_key_branch(const char *name); /* a checked name */
struct kv_key kv_key_timeline(struct zs_timeline_id timeline);
struct kv_key kv_key_dead(uint64_t space);
struct kv_key kv_key_point(uint64_t space, zs_lsn lsn);
struct kv_key kv_key_blob(uint64_t space, const char *name); /* a checked name */
struct kv_key kv_key_blob_length(uint64_t space, const char *name);

/* The first key of a tag, and the first of a space within a tag.  The end of either
 * is the start of the next. */
struct kv_key kv_key_tag(uint8_t tag);
struct kv_key kv_key_space(uint8_t tag, uint64_t space);

/* A record's key into out, KV_RECORD_KEY bytes. */
void kv_key_record(char *out, uint64_t space, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                   uint8_t kind);

/* Back: key, lsn and kind into *record, the rest left alone.  False if it is none. */
bool kv_record_of_key(const char *bytes, size_t len, struct zs_record *record);
/* The lsn alone, of a key that is KV_RECORD_KEY bytes long. */
zs_lsn kv_lsn_of_key(const char *bytes);

void kv_branch_encode(const struct branch_meta *meta, char out[KV_BRANCH_VALUE]);
bool kv_branch_decode(const char *bytes, size_t len, struct branch_meta *meta);

void kv_point_encode(const struct zs_point *point, char out[KV_POINT_VALUE]);
/* From a point's key and value. */
bool kv_point_decode(const char *key, size_t key_len, const char *value, size_t value_len,
                     struct zs_point *point);

/* The space in a key made by kv_key_dead.  False if it is none. */
bool kv_space_of_dead(const char *bytes, size_t len, uint64_t *space);

#endif
