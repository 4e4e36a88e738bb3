/* stub_session.h - a scripted client: what a command tells it is kept, and it can
 * cancel and serve a message channel.
 * Flow: a test fills one in, stub_host_run (or the test itself) runs a command with
 * &s.session and ends it with stub_session_end; the test then looks at what came.
 *
 * Threads: one command uses it at a time; `cancel` may be pulled from any thread; the
 * rest is read when the command is over.  Ownership: the caller's storage, from init
 * to fini; it must not move meanwhile. */
#ifndef HOST_STUBS_STUB_SESSION_H
#define HOST_STUBS_STUB_SESSION_H

#include "stub/stub_cancel.h"
#include "stub/stub_fault.h"

#include <zenith-sync/host.h>

#include <stdbool.h>

#define STUB_SESSION_NOTICES 1000u /* more are counted, not kept */

struct stub_session {
    struct zs_session session; /* hand out &session; role, user and peer may be set */
    struct stub_cancel cancel;

    /* What came. */
    char **names; /* the columns; NULL before */
    uint32_t columns;
    char **values; /* rows * columns, row after row; NULL is SQL's null */
    uint32_t rows;
    struct zs_error *notices;
    uint64_t notice_count;

    /* Called for each notice, in the command's thread; may pull `cancel`. */
    void (*on_notice)(void *context, const struct zs_error *notice);
    void *context;

    /* Faults of "columns", "row", "copy_both" and of the copy's channel; NULL none. */
    struct stub_faults *faults;

    struct zs_channel copy; /* see stub_session_serve */
    bool serves, copying;
};

/* An administrator who cannot copy. */
int stub_session_init(struct stub_session *s, struct zs_error *e);
void stub_session_fini(struct stub_session *s);

/* Give it one end of a pipe (stub_pipe.h) for copy_both to hand out; taken over. */
void stub_session_serve(struct stub_session *s, struct zs_channel end);

/* The command has ended: end the copy as a server does.  A failure goes to the far
 * end as the command's error; a copy that was closed unfinished is a lost connection. */
void stub_session_end(struct stub_session *s, int rc, const struct zs_error *e);

/* The value in that row (0 the first) under that column name; NULL if there is none or
 * it is SQL's null. */
const char *stub_session_value(const struct stub_session *s, uint32_t row, const char *column);

#endif
