/* test_crc32c.c - CRC-32C against RFC 3720's vectors. */
#include "../../support/suite.h"

#include "base/crc32c.h"

#include <stdint.h>
#include <string.h>

static void test_vectors(void)
{
    uint8_t bytes[32];
    CU_ASSERT(crc32c(0, "", 0) == 0);
    CU_ASSERT(crc32c(0, "123456789", 9) == 0xE3069283);
    memset(bytes, 0, sizeof bytes);
    CU_ASSERT(crc32c(0, bytes, sizeof bytes) == 0x8A9136AA);
    memset(bytes, 0xFF, sizeof bytes);
    CU_ASSERT(crc32c(0, bytes, sizeof bytes) == 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    CU_ASSERT(crc32c(0, bytes, sizeof bytes) == 0x46DD794E);
}

static void test_parts_add_up(void)
{
    const char text[] = "123456789";
    for (size_t i = 0; i <= 9; i++)
        CU_ASSERT(crc32c(crc32c(0, text, i), text + i, 9 - i) == 0xE3069283);
}

SUITE("base/crc32c", {"published vectors come out", test_vectors},
      {"a sum over parts is the sum over the whole", test_parts_add_up})
