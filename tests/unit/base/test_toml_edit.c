/* test_toml_edit.c - edits change what they are meant to and not one byte else. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/toml.h"

#include <stdlib.h>
#include <string.h>

struct edit {
    const char *before, *name, *value, *after; /* value NULL: remove; after NULL: refused */
};

static void run(const struct edit *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = NULL;
        CLEANUP(free_ptr) char *text = NULL;
        size_t len = 0;
        ASSERT_OK(toml_parse(cases[i].before, strlen(cases[i].before), "o.toml", &t, &e));
        CU_ASSERT_FATAL(t != NULL);
        int rc = cases[i].value != NULL
                     ? toml_set_string(t, TOML_PATH("origin", cases[i].name, "uri"), cases[i].value,
                                       &text, &len, &e)
                     : toml_remove(t, TOML_PATH("origin", cases[i].name), &text, &len, &e);
        if (cases[i].after == NULL) {
            ASSERT_FAILS(rc, ZS_BAD_VALUE);
            CU_ASSERT(text == NULL);
            continue;
        }
        ASSERT_OK(rc);
        ASSERT_TEXT(text, cases[i].after);
        CU_ASSERT(text != NULL && strlen(text) == len);
    }
}
#define RUN(cases) run(cases, sizeof(cases) / sizeof *(cases))

static void test_adding_keeps_what_is_there(void)
{
    static const struct edit cases[] = {
        {"", "a", "x://h", "[origin.a]\nuri = \"x://h\"\n"},
        {"# mine", "a", "x", "# mine\n\n[origin.a]\nuri = \"x\"\n"},
        {"k = 1\n", "a", "x", "k = 1\n\n[origin.a]\nuri = \"x\"\n"},
        {"k = 1\n\n", "a", "x", "k = 1\n\n[origin.a]\nuri = \"x\"\n"},
        {"k = 1\r\n", "a", "x", "k = 1\r\n\r\n[origin.a]\r\nuri = \"x\"\r\n"},
        {"\xEF\xBB\xBF", "a", "x", "\xEF\xBB\xBF[origin.a]\nuri = \"x\"\n"},
        {"[origin]\nb = {uri='y'}\n", "a", "x",
         "[origin]\nb = {uri='y'}\n\n[origin.a]\nuri = \"x\"\n"},
        {"origin.b.uri = 'y' # dotted\n[z]\n", "a", "x",
         "origin.b.uri = 'y' # dotted\n[z]\n\n[origin.a]\nuri = \"x\"\n"},
        {"origin = {}\nk = 1\n", "a", "x", "origin = { a = { uri = \"x\" } }\nk = 1\n"},
        {"origin = { b = {uri='}'} } # {\n", "a", "x",
         "origin = { b = {uri='}'}, a = { uri = \"x\" } } # {\n"},
        {"origin = {b={uri=['}',{c=1}]}}", "a", "x",
         "origin = {b={uri=['}',{c=1}]}, a = { uri = \"x\" }}"},
        {"# c\n[origin.a] # d\n  note = 1\n[z]\n", "a", "x",
         "# c\n[origin.a] # d\nuri = \"x\"\n  note = 1\n[z]\n"},
        {"  [origin.a]\r\n", "a", "x", "  [origin.a]\r\n  uri = \"x\"\r\n"},
        {"", "a.b", "x", "[origin.\"a.b\"]\nuri = \"x\"\n"},
        {"", "a", "\"\\\n\x7f\xC3\xA4", "[origin.a]\nuri = \"\\\"\\\\\\u000A\\u007F\xC3\xA4\"\n"},
        {"\n", "a", "x", "\n[origin.a]\nuri = \"x\"\n"},
        {"k = 1  \n  \n", "a", "x", "k = 1  \n  \n[origin.a]\nuri = \"x\"\n"},
        {"k = 1\t", "a", "x", "k = 1\t\n\n[origin.a]\nuri = \"x\"\n"},
        {"\t[origin.a] # d", "a", "x", "\t[origin.a] # d\n\turi = \"x\"\n"},
        {"origin = { b = { c = { d = 1 } } }\n", "a", "x",
         "origin = { b = { c = { d = 1 } }, a = { uri = \"x\" } }\n"},
        {"origin = { a = { } }\n", "a", "x", "origin = { a = { uri = \"x\" } }\n"},
        {"origin = { a = {n=1}, b = {} }\n", "a", "x",
         "origin = { a = {n=1, uri = \"x\"}, b = {} }\n"},
        {"origin.\"a\\u0062\".n = 1 # \\\nk = \"\\\"#\\\\\" # \"\n", "a", "x",
         "origin.\"a\\u0062\".n = 1 # \\\nk = \"\\\"#\\\\\" # \"\n\n[origin.a]\nuri = \"x\"\n"},
        {"k = \"\"\"\\\"\"\"\\\n[origin.a]\n\"\"\"\n", "a", "x",
         "k = \"\"\"\\\"\"\"\\\n[origin.a]\n\"\"\"\n\n[origin.a]\nuri = \"x\"\n"},
        {"", "", "x", "[origin.\"\"]\nuri = \"x\"\n"},
        {"k = ''", "a", "x", "k = ''\n\n[origin.a]\nuri = \"x\"\n"},
        {"k = 1\n  ", "a", "x", "k = 1\n  \n\n[origin.a]\nuri = \"x\"\n"},
        {"origin = { a = 1 }\n", "a", "x", NULL},
        {"origin = 1\n", "a", "x", NULL},
        {"[[origin]]\n", "a", "x", NULL},
        {"[origin]\na = 'x'\n", "a", "x", NULL},
        {"origin.a.note = 1\n", "a", "x", NULL},
        {"", "a", "\xff", NULL},
    };
    RUN(cases);
}

