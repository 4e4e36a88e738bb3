/* query.h - a command line for the server, put together in memory.
 *
 *     CLEANUP(query_close) struct query q = {0};
 *     query_add(&q, "export");
 *     query_argument(&q, branch);
 *     TRY(session_run(c, &q, ...));
 *
 * What holds: if memory was short anywhere, there is no text, rather than a part of one; who
 * asks for it hears 53200.  Threads: one.  Owns its text. */
#ifndef ZS_CLI_QUERY_H
#define ZS_CLI_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

struct query {
    char *text; /* NULL: nothing yet */
    size_t len, room;
    bool failed;
};

void query_close(struct query *q);

void query_add(struct query *q, const char *text);

/* " 'text'" with each ' doubled: one argument. */
void query_argument(struct query *q, const char *text);

/* The whole, which stays the query's; "" if nothing was added.  53200. */
int query_text(const struct query *q, const char **text, struct zs_error *e);

#endif
