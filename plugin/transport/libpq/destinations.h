/* destinations.h - the list of places that this transport may connect to.
 * Flow: the setting allow_destinations -> here -> conninfo (the host as written) and
 * connect (each address that it resolves to).
 *
 * Items, separated by blanks:  host   host:port   *.domain   address   address:port
 * [address6]:port   address/bits.   A name says nothing of addresses and an address
 * nothing of names: a place is allowed if its name matches a name, or its address
 * matches an address.  No list allows every place.  An address4 within IPv6
 * (::ffff:a.b.c.d) is matched as the address4, and a mask of IPv6 holds no address4.
 * Pure.  Threads: any; read-only after destinations_parse. */
#ifndef ZS_LIBPQ_DESTINATIONS_H
#define ZS_LIBPQ_DESTINATIONS_H

#include <stdbool.h>
#include <zenith-sync/types.h>

struct destinations;

/* `text` NULL: every place.  22023, naming the item that is none. */
int destinations_parse(const char *text, struct destinations **out, struct zs_error *e);
void destinations_free(struct destinations *d);

enum allowed {
    ALLOWED_NO,
    ALLOWED_YES,
    ALLOWED_BY_ADDRESS, /* not by name, and there are addresses that it might resolve to */
};

/* `name` as the URI has it, NULL if only an address is known; `address` numeric, NULL
 * if it is not known yet. */
enum allowed destinations_allow(const struct destinations *d, const char *name, const char *address,
                                unsigned port);

#endif
