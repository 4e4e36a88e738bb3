/* branch_push.c - a peer's perform_push calls: receive a branch into this host.
 * Flow: the session's channel -> sync/receive -> ingest of the host's store. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/serve.h"
#include "sync/receive.h"

static int receive(struct serve *s, struct zs_error *e)
{
    struct state_message state;
    struct outcome outcome;
    TRY(receive_state(&s->module->store, s->branch, &state, e));
    TRY(serve_channel(s, e));
    struct receive_job job = {.store = &s->module->store,
                              .sync_bytes = s->module->sync_bytes,
                              .inline_batches = s->module->inline_batches,
                              .branch = s->branch,
                              .conn = &s->conn,
                              .cancel = s->session->cancel,
                              .transfer = s->transfer,
                              .progress = &s->progress};
    TRY(receive_run(&job, &state, true, &outcome, e));
    serve_finish(s);
    return ZS_OK;
}

int branch_push(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    CLEANUP(serve_close) struct serve s = {0};
    TRY(serve_open(&s, "branch_push", self, session, args, e));
    int rc = receive(&s, e);
    transfer_end(s.transfer, rc == ZS_OK ? NULL : e);
    return rc;
}
