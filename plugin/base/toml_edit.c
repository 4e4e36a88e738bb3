/* toml_edit.c - edits of a TOML text that leave the rest of it byte for byte.
 * Flow: toml_scan finds the pieces that a path touches; they are cut out, or a
 * piece is put in; toml_check_edit then reads the result with the library and
 * proves that nothing else changed.  An edit that cannot be proven is not made.
 * Threads: none of its own. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/toml.h"
#include "base/toml_scan.h"

#include <stdlib.h>
#include <string.h>

/* ---- putting the new text together -------------------------------------------- */

static const char *line_ending(const struct scan *sc)
{
    const char *nl = memchr(sc->s, '\n', sc->len);
    return nl != NULL && nl > sc->s && nl[-1] == '\r' ? "\r\n" : "\n";
}

/* A basic string: everything that may not stand in one is escaped. */
static void put_quoted(FILE *f, const char *text)
{
    (void)fputc('"', f);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            (void)fprintf(f, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            (void)fprintf(f, "\\u%04X", *p);
        else
            (void)fputc(*p, f);
    }
    (void)fputc('"', f);
}

static void put_key(FILE *f, const char *key)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    if (key[0] != '\0' && key[strspn(key, plain)] == '\0')
        (void)fputs(key, f);
    else
        put_quoted(f, key);
}

static void put_setting(FILE *f, const char *key, const char *value)
{
    put_key(f, key);
    (void)fputs(" = ", f);
    put_quoted(f, value);
}

static void put_range(FILE *f, const struct scan *sc, size_t begin, size_t end)
{
    if (end > begin)
        (void)fwrite(sc->s + begin, 1, end - begin, f);
}

enum placing {
    REPLACE_VALUE,
    ADD_TO_INLINE,
    ADD_BELOW_HEADER,
    ADD_AT_END,
    PLACINGS,
};

/* Write the text with `value` put in one way.  False if that way is not open. */
static bool place(FILE *f, const struct scan *sc, enum placing placing, const char *value)
{
    const char *key = sc->path[sc->nparts - 1], *eol = line_ending(sc);
    switch (placing) {
    case REPLACE_VALUE:
        if (sc->npieces != 1 || sc->pieces[0].kind == PIECE_HEADER)
            return false;
        put_range(f, sc, 0, sc->pieces[0].value_begin);
        put_quoted(f, value);
        put_range(f, sc, sc->pieces[0].value_end, sc->len);
        return true;
    case ADD_TO_INLINE: {
        if (!sc->has_inline || sc->npieces > 0)
            return false;
        size_t end = sc->inline_close;
        while (scan_blank(sc->s[end - 1])) /* as far as the '{' */
            end--;
        put_range(f, sc, 0, end);
        (void)fputs(sc->inline_empty ? " " : ", ", f);
        size_t deep = sc->nparts - 1 - sc->inline_matched;
        for (size_t i = 0; i < deep; i++) {
            put_key(f, sc->path[sc->inline_matched + i]);
            (void)fputs(" = { ", f);
        }
        put_setting(f, key, value);
        for (size_t i = 0; i < deep; i++)
            (void)fputs(" }", f);
        (void)fputs(end == sc->inline_close && !sc->inline_empty ? "" : " ", f);
        put_range(f, sc, sc->inline_close, sc->len);
        return true;
    }
    case ADD_BELOW_HEADER: {
        if (!sc->has_parent || sc->npieces > 0)
            return false;
        put_range(f, sc, 0, sc->parent_end);
        if (sc->parent_end > scan_text_begin(sc) && sc->s[sc->parent_end - 1] != '\n')
            (void)fputs(eol, f);
        size_t indent = sc->parent_begin;
        while (indent < sc->parent_end && (sc->s[indent] == ' ' || sc->s[indent] == '\t'))
            indent++;
        put_range(f, sc, sc->parent_begin, indent);
        put_setting(f, key, value);
        (void)fputs(eol, f);
        put_range(f, sc, sc->parent_end, sc->len);
        return true;
    }
    case ADD_AT_END: {
        if (sc->npieces > 0 || sc->nparts < 2)
            return false;
        put_range(f, sc, 0, sc->len);
        size_t begin = scan_text_begin(sc);
        if (sc->len > begin && sc->s[sc->len - 1] != '\n')
            (void)fputs(eol, f);
        /* One empty line in between, unless there is one. */
        size_t end = sc->len;
        while (end > begin && scan_blank(sc->s[end - 1]))
            end--;
        size_t lines = 0;
        while (end > begin && (sc->s[end - 1] == '\n' || scan_blank(sc->s[end - 1])))
            lines += sc->s[--end] == '\n';
        if (end > begin && lines < 2)
            (void)fputs(eol, f);
        (void)fputc('[', f);
        for (size_t i = 0; i + 1 < sc->nparts; i++) {
            (void)fputs(i == 0 ? "" : ".", f);
            put_key(f, sc->path[i]);
        }
        (void)fprintf(f, "]%s", eol);
        put_setting(f, key, value);
        (void)fputs(eol, f);
        return true;
    }
    case PLACINGS:
        break;
    }
    return false;
}

