/* test_query.c - a command line for the server, put together. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "cli/query.h"

#include <string.h>

static void test_arguments_are_quoted(void)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {{"", "do ''"},       {"a b", "do 'a b'"},     {"it's", "do 'it''s'"},
                 {"''", "do ''''''"}, {"a;\\", "do 'a;\\'"},   {"'a", "do '''a'"},
                 {"a'", "do 'a'''"},  {"a''b", "do 'a''''b'"}, {"\xc3\xa4'", "do '\xc3\xa4'''"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(query_close) struct query q = {0};
        struct zs_error e = {0};
        const char *text = NULL;
        query_add(&q, "do");
        query_argument(&q, cases[i].text);
        ASSERT_OK(query_text(&q, &text, &e));
        ASSERT_TEXT(text, cases[i].quoted);
    }
}

/* Longer than any room that there was. */
static void test_it_grows(void)
{
    CLEANUP(query_close) struct query q = {0};
    struct zs_error e = {0};
    char part[1000];
    const char *text = NULL;
    ASSERT_OK(query_text(&q, &text, &e));
    ASSERT_TEXT(text, "");
    memset(part, 'x', sizeof part);
    part[sizeof part - 1] = '\0';
    for (int i = 0; i < 100; i++)
        query_argument(&q, part);
    ASSERT_OK(query_text(&q, &text, &e));
    CU_ASSERT_EQUAL(strlen(text), 100 * (sizeof part - 1 + strlen(" ''")));
    CU_ASSERT_EQUAL(strspn(text, " 'x"), strlen(text));
}

SUITE("cli/query", {"arguments are quoted", test_arguments_are_quoted},
      {"it grows with what is added", test_it_grows})
