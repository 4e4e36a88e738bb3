/* arguments.c - see arguments.h. */
#include "command/arguments.h"

#include "base/error.h"
#include "base/rate.h"
#include "sync/encoding.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Words are cut out in place: what a word became is never longer than what it was. */
struct scanner {
    char *start, *at;
};

static int syntax(const struct scanner *s, const char *what, struct zs_error *e)
{
    error_set(e, ZS_SYNTAX_ERROR, "syntax error in the command's arguments: %s", what);
    return error_detail(e, "At character %zu behind the command's name.",
                        (size_t)(s->at - s->start) + 1);
}

static void skip_blanks(struct scanner *s)
{
    while (isspace((unsigned char)*s->at))
        s->at++;
}

static bool ends_word(char c)
{
    return c == '\0' || c == '(' || c == ')' || c == ',' || isspace((unsigned char)c);
}

/* The next word; *was is the character behind it, which its NUL overwrites. */
static int take_word(struct scanner *s, const char **word, char *was, struct zs_error *e)
{
    if (*s->at != '\'') {
        *word = s->at;
        while (!ends_word(*s->at) && *s->at != '\'')
            s->at++;
        if (*s->at == '\'')
            return syntax(s, "a quote in the middle of a word", e);
    } else {
        char *out = s->at;
        *word = out;
        for (s->at++;; s->at++) {
            if (*s->at == '\0')
                return syntax(s, "a quote is not closed", e);
            if (*s->at == '\'' && *++s->at != '\'')
                break;
            *out++ = *s->at;
        }
        if (!ends_word(*s->at))
            return syntax(s, "a blank is missing behind a quoted word", e);
        *was = *s->at;
        *out = '\0';
        return ZS_OK;
    }
    *was = *s->at;
    *s->at = '\0';
    return ZS_OK;
}

/* Step over the character behind a word, whose place the word's NUL may have taken. */
static char next_mark(struct scanner *s, char was)
{
    if (isspace((unsigned char)was)) {
        s->at++;
        skip_blanks(s);
        return *s->at;
    }
    return was;
}

static int take_options(struct scanner *s, struct arguments *a, struct zs_error *e)
{
    s->at++; /* the ( */
    for (;;) {
        char was = '\0';
        struct argument_option *o = &a->options[a->noptions];
        skip_blanks(s);
        if (a->noptions == ARGUMENTS_MAX_OPTIONS)
            return syntax(s, "too many options", e);
        if (ends_word(*s->at))
            return syntax(s, "an option's name is missing", e);
        TRY(take_word(s, &o->name, &was, e));
        o->value = "true";
        char mark = next_mark(s, was);
        if (!ends_word(mark)) {
            TRY(take_word(s, &o->value, &was, e));
            mark = next_mark(s, was);
        }
        a->noptions++;
        if (mark != ',' && mark != ')')
            return syntax(s, "a comma or a closing parenthesis is missing", e);
        s->at++;
        if (mark == ')')
            break;
    }
    skip_blanks(s);
    return *s->at == '\0' ? ZS_OK : syntax(s, "something stands behind the options", e);
}

static int take_all(struct scanner *s, struct arguments *a, struct zs_error *e)
{
    char mark;
    skip_blanks(s);
    mark = *s->at;
    while (mark != '\0' && mark != '(') {
        char was = '\0';
        if (ends_word(mark))
            return syntax(s, "a comma or a parenthesis where a word was expected", e);
        if (a->nwords == ARGUMENTS_MAX_WORDS)
            return syntax(s, "too many words", e);
        TRY(take_word(s, &a->words[a->nwords++], &was, e));
        mark = next_mark(s, was);
    }
    return mark == '(' ? take_options(s, a, e) : ZS_OK;
}

int arguments_parse(const char *text, struct arguments *a, struct zs_error *e)
{
    *a = (struct arguments){.copy = strdup(text), .copy_bytes = strlen(text) + 1};
    if (a->copy == NULL)
        return error_memory(e);
    struct scanner s = {.start = a->copy, .at = a->copy};
    if (take_all(&s, a, e) == ZS_OK)
        return ZS_OK;
    arguments_fini(a);
    return ZS_FAIL;
}

void arguments_fini(struct arguments *a)
{
    if (a->copy != NULL)
        explicit_bzero(a->copy, a->copy_bytes); /* a URI may have been in it */
    free(a->copy);
    *a = (struct arguments){0};
}

int arguments_none(const char *text, const char *command, struct zs_error *e)
{
    if (text[0] == '\0')
        return ZS_OK;
    error_set(e, ZS_SYNTAX_ERROR, "%s takes no arguments", command);
    return error_hint(e, "Type just: %s", command);
}

int arguments_expect(const struct arguments *a, size_t least, size_t most, const char *usage,
                     struct zs_error *e)
{
    if (a->nwords >= least && a->nwords <= most)
        return ZS_OK;
    error_set(e, ZS_SYNTAX_ERROR, "too %s arguments", a->nwords < least ? "few" : "many");
    return error_hint(e, "Usage: %s", usage);
}

static bool bool_parse(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "on", "yes", "1"};
    static const char *const no[] = {"false", "off", "no", "0"};
    for (size_t i = 0; i < 4; i++)
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    return false;
}

/* Whoever forgets a comma or a quote may have put a URI where an option was due. */
static bool may_show(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == strlen(name);
}

int transfer_options_read(const struct arguments *a, struct transfer_options *o, struct zs_error *e)
{
    *o = (struct transfer_options){.progress = true, .encoding = ENCODING_AUTO};
    for (size_t i = 0; i < a->noptions; i++) {
        const char *name = a->options[i].name, *value = a->options[i].value;
        bool good;
        if (strcasecmp(name, "dry_run") == 0) {
            good = bool_parse(value, &o->dry_run);
        } else if (strcasecmp(name, "progress") == 0) {
            good = bool_parse(value, &o->progress);
        } else if (strcasecmp(name, "max_rate") == 0) {
            good = rate_limit_parse(value, &o->max_rate_bps);
        } else if (strcasecmp(name, "compression") == 0) {
            good = encoding_parse(value, &o->encoding);
        } else {
            error_set(e, ZS_SYNTAX_ERROR, "unknown option%s%.40s%s", may_show(name) ? " \"" : "",
                      may_show(name) ? name : "", may_show(name) ? "\"" : "");
            return error_hint(e, "Options are dry_run, max_rate, compression and progress.");
        }
        if (!good) {
            error_set(e, ZS_BAD_VALUE, "the value of option %s cannot be read", name);
            return error_hint(e, "dry_run and progress take on or off; max_rate bytes per second "
                                 "with k, M or G, at least 16k, or 0 for none; compression auto, "
                                 "none, lz4 or zstd.");
        }
    }
    return ZS_OK;
}

bool argument_quote(char *line, size_t size, size_t *used, const char *word)
{
    size_t at = *used;
    if (at + 2 >= size)
        return false;
    line[at++] = '\'';
    for (; *word != '\0'; word++) {
        if (at + 4 >= size)
            return false;
        if (*word == '\'')
            line[at++] = '\'';
        line[at++] = *word;
    }
    line[at++] = '\'';
    line[at] = '\0';
    *used = at;
    return true;
}
