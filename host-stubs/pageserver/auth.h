/* auth.h - who is at the other end.
 * Flow: session -> here -> scram, users.
 *   Unix socket: the server's own user and root are admin, by what the kernel says
 *   of the peer, if they log in by their own name; any other name needs a password.
 *   TCP: a password (SCRAM-SHA-256), or a client certificate whose common name is the
 *   user's.  Nobody gets in otherwise.
 * Threads: the session's. */
#ifndef PAGESERVER_AUTH_H
#define PAGESERVER_AUTH_H

#include "pageserver/conn.h"
#include "pageserver/users.h"

struct identity {
    char user[USER_NAME_MAX + 1];
    uint32_t role;   /* ZS_ROLE_* */
    const char *how; /* "peer", "password", "certificate" */
};

/* Ask for what it takes and check it.  28000, 28P01; 08P01; 08006. */
int auth_login(struct conn *c, const char *users_file, const char *user, bool is_local,
               const struct patience *patience, struct identity *out, struct zs_error *e);

#endif
