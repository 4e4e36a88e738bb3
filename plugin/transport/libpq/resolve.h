/* resolve.h - a host's addresses, without waiting longer than a cancel allows.
 * getaddrinfo cannot be interrupted, so that it runs in a thread of its own; who asked
 * goes away when it has to, and the thread ends when it can.
 * Threads: one, detached, per lookup, with all signals blocked.  It owns what it needs
 * together with the one who asked (a count of references); it touches nothing else but
 * the resolver, which it holds likewise. */
#ifndef ZS_LIBPQ_RESOLVE_H
#define ZS_LIBPQ_RESOLVE_H

#include <zenith-sync/types.h>

#define ADDRESSES_MAX 8
#define ADDRESS_TEXT  64

struct addresses {
    char text[ADDRESSES_MAX][ADDRESS_TEXT]; /* numeric, the kernel's preference first */
    unsigned n;
};

/* Counts the lookups that are under way: RESOLVES_MAX at most, so that a name server
 * that does not answer cannot be made to fill the process with threads. */
struct resolver;
#define RESOLVES_MAX 32

int resolver_open(struct resolver **out, struct zs_error *e);
void resolver_close(struct resolver *r); /* lookups may still be under way */

/* Errors: 08001 not found, or not by until_ns (CLOCK_MONOTONIC, 0 none); 57014; 53400 too
 * many lookups under way; 53200. */
int resolve(struct resolver *r, const char *host, const struct zs_cancel *cancel, int64_t until_ns,
            struct addresses *out, struct zs_error *e);

#endif
