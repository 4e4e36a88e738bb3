/* client.h - PostgreSQL's protocol as a client of the repository's own server needs it: a
 * login without a password over the Unix socket, simple queries, a request to stop.
 * Flow: cli/server -> here -> the socket.
 *
 * In place of libpq, whose 24 libraries (LDAP, Kerberos, GnuTLS) took half of the time of a
 * push with nothing to do: 4 of 8 ms, before main() began (tests/bench/README.md).  A far
 * server is never spoken to from here; that is the transport's, and libpq's.
 *
 *     open ──> query ──> next ... until 'Z' ──> query ...            close at any time
 *
 * Threads: none.  Memory: the largest message, CLIENT_MESSAGE_MAX at most. */
#ifndef ZS_CLI_CLIENT_H
#define ZS_CLI_CLIENT_H

#include "base/bytes.h"

#include <zenith-sync/types.h>

#define CLIENT_MESSAGE_MAX (64u << 20)
#define CLIENT_WAIT_MS     10000

struct client {
    int fd; /* -1: none */
    uint8_t *in;
    size_t at, end, room;  /* in[at, end) came and was not given yet */
    uint8_t cancel_key[8]; /* pid and secret, as they came */
};

/* Log in over a connected socket, which is this one's from here on, also after a failure.
 * 08001 with what the server said; it may take CLIENT_WAIT_MS. */
int client_open(struct client *c, int fd, const char *user, struct zs_error *e);
void client_close(struct client *c); /* says good-bye */

/* Send a query.  08006. */
int client_query(struct client *c, const char *text, struct zs_error *e);

enum client_got {
    CLIENT_FAILED = -1, /* 08P01, 53200 */
    CLIENT_NOTHING,     /* no whole message yet: poll c->fd */
    CLIENT_MESSAGE,     /* *body is a view, until the next call */
    CLIENT_END,         /* the server closed, or the connection broke */
};
enum client_got client_next(struct client *c, char *type, struct reader *body, struct zs_error *e);

/* Over a second connected socket, which stays the caller's: stop what runs.  Waits until the
 * server has read it, for CLIENT_WAIT_MS at most. */
bool client_cancel(const struct client *c, int fd);

/* What an ErrorResponse or a NoticeResponse says.  Returns ZS_FAIL. */
int client_error(struct reader *body, struct zs_error *e);

#endif
