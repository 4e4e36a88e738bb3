/* startup.h - the first packets of a connection.
 * Flow: session -> here -> auth.  A packet is one of: StartupMessage, SSLRequest,
 * GSSENCRequest, CancelRequest.  The reading of one is pure.  Threads: none. */
#ifndef PAGESERVER_STARTUP_H
#define PAGESERVER_STARTUP_H

#include "pageserver/pgwire.h"

#define STARTUP_NAME_MAX 63 /* bytes of a user or application name; more is cut */

enum startup_kind { STARTUP_SESSION, STARTUP_TLS, STARTUP_GSSENC, STARTUP_CANCEL };

struct startup {
    enum startup_kind kind;
    uint32_t cancel_id, cancel_key; /* STARTUP_CANCEL */
    char user[STARTUP_NAME_MAX + 1];
    char application[STARTUP_NAME_MAX + 1]; /* "" if the client did not say */
    /* STARTUP_SESSION: a NegotiateProtocolVersion that is due, or empty */
    struct wire_buf negotiate;
};

/* Read one packet's body.  08P01 malformed; 0A000 another protocol; 28000 no user.
 * Release with startup_fini in any case. */
int startup_parse(const uint8_t *body, uint32_t len, struct startup *out, struct zs_error *e);
void startup_fini(struct startup *s);

#endif
