/* branch_pull.c - a peer's perform_pull calls: send a branch of this host.
 * Flow: snapshot of the host's store -> sync/send -> the session's channel.
 * The peer's STATE came with the command. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/serve.h"
#include "sync/send.h"

#include <string.h>

static int send_branch(struct serve *s, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    struct state_message state;
    struct outcome outcome;
    TRY(state_decode(s->json, strlen(s->json), &state, e));
    TRY(snapshot_open(&s->module->store, s->branch, &snapshot, e));
    TRY(serve_channel(s, e));
    struct send_job job = {.snapshot = &snapshot,
                           .leases = s->module->leases,
                           .conn = &s->conn,
                           .cancel = s->session->cancel,
                           .transfer = s->transfer,
                           .inline_batches = s->module->inline_batches,
                           .progress = &s->progress};
    TRY(send_run(&job, &state, &outcome, e));
    serve_finish(s);
    return ZS_OK;
}

int branch_pull(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    CLEANUP(serve_close) struct serve s = {0};
    TRY(serve_open(&s, "branch_pull", self, session, args, e));
    int rc = send_branch(&s, e);
    transfer_end(s.transfer, rc == ZS_OK ? NULL : e);
    return rc;
}
