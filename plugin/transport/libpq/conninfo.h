/* conninfo.h - from a URI to what libpq is told, and nothing else.
 * Flow: uri_check and connect -> here -> connect.c.
 *
 * The URI is taken apart by libpq's own parser, and the connection is built from the
 * parameters found, never from the URI: there is no second reading that could see
 * something else in it (several hosts, duplicates, percent-encoding).  Only parameters
 * on the list in conninfo.c are taken.  Every option of libpq that has a default in the
 * environment or in a file is given a value; where libpq takes none, conninfo_values
 * refuses while that variable is set.
 *
 * No text of the URI goes into an error but libpq's own keywords, and hosts and ports
 * once they have the shape of such.
 * Pure but for conninfo_values, which looks at the environment.  Threads: any. */
#ifndef ZS_LIBPQ_CONNINFO_H
#define ZS_LIBPQ_CONNINFO_H

#include "transport/libpq/destinations.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <zenith-sync/types.h>

#define CONNINFO_HOSTS_MAX  8
#define CONNINFO_VALUES_MAX 48 /* more than there are rows in parameters.c */
#define TARGET_TEXT         280

/* What the server allows. */
struct conninfo_rules {
    const char *tls_dir; /* NULL: a URI may name no file */
    bool unix_sockets;
    const struct destinations *destinations; /* NULL: every place */
};

/* One place to try, in the order of the URI. */
struct target {
    char host[256];   /* as written; "" if only an address was given */
    char address[64]; /* numeric; "" if it is to be resolved, or a socket */
    unsigned port;
    char port_text[6];
    bool is_socket;    /* host is the folder of a Unix socket, or "@" and a name */
    bool address_only; /* the address was given: the name says nothing of where it leads */
};

struct conninfo {
    PQconninfoOption *parsed;
    char *files[CONNINFO_VALUES_MAX]; /* full paths, by row of the table in parameters.c */
    char os_user[64];                 /* the user if the URI names none, as libpq has it */
    struct target targets[CONNINFO_HOSTS_MAX];
    unsigned ntargets;
    int timeout_ms; /* for one address; 0 none */
};

/* Read and check a URI.  *out is zeroed first and to be closed in either case.
 * Errors: 22023 not a URI of ours, a parameter unknown or not allowed, a bad value;
 * 42501 a place or a file that the server's settings do not allow; 53200. */
int conninfo_open(const struct conninfo_rules *rules, const char *uri, struct conninfo *out,
                  struct zs_error *e);
void conninfo_close(struct conninfo *info);

/* What PQconnectStartParams takes, for one target at one numeric address ("" for a
 * socket).  The arrays end with a NULL; their strings belong to info, target and the
 * caller.  42501 if the environment would have a say. */
int conninfo_values(struct conninfo *info, const struct target *target, const char *address,
                    const char *application, const char *keywords[CONNINFO_VALUES_MAX],
                    const char *values[CONNINFO_VALUES_MAX], struct zs_error *e);

/* "scheme://host:port,host:port", cut at whole hosts if it does not fit. */
void conninfo_show(const struct conninfo *info, char *shown, size_t shown_bytes);

/* "host:port", "[address6]:port", or a socket's path, for messages. */
struct target_text {
    char s[TARGET_TEXT];
};
struct target_text target_text(const struct target *target);

/* May one go there, as far as is known? `address` numeric or "".  42501. */
int target_allow(const struct conninfo_rules *rules, const struct target *target,
                 const char *address, struct zs_error *e);

#endif
