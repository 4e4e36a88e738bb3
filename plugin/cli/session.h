/* session.h - one server command as zenith runs it: query, progress, notices, rows.
 * Threads: one. */
#ifndef ZS_CLI_SESSION_H
#define ZS_CLI_SESSION_H

#include "cli/cli.h"
#include "cli/query.h"
#include "cli/server.h"

/* Find the repository, connect, run it, show progress about `label` (NULL: none) and
 * notices on standard error.  *rows has at least `least` rows, else 08P01; freed with
 * rows_close. */
int session_run(struct cli *c, struct query *q, const char *label, int least, struct rows **rows,
                struct zs_error *e);

/* The same over a connection that is there. */
int session_run_on(struct cli *c, struct server *s, struct query *q, const char *label, int least,
                   struct rows **rows, struct zs_error *e);

#endif
