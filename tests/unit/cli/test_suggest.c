/* test_suggest.c - the command that was probably meant. */
#include "../../support/suite.h"

#include "cli/suggest.h"

static void test_the_nearest_word_is_found(void)
{
    static const char *const words[] = {"init", "start", "stop", "push", "pull", "branch list"};
    static const struct {
        const char *typed;
        size_t index; /* 6: none is near */
    } cases[] = {{"psuh", 3},        {"pusj", 3},       {"pul", 4},  {"strat", 1},
                 {"stopp", 2},       {"frobnicate", 6}, {"", 6},     {"x", 6},
                 {"branch lsit", 5}, {"pll", 4},        {"innti", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(suggest(cases[i].typed, words, 6) == cases[i].index);
    CU_ASSERT(edit_distance("abc", "abc") == 0 && edit_distance("abc", "acb") == 1);
    CU_ASSERT(edit_distance("", "abc") == 3 && edit_distance("abc", "xbcd") == 2);
}

static void test_long_words_are_cut(void)
{
    char a[4096];
    for (size_t i = 0; i < sizeof a - 1; i++)
        a[i] = 'a';
    a[sizeof a - 1] = '\0';
    CU_ASSERT(edit_distance(a, a) == 0 && edit_distance(a, "") == 31);
}

SUITE("cli/suggest", {"the nearest word is found", test_the_nearest_word_is_found},
      {"long words are cut", test_long_words_are_cut})
