/* test_error.c - errors as they are filled in and handed up. */
#include "../../support/suite.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static void test_set_clears_and_classifies(void)
{
    static const struct {
        const char *sqlstate;
        uint8_t retry;
    } cases[] = {
        {ZS_BAD_VALUE, ZS_RETRY_NEVER},        {ZS_BUSY, ZS_RETRY_LATER},
        {ZS_MOVED_MEANWHILE, ZS_RETRY_LATER},  {ZS_CANNOT_CONNECT, ZS_RETRY_LATER},
        {ZS_DISK_FULL, ZS_RETRY_LATER},        {ZS_OUT_OF_MEMORY, ZS_RETRY_LATER},
        {ZS_LIMIT_EXCEEDED, ZS_RETRY_LATER},   {ZS_CANCELLED, ZS_RETRY_RESUME},
        {ZS_CONNECTION_LOST, ZS_RETRY_RESUME}, {ZS_DIVERGED, ZS_RETRY_NEVER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        memset(&e, 0x55, sizeof e);
        CU_ASSERT_EQUAL(error_set(&e, cases[i].sqlstate, "%d of %s", 3, "them"), ZS_FAIL);
        ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        ASSERT_TEXT(e.message, "3 of them");
        ASSERT_TEXT(e.detail, "");
        ASSERT_TEXT(e.hint, "");
        CU_ASSERT(e.retry == cases[i].retry && e.reserved == 0);
        CU_ASSERT(error_is(&e, cases[i].sqlstate) && !error_is(&e, "00000"));
    }
}

static void test_added_texts(void)
{
    struct zs_error e = {0};
    error_set(&e, ZS_BUSY, "busy");
    CU_ASSERT_EQUAL(error_detail(&e, "by %s", "x"), ZS_FAIL);
    CU_ASSERT_EQUAL(error_hint(&e, "Wait."), ZS_FAIL);
    ASSERT_TEXT(e.message, "busy");
    ASSERT_TEXT(e.detail, "by x");
    ASSERT_TEXT(e.hint, "Wait.");
    error_set(&e, ZS_BUSY, "still %s", e.message); /* its own text as an argument */
    ASSERT_TEXT(e.message, "still busy");
    ASSERT_TEXT(e.hint, "");
}

/* 503 bytes fit; a character of two bytes or more is kept whole or left out. */
static void test_long_texts_are_cut_between_characters(void)
{
    static const struct {
        size_t ascii;
        const char *character;
        size_t kept;
    } cases[] = {
        {501, "\xc3\xa4", 503},
        {502, "\xc3\xa4", 502},
        {500, "\xe2\x82\xac", 503},
        {501, "\xe2\x82\xac", 501},
        {502, "\xe2\x82\xac", 502},
        {499, "\xf0\x9f\x90\x98", 503},
        {500, "\xf0\x9f\x90\x98", 500},
        {502, "\xf0\x9f\x90\x98", 502},
        {600, "", 503},
        {496, "\xffzzzzzzzzzz", 0}, /* far from the end: no character that was cut in two */
        {502, "\xbf", 0},           /* nor is what begins none */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        char text[700];
        memset(text, 'a', cases[i].ascii);
        memcpy(text + cases[i].ascii, cases[i].character, strlen(cases[i].character) + 1);
        error_set(&e, ZS_BUSY, "%s%s", text, "zz");
        if (cases[i].kept == 0) {
            CU_ASSERT(strlen(e.message) > 497 && e.message[cases[i].ascii] == '?');
            continue;
        }
        text[cases[i].kept] = '\0';
        ASSERT_TEXT(e.message, text);
    }
}

static void test_what_is_no_character_is_mended(void)
{
    static const struct {
        const char *given, *shown;
    } cases[] = {
        {"a\xff\xfe z", "a?? z"},
        {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
        {"\xc0\xaf", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},
        {"\xe0\x9f\x80", "???"},
        {"\xe0\xa0\x80", "\xe0\xa0\x80"},
        {"\xf0\x8f\xbf\xbf", "????"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", "????"},
        {"\xe2\x82", "??"},
        {"\xe2\x82\x61", "??a"},
        {"\x80", "?"},
        {"\xf0\x9f\x90\x98", "\xf0\x9f\x90\x98"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        error_set(&e, ZS_BUSY, "%s", cases[i].given);
        ASSERT_TEXT(e.message, cases[i].shown);
        error_hint(&e, "%s", cases[i].given);
        ASSERT_TEXT(e.hint, cases[i].shown);
        error_errno(&e, EIO, "%s", cases[i].given);
        CU_ASSERT(strncmp(e.message, cases[i].shown, strlen(cases[i].shown)) == 0);
    }
    struct zs_error e = {0};
    error_set(&e, ZS_BUSY, "\"%.2s\"", "\xe2\x82\xac"); /* cut by a precision */
    ASSERT_TEXT(e.message, "\"??\"");
}

static void test_errno_has_its_sqlstate(void)
{
    static const struct {
        int errnum;
        const char *sqlstate;
        const char *message;
    } cases[] = {
        {ENOSPC, ZS_DISK_FULL, "writing x: No space left on device"},
        {EDQUOT, ZS_DISK_FULL, "writing x: Disk quota exceeded"},
        {ENOMEM, ZS_OUT_OF_MEMORY, "writing x: Cannot allocate memory"},
        {EMFILE, ZS_LIMIT_EXCEEDED, "writing x: Too many open files"},
        {EAGAIN, ZS_LIMIT_EXCEEDED, "writing x: Resource temporarily unavailable"},
        {EACCES, ZS_NO_PERMISSION, "writing x: Permission denied"},
        {EPERM, ZS_NO_PERMISSION, "writing x: Operation not permitted"},
        {EIO, ZS_IO_ERROR, "writing x: Input/output error"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        CU_ASSERT_EQUAL(error_errno(&e, cases[i].errnum, "writing %s", "x"), ZS_FAIL);
        ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        ASSERT_TEXT(e.message, cases[i].message);
    }
}

static void test_check_names_a_silent_callee(void)
{
    struct zs_error e = {0};
    CU_ASSERT(error_check(ZS_OK, &e, "init") == ZS_OK && e.sqlstate[0] == '\0');
    CU_ASSERT_EQUAL(error_check(7, &e, "init"), ZS_FAIL);
    ASSERT_TEXT(e.sqlstate, ZS_INTERNAL_ERROR);
    ASSERT_TEXT(e.message, "init failed and did not say why");
    error_set(&e, ZS_BUSY, "busy");
    CU_ASSERT_EQUAL(error_check(ZS_FAIL, &e, "init"), ZS_FAIL);
    ASSERT_TEXT(e.message, "busy");
    CU_ASSERT_EQUAL(error_memory(&e), ZS_FAIL);
    ASSERT_TEXT(e.sqlstate, ZS_OUT_OF_MEMORY);
}

SUITE("base/error",
      {"error_set clears, and the retry class follows from the SQLSTATE",
       test_set_clears_and_classifies},
      {"detail and hint are added, and a text may be its own argument", test_added_texts},
      {"a long text is cut between characters", test_long_texts_are_cut_between_characters},
      {"what is no character of UTF-8 is mended", test_what_is_no_character_is_mended},
      {"a system error has its SQLSTATE and its meaning", test_errno_has_its_sqlstate},
      {"a failure without a reason is the callee's, and named", test_check_names_a_silent_callee})
