/* test_toml.c - reading TOML: values, what is missing, what is of a wrong type. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/toml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct toml_doc *parse(const char *text)
{
    struct zs_error e = {0};
    struct toml_doc *t = NULL;
    ASSERT_OK(toml_parse(text, strlen(text), "x.toml", &t, &e));
    return t;
}

static void test_values_of_any_notation_are_read(void)
{
    static const char *const notations[] = {
        "[a.b]\ns = \"v\"\ni = 7\nf = true\nl = [\"x\", 'y']\n",
        "a.b.s = 'v'\na.b.i = 0x7\na.b.f = true\na.b.l = [ # c\n\"x\",\n\"y\",]",
        "a = { b = { s = \"\"\"v\"\"\", i = +7, f = true, l = ['x', 'y'] } }\r\n",
        "\xEF\xBB\xBF[ a . \"b\" ]\n\"s\" = \"\\u0076\"\n'i' = 7\nf = true\nl = ['x','y']",
    };
    for (size_t i = 0; i < sizeof notations / sizeof *notations; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = parse(notations[i]);
        const char *s = NULL, *const *list = NULL;
        int64_t number = 0;
        bool flag = false;
        size_t n = 0;
        ASSERT_OK(toml_get_string(t, TOML_PATH("a", "b", "s"), &s, &e));
        ASSERT_TEXT(s, "v");
        ASSERT_OK(toml_get_integer(t, TOML_PATH("a", "b", "i"), 0, 7, &number, &e));
        CU_ASSERT(number == 7);
        ASSERT_OK(toml_get_bool(t, TOML_PATH("a", "b", "f"), &flag, &e));
        CU_ASSERT(flag);
        ASSERT_OK(toml_get_strings(t, TOML_PATH("a", "b", "l"), &list, &n, &e));
        CU_ASSERT_FATAL(n == 2);
        ASSERT_TEXT(list[1], "y");
        free((void *)list);
        ASSERT_OK(toml_get_keys(t, TOML_PATH("a", "b"), &list, &n, &e));
        CU_ASSERT_FATAL(n == 4);
        ASSERT_TEXT(list[0], "f");
        free((void *)list);
    }
}

static void test_missing_is_no_error_and_leaves_the_default(void)
{
    struct zs_error e = {0};
    CLEANUP(toml_free_ptr) struct toml_doc *t = parse("a.b = 1\n");
    const char *s = "default", *const *list = NULL;
    int64_t number = 5;
    size_t n = 9;
    ASSERT_OK(toml_get_string(t, TOML_PATH("a", "c"), &s, &e));
    ASSERT_TEXT(s, "default");
    ASSERT_OK(toml_get_integer(t, TOML_PATH("x", "y"), 0, 1, &number, &e));
    CU_ASSERT(number == 5);
    ASSERT_OK(toml_get_keys(t, TOML_PATH("a", "b", "c"), &list, &n, &e));
    CU_ASSERT(n == 0 && list == NULL);
    CU_ASSERT(!toml_has(t, TOML_PATH("a", "c")) && toml_has(t, TOML_PATH("a", "b")));
    CU_ASSERT(toml_line(t, TOML_PATH("a", "b")) == 1 && toml_line(t, TOML_PATH("c")) == 0);
}

/* No list and an empty one are two things: anywhere and nowhere, where it lists what is allowed. */
static void test_a_list_of_words_is_one_text(void)
{
    static const struct {
        const char *text, *words, *says;
    } cases[] = {
        {"", NULL, NULL},
        {"l = []", "", NULL},
        {"l = ['a']", "a", NULL},
        {"l = ['a', \"b/8\", '*.c:1']", "a b/8 *.c:1", NULL},
        {"\nl = ['a', '']", NULL, "x.toml, line 2: an item of \"l\" is empty or has a blank in it"},
        {"l = ['a b']", NULL, "x.toml, line 1: an item of \"l\" is empty or has a blank in it"},
        {"l = [\"a\\n\"]", NULL, "is empty or has a blank"},
        {"l = ['a', 1]", NULL, "must be a list of strings"},
        {"l = 'a'", NULL, "must be a list of strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = parse(cases[i].text);
        CLEANUP(free_ptr) char *words = NULL;
        int rc = toml_get_words(t, TOML_PATH("l"), &words, &e);
        if (cases[i].says == NULL) {
            ASSERT_OK(rc);
            CU_ASSERT((words == NULL) == (cases[i].words == NULL));
            if (words != NULL && cases[i].words != NULL)
                ASSERT_TEXT(words, cases[i].words);
        } else {
            ASSERT_FAILS(rc, ZS_BAD_VALUE);
            CU_ASSERT(words == NULL && strstr(e.message, cases[i].says) != NULL);
        }
    }
}

static void test_wrong_values_are_named_with_their_line(void)
{
    struct zs_error e = {0};
    CLEANUP(toml_free_ptr)
    struct toml_doc *t =
        parse("s = \"x\"\ni = 1\nbig = 70000\nlist = [\"a\", 2]\nnul = \"a\\u0000b\"\n");
    const char *s = NULL, *const *list = NULL;
    int64_t number = 0;
    bool flag = false;
    size_t n = 0;
    ASSERT_FAILS(toml_get_integer(t, TOML_PATH("s"), 0, 1, &number, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 1: s must be an integer, and is a string");
    ASSERT_FAILS(toml_get_string(t, TOML_PATH("i"), &s, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 2: i must be a string, and is an integer");
    ASSERT_FAILS(toml_get_integer(t, TOML_PATH("big"), 1, 65535, &number, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 3: big must be from 1 to 65535, and is 70000");
    ASSERT_FAILS(toml_get_strings(t, TOML_PATH("list"), &list, &n, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(toml_get_string(t, TOML_PATH("nul"), &s, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(toml_get_bool(t, TOML_PATH("i"), &flag, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(toml_get_keys(t, TOML_PATH("i"), &list, &n, &e), ZS_BAD_VALUE);
}

static void test_every_type_is_called_by_its_name(void)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"v = {}", "a table"},
        {"v = []", "a list"},
        {"v = 'x'", "a string"},
        {"v = 1", "an integer"},
        {"v = 1.5", "a floating-point number"},
        {"v = true", "true or false"},
        {"v = 1979-05-27", "a date or time"},
        {"v = 07:32:00", "a date or time"},
        {"v = 1979-05-27T07:32:00Z", "a date or time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = parse(cases[i].text);
        const char *s = NULL;
        int64_t number = 0;
        int rc = strcmp(cases[i].name, "a string") == 0
                     ? toml_get_integer(t, TOML_PATH("v"), 0, 1, &number, &e)
                     : toml_get_string(t, TOML_PATH("v"), &s, &e);
        ASSERT_FAILS(rc, ZS_BAD_VALUE);
        CU_ASSERT(strstr(e.message, cases[i].name) != NULL);
    }
}

/* Keys that are not plain are quoted, so that a message can be typed back. */
static void test_a_key_in_a_message_is_quoted_where_it_must_be(void)
{
    static const struct {
        const char *key, *shown;
    } cases[] = {{"a-b_9", "o.a-b_9 must"}, {"a b", "o.\"a b\" must"}, {"", "o.\"\" must"}};
    CLEANUP(toml_free_ptr) struct toml_doc *t = parse("[o]\na-b_9 = 1\n\"a b\" = 1\n\"\" = 1\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        const char *s = NULL;
        ASSERT_FAILS(toml_get_string(t, TOML_PATH("o", cases[i].key), &s, &e), ZS_BAD_VALUE);
        CU_ASSERT(strstr(e.message, cases[i].shown) != NULL);
    }
    struct zs_error e = {0};
    CLEANUP(toml_free_ptr) struct toml_doc *nul = parse("[o]\n\"a\\u0000\" = 1\n");
    const char *const *keys = NULL;
    size_t n = 0;
    ASSERT_FAILS(toml_get_keys(nul, TOML_PATH("o"), &keys, &n, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 2: a key has a NUL character in it");
}

static void test_text_that_is_no_toml_is_refused_with_its_place(void)
{
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"a = 1\nb = = 2\n", "x.toml, line 2, column 5:"},
        {"a = \"x\n", "x.toml, line 1, column "},
        {"[a]\n[a]\n", "x.toml, line 2, column "},
        {"a = 1\na = 2\n", "x.toml, line 2, column "},
        {"a = \"\xff\"\n", "x.toml, line 1, column "},
        {"a = [[[[", "x.toml, line 1, column "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct toml_doc *t = NULL;
        ASSERT_FAILS(toml_parse(cases[i].text, strlen(cases[i].text), "x.toml", &t, &e),
                     ZS_BAD_VALUE);
        CU_ASSERT(strncmp(e.message, cases[i].place, strlen(cases[i].place)) == 0);
        CU_ASSERT(e.detail[0] != '\0' && e.hint[0] != '\0');
    }
}

static void test_a_value_is_refused_in_one_sentence(void)
{
    CLEANUP(toml_free_ptr)
    struct toml_doc *t = parse("low = -1\nhigh = 3\nl = 1\nm = ['a', 'b\\u0000', \"c\\u0000\"]\n");
    struct zs_error e = {0};
    const char *const *list = NULL;
    size_t n = 1;
    int64_t number = 7;
    ASSERT_FAILS(toml_get_integer(t, TOML_PATH("low"), 0, 2, &number, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 1: low must be from 0 to 2, and is -1");
    ASSERT_FAILS(toml_get_integer(t, TOML_PATH("high"), 0, 2, &number, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 2: high must be from 0 to 2, and is 3");
    CU_ASSERT_EQUAL(number, 7);
    ASSERT_FAILS(toml_get_strings(t, TOML_PATH("l"), &list, &n, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 3: l must be a list of strings, and is an integer");
    ASSERT_FAILS(toml_get_strings(t, TOML_PATH("m"), &list, &n, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml, line 4: m has a NUL character in it");
    CU_ASSERT(list == NULL && n == 0);
    ASSERT_FAILS(toml_refuse(t, TOML_PATH("none"), &e, "%s", "it is missing"), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "x.toml: it is missing");
}

static void fill(char *text, size_t len, const char *unit)
{
    for (size_t i = 0, n = strlen(unit); i < len; i++)
        text[i] = unit[i % n];
}

static void test_nesting_and_size_are_bounded(void)
{
    static const char *const units[] = {"a.",  "[",   "{a=", "\"a\".", "a . ", "[[",   "a={a.",
                                        "[a.", "a={", "'",   "\"\"\"", "#.",   "a=[\n"};
    size_t len = TOML_BYTES_MAX;
    CLEANUP(free_ptr) char *text = malloc(len + 1);
    CU_ASSERT(text != NULL);
    if (text == NULL)
        return;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = NULL;
        fill(text, len, units[i]);
        int rc = toml_parse(text, len, "x.toml", &t, &e);
        CU_ASSERT(rc == ZS_OK || error_is(&e, ZS_BAD_VALUE));
    }
    struct zs_error e = {0};
    struct toml_doc *t = NULL;
    fill(text, len, "a."); /* a.a. ... .a=1 */
    text[len - 3] = '=';
    text[len - 2] = '1';
    text[len - 1] = '\n';
    ASSERT_FAILS(toml_parse(text, len, "x.toml", &t, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.message, "more than 64 parts") != NULL);
    fill(text, len + 1, "\n");
    ASSERT_FAILS(toml_parse(text, len + 1, "x.toml", &t, &e), ZS_BAD_VALUE);
}

static void test_dots_in_strings_and_comments_are_no_nesting(void)
{
    char dots[200], text[1200];
    memset(dots, '.', sizeof dots - 1);
    dots[sizeof dots - 1] = '\0';
    (void)snprintf(text, sizeof text,
                   "# %s\na = \"\\\"%s\" # \"%s\nb = '%s'\nc = \"\"\"%s\"\"\"\"\n", dots, dots,
                   dots, dots, dots);
    CLEANUP(toml_free_ptr) struct toml_doc *t = parse(text);
    CU_ASSERT(t != NULL);
}

static void test_a_file_is_loaded_or_said_to_be_missing(void)
{
    struct zs_error e = {0};
    struct toml_doc *t = NULL;
    bool missing = false;
    ASSERT_FAILS(toml_load("/nonexistent/x.toml", &t, &missing, &e), ZS_IO_ERROR);
    CU_ASSERT(missing);
    ASSERT_FAILS(toml_load("/nonexistent/x.toml", &t, NULL, &e), ZS_IO_ERROR);
    ASSERT_FAILS(toml_load("/", &t, &missing, &e), ZS_BAD_VALUE);
    CU_ASSERT(!missing);
    char path[] = "/tmp/test-toml-XXXXXX";
    CLEANUP(fd_close) int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(write(fd, "a = 1\n", 6) == 6);
    size_t len = 0;
    ASSERT_OK(toml_load(path, &t, &missing, &e));
    ASSERT_TEXT(toml_text(t, &len), "a = 1\n");
    toml_free(t);
    CU_ASSERT(truncate(path, (off_t)TOML_BYTES_MAX + 1) == 0);
    ASSERT_FAILS(toml_load(path, &t, &missing, &e), ZS_BAD_VALUE);
    (void)unlink(path);
}

SUITE("base/toml", {"values of any notation are read", test_values_of_any_notation_are_read},
      {"a list of words is one text, and an empty one is not none",
       test_a_list_of_words_is_one_text},
      {"missing is no error and leaves the default",
       test_missing_is_no_error_and_leaves_the_default},
      {"wrong values are named with their line", test_wrong_values_are_named_with_their_line},
      {"every type is called by its name", test_every_type_is_called_by_its_name},
      {"a key in a message is quoted where it must be",
       test_a_key_in_a_message_is_quoted_where_it_must_be},
      {"text that is no TOML is refused with its place",
       test_text_that_is_no_toml_is_refused_with_its_place},
      {"a value is refused in one sentence", test_a_value_is_refused_in_one_sentence},
      {"nesting and size are bounded", test_nesting_and_size_are_bounded},
      {"dots in strings and comments are no nesting",
       test_dots_in_strings_and_comments_are_no_nesting},
      {"a file is loaded or said to be missing", test_a_file_is_loaded_or_said_to_be_missing})
