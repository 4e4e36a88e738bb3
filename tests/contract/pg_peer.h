/* pg_peer.h - a server of PostgreSQL's protocol, as small as a client of CopyBoth needs.
 * Listens on a port of 127.0.0.1; logs everybody in; runs transport_far for each query.
 * What a server of ours never does is a script: the bytes that it answers a query with.
 * Threads: one, for one connection after the other.  Tests only: it trusts its client. */
#ifndef TESTS_PG_PEER_H
#define TESTS_PG_PEER_H

#include <stdbool.h>
#include <stddef.h>

enum pg_peer_mode {
    PG_PEER_SERVES,
    PG_PEER_MUTE,     /* accepts, and says nothing */
    PG_PEER_REFUSES,  /* at login: FATAL 28P01, with a hint */
    PG_PEER_FULL,     /* at login: FATAL 53300 */
    PG_PEER_PASSWORD, /* asks for a password, takes any */
    PG_PEER_ROWS,     /* answers a query with rows for ever */
    PG_PEER_HUGE,     /* in the copy, a message that claims 1 GiB, and 64 MiB of it */
    PG_PEER_TLS,      /* serves under TLS, with a certificate that nobody signed */
    PG_PEER_CHATTY,   /* before the login is over: parameters for ever */
    PG_PEER_SCRIPT,   /* answers a query with what pg_peer_follow was given */
};

struct pg_peer;

/* The answer to each query, sent in one piece; then `more`, once another message has come.
 * Then it hangs up, or waits until the client does. */
struct pg_script {
    const char *answer;
    size_t len;
    const char *more;
    size_t more_len;
    bool hangs_up;
};

struct pg_peer *pg_peer_open(enum pg_peer_mode mode); /* NULL: no port */
unsigned pg_peer_port(const struct pg_peer *p);
/* A port on which nobody listens, nor can until the descriptor is closed; -1: none. */
int pg_peer_closed_port(unsigned *port);
void pg_peer_close(struct pg_peer *p);
void pg_peer_follow(struct pg_peer *p, const struct pg_script *script); /* while nobody is there */

/* The value of a startup parameter of the last client, or "". After close of the channel. */
bool pg_peer_saw(struct pg_peer *p, const char *name, const char *value);

#endif
