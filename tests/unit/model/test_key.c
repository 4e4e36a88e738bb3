/* test_key.c - keys as text, and as numbers that are added to. */
#include "../../support/suite.h"

#include "model/key.h"

#include <string.h>

static void test_texts(void)
{
    const uint8_t key[ZS_KEY_BYTES] = {0,    0, 0, 6,    0x7f, 0,    0, 0, 5,
                                       0xff, 0, 1, 0xab, 2,    0xff, 0, 0, 0x10};
    uint8_t back[ZS_KEY_BYTES] = {0};
    ASSERT_TEXT(key_text(key).s, "000000067f00000005ff0001ab02 block 4278190096");
    ASSERT_TEXT(key_hex(key).s, "000000067f00000005ff0001ab02ff000010");
    CU_ASSERT(key_parse("000000067F00000005ff0001ab02ff000010", back));
    CU_ASSERT(memcmp(back, key, sizeof key) == 0);
    CU_ASSERT(!key_parse("000000067f00000005ff0001ab02ff00001", back));
    CU_ASSERT(!key_parse("000000067f00000005ff0001ab02ff0000100", back));
    CU_ASSERT(!key_parse("000000067f00000005ff0001ab02ff00001g", back));
    for (const char *c = "/:@G`g \x80"; *c != '\0'; c++) /* beside the digits; in either half */
        for (size_t at = 4; at < 6; at++) {
            char text[] = "000000067f00000005ff0001ab02ff000010";
            text[at] = *c;
            CU_ASSERT(!key_parse(text, back));
        }
    CU_ASSERT(!key_parse("", back));
    CU_ASSERT(memcmp(back, key, sizeof key) == 0);
}

static void test_sums(void)
{
    static const struct {
        const char *key;
        unsigned bit;
        const char *sum; /* NULL: there is none */
    } cases[] = {
        {"000000000000000000000000000000000000", 0, "000000000000000000000000000000000001"},
        {"0000000000000000000000000000000000ff", 0, "000000000000000000000000000000000100"},
        {"0000000000000000000000000000ffffffff", 0, "000000000000000000000000000100000000"},
        {"000000000000000000000000000000000000", 9, "000000000000000000000000000000000200"},
        {"00ffffffffffffffffffffffffffffffff80", 7, "010000000000000000000000000000000000"},
        {"7fffffffffffffffffffffffffffffffffff", 143, "ffffffffffffffffffffffffffffffffffff"},
        {"800000000000000000000000000000000000", 143, NULL},
        {"ffffffffffffffffffffffffffffffffffff", 0, NULL},
        {"000000000000000000000000000000000000", 144, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t key[ZS_KEY_BYTES];
        CU_ASSERT_FATAL(key_parse(cases[i].key, key));
        bool good = key_add(key, cases[i].bit);
        CU_ASSERT_EQUAL(good, cases[i].sum != NULL);
        ASSERT_TEXT(key_hex(key).s, good ? cases[i].sum : cases[i].key);
    }
}

SUITE("model/key", {"texts go there and back", test_texts},
      {"powers of two are added, as far as keys go", test_sums})
