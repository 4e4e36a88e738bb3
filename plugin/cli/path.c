/* path.c - see path.h. */
#include "cli/path.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int path_absolute(const char *path, char **out, struct zs_error *e)
{
    if (path[0] == '\0') {
        error_set(e, ZS_BAD_VALUE, "the name of the folder is empty");
        return error_hint(e, "Name a folder.");
    }
    if (path[0] == '/') {
        *out = strdup(path);
        return *out == NULL ? error_memory(e) : ZS_OK;
    }
    CLEANUP(free_ptr) char *here = getcwd(NULL, 0);
    if (here == NULL)
        return error_errno(e, errno, "cannot tell the current folder");
    if (asprintf(out, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) < 0) {
        *out = NULL;
        return error_memory(e);
    }
    return ZS_OK;
}
