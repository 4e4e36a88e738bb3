/* toml_scan.h - where in a TOML text a path's value stands, or could be put.
 * Flow: toml_edit.c scans a text that toml_parse has read, then splices it.
 * Threads: none of its own. */
#ifndef ZS_BASE_TOML_SCAN_H
#define ZS_BASE_TOML_SCAN_H

#include "base/toml.h"

enum piece_kind {
    PIECE_HEADER, /* "[a.b]", with its line */
    PIECE_LINE,   /* "a = 1", with its lines */
    PIECE_ENTRY,  /* "a = 1" inside of "{ }" */
};

/* A piece of the text that is at the path, or below it. */
struct piece {
    enum piece_kind kind;
    size_t begin, end; /* what a removal cuts */
    size_t value_begin, value_end;
};

/* One scan.  All offsets are into s. */
struct scan {
    const char *s;
    size_t len, at;
    const char *const *path;
    size_t nparts;
    struct zs_error *e;
    struct piece *pieces; /* in the text's order */
    size_t npieces, room;
    /* Where a value that is missing could be put. */
    bool has_parent; /* a header "[path of its table]": insert behind its line */
    size_t parent_end, parent_begin;
    bool has_inline; /* an inline table on the way to it: insert before its '}' */
    size_t inline_close, inline_matched;
    bool inline_empty;
};

/* Scan t's text for `path`.  Everything is borrowed but what scan_close frees. */
int scan_open(struct scan *sc, const struct toml_doc *t, const char *const *path,
              struct zs_error *e);
void scan_close(struct scan *sc);

/* The offset behind a byte order mark. */
size_t scan_text_begin(const struct scan *sc);

/* A blank within a line. */
static inline bool scan_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

#endif
