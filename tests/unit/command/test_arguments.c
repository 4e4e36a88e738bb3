/* test_arguments.c - words, quotes and options behind a command's name. */
#include "../../support/suite.h"

#include "base/error.h"
#include "command/arguments.h"
#include "sync/encoding.h"

#include <stdio.h>
#include <string.h>

/* What was read, as one text: <word> and {name=value}. */
static void show(const struct arguments *a, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < a->nwords; i++)
        used += (size_t)snprintf(out + used, size - used, "<%s>", a->words[i]);
    for (size_t i = 0; i < a->noptions; i++)
        used += (size_t)snprintf(out + used, size - used, "{%s=%s}", a->options[i].name,
                                 a->options[i].value);
}

static void test_words_and_options_are_taken_apart(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {" \t\n", ""},
        {"main", "<main>"},
        {"  main  ", "<main>"},
        {"main postgresql://u:p@h:5433/x?a=b", "<main><postgresql://u:p@h:5433/x?a=b>"},
        {"'main' 'a b'", "<main><a b>"},
        {"'it''s' ''", "<it's><>"},
        {"'''' ''''''", "<'><''>"},
        {"'a(b),c' d", "<a(b),c><d>"},
        {"a b c d", "<a><b><c><d>"},
        {"a (dry_run)", "<a>{dry_run=true}"},
        {"a(dry_run)", "<a>{dry_run=true}"},
        {"'a'(dry_run)", "<a>{dry_run=true}"},
        {"a ( dry_run on , max_rate 10M )", "<a>{dry_run=on}{max_rate=10M}"},
        {"a (dry_run,max_rate 10M,progress)", "<a>{dry_run=true}{max_rate=10M}{progress=true}"},
        {"a ( x 'q''q' , y '' )", "<a>{x=q'q}{y=}"},
        {"a ( 'x' y )", "<a>{x=y}"},
        {"a ( x 'y')  ", "<a>{x=y}"},
        {"(x)", "{x=true}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct arguments a;
        char got[400];
        ASSERT_OK(arguments_parse(cases[i].text, &a, &e));
        show(&a, got, sizeof got);
        ASSERT_TEXT(got, cases[i].want);
        arguments_fini(&a);
        CU_ASSERT(a.copy == NULL && a.nwords == 0);
        arguments_fini(&a);
    }
}

static void test_what_cannot_be_read_is_a_syntax_error_that_shows_no_word(void)
{
    static const char *const bad[] = {
        "secret 'secret",     "secret'secret",      "'secret'secret",
        "'secret''",          "secret , secret",    ", secret",
        "secret ) secret",    "a b c d secret",     "secret (",
        "secret (x",          "secret (x secret",   "secret ()",
        "secret (x,)",        "secret (,x)",        "secret (x y secret)",
        "secret (x 'secret)", "secret (x'secret')", "secret (x) secret",
        "secret (x) (y)",     "secret (x (y))",     "(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,secret)",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_error e = {0};
        struct arguments a;
        ASSERT_FAILS(arguments_parse(bad[i], &a, &e), ZS_SYNTAX_ERROR);
        CU_ASSERT(strstr(e.message, "secret") == NULL && strstr(e.detail, "secret") == NULL);
        CU_ASSERT(strstr(e.detail, "At character ") == e.detail);
        CU_ASSERT(a.copy == NULL);
    }
}

/* Whatever the text, the parser ends inside of it (the sanitizers look on). */
static void test_every_truncation_and_insertion_is_survived(void)
{
    static const char good[] = "'ma''in' uri x ( dry_run on, max_rate '1M' , progress )";
    static const char marks[] = "'(), ;\\\"x";
    char text[sizeof good + 1];
    for (size_t at = 0; at < sizeof good; at++)
        for (size_t m = 0; m < sizeof marks; m++) {
            struct zs_error e = {0};
            struct arguments a;
            memcpy(text, good, at);
            text[at] = marks[m]; /* the last mark is the NUL: a truncation */
            memcpy(text + at + 1, good + at, sizeof good - at);
            if (arguments_parse(text, &a, &e) == ZS_OK)
                arguments_fini(&a);
            else
                CU_ASSERT(error_is(&e, ZS_SYNTAX_ERROR) && a.copy == NULL);
        }
}

