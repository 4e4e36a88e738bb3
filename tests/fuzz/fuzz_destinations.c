/* fuzz_destinations.c - the setting allow_destinations, and the places it is asked about
 * (transport/libpq/destinations.h).
 * Input: the list, NUL, a host, NUL, an address.
 * Holds: case does not matter; a list with every address in it allows each address; "by
 * address" is said only while no address is known. */
#include "support.h"

#include "transport/libpq/destinations.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void check_all(const char *list, const char *address)
{
    static char longer[FUZZ_INPUT_MAX + 32];
    struct destinations *d = NULL;
    struct zs_error e;
    uint8_t bytes[16];
    (void)snprintf(longer, sizeof longer, "%s 0.0.0.0/0 ::/0", list);
    fuzz_error_before(&e);
    if (!fuzz_error_after(destinations_parse(longer, &d, &e), &e))
        return; /* too many by now */
    HOLDS(destinations_allow(d, NULL, NULL, 1) == ALLOWED_BY_ADDRESS);
    if (inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1)
        HOLDS(destinations_allow(d, NULL, address, 1) == ALLOWED_YES);
    destinations_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct destinations *d = NULL;
    struct zs_error e;
    if (size > 4096)
        return 0;
    struct fuzz_input in = {data, size};
    const char *list = fuzz_take_text(&in, 0);
    char *name = fuzz_take_text(&in, 1);
    const char *address = fuzz_take_text(&in, 2);
    fuzz_error_before(&e);
    if (!fuzz_error_after(destinations_parse(list, &d, &e), &e)) {
        HOLDS(d == NULL && strcmp(e.sqlstate, ZS_BAD_VALUE) == 0 && e.hint[0] != '\0');
        return 0;
    }
    for (unsigned port = 1; port < 65536; port += 5431) {
        enum allowed by_name = destinations_allow(d, name, NULL, port);
        enum allowed known = destinations_allow(d, name, address, port);
        HOLDS(known == ALLOWED_NO || known == ALLOWED_YES);
        HOLDS(by_name != ALLOWED_YES || known == ALLOWED_YES);
        HOLDS(by_name != ALLOWED_NO || known == ALLOWED_NO);
        for (char *p = name; *p != '\0'; p++)
            *p = (char)(islower((unsigned char)*p) ? toupper((unsigned char)*p) : *p);
        HOLDS(destinations_allow(d, name, NULL, port) == by_name);
    }
    check_all(list, address);
    destinations_free(d);
    return 0;
}