static void test_replacing_changes_the_value_alone(void)
{
    static const struct edit cases[] = {
        {"[origin.a] # 1\n# 2\nuri='y' # 3\nnote = 4", "a", "x",
         "[origin.a] # 1\n# 2\nuri=\"x\" # 3\nnote = 4"},
        {"origin.a.uri = \"\"\"\ny\"\"\"\" # c\n", "a", "x", "origin.a.uri = \"x\" # c\n"},
        {"origin = { b.uri='x', a . \"uri\" = 'y\\' , c=1 }", "a", "x",
         "origin = { b.uri='x', a . \"uri\" = \"x\" , c=1 }"},
        {"[origin]\n\"a\" = { uri = '''y''', z = [1, # ]\n2] }\n", "a", "x",
         "[origin]\n\"a\" = { uri = \"x\", z = [1, # ]\n2] }\n"},
        {"[origin.a]\nuri = 1979-05-27 07:32:00 # date\n", "a", "x",
         "[origin.a]\nuri = \"x\" # date\n"},
        {"\"origin\".'a'.uri = 1.5", "a", "x", "\"origin\".'a'.uri = \"x\""},
        {"origin.a . uri\t=\t'y'\t\r\n", "a", "x", "origin.a . uri\t=\t\"x\"\t\r\n"},
        {"origin = { a = { uri = true } }\n", "a", "x", "origin = { a = { uri = \"x\" } }\n"},
        {"[origin.a.uri]\nb = 1\n", "a", "x", NULL},
        {"[origin.a.uri]\n", "a", "x", NULL},
        {"origin = { a = { uri.b = 1 } }\n", "a", "x", NULL},
        {"[origin.a]\nuri.b = 1\n", "a", "x", NULL},
    };
    RUN(cases);
}

