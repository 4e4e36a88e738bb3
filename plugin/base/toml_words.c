/* toml_words.c - a list of words in a document, as the one text that a setting is (toml.h). */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/toml.h"

#include <string.h>

int toml_get_words(const struct toml_doc *t, const char *const *path, char **out,
                   struct zs_error *e)
{
    CLEANUP(free_ptr) const char *const *list = NULL;
    size_t n = 0, len = 0, parts = 0;
    TRY(toml_get_strings(t, path, &list, &n, e));
    if (!toml_has(t, path))
        return ZS_OK;
    while (path[parts + 1] != NULL)
        parts++;
    for (size_t i = 0; i < n; i++) {
        if (list[i][0] == '\0' || strpbrk(list[i], " \t\r\n") != NULL)
            return toml_refuse(t, path, e, "an item of \"%s\" is empty or has a blank in it",
                               path[parts]);
        len += strlen(list[i]) + 1;
    }
    char *text = malloc(len + 1);
    if (text == NULL)
        return error_memory(e);
    char *at = text;
    *at = '\0';
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, i > 0 ? " " : "");
        at = stpcpy(at, list[i]);
    }
    *out = text;
    return ZS_OK;
}
