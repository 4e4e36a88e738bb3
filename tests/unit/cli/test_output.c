/* test_output.c - rows as JSON. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

static void test_values_have_their_json_type(void)
{
    static const struct {
        const char *column, *text, *json;
    } cases[] = {
        {"records", "12345", "12345"},
        {"records", "9007199254740991", "9007199254740991"},
        {"records", "9007199254740992", "\"9007199254740992\""},
        {"records", "18446744073709551615", "\"18446744073709551615\""},
        {"records", "-1", "\"-1\""},
        {"records", "", "\"\""},
        {"records", NULL, "null"},
        {"left_seconds", "3599", "3599"},
        {"epochs", "0", "0"},
        {"gaps", "2", "2"},
        {"left_out", "0", "0"},
        {"from_lsn", "0", "\"0\""},
        {"digest", "00000000000000000000000000000012", "\"00000000000000000000000000000012\""},
        {"name", "42", "\"42\""},
        {"records", "0", "0"},
        {"records", "007", "\"007\""},
        {"resumed", "t", "true"},
        {"resumed", "true", "true"},
        {"resumed", "false", "false"},
        {"name", "a\033\"", "\"a\\u001b\\\"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *value = value_json(cases[i].column, cases[i].text);
        char *text = cJSON_PrintUnformatted(value);
        ASSERT_TEXT(text, cases[i].json);
        free(text);
        cJSON_Delete(value);
    }
}

static void test_layout_leaves_strings_alone(void)
{
    char text[] = "{\n\t\"a\":\t\"x\ty\\\"\t\",\n\t\"b\\\\\":\t1\n}";
    json_layout(text);
    ASSERT_TEXT(text, "{\n \"a\": \"x\ty\\\"\t\",\n \"b\\\\\": 1\n}");
    char cut[] = "\t\"a\t\\";
    json_layout(cut);
    ASSERT_TEXT(cut, " \"a\t\\");
}

/* What stands behind a column's name in a RowDescription. */
#define COLUMN "\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"

static void test_a_result_begins_with_ok(void)
{
    static const char *const wanted[] = {"{\"ok\":true}",
                                         "{\"ok\":true,\"name\":\"main\",\"records\":7}"};
    static const char columns[] = "\0\2name\0" COLUMN "records\0" COLUMN;
    static const char values[] = "\0\2\0\0\0\4main\0\0\0\0017";
    struct zs_error e = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    CU_ASSERT_FATAL(rows_open(columns, sizeof columns - 1, &rows, &e) == ZS_OK);
    for (size_t i = 0; i < 2; i++) {
        cJSON *object = result_json(rows);
        char *text = cJSON_PrintUnformatted(object);
        ASSERT_TEXT(text, wanted[i]);
        free(text);
        cJSON_Delete(object);
        CU_ASSERT(rows_add(rows, values, sizeof values - 1, &e) == ZS_OK);
    }
}

SUITE("cli/output", {"values have their JSON type", test_values_have_their_json_type},
      {"a result begins with ok", test_a_result_begins_with_ok},
      {"layout leaves strings alone", test_layout_leaves_strings_alone})
