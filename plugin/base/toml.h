/* toml.h - reading TOML, and editing it without touching what a person wrote.
 * Flow: a text is checked and read by libtomlplusplus (toml.cc, the one C++ file);
 * an edit splices the text (toml_edit.c), reads the result again and compares:
 * nothing but the intended change may differ, else the edit is refused.  So
 * comments, order, blanks and unknown keys stay byte for byte.
 *
 * A path names a value: TOML_PATH("origin", name, "uri").  Each part is one key,
 * with whatever characters, dots too.
 *
 * Errors: 22023, beginning with "NAME, line L, column C: "; 53200; loading also
 * what error_errno gives.  No C++ exception leaves this file's functions.
 * Threads: a document is read-only once parsed, from any thread. */
#ifndef ZS_BASE_TOML_H
#define ZS_BASE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zenith-sync/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOML_BYTES_MAX ((size_t)1024 * 1024) /* a text that is longer is refused */
#define TOML_KEY_PARTS 64                    /* a.b.c has 3; a key with more is refused */
#define TOML_PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

struct toml_doc;

/* Read a text.  `name` is what errors call it (a file name); it is copied. */
int toml_parse(const char *text, size_t len, const char *name, struct toml_doc **out,
               struct zs_error *e);

/* Read a file; errors call it by its path.  A file that is missing fails with
 * 58030 and errno ENOENT in *missing (which may be NULL) set to true. */
int toml_load(const char *path, struct toml_doc **out, bool *missing, struct zs_error *e);

void toml_free(struct toml_doc *t);
static inline void toml_free_ptr(struct toml_doc **t) /* CLEANUP(toml_free_ptr) */
{
    toml_free(*t);
}

/* The text as it was read, NUL-terminated.  Lifetime: the document's. */
const char *toml_text(const struct toml_doc *t, size_t *len);

/* Is there anything at path?  An empty path is the document: true. */
bool toml_has(const struct toml_doc *t, const char *const *path);

/* The line where the value at path stands, for messages; 0 if it is missing. */
uint32_t toml_line(const struct toml_doc *t, const char *const *path);

/* Values.  A value that is missing is no error: *out stays as it was (put the
 * default there).  A value of another type is 22023, and so is an integer outside
 * min..max and a string with a NUL in it.  Strings: lifetime the document's. */
int toml_get_string(const struct toml_doc *t, const char *const *path, const char **out,
                    struct zs_error *e);
int toml_get_integer(const struct toml_doc *t, const char *const *path, int64_t min, int64_t max,
                     int64_t *out, struct zs_error *e);
int toml_get_bool(const struct toml_doc *t, const char *const *path, bool *out, struct zs_error *e);

/* A list of strings.  *out is an array of *n, to be freed with free((void *)*out);
 * the strings live with the document.  Both are set, to NULL and 0 if missing. */
int toml_get_strings(const struct toml_doc *t, const char *const *path, const char *const **out,
                     size_t *n, struct zs_error *e);

/* A list of strings without blanks in them, such as places, as one text with a blank between:
 * from malloc, "" if the list is empty; 22023 if an item is empty or has a blank in it. */
int toml_get_words(const struct toml_doc *t, const char *const *path, char **out,
                   struct zs_error *e);

/* The keys of the table at path, in byte order, in the same form. */
int toml_get_keys(const struct toml_doc *t, const char *const *path, const char *const **out,
                  size_t *n, struct zs_error *e);

/* Set 22023, "NAME, line L: ...", about the value at path. */
int toml_refuse(const struct toml_doc *t, const char *const *path, struct zs_error *e,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- edits ------------------------------------------------------------------ */

/* The text with the string at path set to `value`: replaced where it stands, else
 * added to its table, else at the end as "[path of the table]" and "key = ...".
 * *out is the new text, *out_len long, from malloc.
 * Errors: 22023 if a part of the path is no table, or the text is written in a way
 * that cannot be spliced safely (the line to edit by hand is named). */
int toml_set_string(const struct toml_doc *t, const char *const *path, const char *value,
                    char **out, size_t *out_len, struct zs_error *e);

/* The text without what is at path, whatever the notation.  Comments on lines of
 * their own stay.  22023 also if there is nothing at path. */
int toml_remove(const struct toml_doc *t, const char *const *path, char **out, size_t *out_len,
                struct zs_error *e);

/* ---- between toml.cc and toml_edit.c -------------------------------------------- */

/* The parts of a key as written (bare, quoted, dotted), decoded: an array of *n
 * strings from malloc, freed with toml_parts_free. */
int toml_key_parts(const char *key, size_t len, char ***out, size_t *n, struct zs_error *e);
void toml_parts_free(char **parts, size_t n);

/* Is `text` the document with the string at path set to `value` (NULL: with what
 * is at path removed), and nothing else changed?  *same says so; a text that is
 * not TOML is "no".  Fails only for want of memory. */
int toml_check_edit(const struct toml_doc *t, const char *text, size_t len, const char *const *path,
                    const char *value, bool *same, struct zs_error *e);

/* What errors call the document. */
const char *toml_name(const struct toml_doc *t);

#ifdef __cplusplus
}
#endif
#endif
