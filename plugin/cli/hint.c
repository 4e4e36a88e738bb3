/* hint.c - see hint.h. */
#include "cli/hint.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define PLACE " ORIGIN" /* a branch may be called ORIGIN, but no ':' stands behind one */
#define WORD  "zenith "

static bool is_refusal(const struct zs_error *e)
{
    return error_is(e, ZS_NOT_FAST_FORWARD) || error_is(e, ZS_DIVERGED) ||
           error_is(e, ZS_UNRELATED);
}

/* As one word of a shell's.  False if it does not fit. */
static bool quote(const char *text, char *out, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789/._-+@%:,=";
    size_t n = strlen(text);
    if (n > 0 && strspn(text, plain) == n)
        return (size_t)snprintf(out, size, "%s", text) < size;
    n = 0;
    for (const char *p = text; n < size; p++) {
        const char *piece = *p == '\'' ? "'\\''" : "";
        char one[2] = {*p, '\0'};
        bool first = p == text, last = *p == '\0';
        n += (size_t)snprintf(out + n, size - n, "%s%s%s", first ? "'" : "",
                              piece[0] != '\0' ? piece : one, last ? "'" : "");
        if (last)
            return n < size;
    }
    return false;
}

void hint_complete(struct zs_error *e, const char *origin, const char *dir)
{
    char folder[sizeof e->hint] = "", hint[sizeof e->hint];
    const char *place = is_refusal(e) ? strstr(e->hint, PLACE ":") : NULL;
    const char *typed = strstr(e->hint, WORD);
    if (place == NULL || typed == NULL || typed > place)
        return;
    if (dir != NULL && !quote(dir, folder, sizeof folder))
        return;
    const char *args = typed + strlen(WORD);
    int n = snprintf(hint, sizeof hint, "%.*s%s%s%s%.*s %s%s", (int)(args - e->hint), e->hint,
                     dir == NULL ? "" : "-D ", folder, dir == NULL ? "" : " ", (int)(place - args),
                     args, origin == NULL ? "ORIGIN" : origin, place + strlen(PLACE));
    if ((size_t)n < sizeof hint)
        memcpy(e->hint, hint, (size_t)n + 1);
}

void hint_dir(struct zs_error *e, const char *dir)
{
    char folder[sizeof e->hint], hint[sizeof e->hint];
    const char *typed = strstr(e->hint, WORD);
    if (dir == NULL || typed == NULL || !quote(dir, folder, sizeof folder))
        return;
    const char *args = typed + strlen(WORD);
    int n =
        snprintf(hint, sizeof hint, "%.*s-D %s %s", (int)(args - e->hint), e->hint, folder, args);
    if ((size_t)n < sizeof hint)
        memcpy(e->hint, hint, (size_t)n + 1);
}
