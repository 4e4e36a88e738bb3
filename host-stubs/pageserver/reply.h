/* reply.h - what a command has to say to its client: struct zs_session over a conn.
 * Flow: session makes one per command -> the command's run -> here -> conn, copyboth.
 * Checks what a command owes: columns before rows, one result, no result after a copy.
 * Threads: the command's; a channel as types.h says. */
#ifndef PAGESERVER_REPLY_H
#define PAGESERVER_REPLY_H

#include "pageserver/copyboth.h"

#include <zenith-sync/host.h>

struct reply {
    struct zs_session view; /* what the command gets */
    struct conn *conn;
    struct cancel *cancel;
    struct copyboth copy;
    bool copied;
    uint32_t ncolumns; /* 0: no result yet */
    uint64_t rows;
};

/* Strings are borrowed. */
void reply_init(struct reply *r, struct conn *conn, struct cancel *cancel, uint32_t role,
                const char *user, const char *peer);

/* The command is over: close what it left open, and put CommandComplete or the error.
 * Fails only if the client can be told nothing more. */
int reply_end(struct reply *r, const char *command, int rc, struct zs_error *e);

/* Say why and hang up, without a session, memory, or waiting. */
void reply_turn_away(int fd, const struct zs_error *why);

/* Put an ErrorResponse ("ERROR", "FATAL"). */
int reply_error(struct conn *conn, const char *severity, const struct zs_error *why,
                struct zs_error *e);

#endif
