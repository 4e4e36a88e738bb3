/* fuzz_toml.c - TOML files that people write, read and edited (base/toml.h).
 * Input: a byte (1 to 3 parts of a path), the parts and a value, each up to a NUL, then
 * the text.
 * Holds: a text that was set parses and has the value; setting again changes nothing;
 * what was new can be removed again, and then means what it meant at first; a new value
 * takes away nothing but blanks; what was removed is gone. */
#include "support.h"

#include "base/toml.h"

#include <stdlib.h>
#include <string.h>

static struct toml_doc *parse(const char *text, size_t len)
{
    struct toml_doc *t = NULL;
    struct zs_error e;
    fuzz_error_before(&e);
    if (!fuzz_error_after(toml_parse(text, len, "fuzz.toml", &t, &e), &e))
        HOLDS(t == NULL);
    return t;
}

static void read_all(const struct toml_doc *t, const char *const *path)
{
    struct zs_error e;
    const char *string = NULL;
    int64_t integer = 7;
    bool truth = true;
    const char *const *list = NULL;
    size_t n = 0;
    fuzz_error_before(&e);
    if (fuzz_error_after(toml_get_string(t, path, &string, &e), &e) && string != NULL)
        HOLDS(toml_has(t, path) && toml_line(t, path) > 0);
    fuzz_error_before(&e);
    if (fuzz_error_after(toml_get_integer(t, path, 5, 9, &integer, &e), &e))
        HOLDS(integer >= 5 && integer <= 9);
    fuzz_error_before(&e);
    (void)fuzz_error_after(toml_get_bool(t, path, &truth, &e), &e);
    fuzz_error_before(&e);
    if (fuzz_error_after(toml_get_strings(t, path, &list, &n, &e), &e))
        free((void *)list);
    fuzz_error_before(&e);
    if (fuzz_error_after(toml_get_keys(t, TOML_PATH(path[0]), &list, &n, &e), &e))
        free((void *)list);
}

/* All of old is in edited but for blanks in one place. */
static void check_splice(const char *old, size_t old_len, const char *edited, size_t len)
{
    size_t front = 0, back = 0;
    while (front < old_len && front < len && old[front] == edited[front])
        front++;
    while (back < old_len - front && back < len - front &&
           old[old_len - 1 - back] == edited[len - 1 - back])
        back++;
    for (size_t i = front; i < old_len - back; i++)
        HOLDS(strchr(" \t\r", old[i]) != NULL && old[i] != '\0');
}

/* `original`, if not NULL, is what it must mean again. */
static void check_remove(const struct toml_doc *t, const char *const *path,
                         const struct toml_doc *original)
{
    char *text = NULL;
    size_t len = 0;
    struct zs_error e;
    fuzz_error_before(&e);
    if (!fuzz_error_after(toml_remove(t, path, &text, &len, &e), &e)) {
        HOLDS(text == NULL);
        return;
    }
    struct toml_doc *rest = parse(text, len);
    HOLDS(rest != NULL && !toml_has(rest, path));
    if (original != NULL) {
        bool same = false;
        HOLDS(toml_check_edit(original, text, len, path, NULL, &same, &e) == ZS_OK && same);
    }
    toml_free(rest);
    free(text);
}

static void check_set(const struct toml_doc *t, const char *const *path, const char *value)
{
    char *text = NULL, *twice = NULL;
    const char *read = NULL;
    size_t len = 0, twice_len = 0, old_len = 0;
    struct zs_error e;
    fuzz_error_before(&e);
    if (!fuzz_error_after(toml_set_string(t, path, value, &text, &len, &e), &e)) {
        HOLDS(text == NULL);
        return;
    }
    const char *old = toml_text(t, &old_len);
    struct toml_doc *edited = parse(text, len);
    HOLDS(edited != NULL && toml_get_string(edited, path, &read, &e) == ZS_OK);
    HOLDS(read != NULL && strcmp(read, value) == 0);
    HOLDS(toml_set_string(edited, path, value, &twice, &twice_len, &e) == ZS_OK);
    HOLDS(len == twice_len && memcmp(text, twice, len) == 0);
    if (!toml_has(t, path)) {
        /* With the value a table may have come: what was not there goes as a whole. */
        const char *added[4] = {path[0]};
        for (size_t i = 1; toml_has(t, added); i++)
            added[i] = path[i];
        check_splice(old, old_len, text, len);
        check_remove(edited, added, t);
    }
    toml_free(edited);
    free(text);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path[4] = {NULL};
    if (size > 8192)
        return 0;
    struct fuzz_input in = {data, size};
    unsigned parts = 1 + fuzz_take_byte(&in) % 3;
    for (unsigned i = 0; i < parts; i++)
        path[i] = fuzz_take_text(&in, i);
    const char *value = fuzz_take_text(&in, 3);
    struct toml_doc *t = parse((const char *)in.at, in.left);
    if (t == NULL)
        return 0;
    read_all(t, path);
    check_set(t, path, value);
    check_remove(t, path, NULL);
    toml_free(t);
    return 0;
}
