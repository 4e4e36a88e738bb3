/* toml_scan.c - see toml_scan.h.
 * The scan may rely on valid TOML and needs to know only where keys, values, headers
 * and comments begin and end; on anything else it stops and never reads past the
 * text.  Keys are decoded by the library. */
#include "base/toml_scan.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* How far a key has come along the path that is looked for. */
struct trail {
    size_t matched; /* parts of the path that it has in front */
    bool off;       /* it leads elsewhere */
};

static char here(const struct scan *sc)
{
    if (sc->at >= sc->len)
        return '\0';
    return sc->s[sc->at];
}

static void skip_blanks(struct scan *sc)
{
    while (scan_blank(here(sc)))
        sc->at++;
}

static void skip_to_line_end(struct scan *sc)
{
    const char *nl = memchr(sc->s + sc->at, '\n', sc->len - sc->at);
    sc->at = nl == NULL ? sc->len : (size_t)(nl - sc->s) + 1;
}

static bool starts(const struct scan *sc, const char *what)
{
    size_t n = strlen(what);
    return sc->len - sc->at >= n && memcmp(sc->s + sc->at, what, n) == 0;
}

/* A string of any of the four kinds; `at` is on its opening quote. */
static void skip_string(struct scan *sc)
{
    char quote = here(sc);
    bool multi = starts(sc, quote == '"' ? "\"\"\"" : "'''");
    for (sc->at += multi ? 3 : 1; sc->at < sc->len; sc->at++) {
        if (quote == '"' && here(sc) == '\\') {
            sc->at += sc->at + 1 < sc->len;
        } else if (!multi && here(sc) == quote) {
            sc->at++;
            return;
        } else if (multi && starts(sc, quote == '"' ? "\"\"\"" : "'''")) {
            /* Up to two quotes may stand in front of the closing three. */
            for (sc->at += 3; here(sc) == quote && sc->at < sc->len;)
                sc->at++;
            return;
        }
    }
}

/* A value; `at` is on its first character and comes to stand behind its last. */
static void skip_value(struct scan *sc)
{
    size_t depth = 0, end = sc->at;
    while (sc->at < sc->len) {
        char c = here(sc);
        if (c == '"' || c == '\'') {
            skip_string(sc);
            end = sc->at;
        } else if (c == '[' || c == '{') {
            depth++;
            sc->at++;
        } else if (depth > 0 && (c == ']' || c == '}')) {
            depth--;
            end = ++sc->at;
        } else if (depth > 0 && c == '#') {
            skip_to_line_end(sc);
        } else if (depth == 0 && (c == '\n' || c == '#' || c == ',' || c == '}')) {
            break;
        } else {
            sc->at++;
            if (depth == 0 && !scan_blank(c))
                end = sc->at;
        }
    }
    sc->at = end;
}

/* A key, dotted or not; `at` comes to stand behind it and the blanks after it. */
static void skip_key(struct scan *sc)
{
    while (sc->at < sc->len) {
        char c = here(sc);
        if (c == '"' || c == '\'')
            skip_string(sc);
        else if (c == '=' || c == ']' || c == '\n' || c == '#')
            return;
        else
            sc->at++;
    }
}

/* The trail that goes on from `from` along the key in [begin, end). */
static int follow(struct scan *sc, struct trail from, size_t begin, size_t end, struct trail *to)
{
    char **parts = NULL;
    size_t n = 0;
    *to = from;
    if (from.off)
        return ZS_OK;
    TRY(toml_key_parts(sc->s + begin, end - begin, &parts, &n, sc->e));
    for (size_t i = 0; i < n && !to->off && to->matched < sc->nparts; i++) {
        if (strcmp(parts[i], sc->path[to->matched]) == 0)
            to->matched++;
        else
            to->off = true;
    }
    toml_parts_free(parts, n);
    return ZS_OK;
}

static bool arrived(const struct scan *sc, struct trail trail)
{
    return !trail.off && trail.matched == sc->nparts;
}

static int add_piece(struct scan *sc, struct piece piece)
{
    if (sc->npieces == sc->room) {
        size_t room = sc->room == 0 ? 16 : sc->room * 2;
        struct piece *grown = reallocarray(sc->pieces, room, sizeof *grown);
        if (grown == NULL)
            return error_memory(sc->e);
        sc->pieces = grown;
        sc->room = room;
    }
    sc->pieces[sc->npieces++] = piece;
    return ZS_OK;
}

/* Look into an inline table on the way to the path; `at` is on its '{' and comes
 * to stand behind its '}'.  Recursion is bounded by the path's length. */