/* Finish a memory stream: without memory there is no text then, though fclose says nothing. */
static int finish(FILE **f, char *const *text, struct zs_error *e)
{
    int rc = fclose(*f);
    *f = NULL;
    return rc != 0 || *text == NULL ? error_memory(e) : ZS_OK;
}

static int check_utf8(const char *value, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    size_t len = 0;
    CLEANUP(file_close) FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return error_memory(e);
    put_setting(f, "k", value);
    TRY(finish(&f, &text, e));
    struct toml_doc *t = NULL;
    if (toml_parse(text, len, "value", &t, e) != ZS_OK)
        return error_is(e, ZS_OUT_OF_MEMORY)
                   ? ZS_FAIL
                   : error_set(e, ZS_BAD_VALUE, "the value is too long, or not valid UTF-8");
    toml_free(t);
    return ZS_OK;
}

/* Every part of the path but the last must be a table, or missing. */
static int check_tables(const struct toml_doc *t, const struct scan *sc, struct zs_error *e)
{
    const char *way[TOML_KEY_PARTS + 1] = {NULL};
    const char *const *keys = NULL;
    size_t n = 0;
    for (size_t i = 0; i + 1 < sc->nparts && i < TOML_KEY_PARTS; i++) {
        way[i] = sc->path[i];
        TRY(toml_get_keys(t, way, &keys, &n, e));
        free((void *)keys);
    }
    return ZS_OK;
}

/* No splice could be proven right: say where a person may. */
static int refuse(const struct toml_doc *t, const char *const *path, struct zs_error *e)
{
    const char *way[TOML_KEY_PARTS + 1] = {NULL};
    uint32_t line = 0;
    for (size_t i = 0; path[i] != NULL && i < TOML_KEY_PARTS; i++) {
        way[i] = path[i];
        uint32_t deeper = toml_line(t, way);
        line = deeper != 0 ? deeper : line;
    }
    error_set(e, ZS_BAD_VALUE,
              "%s, line %u: this is written in a way that cannot be changed safely", toml_name(t),
              line == 0 ? 1 : line);
    return error_hint(e, "Change that line with a text editor.");
}

int toml_set_string(const struct toml_doc *t, const char *const *path, const char *value,
                    char **out, size_t *out_len, struct zs_error *e)
{
    CLEANUP(scan_close) struct scan sc = {0};
    TRY(check_utf8(value, e));
    TRY(scan_open(&sc, t, path, e));
    TRY(check_tables(t, &sc, e));
    for (enum placing placing = 0; placing < PLACINGS; placing++) {
        CLEANUP(free_ptr) char *text = NULL;
        size_t len = 0;
        bool same = false;
        CLEANUP(file_close) FILE *f = open_memstream(&text, &len);
        if (f == NULL)
            return error_memory(e);
        bool open = place(f, &sc, placing, value);
        TRY(finish(&f, &text, e));
        if (open)
            TRY(toml_check_edit(t, text, len, path, value, &same, e));
        if (same) {
            *out = text;
            *out_len = len;
            text = NULL;
            return ZS_OK;
        }
    }
    return refuse(t, path, e);
}

/* Is the line that ends right before `end` an empty one?  *begin is its start. */
static bool empty_line_before(const struct scan *sc, size_t end, size_t *begin)
{
    if (end == 0 || sc->s[end - 1] != '\n')
        return false;
    size_t at = end - 1;
    while (at > 0 && scan_blank(sc->s[at - 1]))
        at--;
    *begin = at;
    return at == 0 || sc->s[at - 1] == '\n';
}

static bool empty_line_at(const struct scan *sc, size_t at)
{
    while (at < sc->len && scan_blank(sc->s[at]))
        at++;
    return at >= sc->len || sc->s[at] == '\n';
}

int toml_remove(const struct toml_doc *t, const char *const *path, char **out, size_t *out_len,
                struct zs_error *e)
{
    CLEANUP(scan_close) struct scan sc = {0};
    CLEANUP(free_ptr) char *text = NULL;
    size_t len = 0, kept = 0;
    bool same = false;
    if (!toml_has(t, path) || path[0] == NULL)
        return error_set(e, ZS_BAD_VALUE, "%s: there is nothing to remove", toml_name(t));
    TRY(scan_open(&sc, t, path, e));
    CLEANUP(file_close) FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return error_memory(e);
    for (size_t i = 0; i < sc.npieces; i++) {
        struct piece cut = sc.pieces[i];
        /* A section that goes takes one of the two empty lines around it along. */
        size_t last = i, empty = 0;
        while (last + 1 < sc.npieces && sc.pieces[last + 1].begin == sc.pieces[last].end)
            last++;
        if (cut.kind == PIECE_HEADER && empty_line_at(&sc, sc.pieces[last].end) &&
            empty_line_before(&sc, cut.begin, &empty))
            cut.begin = empty;
        put_range(f, &sc, kept, cut.begin);
        kept = cut.end;
    }
    put_range(f, &sc, kept, sc.len);
    TRY(finish(&f, &text, e));
    TRY(toml_check_edit(t, text, len, path, NULL, &same, e));
    if (!same)
        return refuse(t, path, e);
    *out = text;
    *out_len = len;
    text = NULL;
    return ZS_OK;
}
