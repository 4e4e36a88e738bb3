/* destinations.c - see destinations.h. */
#include "transport/libpq/destinations.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define ITEMS_MAX 256

/* An address of either family as 16 bytes: an address4 stands at ::ffff:0:0/96. */
struct address {
    uint8_t bytes[16];
};

struct item {
    char name[256]; /* "" for an address; "*.domain" as ".domain" */
    unsigned port;  /* 0 any */
    struct address address;
    unsigned bits; /* of address, 0 to 128 */
};

struct destinations {
    size_t n;
    struct item items[];
};

static bool address_parse(const char *text, struct address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char plain[INET6_ADDRSTRLEN + 32];
    size_t len = strcspn(text, "%"); /* without a zone: fe80::1%eth0 */
    if (len >= sizeof plain)
        return false;
    memcpy(plain, text, len);
    plain[len] = '\0';
    if (inet_pton(AF_INET6, plain, out->bytes) == 1)
        return true;
    memcpy(out->bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, plain, out->bytes + sizeof mapped) == 1;
}

static bool is_four(struct address a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(a.bytes, mapped, sizeof mapped) == 0;
}

/* Of one family: ::/0 is every address6 and no address4, though those stand within it. */
static bool address_within(struct address a, struct address net, unsigned bits)
{
    if (is_four(a) != (bits >= 96 && is_four(net)))
        return false;
    for (unsigned i = 0; i < bits; i += 8) {
        unsigned rest = bits - i;
        unsigned mask = rest >= 8 ? 0xffu : (0xff00u >> rest) & 0xffu;
        if (((unsigned)a.bytes[i / 8] & mask) != ((unsigned)net.bytes[i / 8] & mask))
            return false;
    }
    return true;
}

/* Digits only, value 0 to max. */
static bool number_parse(const char *text, unsigned max, unsigned *out)
{
    unsigned value = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[len] != '\0')
        return false;
    for (size_t i = 0; i < len; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *out = value;
    return value <= max;
}

/* Cut ":port" off.  A bare address6 has colons and no port. */
static bool split_port(char *text, struct item *item)
{
    char *colon = strrchr(text, ':');
    unsigned port;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':'))
            return false;
        colon = close[1] == ':' ? close + 1 : NULL;
        *close = '\0';
        memmove(text, text + 1, (size_t)(close - text));
    } else if (colon != NULL && strchr(text, ':') != colon) {
        colon = NULL;
    }
    if (colon == NULL)
        return true;
    if (!number_parse(colon + 1, 65535, &port) || port == 0)
        return false;
    item->port = port;
    *colon = '\0';
    return true;
}

static bool item_parse(const char *word, size_t len, struct item *item)
{
    char text[256];
    memset(item, 0, sizeof *item);
    if (len >= sizeof text)
        return false;
    memcpy(text, word, len);
    text[len] = '\0';
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
        bool four = strchr(text, ':') == NULL;
        if (!address_parse(text, &item->address) ||
            !number_parse(slash + 1, four ? 32 : 128, &item->bits))
            return false;
        item->bits += four ? 96 : 0;
        return true;
    }
    if (!split_port(text, item))
        return false;
    item->bits = 128;
    if (address_parse(text, &item->address))
        return true;
    const char *name = strncmp(text, "*.", 2) == 0 ? text + 1 : text;
    size_t name_len = strlen(name);
    if (name_len > 0 && name[name_len - 1] == '.')
        name_len--;
    if (name_len == 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") <
            name_len)
        return false;
    memcpy(item->name, name, name_len);
    return true;
}

int destinations_parse(const char *text, struct destinations **out, struct zs_error *e)
{
    *out = NULL;
    if (text == NULL)
        return ZS_OK;
    struct destinations *d = calloc(1, sizeof *d + ITEMS_MAX * sizeof *d->items);
    if (d == NULL)
        return error_memory(e);
    for (const char *p = text + strspn(text, " \t\r\n"); *p != '\0'; p += strspn(p, " \t\r\n")) {
        size_t len = strcspn(p, " \t\r\n");
        if (d->n == ITEMS_MAX || !item_parse(p, len, &d->items[d->n])) {
            error_set(e, ZS_BAD_VALUE, "allow_destinations has an item that cannot be used: %.*s",
                      len > 100 ? 100 : (int)len, p);
            error_hint(e,
                       "Give at most %d of: host, host:port, *.domain, address, address/bits, "
                       "with blanks between them.",
                       ITEMS_MAX);
            free(d);
            return ZS_FAIL;
        }
        d->n++;
        p += len;
    }
    *out = d;
    return ZS_OK;
}

void destinations_free(struct destinations *d)
{
    free(d);
}

/* Names are compared without case and without the dot of the root. */
static bool name_matches(const struct item *item, const char *name)
{
    size_t len = strlen(name), want = strlen(item->name);
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (item->name[0] == '.')
        return len > want && strncasecmp(name + len - want, item->name, want) == 0;
    return len == want && strncasecmp(name, item->name, want) == 0;
}

enum allowed destinations_allow(const struct destinations *d, const char *name, const char *address,
                                unsigned port)
{
    struct address a;
    bool known = address != NULL && address_parse(address, &a);
    enum allowed verdict = ALLOWED_NO;
    if (d == NULL)
        return ALLOWED_YES;
    for (size_t i = 0; i < d->n; i++) {
        const struct item *item = &d->items[i];
        if (item->port != 0 && item->port != port)
            continue;
        if (item->name[0] != '\0') {
            if (name != NULL && name_matches(item, name))
                return ALLOWED_YES;
        } else if (known) {
            if (address_within(a, item->address, item->bits))
                return ALLOWED_YES;
        } else {
            verdict = ALLOWED_BY_ADDRESS;
        }
    }
    return address == NULL ? verdict : ALLOWED_NO;
}
