/* test_pgkey.c - the key layout: its order, its inverse, its small values. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "pgdata/pgkey.h"

#define MAX UINT32_MAX

/* Ascending, as a walk over a data directory meets them. */
static const struct pgkey in_order[] = {
    {.type = PGKEY_DATABASES},
    {.type = PGKEY_FILENODE_MAP, .space = 1663, .database = 1},
    {.type = PGKEY_RELATIONS, .space = 1663, .database = 1, .piece = 1},
    {.type = PGKEY_RELATIONS, .space = 1663, .database = 1, .piece = 2},
    {.type = PGKEY_BLOCK, .space = 1663, .database = 1, .relation = 112},
    {.type = PGKEY_BLOCK, .space = 1663, .database = 1, .relation = 112, .block = 255},
    {.type = PGKEY_BLOCK, .space = 1663, .database = 1, .relation = 112, .block = 256},
    {.type = PGKEY_BLOCK, .space = 1663, .database = 1, .relation = 112, .block = MAX - 1},
    {.type = PGKEY_SIZE, .space = 1663, .database = 1, .relation = 112},
    {.type = PGKEY_BLOCK, .space = 1663, .database = 1, .relation = 112, .fork = 3},
    {.type = PGKEY_SIZE, .space = 1663, .database = 1, .relation = 112, .fork = 3},
    {.type = PGKEY_SIZE, .space = 1663, .database = 1, .relation = MAX},
    {.type = PGKEY_FILENODE_MAP, .space = 1664},
    {.type = PGKEY_BLOCK, .space = 1664, .relation = 1262},
    {.type = PGKEY_SIZE, .space = 16384, .database = 5, .relation = 16385},
    {.type = PGKEY_SLRU_BLOCK},
    {.type = PGKEY_SLRU_SIZE},
    {.type = PGKEY_SLRU_BLOCK, .segment = 1, .block = 31},
    {.type = PGKEY_SLRU_SIZE, .slru = 3, .segment = 1},
    {.type = PGKEY_TWOPHASE, .xid = 700},
    {.type = PGKEY_TWOPHASE, .xid = MAX},
    {.type = PGKEY_TWOPHASE, .piece = 1, .xid = 700},
    {.type = PGKEY_CONTROL},
    {.type = PGKEY_CHECKPOINT},
    {.type = PGKEY_FILE},
    {.type = PGKEY_FILE, .hash = 1},
    {.type = PGKEY_FILE, .hash = 1, .piece = 1},
    {.type = PGKEY_FILE, .hash = 0x0123456789ABCDEF},
};
enum { N = sizeof in_order / sizeof *in_order };

static bool same(const struct pgkey *a, const struct pgkey *b)
{
    return a->type == b->type && a->space == b->space && a->database == b->database &&
           a->relation == b->relation && a->fork == b->fork && a->slru == b->slru &&
           a->segment == b->segment && a->block == b->block && a->piece == b->piece &&
           a->xid == b->xid && a->hash == b->hash;
}

static void test_keys_ascend_as_the_walk_does(void)
{
    uint8_t last[ZS_KEY_BYTES], key[ZS_KEY_BYTES];
    for (size_t i = 0; i < N; i++) {
        pgkey_encode(&in_order[i], key);
        if (i > 0)
            CU_ASSERT(memcmp(last, key, ZS_KEY_BYTES) < 0);
        memcpy(last, key, ZS_KEY_BYTES);
    }
}

static void test_decode_is_the_inverse(void)
{
    for (size_t i = 0; i < N; i++) {
        uint8_t key[ZS_KEY_BYTES];
        struct pgkey back;
        pgkey_encode(&in_order[i], key);
        CU_ASSERT(pgkey_decode(key, &back) && same(&back, &in_order[i]));
    }
}

