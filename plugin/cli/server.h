/* server.h - one connection to the repository's pageserver, and commands over it.
 * Flow: a command's query goes out, notices come in meanwhile, one result comes
 * back.  Ctrl-C (or SIGTERM, SIGHUP) asks the server to stop the command and then
 * waits for its word; a second one leaves.
 * Threads: none; one per process. */
#ifndef ZS_CLI_SERVER_H
#define ZS_CLI_SERVER_H

#include "cli/client.h"
#include "cli/repo.h"
#include "cli/rows.h"

#include <zenith-sync/types.h>

struct server {
    const struct repo *repo; /* borrowed */
    struct client client;
};

/* Connect.  08001 if no server runs there, or it does not let us in. */
int server_connect(struct server *s, const struct repo *repo, struct zs_error *e);
void server_close(struct server *s); /* CLEANUP(server_close) struct server s = {0} */

/* Who hears what the server says meanwhile. */
struct listener {
    void *self;
    void (*notice)(void *self, const struct zs_error *notice);
};

/* Run one command.  *out is its rows, freed with rows_close.  Errors: the server's as
 * it said it; 08006 if the connection broke; 57014 if the user left. */
int server_run(struct server *s, const char *query, const struct listener *listener,
               struct rows **out, struct zs_error *e);

#endif