static int scan_inline(struct scan *sc, struct trail trail)
{
    size_t separator = ++sc->at; /* behind the '{', or on the last comma */
    bool kept_before = false, empty = true;
    for (;;) {
        while (scan_blank(here(sc)) || here(sc) == '\n')
            sc->at++;
        if (sc->at >= sc->len || here(sc) == '}')
            break;
        size_t begin = sc->at;
        skip_key(sc);
        struct trail to;
        TRY(follow(sc, trail, begin, sc->at, &to));
        if (here(sc) != '=')
            break;
        sc->at++;
        skip_blanks(sc);
        struct piece piece = {.kind = PIECE_ENTRY, .value_begin = sc->at};
        if (!to.off && !arrived(sc, to) && here(sc) == '{')
            TRY(scan_inline(sc, to));
        else
            skip_value(sc);
        piece.value_end = sc->at;
        skip_blanks(sc);
        bool comma = here(sc) == ',';
        if (arrived(sc, to)) {
            piece.begin = kept_before ? separator : begin;
            piece.end = piece.value_end;
            if (!kept_before && comma)
                for (piece.end = sc->at + 1; piece.end < sc->len && scan_blank(sc->s[piece.end]);)
                    piece.end++;
            TRY(add_piece(sc, piece));
        } else {
            kept_before = true;
        }
        empty = false;
        separator = sc->at;
        if (comma)
            sc->at++;
    }
    /* The innermost one ends first and is the one to add to. */
    if (here(sc) == '}' && !sc->has_inline) {
        sc->has_inline = true;
        sc->inline_close = sc->at;
        sc->inline_matched = trail.matched;
        sc->inline_empty = empty;
    }
    sc->at += sc->at < sc->len;
    return ZS_OK;
}

/* "[a.b]" or "[[a.b]]" from line_begin; *base is what the lines below belong to. */
static int scan_header(struct scan *sc, size_t line_begin, struct trail *base)
{
    bool list = starts(sc, "[[");
    sc->at += list ? 2 : 1;
    size_t begin = sc->at;
    skip_key(sc);
    TRY(follow(sc, (struct trail){0}, begin, sc->at, base));
    skip_to_line_end(sc);
    if (arrived(sc, *base))
        return add_piece(sc, (struct piece){PIECE_HEADER, line_begin, sc->at, 0, 0});
    if (!list && !base->off && base->matched + 1 == sc->nparts) {
        sc->has_parent = true;
        sc->parent_begin = line_begin;
        sc->parent_end = sc->at;
    }
    return ZS_OK;
}

static int scan_line(struct scan *sc, size_t line_begin, struct trail base)
{
    size_t begin = sc->at;
    struct trail to;
    skip_key(sc);
    TRY(follow(sc, base, begin, sc->at, &to));
    sc->at += here(sc) == '=';
    skip_blanks(sc);
    struct piece piece = {.kind = PIECE_LINE, .begin = line_begin, .value_begin = sc->at};
    if (!to.off && !arrived(sc, to) && here(sc) == '{')
        TRY(scan_inline(sc, to));
    else
        skip_value(sc);
    piece.value_end = sc->at;
    skip_to_line_end(sc);
    piece.end = sc->at;
    return arrived(sc, to) ? add_piece(sc, piece) : ZS_OK;
}

size_t scan_text_begin(const struct scan *sc)
{
    return sc->len >= 3 && memcmp(sc->s, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static int scan_text(struct scan *sc)
{
    struct trail base = {0};
    sc->at = scan_text_begin(sc);
    if (sc->nparts == 1) {
        sc->has_parent = true;
        sc->parent_begin = sc->parent_end = sc->at;
    }
    while (sc->at < sc->len) {
        size_t line_begin = sc->at;
        skip_blanks(sc);
        char c = here(sc);
        if (c == '[')
            TRY(scan_header(sc, line_begin, &base));
        else if (c == '\n' || c == '#' || c == '\0')
            skip_to_line_end(sc);
        else
            TRY(scan_line(sc, line_begin, base));
    }
    return ZS_OK;
}

int scan_open(struct scan *sc, const struct toml_doc *t, const char *const *path,
              struct zs_error *e)
{
    *sc = (struct scan){.path = path, .e = e};
    sc->s = toml_text(t, &sc->len);
    while (path[sc->nparts] != NULL)
        sc->nparts++;
    return scan_text(sc);
}

void scan_close(struct scan *sc)
{
    free(sc->pieces);
}
