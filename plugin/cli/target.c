/* target.c - see target.h. */
#include "cli/target.h"

#include "base/error.h"
#include "model/branch_name.h"
#include "model/uri.h"

#include <string.h>

#define DIGITS "0123456789"

int origin_name_check(const char *name, struct zs_error *e)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS "._-";
    size_t len = strlen(name), plain = strspn(name, allowed);
    if (len > 0 && len == plain && len <= ORIGIN_NAME_MAX && name[0] != '-' && name[0] != '.')
        return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "\"%.*s%s\" cannot be the name of an origin",
              (int)(plain > ORIGIN_NAME_MAX ? ORIGIN_NAME_MAX : plain), name,
              plain == len && len <= ORIGIN_NAME_MAX ? "" : "...");
    return error_hint(e, "Use 1 to %d of A-Z a-z 0-9 . _ - and begin with a letter or a digit.",
                      ORIGIN_NAME_MAX);
}

int target_uri_check(const char *uri, struct zs_error *e)
{
    char scheme[URI_SCHEME_MAX + 1];
    if (uri_scheme(uri, scheme))
        return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "the URI does not begin with a scheme and \"://\"");
    return error_hint(e, "Write it as postgresql://USER:PASSWORD@HOST:PORT.");
}

/* Where in a URI the ':' before the far branch is, or NULL. */
static const char *uri_colon(const char *authority)
{
    const char *end = authority + strcspn(authority, "/?#");
    const char *colon = strrchr(end, ':');
    if (colon != NULL)
        return colon;
    /* HOST, HOST:PORT, [ADDRESS]:PORT behind the user and the last of a list. */
    const char *host = authority;
    for (const char *p = authority; p < end; p++)
        if (*p == '@' || *p == ',' || *p == ']')
            host = p + 1;
    const char *first = memchr(host, ':', (size_t)(end - host));
    if (first == NULL)
        return NULL;
    const char *second = memchr(first + 1, ':', (size_t)(end - first - 1));
    if (second != NULL)
        return second;
    return strspn(first + 1, DIGITS) == (size_t)(end - first - 1) ? NULL : first;
}

int target_split(const char *text, struct target *out, struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    const char *scheme_end = strstr(text, "://");
    out->is_uri = scheme_end != NULL;
    const char *colon = out->is_uri ? uri_colon(scheme_end + 3) : strchr(text, ':');
    size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
    if (len >= sizeof out->origin)
        return error_set(e, ZS_BAD_VALUE, "the URI is too long: at most %zu bytes are taken",
                         sizeof out->origin - 1);
    memcpy(out->origin, text, len);
    if (!out->is_uri)
        TRY(origin_name_check(out->origin, e));
    if (colon == NULL)
        return ZS_OK;
    TRY(branch_name_check(colon + 1, e));
    memcpy(out->far, colon + 1, strlen(colon + 1));
    return ZS_OK;
}
