/* test_branch_name.c - what a branch may be called. */
#include "../../support/suite.h"

#include "model/branch_name.h"

#include <string.h>

static void test_names_that_may_be(void)
{
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    const char *const good[] = {"main", "a",  "A-b_c.d/e", "0",    "release/15.2",
                                "_x",   ".x", "a.b.c",     "a//b", longest};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct zs_error e = {0};
        ASSERT_OK(branch_name_check(good[i], &e));
    }
}

static void test_names_that_may_not_be(void)
{
    char longer[257];
    memset(longer, 'x', 256);
    longer[256] = '\0';
    const struct {
        const char *name, *says;
    } bad[] = {
        {"", "empty"},           {longer, "too long"},        {"-x", "begins with"},
        {"/x", "begins with"},   {"a..b", "\"..\""},          {"..", "\"..\""},
        {"a b", "not allowed"},  {"a\tb", "not allowed"},     {"a\nb", "not allowed"},
        {"a'b", "not allowed"},  {"a;b", "not allowed"},      {"a:b", "not allowed"},
        {"a\\b", "not allowed"}, {"\xc3\xa4", "not allowed"}, {"a\x1b[31m", "not allowed"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_error e = {0};
        ASSERT_FAILS(branch_name_check(bad[i].name, &e), ZS_BAD_VALUE);
        CU_ASSERT(strstr(e.message, bad[i].says) != NULL);
        CU_ASSERT(e.hint[0] != '\0');
        for (const char *p = e.message; *p != '\0'; p++)
            CU_ASSERT((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
    }
}

SUITE("model/branch_name", {"names of the allowed shape are taken", test_names_that_may_be},
      {"other names are refused, saying which rule, showing no control character",
       test_names_that_may_not_be})
