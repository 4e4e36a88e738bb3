/* fuzz_uri.c - URIs as people type them, and what is shown of them (model/uri.h).
 * Input: a byte for the room, one for a place, then the text, into which a secret is put
 * at that place.
 * Holds: what is shown fits and is printable; the secret is not in it if an '@' follows
 * it anywhere (a password) or a '?' or '#' comes before it. */
#include "support.h"

#include "model/uri.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "hUnTeR2"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char scheme[URI_SCHEME_MAX + 1], again[URI_SCHEME_MAX + 1];
    if (size < 2 || size > 4096 || memmem(data, size, SECRET, strlen(SECRET)) != NULL)
        return 0;
    size_t room = URI_SHOWN + data[0];
    size_t len = strnlen((const char *)data + 2, size - 2);
    size_t at = len == 0 ? 0 : data[1] % (len + 1);
    char *text = malloc(len + sizeof SECRET);
    char *shown = malloc(room);
    HOLDS(text != NULL && shown != NULL);
    memcpy(text, data + 2, at);
    memcpy(text + at, SECRET, strlen(SECRET));
    memcpy(text + at + strlen(SECRET), data + 2 + at, len - at);
    text[len + strlen(SECRET)] = '\0';

    memset(shown, 'x', room);
    uri_show(fuzz_text(0, text, len + strlen(SECRET)), shown, room);
    HOLDS(memchr(shown, 0, room) != NULL && shown[0] != '\0');
    for (const char *p = shown; *p != '\0'; p++)
        HOLDS(*p >= ' ' && *p <= '~' && *p != '@' && *p != '?' && *p != '#');
    bool secret = strchr(text + at, '@') != NULL || strcspn(text, "?#") < at;
    HOLDS(!secret || strstr(shown, SECRET) == NULL);

    if (uri_scheme(text, scheme)) {
        HOLDS(uri_scheme_is_valid(scheme) && strncmp(shown, scheme, strlen(scheme)) == 0);
        HOLDS(uri_scheme(shown, again) && strcmp(scheme, again) == 0);
    } else {
        HOLDS(scheme[0] == '\0' && strcmp(shown, "(not a URI)") == 0);
    }
    free(text);
    free(shown);
    return 0;
}
