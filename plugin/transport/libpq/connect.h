/* connect.h - from a URI to a logged-in connection.
 * Flow: libpq.c -> here -> conninfo (what may be done), resolve (names), libpq.
 * Every place of the URI is tried in order, and every address of it, until one answers;
 * one that answers and does not let us in ends the search.  Each has connect_timeout
 * seconds (10 if the URI does not say; 0 no limit).
 * Threads: any, at the same time. */
#ifndef ZS_LIBPQ_CONNECT_H
#define ZS_LIBPQ_CONNECT_H

#include "transport/libpq/conninfo.h"
#include "transport/libpq/resolve.h"

#include <zenith-sync/transport.h>

/* What init made; read-only afterwards. */
struct libpq {
    const struct zs_transport_host *host;
    struct conninfo_rules rules;
    struct destinations *destinations;
    struct resolver *resolver;
};

/* *conn is non-blocking and the caller's; *far is how to call the far server.
 * Errors: conninfo.h, resolve.h; 08001, 28P01, 28000, 57014. */
int connect_open(const struct libpq *self, const struct zs_connect *spec, PGconn **conn,
                 struct target_text *far, struct zs_error *e);

#endif