static void test_layout_is_the_documented_one(void)
{
    static const uint8_t want[ZS_KEY_BYTES] = {0, 0, 0,    0x06, 0x7F, 0,    0,    0,    5,
                                               0, 0, 0x40, 0,    2,    0xFF, 0xFF, 0xFF, 0xFF};
    uint8_t key[ZS_KEY_BYTES];
    pgkey_encode(
        &(struct pgkey){
            .type = PGKEY_SIZE, .space = 1663, .database = 5, .relation = 16384, .fork = 2},
        key);
    CU_ASSERT(memcmp(key, want, sizeof key) == 0);
}

static void test_strange_keys_are_none_of_ours(void)
{
    static const struct {
        size_t base, at; /* byte `at` of in_order[base]'s key becomes `value` */
        uint8_t value;
    } cases[] = {
        {0, 0, 4},   /* no such class */
        {0, 8, 1},   /* a map without a space */
        {1, 13, 1},  /* a map with a fork */
        {4, 13, 4},  /* no such fork */
        {15, 4, 4},  /* no such SLRU */
        {15, 8, 2},  /* not 00000001 */
        {15, 13, 1}, /* an SLRU with a fork */
        {19, 12, 1}, /* pg_twophase uses that field for nothing */
        {22, 17, 3}, /* no such file */
        {23, 4, 1},  /* a checkpoint with a hash */
        {24, 13, 1}, /* a file with a fork */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t key[ZS_KEY_BYTES];
        struct pgkey out;
        pgkey_encode(&in_order[cases[i].base], key);
        CU_ASSERT(pgkey_decode(key, &out));
        key[cases[i].at] = cases[i].value;
        CU_ASSERT(!pgkey_decode(key, &out));
    }
}

static struct zs_record file_record(const void *value, uint32_t len)
{
    return (struct zs_record){.kind = ZS_KIND_IMAGE, .len = len, .value = value};
}

static void test_file_value_names_its_file(void)
{
    uint8_t value[PGKEY_NAME_MAX + 16];
    char name[PGKEY_NAME_MAX + 1], longest[PGKEY_NAME_MAX + 1];
    size_t head = 0;
    memset(longest, 'n', PGKEY_NAME_MAX);
    longest[PGKEY_NAME_MAX] = '\0';
    const char *const names[] = {"PG_VERSION", "base/5/PG_VERSION", longest};
    for (size_t i = 0; i < 3; i++) {
        struct pgkey key = {.type = PGKEY_FILE, .hash = pgkey_name_hash(names[i])};
        size_t len = pgkey_file_head(names[i], value);
        memset(value + len, 'b', 5);
        struct zs_record r = file_record(value, (uint32_t)len + 5);
        CU_ASSERT(pgkey_file_parse(&r, &key, name, &head) && head == len);
        ASSERT_TEXT(name, names[i]);
        key.hash++;
        CU_ASSERT(!pgkey_file_parse(&r, &key, name, &head));
    }
}

static void test_malformed_file_value_is_refused(void)
{
    static const struct {
        const char *bytes;
        uint32_t len;
    } cases[] = {{"", 0},         {"\1", 1},          {"\0\0", 2},
                 {"\5\0abcd", 6}, {"\377\377abc", 5}, {"\3\0a\0b", 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pgkey key = {.type = PGKEY_FILE};
        struct zs_record r = file_record(cases[i].bytes, cases[i].len);
        char name[PGKEY_NAME_MAX + 1];
        size_t head;
        CU_ASSERT(!pgkey_file_parse(&r, &key, name, &head));
    }
}

SUITE("pgdata/pgkey",
      {"keys ascend in the order in which files are walked", test_keys_ascend_as_the_walk_does},
      {"a key taken apart is what it was made of", test_decode_is_the_inverse},
      {"the bytes are the documented ones", test_layout_is_the_documented_one},
      {"a key that no import writes is not taken", test_strange_keys_are_none_of_ours},
      {"a file's value tells its name, and only its own", test_file_value_names_its_file},
      {"a malformed file value is refused", test_malformed_file_value_is_refused})
