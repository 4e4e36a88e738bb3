/* test_value.c - values of options that a server would refuse are refused here. */
#include "../../support/suite.h"

#include "base/error.h"
#include "cli/value.h"

#include <string.h>

static void test_values_are_checked_before_they_are_sent(void)
{
    static const struct {
        int (*check)(const char *text, struct zs_error *e);
        const char *text, *message, *hint; /* message NULL: taken; hint: a part of it */
    } cases[] = {
        {value_check_max_rate, NULL, NULL, NULL},
        {value_check_max_rate, "0", NULL, NULL},
        {value_check_max_rate, "16k", NULL, NULL},
        {value_check_max_rate, "1.5G", NULL, NULL},
        {value_check_max_rate, "abc", "\"abc\" is not a rate that --max-rate takes", "10M"},
        {value_check_max_rate, "1", "\"1\" is not a rate that --max-rate takes", "at least 16k"},
        {value_check_max_rate, "", "\"\" is not a rate that --max-rate takes", "0 is no limit"},
        {value_check_compression, NULL, NULL, NULL},
        {value_check_compression, "auto", NULL, NULL},
        {value_check_compression, "none", NULL, NULL},
        {value_check_compression, "lz4", NULL, NULL},
        {value_check_compression, "zstd", NULL, NULL},
        {value_check_compression, "gzip", "\"gzip\" is not a method that --compression takes",
         "none, lz4 or zstd"},
        {value_check_compression, "ZSTD", "\"ZSTD\" is not a method that --compression takes",
         "none, lz4 or zstd"},
        {value_check_compression, "", "\"\" is not a method that --compression takes",
         "none, lz4 or zstd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        if (cases[i].message == NULL) {
            ASSERT_OK(cases[i].check(cases[i].text, &e));
            continue;
        }
        ASSERT_FAILS(cases[i].check(cases[i].text, &e), ZS_BAD_VALUE);
        ASSERT_TEXT(e.message, cases[i].message);
        CU_ASSERT(strstr(e.hint, cases[i].hint) != NULL);
    }
}

SUITE("cli/value",
      {"values are checked before they are sent", test_values_are_checked_before_they_are_sent})
