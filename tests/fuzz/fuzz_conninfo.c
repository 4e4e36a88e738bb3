/* fuzz_conninfo.c - a URI on its way to libpq (transport/libpq/conninfo.h).
 * Input: a byte of rules, one for a place, then the URI, into which a secret is put at
 * that place.
 * Holds: no error shows the secret if an '@' follows it (a password); places are whole;
 * libpq is told each thing once, and what a URI may not choose is as it must be. */
#include "support.h"

#include "transport/libpq/conninfo.h"
#include "transport/libpq/parameters.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "hUnTeR2"

static void check_values(struct conninfo *info, const struct target *t)
{
    const char *keywords[CONNINFO_VALUES_MAX], *values[CONNINFO_VALUES_MAX];
    struct zs_error e;
    fuzz_error_before(&e);
    if (!fuzz_error_after(
            conninfo_values(info, t, t->is_socket ? "" : "192.0.2.1", "fuzz", keywords, values, &e),
            &e))
        return;
    size_t n = 0;
    for (; keywords[n] != NULL; n++) {
        const struct parameter *p = parameter_find(keywords[n]);
        HOLDS(p != NULL && values[n] != NULL && values[n][0] != '\0');
        for (size_t i = 0; i < n; i++)
            HOLDS(strcmp(keywords[i], keywords[n]) != 0);
        if (p->kind == PARAMETER_LOCKED)
            HOLDS(strcmp(values[n], p->preset) == 0);
        if (p->kind == PARAMETER_FILE)
            HOLDS(strncmp(values[n], "/tls/", 5) == 0 ? strchr(values[n] + 5, '/') == NULL
                                                      : strcmp(values[n], NOWHERE) == 0);
    }
    HOLDS(n < CONNINFO_VALUES_MAX && values[n] == NULL);
}

static void check_open(const struct conninfo_rules *rules, struct conninfo *info, bool secret)
{
    char shown[300];
    HOLDS(info->ntargets >= 1 && info->ntargets <= CONNINFO_HOSTS_MAX && info->timeout_ms >= 0);
    for (unsigned i = 0; i < info->ntargets; i++) {
        const struct target *t = &info->targets[i];
        HOLDS(t->port >= 1 && t->port <= 65535 && strtoul(t->port_text, NULL, 10) == t->port);
        HOLDS(t->host[0] != '\0' || t->address[0] != '\0');
        HOLDS(!t->is_socket || rules->unix_sockets);
        check_values(info, t);
        HOLDS(!secret || strstr(target_text(t).s, SECRET) == NULL);
    }
    memset(shown, 'x', sizeof shown);
    conninfo_show(info, shown, sizeof shown);
    HOLDS(memchr(shown, 0, sizeof shown) != NULL);
    HOLDS(!secret || strstr(shown, SECRET) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct destinations *some;
    struct conninfo info;
    struct zs_error e;
    char text[4096 + sizeof SECRET];
    if (size < 2 || size > 4096 || memmem(data, size, SECRET, strlen(SECRET)) != NULL)
        return 0;
    if (some == NULL)
        HOLDS(destinations_parse("h 192.0.2.0/24:1 *.example [::1]:5", &some, &e) == ZS_FAIL &&
              destinations_parse("h 192.0.2.0/24 *.example [::1]:5", &some, &e) == ZS_OK);
    struct conninfo_rules rules = {.tls_dir = data[0] & 1u ? "/tls" : NULL,
                                   .unix_sockets = (data[0] & 2u) != 0,
                                   .destinations = data[0] & 4u ? some : NULL};
    size_t len = strnlen((const char *)data + 2, size - 2);
    size_t at = len == 0 || data[1] == 0 ? len : data[1] % (len + 1);
    memcpy(text, data + 2, at);
    memcpy(text + at, SECRET, strlen(SECRET));
    memcpy(text + at + strlen(SECRET), data + 2 + at, len - at);
    text[len + strlen(SECRET)] = '\0';
    if (data[1] == 0) /* none then */
        text[len] = '\0';
    bool secret = data[1] != 0 && strchr(text + at, '@') != NULL;

    fuzz_error_before(&e);
    if (fuzz_error_after(conninfo_open(&rules, fuzz_text(0, text, sizeof text), &info, &e), &e))
        check_open(&rules, &info, secret);
    else
        HOLDS(!secret || memmem(&e, sizeof e, SECRET, strlen(SECRET)) == NULL);
    conninfo_close(&info);
    return 0;
}