static void test_removing_takes_the_origin_in_any_notation(void)
{
    static const struct edit cases[] = {
        {"[origin.a]\nuri = 'x'\n", "a", NULL, ""},
        {"# top\n\n[origin.a]\nuri = 'x' # mine\nnote = 1\n\n# of b\n[origin.b]\nuri = 'y'\n", "a",
         NULL, "# top\n\n# of b\n[origin.b]\nuri = 'y'\n"},
        {"[origin.b]\nuri = 'y'\n\n[origin.a]\nuri = 'x'\n", "a", NULL, "[origin.b]\nuri = 'y'\n"},
        {"[origin.a]\n# kept\nuri = 'x'\n# kept too\n[z]\n", "a", NULL,
         "# kept\n# kept too\n[z]\n"},
        {"[origin.a]\nuri = 'x'\n[z]\nk = [\n1, # c\n]\n[origin.a.more]\nl = 1\n[[origin.a.m]]\n",
         "a", NULL, "[z]\nk = [\n1, # c\n]\n"},
        {"[origin.'a']\nuri = \"\"\"\n[origin.b]\n\"\"\"\nk=1", "a", NULL, ""},
        {"origin.a.uri = 'x'\norigin.b.uri = 'y'\norigin.a.n = 1\n", "a", NULL,
         "origin.b.uri = 'y'\n"},
        {"[origin]\na = {uri = 'x'} # c\nb.uri = 'y'\n", "a", NULL, "[origin]\nb.uri = 'y'\n"},
        {"[origin]\na.uri = 'x'\n", "a", NULL, "[origin]\n"},
        {"origin = { a = {uri='x'} }\n", "a", NULL, "origin = {  }\n"},
        {"origin = { a = {uri='x'}, b.uri = 'y' }\n", "a", NULL, "origin = { b.uri = 'y' }\n"},
        {"origin = { b.uri = 'y', a.uri='x,}', a.n = [1,2], c = 1 } # z\n", "a", NULL,
         "origin = { b.uri = 'y', c = 1 } # z\n"},
        {"origin = {b=1,a.uri='x',a.n=2}", "a", NULL, "origin = {b=1}"},
        {"origin = {a.uri='x',a.n=2,b=1}", "a", NULL, "origin = {b=1}"},
        {"origin = {a.uri='x',b=1,a.n=2}", "a", NULL, "origin = {b=1}"},
        {"x = nan\n[origin.a]\n[z]\nt = 07:32:00\n", "a", NULL, "x = nan\n[z]\nt = 07:32:00\n"},
        {"k = 1\r\n\r\n[origin.a]\r\nuri='x'\r\n\r\n[z]\r\n", "a", NULL, "k = 1\r\n\r\n[z]\r\n"},
        {"[origin.\"a.b\"]\nuri='x'\n[origin.a.b]\nuri='y'\n", "a.b", NULL,
         "[origin.a.b]\nuri='y'\n"},
        {"k = 1\n\n[origin.a]\nuri='x'\n[z]\n", "a", NULL, "k = 1\n\n[z]\n"},
        {"\n[origin.a]\n\n", "a", NULL, "\n"},
        {"k = 1\n \t\n[origin.a]\n\t\n[z]\n", "a", NULL, "k = 1\n\t\n[z]\n"},
        {"[origin.a]\n[origin.a.b]\n[[origin.a.c]]\n[z]\n", "a", NULL, "[z]\n"},
        {"origin = {a={b={c=1}},b=1}\n", "a", NULL, "origin = {b=1}\n"},
        {"origin.a.x = 1\norigin.a.y.z = 2\n", "a", NULL, ""},
        {"origin.a.a0=0\norigin.a.a1=0\norigin.a.a2=0\norigin.a.a3=0\norigin.a.a4=0\n"
         "origin.a.a5=0\norigin.a.a6=0\norigin.a.a7=0\norigin.a.a8=0\norigin.a.a9=0\n"
         "origin.a.b0=0\norigin.a.b1=0\norigin.a.b2=0\norigin.a.b3=0\norigin.a.b4=0\n"
         "origin.a.b5=0\norigin.a.b6=0\nk=1\n",
         "a", NULL, "k=1\n"},
        {"\xEF\xBB\xBF[origin.a]\nuri='x'\n\n[z]\n", "a", NULL, "\xEF\xBB\xBF\n[z]\n"},
        {"[origin.b]\n", "a", NULL, NULL},
        {"[[origin]]\na = 1\n", "a", NULL, NULL},
    };
    RUN(cases);
}

