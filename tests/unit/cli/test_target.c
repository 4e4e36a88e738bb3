/* test_target.c - ORIGIN[:FAR_BRANCH] taken apart; arguments quoted. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "cli/target.h"

#include <stdlib.h>
#include <string.h>

static void test_targets_are_split(void)
{
    static const struct {
        const char *text, *origin, *far;
        bool is_uri;
    } cases[] = {
        {"cloud", "cloud", "", false},
        {"cloud:main", "cloud", "main", false},
        {"cloud:release/1.0", "cloud", "release/1.0", false},
        {"a.b-c_9", "a.b-c_9", "", false},
        {"postgresql://h", "postgresql://h", "", true},
        {"postgresql://h:5433", "postgresql://h:5433", "", true},
        {"postgresql://h:5433:main", "postgresql://h:5433", "main", true},
        {"postgresql://h:main", "postgresql://h", "main", true},
        {"postgresql://h::main", "postgresql://h:", "main", true},
        {"postgresql://u:p@h", "postgresql://u:p@h", "", true},
        {"postgresql://u:p@h:1", "postgresql://u:p@h:1", "", true},
        {"postgresql://u:p@h:1:b", "postgresql://u:p@h:1", "b", true},
        {"postgresql://u:p@h:1/", "postgresql://u:p@h:1/", "", true},
        {"postgresql://u:p@h:1/db:b", "postgresql://u:p@h:1/db", "b", true},
        {"postgresql://h1:1,h2:2", "postgresql://h1:1,h2:2", "", true},
        {"postgresql://h1:1,h2:2:b", "postgresql://h1:1,h2:2", "b", true},
        {"postgresql://[::1]", "postgresql://[::1]", "", true},
        {"postgresql://[::1]:1", "postgresql://[::1]:1", "", true},
        {"postgresql://[::1]:1:b/c", "postgresql://[::1]:1", "b/c", true},
        {"postgresql://h:1/?sslmode=require:b", "postgresql://h:1/?sslmode=require", "b", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct target t;
        ASSERT_OK(target_split(cases[i].text, &t, &e));
        ASSERT_TEXT(t.origin, cases[i].origin);
        ASSERT_TEXT(t.far, cases[i].far);
        CU_ASSERT(t.is_uri == cases[i].is_uri);
    }
}

static void test_targets_that_are_none_are_refused(void)
{
    static const char *const bad[] = {"",       ":main",    "cloud:",     "cloud:../up", "-x",
                                      "a b",    "cloud:-x", "cloud:a:b",  ".hidden",     "a/b",
                                      "a\033b", "x://h:1:", "x://h/d:..", "\xC3\xA4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_error e = {0};
        struct target t;
        ASSERT_FAILS(target_split(bad[i], &t, &e), ZS_BAD_VALUE);
        CU_ASSERT(e.hint[0] != '\0');
    }
    char big[5000] = "x://", name[ORIGIN_NAME_MAX + 2];
    struct zs_error e = {0};
    struct target t;
    memset(big + 4, 'a', sizeof big - 5);
    big[sizeof big - 1] = '\0';
    ASSERT_FAILS(target_split(big, &t, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(target_split(big + 4, &t, &e), ZS_BAD_VALUE);
    memset(name, 'a', sizeof name);
    name[ORIGIN_NAME_MAX + 1] = '\0';
    ASSERT_FAILS(origin_name_check(name, &e), ZS_BAD_VALUE);
    name[ORIGIN_NAME_MAX] = '\0';
    ASSERT_OK(origin_name_check(name, &e));
}

/* Only what every URI begins with: what follows is the transport's to judge. */
static void test_what_is_no_uri_is_told_without_being_shown(void)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"postgresql://h", true},
        {"warp://h", true},
        {"x://", true},
        {"secret", false},
        {"", false},
        {"://secret", false},
        {"h:5433", false},
        {"/a/secret", false},
        {"postgresql:/h", false},
        {"1x://secret", false},
        {" x://secret", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        if (cases[i].good) {
            ASSERT_OK(target_uri_check(cases[i].text, &e));
            continue;
        }
        ASSERT_FAILS(target_uri_check(cases[i].text, &e), ZS_BAD_VALUE);
        CU_ASSERT(strstr(e.message, "secret") == NULL && strstr(e.hint, "postgresql://") != NULL);
    }
}

SUITE("cli/target", {"targets are split", test_targets_are_split},
      {"targets that are none are refused", test_targets_that_are_none_are_refused},
      {"what is no URI is told without being shown",
       test_what_is_no_uri_is_told_without_being_shown})
