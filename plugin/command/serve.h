/* serve.h - what branch_push, branch_pull and branch_verify do around their half: a peer calls.
 * Threads: the session's. */
#ifndef ZS_COMMAND_SERVE_H
#define ZS_COMMAND_SERVE_H

#include "command/command.h"
#include "sync/progress.h"
#include "wire/conn.h"

/* One branch_* command from its arguments to its end; closed by scope. */
struct serve {
    const struct sync_module *module;
    const struct zs_session *session;
    struct arguments args;
    const char *branch, *json; /* views into args */
    struct transfer *transfer;
    struct progress progress; /* nobody listens: a peer counts for itself */
    struct conn conn;
};

/* Parse, check, begin a transfer.  The channel is not opened yet, so that an error is
 * an ordinary one. */
int serve_open(struct serve *s, const char *command, void *module, const struct zs_session *session,
               const char *args, struct zs_error *e);

/* Turn the session into a channel. */
int serve_channel(struct serve *s, struct zs_error *e);

/* The outcome is known, and on both sides: a peer that closes right behind the last message
 * makes no failure of it. */
void serve_finish(struct serve *s);

void serve_close(struct serve *s);

#endif
