/* fuzz_pgkey.c - a branch's keys and file values, as an export meets them
 * (pgdata/pgkey.h, pgpath.h).
 * Input: a byte of mode, a key, then a value.  Mode 1 puts the hash of the value's name
 * into the key.
 * Holds: what decodes encodes to the same key; paths made of it stay inside the data
 * directory; a name that is taken is the one that the key stands for. */
#include "support.h"

#include "base/bytes.h"
#include "pgdata/pgpath.h"

static void check_path(const char *path)
{
    HOLDS(strlen(path) < PGPATH_MAX && path[0] != '/' && path[0] != '\0');
    HOLDS(strstr(path, "..") == NULL && strstr(path, "//") == NULL);
    HOLDS(path[strlen(path) - 1] != '/');
}

static void check_paths(const struct pgkey *k)
{
    uint32_t number = 0;
    if (k->type == PGKEY_BLOCK || k->type == PGKEY_SIZE) {
        struct pgpath p = pgpath_relation_file(k, k->block / 131072);
        uint32_t relation = 0, fork = 0, segment = 0;
        check_path(p.s);
        HOLDS(pgpath_relation(strrchr(p.s, '/') + 1, &relation, &fork, &segment));
        HOLDS(relation == k->relation && fork == k->fork && segment == k->block / 131072);
    } else if (k->type == PGKEY_SLRU_BLOCK || k->type == PGKEY_SLRU_SIZE) {
        struct pgpath p = pgpath_slru_file(k);
        check_path(p.s);
        HOLDS(pgpath_hex(strrchr(p.s, '/') + 1, 4, &number) && number == k->segment);
    } else if (k->type == PGKEY_TWOPHASE) {
        struct pgpath p = pgpath_twophase_file(k->xid);
        check_path(p.s);
        HOLDS(pgpath_hex(strrchr(p.s, '/') + 1, 8, &number) && number == k->xid);
    }
    check_path(pgpath_tablespace(k->space).s);
    check_path(pgpath_database(k->space, k->database).s);
}

static void check_file(uint8_t mode, struct pgkey *k, const uint8_t *value, size_t len)
{
    const struct zs_record record = {.len = (uint32_t)len, .value = value};
    char name[PGKEY_NAME_MAX + 1];
    uint8_t head[PGKEY_NAME_MAX + 2];
    size_t head_bytes = 0;
    if (mode & 1u && len >= 2 && len >= (size_t)2 + get_u16le(value) &&
        get_u16le(value) <= PGKEY_NAME_MAX) {
        memcpy(name, value + 2, get_u16le(value));
        name[get_u16le(value)] = '\0';
        k->hash = pgkey_name_hash(name);
    }
    if (!pgkey_file_parse(&record, k, name, &head_bytes))
        return;
    HOLDS(head_bytes <= len && head_bytes == strlen(name) + 2 && name[0] != '\0');
    HOLDS(pgkey_name_hash(name) == k->hash && pgkey_file_head(name, head) == head_bytes);
    HOLDS(memcmp(head, value, head_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pgkey k;
    uint8_t again[ZS_KEY_BYTES];
    if (size < 1 + ZS_KEY_BYTES || size > 4096 || !pgkey_decode(data + 1, &k))
        return 0;
    pgkey_encode(&k, again);
    HOLDS(memcmp(again, data + 1, ZS_KEY_BYTES) == 0);
    check_paths(&k);
    size_t len = size - 1 - ZS_KEY_BYTES;
    check_file(data[0], &k, fuzz_bytes(0, data + 1 + ZS_KEY_BYTES, len), len);
    return 0;
}