static void test_the_number_of_words_is_checked(void)
{
    static const struct {
        const char *text;
        const char *message; /* NULL: good */
    } cases[] = {{"a", "too few arguments"},
                 {"a b", NULL},
                 {"a b c", NULL},
                 {"a b c d", "too many arguments"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct arguments a;
        ASSERT_OK(arguments_parse(cases[i].text, &a, &e));
        int rc = arguments_expect(&a, 2, 3, "x A B [C]", &e);
        if (cases[i].message == NULL) {
            ASSERT_OK(rc);
        } else {
            ASSERT_FAILS(rc, ZS_SYNTAX_ERROR);
            ASSERT_TEXT(e.message, cases[i].message);
            ASSERT_TEXT(e.hint, "Usage: x A B [C]");
        }
        arguments_fini(&a);
    }
}

static int read_options(const char *text, struct transfer_options *o, struct zs_error *e)
{
    struct arguments a;
    struct zs_error parsing = {0};
    *e = (struct zs_error){0};
    if (arguments_parse(text, &a, &parsing) != ZS_OK)
        return ZS_FAIL;
    int rc = transfer_options_read(&a, o, e);
    arguments_fini(&a);
    return rc;
}

static void test_options_have_their_values(void)
{
    static const struct {
        const char *text;
        bool dry_run, progress;
        uint32_t encoding;
        uint64_t rate;
    } cases[] = {
        {"", false, true, ENCODING_AUTO, 0},
        {"(dry_run)", true, true, ENCODING_AUTO, 0},
        {"(DRY_RUN Yes)", true, true, ENCODING_AUTO, 0},
        {"(dry_run off, progress 0)", false, false, ENCODING_AUTO, 0},
        {"(dry_run on, dry_run off)", false, true, ENCODING_AUTO, 0},
        {"(max_rate 16k)", false, true, ENCODING_AUTO, 16384},
        {"(max_rate 0)", false, true, ENCODING_AUTO, 0},
        {"(compression lz4)", false, true, BATCH_LZ4, 0},
        {"(compression 'zstd', max_rate '1.5G')", false, true, BATCH_ZSTD, 1610612736},
        {"(compression auto)", false, true, ENCODING_AUTO, 0},
        {"(compression none)", false, true, BATCH_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        struct transfer_options o = {0};
        ASSERT_OK(read_options(cases[i].text, &o, &e));
        CU_ASSERT(o.dry_run == cases[i].dry_run && o.progress == cases[i].progress);
        CU_ASSERT(o.max_rate_bps == cases[i].rate && o.encoding == cases[i].encoding);
    }
}

static void test_options_that_are_wrong_are_refused_without_being_shown(void)
{
    static const struct {
        const char *text, *sqlstate, *named; /* in the message */
    } cases[] = {
        {"(resume)", ZS_SYNTAX_ERROR, "\"resume\""},
        {"(dry_run maybe)", ZS_BAD_VALUE, "dry_run"},
        {"(progress 2)", ZS_BAD_VALUE, "progress"},
        {"(max_rate)", ZS_BAD_VALUE, "max_rate"},
        {"(max_rate 16383)", ZS_BAD_VALUE, "max_rate"},
        {"(max_rate 0.5)", ZS_BAD_VALUE, "max_rate"},
        {"(max_rate -1)", ZS_BAD_VALUE, "max_rate"},
        {"(max_rate '')", ZS_BAD_VALUE, "max_rate"},
        {"(compression gzip)", ZS_BAD_VALUE, "compression"},
        {"(max_rate postgresql://u:secret@h/)", ZS_BAD_VALUE, "max_rate"},
        {"(postgresql://u:secret@h/)", ZS_SYNTAX_ERROR, "unknown option"},
        {"('secret word')", ZS_SYNTAX_ERROR, "unknown option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        struct transfer_options o;
        ASSERT_FAILS(read_options(cases[i].text, &o, &e), cases[i].sqlstate);
        CU_ASSERT(strstr(e.message, cases[i].named) != NULL && e.hint[0] != '\0');
        CU_ASSERT(strstr(e.message, "secret") == NULL && e.detail[0] == '\0');
    }
}

/* What was quoted reads back as the one word that it was. */
static void test_quoting_reads_back(void)
{
    static const char *const words[] = {"",          "a",  "'", "''", "a'b''c", "{\"x\":\"y\"}",
                                        "a b(c),d;", "\\'"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct zs_error e = {0};
        struct arguments a;
        char line[64];
        size_t used = 0;
        CU_ASSERT(argument_quote(line, sizeof line, &used, words[i]));
        CU_ASSERT(strlen(line) == used);
        ASSERT_OK(arguments_parse(line, &a, &e));
        CU_ASSERT(a.nwords == 1 && a.noptions == 0);
        if (a.nwords == 1)
            ASSERT_TEXT(a.words[0], words[i]);
        arguments_fini(&a);
    }
    for (size_t size = 0; size < 40; size++) { /* never past the end */
        char line[40];
        size_t used = 0;
        memset(line, '#', sizeof line);
        bool fits = argument_quote(line, size, &used, "it's '''' quoted");
        CU_ASSERT(!fits || strlen(line) == used);
        for (size_t k = size; k < sizeof line; k++)
            CU_ASSERT(line[k] == '#');
    }
}

/* The system's, for this program: what was wiped last. */
static struct {
    const void *at;
    size_t bytes;
} wiped;

void explicit_bzero(void *at, size_t bytes)
{
    volatile char *p = at;
    for (size_t i = 0; i < bytes; i++)
        p[i] = '\0';
    wiped.at = at;
    wiped.bytes = bytes;
}

/* Words are cut out in place, so that the copy is many strings in the end. */
static void test_nothing_of_a_uri_stays_in_memory(void)
{
    static const char *const texts[] = {
        "main postgresql://u:secret@h/ far (max_rate 1M)",
        "main 'postgresql://u:secret@h/' ('oops",
        "main postgresql://u:secret@h/ far 4 5",
        "",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct zs_error e = {0};
        struct arguments a;
        wiped.bytes = 0;
        int rc = arguments_parse(texts[i], &a, &e);
        const char *copy = a.copy;
        arguments_fini(&a);
        CU_ASSERT(rc != ZS_OK || wiped.at == copy);
        CU_ASSERT_EQUAL(wiped.bytes, strlen(texts[i]) + 1);
    }
}

SUITE("command/arguments",
      {"words and options are taken apart", test_words_and_options_are_taken_apart},
      {"what cannot be read is a syntax error that shows no word",
       test_what_cannot_be_read_is_a_syntax_error_that_shows_no_word},
      {"every truncation and insertion is survived",
       test_every_truncation_and_insertion_is_survived},
      {"the number of words is checked", test_the_number_of_words_is_checked},
      {"options have their values", test_options_have_their_values},
      {"options that are wrong are refused without being shown",
       test_options_that_are_wrong_are_refused_without_being_shown},
      {"quoting reads back", test_quoting_reads_back},
      {"nothing of a URI stays in memory", test_nothing_of_a_uri_stays_in_memory})
