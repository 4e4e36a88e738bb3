/* test_bytes.c - integers in bytes, and the reader that cannot overrun. */
#include "../../support/suite.h"

#include "base/bytes.h"

static void test_integers(void)
{
    uint8_t b[9] = {0};
    put_u16le(b + 1, 0x0102);
    CU_ASSERT(b[1] == 2 && b[2] == 1 && get_u16le(b + 1) == 0x0102 && get_u16be(b + 1) == 0x0201);
    put_u32le(b + 1, 0x01020304);
    CU_ASSERT(b[1] == 4 && b[4] == 1 && get_u32le(b + 1) == 0x01020304);
    put_u64le(b + 1, 0x0102030405060708);
    CU_ASSERT(b[1] == 8 && b[8] == 1 && get_u64le(b + 1) == 0x0102030405060708);
    put_u16be(b + 1, 0x0102);
    CU_ASSERT(b[1] == 1 && b[2] == 2 && get_u16be(b + 1) == 0x0102);
    put_u32be(b + 1, 0x01020304);
    CU_ASSERT(b[1] == 1 && b[4] == 4 && get_u32be(b + 1) == 0x01020304);
    put_u64be(b + 1, 0x0102030405060708);
    CU_ASSERT(b[1] == 1 && b[8] == 8 && get_u64be(b + 1) == 0x0102030405060708);
    CU_ASSERT_EQUAL(b[0], 0);
}

static void test_reader_reads_in_order(void)
{
    static const uint8_t bytes[] = {7, 1, 2, 1, 2, 3, 4, 1,   0,   0, 0, 1,
                                    0, 0, 0, 0, 0, 0, 0, 'h', 'i', 0, 9};
    struct reader r = reader_over(bytes, sizeof bytes);
    CU_ASSERT_EQUAL(reader_u8(&r), 7);
    CU_ASSERT_EQUAL(reader_u16be(&r), 0x0102);
    CU_ASSERT_EQUAL(reader_u32be(&r), 0x01020304);
    CU_ASSERT_EQUAL(reader_u32le(&r), 1);
    CU_ASSERT_EQUAL(reader_u64le(&r), 1);
    ASSERT_TEXT(reader_cstring(&r), "hi");
    CU_ASSERT(!r.failed && reader_left(&r) == 1);
    CU_ASSERT(*reader_take(&r, 1) == 9 && reader_left(&r) == 0);
}

static void test_reader_stops_at_the_end(void)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct reader r = reader_over(bytes, sizeof bytes);
    CU_ASSERT(reader_take(&r, 4) == NULL && r.failed);
    CU_ASSERT(reader_take(&r, 1) == NULL); /* and stays failed */
    CU_ASSERT_EQUAL(reader_u8(&r), 0);
    CU_ASSERT(reader_cstring(&r) == NULL);

    r = reader_over(bytes, sizeof bytes);
    CU_ASSERT(reader_u32be(&r) == 0 && r.failed);
    r = reader_over(bytes, sizeof bytes);
    CU_ASSERT(reader_u32le(&r) == 0 && r.failed);
    r = reader_over(bytes, sizeof bytes);
    CU_ASSERT(reader_u64le(&r) == 0 && r.failed);
    r = reader_over(bytes, sizeof bytes);
    CU_ASSERT(reader_take(&r, SIZE_MAX) == NULL && r.failed);
    r = reader_over(bytes, sizeof bytes); /* no NUL in it */
    CU_ASSERT(reader_cstring(&r) == NULL && r.failed);
    r = reader_over(bytes, 0);
    CU_ASSERT(reader_cstring(&r) == NULL && r.failed);
}

SUITE("base/bytes", {"integers are stored in the order that is asked for", test_integers},
      {"a reader takes what is there, in order", test_reader_reads_in_order},
      {"a reader never goes past the end, and stays failed", test_reader_stops_at_the_end})
