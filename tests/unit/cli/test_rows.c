/* test_rows.c - the server's rows, as they come and as nobody sends them. */
#include "../../support/suite.h"

#include "base/error.h"
#include "cli/rows.h"

#include <string.h>

/* What stands behind a column's name. */
#define COLUMN "\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"
#define TWO    "\0\2a\0" COLUMN "bb\0" COLUMN

static void test_values_are_found_by_column(void)
{
    static const char rows_sent[][32] = {"\0\2\0\0\0\1x\0\0\0\00212", "\0\2\377\377\377\377\0\0\0"};
    struct zs_error e = {0};
    struct rows *rows = NULL;
    ASSERT_OK(rows_open(TWO, sizeof TWO - 1, &rows, &e));
    CU_ASSERT(rows_count(rows) == 0 && rows_columns(rows) == 2);
    ASSERT_TEXT(rows_name(rows, 1), "bb");
    ASSERT_TEXT(row_text(rows, 0, "a"), "");
    ASSERT_OK(rows_add(rows, rows_sent[0], 13, &e));
    ASSERT_OK(rows_add(rows, rows_sent[1], 10, &e));
    CU_ASSERT(rows_count(rows) == 2);
    ASSERT_TEXT(row_text(rows, 0, "a"), "x");
    CU_ASSERT(row_number(rows, 0, "bb") == 12 && row_number(rows, 0, "a") == 0);
    CU_ASSERT(rows_value(rows, 1, 0) == NULL);
    ASSERT_TEXT(rows_value(rows, 1, 1), "");
    ASSERT_TEXT(row_text(rows, 1, "a"), "");
    ASSERT_TEXT(row_text(rows, 0, "c"), "");
    ASSERT_TEXT(row_text(rows, 2, "a"), "");
    rows_close(rows);
}

static void test_many_rows_and_long_values_stay(void)
{
    static char body[2 + 4 + 70000];
    struct zs_error e = {0};
    struct rows *rows = NULL;
    ASSERT_OK(rows_open("\0\1v\0" COLUMN, 4 + 18, &rows, &e));
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t len = i * 233;
        const uint8_t head[] = {0, 1, 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
        memcpy(body, head, sizeof head);
        memset(body + sizeof head, 'a' + (int)(i % 26), len);
        ASSERT_OK(rows_add(rows, body, sizeof head + len, &e));
    }
    CU_ASSERT(rows_count(rows) == 300);
    for (int i = 0; i < 300; i++) {
        const char *value = rows_value(rows, i, 0);
        CU_ASSERT(strlen(value) == (size_t)i * 233 && (i == 0 || value[0] == 'a' + i % 26));
    }
    rows_close(rows);
}

/* Every piece of a message, and one with a byte too many. */
static void test_what_is_no_row_is_refused(void)
{
    static const char row[] = "\0\2\0\0\0\1x\0\0\0\00212";
    struct zs_error e = {0};
    struct rows *rows = NULL;
    for (size_t len = 0; len <= sizeof TWO; len++)
        if (len != sizeof TWO - 1)
            ASSERT_FAILS(rows_open(TWO, len, &rows, &e), ZS_PROTOCOL_VIOLATION);
    for (size_t len = 0; len <= sizeof row; len++) {
        struct rows *each = NULL;
        ASSERT_OK(rows_open(TWO, sizeof TWO - 1, &each, &e));
        if (len != sizeof row - 1)
            ASSERT_FAILS(rows_add(each, row, len, &e), ZS_PROTOCOL_VIOLATION);
        rows_close(each);
    }
    ASSERT_OK(rows_open("\0\0", 2, &rows, &e)); /* no columns, and so no rows */
    ASSERT_FAILS(rows_add(rows, "\0", 1, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT_EQUAL(rows_count(rows), 0);
    rows_close(rows);
}

SUITE("cli/rows", {"values are found by column", test_values_are_found_by_column},
      {"many rows and long values stay", test_many_rows_and_long_values_stay},
      {"what is no row is refused", test_what_is_no_row_is_refused})
