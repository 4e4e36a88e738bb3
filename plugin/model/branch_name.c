/* branch_name.c - see branch_name.h. */
#include "model/branch_name.h"

#include "base/error.h"

#include <string.h>

static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-";

static int refuse(struct zs_error *e, const char *name, const char *why)
{
    /* A name that is refused may hold anything: show at most what is printable. */
    size_t shown = strspn(name, allowed);
    error_set(e, ZS_BAD_VALUE, "\"%.*s%s\" cannot be a branch name: %s",
              (int)(shown > 64 ? 64 : shown), name, name[shown] == '\0' && shown <= 64 ? "" : "...",
              why);
    return error_hint(e, "Use 1 to %u of A-Z a-z 0-9 . _ / - and begin with a letter or a digit.",
                      ZS_BRANCH_NAME_MAX);
}

int branch_name_check(const char *name, struct zs_error *e)
{
    size_t len = strlen(name);
    if (len == 0)
        return refuse(e, name, "it is empty");
    if (len > ZS_BRANCH_NAME_MAX)
        return refuse(e, name, "it is too long");
    if (strspn(name, allowed) != len)
        return refuse(e, name, "it has a character that is not allowed");
    if (name[0] == '-' || name[0] == '/')
        return refuse(e, name, "it begins with '-' or '/'");
    if (strstr(name, "..") != NULL)
        return refuse(e, name, "it has \"..\" in it");
    return ZS_OK;
}
