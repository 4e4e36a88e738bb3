/* test_hint.c - a refusal's hint as it can be typed here. */
#include "../../support/suite.h"

#include "base/error.h"
#include "cli/hint.h"

#include <string.h>

static void test_a_refusal_says_what_to_type_here(void)
{
    static const struct {
        const char *sqlstate, *hint, *origin, *dir, *wanted;
    } cases[] = {
        {ZS_NOT_FAST_FORWARD, "Pull instead: zenith pull main ORIGIN:main", "cloud", NULL,
         "Pull instead: zenith pull main cloud:main"},
        {ZS_NOT_FAST_FORWARD, "Pull instead: zenith pull main ORIGIN:main", "cloud", "work",
         "Pull instead: zenith -D work pull main cloud:main"},
        {ZS_DIVERGED, "Push under another name: zenith push main ORIGIN:NEW_NAME", "b", "/srv/x",
         "Push under another name: zenith -D /srv/x push main b:NEW_NAME"},
        {ZS_UNRELATED, "Pull under another name: zenith pull NEW_NAME ORIGIN:main", "b", NULL,
         "Pull under another name: zenith pull NEW_NAME b:main"},
        /* A branch of that name is no origin. */
        {ZS_DIVERGED, "zenith push ORIGIN ORIGIN:ORIGIN", "b", NULL, "zenith push ORIGIN b:ORIGIN"},
        /* A URI was typed. */
        {ZS_DIVERGED, "zenith push main ORIGIN:x", NULL, "work",
         "zenith -D work push main ORIGIN:x"},
        /* A folder that a shell would take apart. */
        {ZS_DIVERGED, "zenith push main ORIGIN:x", "b", "it's a $HOME",
         "zenith -D 'it'\\''s a $HOME' push main b:x"},
        {ZS_DIVERGED, "zenith push main ORIGIN:x", "b", "", "zenith -D '' push main b:x"},
        /* Not a refusal, or nothing to put in. */
        {ZS_NO_SUCH_BRANCH, "zenith push main ORIGIN:x", "b", "work", "zenith push main ORIGIN:x"},
        {ZS_DIVERGED, "Ask the zenith team.", "b", "work", "Ask the zenith team."},
        {ZS_DIVERGED, "See ORIGIN: zenith push", "b", "work", "See ORIGIN: zenith push"},
        {ZS_DIVERGED, "Push to ORIGIN:x instead.", "b", "work", "Push to ORIGIN:x instead."},
        {ZS_DIVERGED, "See ORIGIN:x with zenith status", "b", "work",
         "See ORIGIN:x with zenith status"},
        {ZS_DIVERGED, "", "b", "work", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        error_set(&e, cases[i].sqlstate, "no");
        error_hint(&e, "%s", cases[i].hint);
        hint_complete(&e, cases[i].origin, cases[i].dir);
        ASSERT_TEXT(e.hint, cases[i].wanted);
        ASSERT_TEXT(e.message, "no");
    }
}

static void test_an_own_hint_names_the_folder(void)
{
    static const struct {
        const char *hint, *dir, *wanted;
    } cases[] = {
        {"Add it with: zenith origin add b URI", "work",
         "Add it with: zenith -D work origin add b URI"},
        {"Add it with: zenith origin add b URI", "a b",
         "Add it with: zenith -D 'a b' origin add b URI"},
        {"Add it with: zenith origin add b URI", NULL, "Add it with: zenith origin add b URI"},
        {"There are: a, b.", "work", "There are: a, b."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        error_set(&e, ZS_NO_SUCH_BRANCH, "no");
        error_hint(&e, "%s", cases[i].hint);
        hint_dir(&e, cases[i].dir);
        ASSERT_TEXT(e.hint, cases[i].wanted);
    }
}

static void test_what_does_not_fit_changes_nothing(void)
{
    static const char hint[] = "zenith push main ORIGIN:x";
    /* Around the size of a hint, plain and with a byte that needs quotes. */
    for (size_t n = sizeof((struct zs_error *)0)->hint - 40; n < 600; n++) {
        for (int quoted = 0; quoted < 2; quoted++) {
            struct zs_error e = {0};
            char dir[640] = {0};
            memset(dir, 'a', n);
            dir[n - 1] = quoted ? '\'' : 'a';
            error_set(&e, ZS_DIVERGED, "no");
            error_hint(&e, "%s", hint);
            hint_complete(&e, "b", dir);
            size_t whole = strlen("zenith -D  push main b:x") + n + (quoted ? 5 : 0);
            if (whole < sizeof e.hint)
                CU_ASSERT(strlen(e.hint) == whole)
            else
                ASSERT_TEXT(e.hint, hint);
            error_hint(&e, "zenith push");
            hint_dir(&e, dir);
            whole = strlen("zenith -D  push") + n + (quoted ? 5 : 0);
            if (whole < sizeof e.hint)
                CU_ASSERT(strlen(e.hint) == whole)
            else
                ASSERT_TEXT(e.hint, "zenith push");
        }
    }
}

SUITE("cli/hint", {"a refusal says what to type here", test_a_refusal_says_what_to_type_here},
      {"an own hint names the folder", test_an_own_hint_names_the_folder},
      {"what does not fit changes nothing", test_what_does_not_fit_changes_nothing})