/* Paths of other lengths than an origin's. */
static void test_a_key_at_the_top_and_one_deep_down(void)
{
    static const struct {
        const char *before, *path[4], *value, *after;
    } cases[] = {
        {"", {"k"}, "x", "k = \"x\"\n"},
        {"\xEF\xBB\xBF# c\n[z]\n", {"k"}, "x", "\xEF\xBB\xBFk = \"x\"\n# c\n[z]\n"},
        {"k = 1 # c\n", {"k"}, "x", "k = \"x\" # c\n"},
        {"[[k]]\n", {"k"}, "x", NULL},
        {"k = 1\nl = 2\n", {"k"}, NULL, "l = 2\n"},
        {"o.a.uri = 'x'\n", {"o", "a", "uri"}, NULL, ""},
        {"[o.a]\nuri = 'x'\n", {"o", "a", "uri"}, NULL, "[o.a]\n"},
        {"k = 1\n", {"k", "l"}, NULL, NULL},
        {"k = 1\n", {NULL}, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = NULL;
        CLEANUP(free_ptr) char *text = NULL;
        size_t len = 0;
        ASSERT_OK(toml_parse(cases[i].before, strlen(cases[i].before), "o.toml", &t, &e));
        int rc = cases[i].value != NULL
                     ? toml_set_string(t, cases[i].path, cases[i].value, &text, &len, &e)
                     : toml_remove(t, cases[i].path, &text, &len, &e);
        if (cases[i].after == NULL) {
            ASSERT_FAILS(rc, ZS_BAD_VALUE);
            continue;
        }
        ASSERT_OK(rc);
        ASSERT_TEXT(text, cases[i].after);
    }
}

static void test_adding_and_removing_gives_the_text_back(void)
{
    static const char *const texts[] = {"# c\n\n[z]\nk = 1\n", "k = 1\r\n", "# only\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct zs_error e = {0};
        CLEANUP(toml_free_ptr) struct toml_doc *t = NULL, *u = NULL;
        CLEANUP(free_ptr) char *with = NULL, *without = NULL;
        size_t len = 0;
        ASSERT_OK(toml_parse(texts[i], strlen(texts[i]), "o.toml", &t, &e));
        ASSERT_OK(toml_set_string(t, TOML_PATH("origin", "a", "uri"), "x", &with, &len, &e));
        ASSERT_OK(toml_parse(with, len, "o.toml", &u, &e));
        ASSERT_OK(toml_remove(u, TOML_PATH("origin", "a"), &without, &len, &e));
        ASSERT_TEXT(without, texts[i]);
    }
}

static void test_a_check_sees_every_other_change(void)
{
    static const struct {
        const char *text;
        bool same;
    } cases[] = {
        {"a = 1\nd = 0.5\nz = 0.0\nb = [1, {c = nan}]\n[o]\nx = 'v'", true},
        {"d = 0.5\nb = [1, {c = nan}]\nz = 0.0\no.x = 'v'\na = 1 # order and notation do not "
         "matter",
         true},
        {"a = 1.0\nd = 0.5\nz = 0.0\nb = [1, {c = nan}]\n[o]\nx = 'v'", false},
        {"a = 1\nd = 0.5\nz = 0.0\nb = [1, {c = nan}]\n[o]\nx = 'w'", false},
        {"a = 1\nd = 0.5\nz = 0.0\nb = [1, {c = 0.0}]\n[o]\nx = 'v'", false},
        {"a = 1\nd = 0.5\nz = 0.0\nb = [1, {c = nan}]\n[o]\nx = 'v'\ny = 1", false},
        {"a = 1\nd = 0.5\nz = 0.0\n[o]\nx = 'v'", false},
        {"a = 1\nd = 0.5\nz = 0.0\nb = [1]\n[o]\nx = 'v'", false},
        {"a = 1\nd = 0.5\nz = -0.0\nb = [1, {c = nan}]\n[o]\nx = 'v'", false},
        {"a = 1\nd = nan\nz = 0.0\nb = [1, {c = nan}]\n[o]\nx = 'v'", false},
        {"a = 1\nd = 0.6\nz = 0.0\nb = [1, {c = nan}]\n[o]\nx = 'v'", false},
        {"a = 1\nd = 0.5\nz = 0.0\nc = [1, {c = nan}]\n[o]\nx = 'v'", false},
        {"a = = 1", false},
    };
    static const char before[] = "a = 1\nd = 0.5\nz = 0.0\nb = [1, {c = nan}]\n";
    struct zs_error e = {0};
    CLEANUP(toml_free_ptr) struct toml_doc *t = NULL;
    ASSERT_OK(toml_parse(before, sizeof before - 1, "o.toml", &t, &e));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool same = !cases[i].same;
        ASSERT_OK(toml_check_edit(t, cases[i].text, strlen(cases[i].text), TOML_PATH("o", "x"), "v",
                                  &same, &e));
        CU_ASSERT(same == cases[i].same);
    }
}

SUITE("base/toml_edit", {"adding keeps what is there", test_adding_keeps_what_is_there},
      {"replacing changes the value alone", test_replacing_changes_the_value_alone},
      {"removing takes the origin in any notation", test_removing_takes_the_origin_in_any_notation},
      {"a key at the top is changed, and one deep down", test_a_key_at_the_top_and_one_deep_down},
      {"adding and removing gives the text back", test_adding_and_removing_gives_the_text_back},
      {"a check sees every other change", test_a_check_sees_every_other_change})
