/* session.h - one server command as zenith runs it: query, progress, notices, rows.
 * Threads: one. */
#ifndef ZS_CLI_SESSION_H
#define ZS_CLI_SESSION_H

#include "cli/cli.h"
#include "cli/server.h"

#include <stdio.h>

/* A command line for the server, put together in memory.
 *     CLEANUP(query_close) struct query q = {0};
 *     TRY(query_open(&q, "export", e));
 *     put_argument(q.f, branch); ...
 *     TRY(session_run(c, &q, branch, &rows, e)); */
struct query {
    FILE *f;
    char *text;
    size_t len;
};

int query_open(struct query *q, const char *command, struct zs_error *e);
void query_close(struct query *q);

/* Find the repository, connect, run it, show progress about `label` (NULL: none) and
 * notices on standard error.  *rows has at least `least` rows, else 08P01; freed with
 * rows_close. */
int session_run(struct cli *c, struct query *q, const char *label, int least, struct rows **rows,
                struct zs_error *e);

/* The same over a connection that is there. */
int session_run_on(struct cli *c, struct server *s, struct query *q, const char *label, int least,
                   struct rows **rows, struct zs_error *e);

#endif
