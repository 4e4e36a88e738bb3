/* test_output.c - rows as JSON. */
#include "../../support/suite.h"

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
        {"from_lsn", "0", "\"0\""},
        {"digest", "00000000000000000000000000000012", "\"00000000000000000000000000000012\""},
        {"name", "42", "\"42\""},
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
}

SUITE("cli/output", {"values have their JSON type", test_values_have_their_json_type},
      {"layout leaves strings alone", test_layout_leaves_strings_alone})
