/* uri.c - see uri.h.
 * Shown is only what is on a list of harmless shapes; a password with '/', '?' or
 * '@' in it, not encoded, moves the borders between the parts, so that a text with
 * an '@' behind the authority is not taken apart at all. */
#include "model/uri.h"

#include <stdio.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

bool uri_scheme_is_valid(const char *scheme)
{
    size_t len = strlen(scheme);
    return len > 0 && len <= URI_SCHEME_MAX && strchr(LOWER, scheme[0]) != NULL &&
           strspn(scheme, LOWER DIGIT "+.-") == len;
}

bool uri_scheme(const char *uri, char out[URI_SCHEME_MAX + 1])
{
    static const char lower[] = LOWER;
    size_t len = strspn(uri, LOWER UPPER DIGIT "+.-");
    out[0] = '\0';
    if (len == 0 || len > URI_SCHEME_MAX || strncmp(uri + len, "://", 3) != 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        const char *upper = strchr(UPPER, uri[i]);
        out[i] = uri[i];
        if (upper != NULL)
            out[i] = lower[upper - UPPER];
    }
    out[len] = '\0';
    if (uri_scheme_is_valid(out))
        return true;
    out[0] = '\0';
    return false;
}

/* A Unix socket's folder, encoded: %2Fvar%2Frun.  %2F is the only escape. */
static bool socket_is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%') {
            if (len - i < 3 || text[i + 1] != '2' || (text[i + 2] != 'F' && text[i + 2] != 'f'))
                return false;
            i += 2;
        } else if (strchr(LOWER UPPER DIGIT "._-", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* One host, with or without ":port".  The text may be empty: file:///path. */
static bool host_is_plain(const char *text, size_t len)
{
    size_t host;
    if (len > 0 && text[0] == '[') {
        host = 1 + strspn(text + 1, DIGIT "abcdefABCDEF:.");
        if (host >= len || text[host] != ']')
            return false;
        host++;
    } else if (len > 0 && text[0] == '%') {
        host = strcspn(text, ":,/?#");
        host = host > len ? len : host;
        if (!socket_is_plain(text, host))
            return false;
    } else {
        host = strspn(text, LOWER UPPER DIGIT "._-");
    }
    if (host >= len)
        return host == len;
    size_t digits = strspn(text + host + 1, DIGIT);
    return text[host] == ':' && digits <= 5 && host + 1 + digits == len;
}

/* Hosts, separated by commas as libpq has it. */
static bool hosts_are_plain(const char *text, size_t len)
{
    size_t begin = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != ',')
            continue;
        if (!host_is_plain(text + begin, i - begin))
            return false;
        begin = i + 1;
    }
    return true;
}

void uri_show(const char *uri, char *shown, size_t shown_bytes)
{
    char scheme[URI_SCHEME_MAX + 1];
    if (shown_bytes == 0)
        return;
    if (!uri_scheme(uri, scheme)) {
        (void)snprintf(shown, shown_bytes, "(not a URI)");
        return;
    }
    const char *authority = uri + strlen(scheme) + 3;
    const char *end = authority + strcspn(authority, "/?#");
    const char *host = authority;
    for (const char *p = authority; p < end; p++)
        if (*p == '@')
            host = p + 1;
    size_t host_len = (size_t)(end - host);
    size_t path_len = strcspn(end, "?#");
    if (strspn(end, LOWER UPPER DIGIT "._~/-") < path_len)
        path_len = 0;
    bool certain = strchr(end, '@') == NULL && hosts_are_plain(host, host_len);
    if (certain && strlen(scheme) + 3 + host_len + path_len < shown_bytes)
        (void)snprintf(shown, shown_bytes, "%s://%.*s%.*s", scheme, (int)host_len, host,
                       (int)path_len, end);
    else
        (void)snprintf(shown, shown_bytes, "%s://...", scheme);
}
