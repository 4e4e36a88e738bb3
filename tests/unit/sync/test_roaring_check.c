/* test_roaring_check.c - bitmaps in Roaring's portable format, whole and not. */
#include "../../support/suite.h"

#include "sync/roaring_check.h"

#include <roaring/roaring.h>
#include <stdlib.h>
#include <string.h>

static void test_what_the_library_writes_is_sound(void)
{
    static const struct {
        uint32_t from, keys, step;
    } cases[] = {{0, 0, 1},          {7, 1, 1},      {0, 4096, 3},   {0, 4097, 3},
                 {0, 65536, 1},      {65530, 20, 1}, {0, 20000, 2},  {0, 10, 65536},
                 {UINT32_MAX, 1, 1}, {0, 300000, 1}, {0, 9, 0x4000}, {5, 3000, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int runs = 0; runs < 2; runs++) {
            roaring_bitmap_t *b = roaring_bitmap_create();
            for (uint32_t k = 0; k < cases[i].keys; k++)
                roaring_bitmap_add(b, cases[i].from + k * cases[i].step);
            if (runs != 0)
                (void)roaring_bitmap_run_optimize(b);
            size_t len = roaring_bitmap_portable_size_in_bytes(b);
            char *bytes = malloc(len);
            CU_ASSERT_FATAL(bytes != NULL);
            CU_ASSERT(roaring_bitmap_portable_serialize(b, bytes) == len);
            CU_ASSERT(roaring_is_sound((const uint8_t *)bytes, len));
            CU_ASSERT(!roaring_is_sound((const uint8_t *)bytes, len - 1));
            free(bytes);
            roaring_bitmap_free(b);
        }
}

static void test_what_it_never_writes_is_not(void)
{
#define PLAIN "\x3a\x30\0\0"
#define RUNS  "\x3b\x30\0\0\1" /* one container, of runs */
    static const struct {
        const char *bytes;
        size_t len;
        bool sound;
    } cases[] = {
#define CASE(text, sound) {text, sizeof(text) - 1, sound}
        CASE("", false),
        CASE("\x3c\x30\0\0\0\0\0\0", false),
        CASE(PLAIN "\1\0\1\0\0\0\0\0", false), /* too many containers */
        /* one container with the keys 1 and 2; with 2 and 1; 2 and 2; a byte behind */
        CASE(PLAIN "\1\0\0\0\0\0\1\0\x10\0\0\0\1\0\2\0", true),
        CASE(PLAIN "\1\0\0\0\0\0\1\0\x10\0\0\0\2\0\1\0", false),
        CASE(PLAIN "\1\0\0\0\0\0\1\0\x10\0\0\0\2\0\2\0", false),
        CASE(PLAIN "\1\0\0\0\0\0\1\0\x10\0\0\0\1\0\2\0\0", false),
        /* two containers 0 and 1; 1 and 0 */
        CASE(PLAIN "\2\0\0\0\0\0\0\0\1\0\0\0\x18\0\0\0\x1a\0\0\0\5\0\6\0", true),
        CASE(PLAIN "\2\0\0\0\1\0\0\0\0\0\0\0\x18\0\0\0\x1a\0\0\0\5\0\6\0", false),
        /* two containers, the second of bits: 1 and 0 */
        CASE(PLAIN "\2\0\0\0\1\0\0\0\0\0\xff\xff\x18\0\0\0\x1a\0\0\0\5\0", false),
        /* two containers of runs 0 and 1; 1 and 0; one that ends in front of its runs */
        CASE("\x3b\x30\1\0\3\0\0\0\0\1\0\0\0\1\0\5\0\0\0\1\0\5\0\0\0", true),
        CASE("\x3b\x30\1\0\3\1\0\0\0\0\0\0\0\1\0\5\0\0\0\1\0\5\0\0\0", false),
        CASE(RUNS "\0\0\2\0", false),
        /* runs 1..2 and 9..9: 3 keys; miscounted; overlapping; next to each
         * other; past the end; to the end */
        CASE(RUNS "\0\0\2\0\2\0\1\0\1\0\x09\0\0\0", true),
        CASE(RUNS "\0\0\3\0\2\0\1\0\1\0\x09\0\0\0", false),
        CASE(RUNS "\0\0\2\0\2\0\1\0\1\0\2\0\0\0", false),
        CASE(RUNS "\0\0\2\0\2\0\1\0\1\0\3\0\0\0", true),
        CASE(RUNS "\0\0\1\0\1\0\xff\xff\1\0", false),
        CASE(RUNS "\0\0\0\0\1\0\xff\xff\0\0", true),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(roaring_is_sound((const uint8_t *)cases[i].bytes, cases[i].len) ==
                  cases[i].sound);
}

static void test_bits_are_counted(void)
{
    uint8_t bytes[16 + 8192] = {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0x1f, 16, 0, 0, 0};
    memset(bytes + 16, 0x55, 2048); /* 8192 bits, as the head says */
    CU_ASSERT(roaring_is_sound(bytes, sizeof bytes));
    bytes[16] = 0x54;
    CU_ASSERT(!roaring_is_sound(bytes, sizeof bytes));
}

SUITE("sync/roaring_check",
      {"what the library writes is sound", test_what_the_library_writes_is_sound},
      {"what it never writes is not", test_what_it_never_writes_is_not},
      {"the bits of a container are counted", test_bits_are_counted})
