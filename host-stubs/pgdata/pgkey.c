/* pgkey.c - see pgkey.h.  Key fields start at 1, 5, 9, 13 and 14. */
#include "pgdata/pgkey.h"

#include "base/bytes.h"

#include <xxhash.h>

enum { CLASS_RELATION = 0, CLASS_SLRU = 1, CLASS_TWOPHASE = 2, CLASS_FILE = 3 };
enum { SLRU_MARK = 1 };
enum { FILE_CONTROL = 0, FILE_CHECKPOINT = 1, FILE_OTHER = 2 };

static void put_key(uint8_t out[ZS_KEY_BYTES], uint8_t class, uint32_t a, uint32_t b, uint32_t c,
                    uint8_t fork, uint32_t block)
{
    out[0] = class;
    put_u32be(out + 1, a);
    put_u32be(out + 5, b);
    put_u32be(out + 9, c);
    out[13] = fork;
    put_u32be(out + 14, block);
}

void pgkey_encode(const struct pgkey *k, uint8_t out[ZS_KEY_BYTES])
{
    switch (k->type) {
    case PGKEY_DATABASES:
        put_key(out, CLASS_RELATION, 0, 0, 0, 0, 0);
        break;
    case PGKEY_FILENODE_MAP:
        put_key(out, CLASS_RELATION, k->space, k->database, 0, 0, 0);
        break;
    case PGKEY_RELATIONS:
        put_key(out, CLASS_RELATION, k->space, k->database, 0, 0, k->piece);
        break;
    case PGKEY_BLOCK:
        put_key(out, CLASS_RELATION, k->space, k->database, k->relation, (uint8_t)k->fork,
                k->block);
        break;
    case PGKEY_SIZE:
        put_key(out, CLASS_RELATION, k->space, k->database, k->relation, (uint8_t)k->fork,
                PGKEY_SIZE_BLOCK);
        break;
    case PGKEY_SLRU_BLOCK:
        put_key(out, CLASS_SLRU, k->slru, SLRU_MARK, k->segment, 0, k->block);
        break;
    case PGKEY_SLRU_SIZE:
        put_key(out, CLASS_SLRU, k->slru, SLRU_MARK, k->segment, 0, PGKEY_SIZE_BLOCK);
        break;
    case PGKEY_TWOPHASE:
        put_key(out, CLASS_TWOPHASE, k->piece, 0, 0, 0, k->xid);
        break;
    case PGKEY_CONTROL:
        put_key(out, CLASS_FILE, 0, 0, 0, 0, FILE_CONTROL);
        break;
    case PGKEY_CHECKPOINT:
        put_key(out, CLASS_FILE, 0, 0, 0, 0, FILE_CHECKPOINT);
        break;
    case PGKEY_FILE:
        put_key(out, CLASS_FILE, (uint32_t)(k->hash >> 32), (uint32_t)k->hash, k->piece, 0,
                FILE_OTHER);
        break;
    }
}

static void decode_relation(struct pgkey *k)
{
    bool sized = k->block == PGKEY_SIZE_BLOCK;
    if (k->relation != 0) {
        k->type = sized ? PGKEY_SIZE : PGKEY_BLOCK;
    } else if (k->block != 0) {
        k->type = PGKEY_RELATIONS;
        k->piece = k->block;
    } else {
        k->type = k->space == 0 ? PGKEY_DATABASES : PGKEY_FILENODE_MAP;
    }
    if (k->type != PGKEY_BLOCK)
        k->block = 0;
}

static void decode_file(struct pgkey *k, const uint8_t *key, uint32_t which)
{
    if (which == FILE_OTHER) {
        k->type = PGKEY_FILE;
        k->hash = get_u64be(key + 1);
        k->piece = get_u32be(key + 9);
    } else {
        k->type = which == FILE_CONTROL ? PGKEY_CONTROL : PGKEY_CHECKPOINT;
    }
}

/* Field by field into the type that the first byte and the zeros suggest; whether
 * every other byte is as it must be is left to encoding it again. */
bool pgkey_decode(const uint8_t key[ZS_KEY_BYTES], struct pgkey *out)
{
    struct pgkey k = {0};
    uint32_t block = get_u32be(key + 14);
    uint8_t again[ZS_KEY_BYTES];

    switch (key[0]) {
    case CLASS_RELATION:
        k.space = get_u32be(key + 1);
        k.database = get_u32be(key + 5);
        k.relation = get_u32be(key + 9);
        k.fork = key[13];
        k.block = block;
        decode_relation(&k);
        break;
    case CLASS_SLRU:
        k.type = block == PGKEY_SIZE_BLOCK ? PGKEY_SLRU_SIZE : PGKEY_SLRU_BLOCK;
        k.slru = get_u32be(key + 1);
        k.segment = get_u32be(key + 9);
        k.block = block == PGKEY_SIZE_BLOCK ? 0 : block;
        break;
    case CLASS_TWOPHASE:
        k.type = PGKEY_TWOPHASE;
        k.piece = get_u32be(key + 1);
        k.xid = block;
        break;
    case CLASS_FILE:
        decode_file(&k, key, block);
        break;
    default:
        return false;
    }
    if (k.fork >= PGKEY_FORKS || k.slru >= PGKEY_SLRUS)
        return false;
    pgkey_encode(&k, again);
    if (memcmp(again, key, ZS_KEY_BYTES) != 0)
        return false;
    *out = k;
    return true;
}

uint64_t pgkey_name_hash(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

size_t pgkey_file_head(const char *name, uint8_t *out)
{
    size_t len = strlen(name);
    put_u16le(out, (uint16_t)len);
    memcpy(out + 2, name, len); /* NOLINT(bugprone-not-null-terminated-result): counted */
    return len + 2;
}

bool pgkey_file_parse(const struct zs_record *record, const struct pgkey *key,
                      char name[PGKEY_NAME_MAX + 1], size_t *head_bytes)
{
    if (record->len < 2)
        return false;
    struct reader r = reader_over(record->value, record->len);
    const uint8_t *head = reader_take(&r, 2);
    size_t len = get_u16le(head);
    const uint8_t *text = reader_take(&r, len);
    if (text == NULL || len == 0 || len > PGKEY_NAME_MAX || memchr(text, 0, len) != NULL)
        return false;
    memcpy(name, text, len);
    name[len] = '\0';
    *head_bytes = len + 2;
    return pgkey_name_hash(name) == key->hash;
}
