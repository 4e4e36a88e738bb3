/* origins.c - see origins.h. */
#include "cli/origins.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "origins.toml"

int origins_load(const struct repo *repo, struct toml_doc **out, struct zs_error *e)
{
    char path[PATH_MAX];
    bool missing = false;
    TRY(repo_path(repo, FILE_NAME, path, e));
    if (toml_load(path, out, &missing, e) == ZS_OK)
        return ZS_OK;
    return missing ? toml_parse("", 0, path, out, e) : ZS_FAIL;
}

/* "a, b, c" as far as it fits. */
static void list_names(const struct toml_doc *origins, char *out, size_t size)
{
    const char *const *names = NULL;
    size_t n = 0, used = 0;
    struct zs_error ignored;
    out[0] = '\0';
    if (toml_get_keys(origins, TOML_PATH("origin"), &names, &n, &ignored) != ZS_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t need = strlen(names[i]) + 2;
        if (used + need + 4 > size) {
            (void)snprintf(out + used, size - used, ", ...");
            break;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    free((void *)names);
}

/* wanted: for use, so that it may be added; else to be removed. */
static int no_such_origin(const struct toml_doc *origins, const char *name, bool wanted,
                          struct zs_error *e)
{
    char names[300];
    list_names(origins, names, sizeof names);
    error_set(e, ZS_NO_SUCH_BRANCH, "there is no origin \"%s\"", name);
    if (!wanted)
        return names[0] == '\0' ? error_hint(e, "There are no origins here.")
                                : error_hint(e, "There are: %s.", names);
    if (names[0] == '\0')
        return error_hint(e, "Add it with: zenith origin add %s URI", name);
    return error_hint(e, "There are: %s.  Add one with: zenith origin add %s URI", names, name);
}

int origins_find(const struct toml_doc *origins, const char *name, const char **uri,
                 struct zs_error *e)
{
    *uri = NULL;
    if (!toml_has(origins, TOML_PATH("origin", name)))
        return no_such_origin(origins, name, true, e);
    TRY(toml_get_string(origins, TOML_PATH("origin", name, "uri"), uri, e));
    if (*uri != NULL)
        return ZS_OK;
    (void)toml_refuse(origins, TOML_PATH("origin", name), e, "the origin \"%s\" has no uri", name);
    return error_hint(e, "Add a line there: uri = \"postgresql://USER:PASSWORD@HOST:PORT\"");
}

int origins_add(const struct repo *repo, const char *name, const char *uri, struct zs_error *e)
{
    CLEANUP(fd_close) int lock = -1;
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    CLEANUP(free_ptr) char *text = NULL;
    size_t len = 0;
    TRY(file_lock(repo, FILE_NAME ".lock", &lock, e));
    TRY(origins_load(repo, &origins, e));
    if (toml_has(origins, TOML_PATH("origin", name))) {
        error_set(e, ZS_ALREADY_EXISTS, "there is an origin \"%s\" already", name);
        return error_hint(e, "Remove it first: zenith origin remove %s", name);
    }
    TRY(toml_set_string(origins, TOML_PATH("origin", name, "uri"), uri, &text, &len, e));
    return file_replace(repo, FILE_NAME, text, len, e);
}

int origins_remove(const struct repo *repo, const char *name, struct zs_error *e)
{
    CLEANUP(fd_close) int lock = -1;
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    CLEANUP(free_ptr) char *text = NULL;
    size_t len = 0;
    TRY(file_lock(repo, FILE_NAME ".lock", &lock, e));
    TRY(origins_load(repo, &origins, e));
    if (!toml_has(origins, TOML_PATH("origin", name)))
        return no_such_origin(origins, name, false, e);
    TRY(toml_remove(origins, TOML_PATH("origin", name), &text, &len, e));
    return file_replace(repo, FILE_NAME, text, len, e);
}
