/* perform.h - what perform_push, perform_pull and perform_verify do around their half.
 * Threads: the session's. */
#ifndef ZS_COMMAND_PERFORM_H
#define ZS_COMMAND_PERFORM_H

#include "command/command.h"
#include "sync/cancel.h"
#include "sync/progress.h"
#include "wire/conn.h"

/* One perform_* command from its arguments to its end.  Zeroed, then opened; closed by
 * scope in any state.  Not to be moved: the shield's token points into it. */
struct perform {
    const struct sync_module *module;
    const struct zs_session *session;
    struct arguments args;
    struct transfer_options options;
    const char *branch, *uri, *far_branch; /* views into args */
    const struct transport *transport;
    struct transfer *transfer;
    struct progress progress;
    struct shield shield;
    struct conn conn;
    bool asked; /* the far side was: a branch that is missing from then on is missing there */
    int64_t started_ns;
};

/* Parse, check names and URI, find the transport, begin a transfer. */
int perform_open(struct perform *p, const char *command, void *module,
                 const struct zs_session *session, const char *args, struct zs_error *e);

/* Reach the far server and have it run "command 'far_branch' timeline 'json'". */
int perform_connect(struct perform *p, const char *command, struct zs_timeline_id timeline,
                    const char *json, struct zs_error *e);

/* The verdict's refusal as an error, or the one row of the result. */
int perform_result(struct perform *p, const struct outcome *o, enum direction direction,
                   struct zs_error *e);

/* What became of it, kept for sync_status; a cancel says what it left, a branch that is
 * missing says on which side.  Returns rc. */
int perform_end(struct perform *p, int rc, struct zs_error *e);

void perform_close(struct perform *p);

#endif
