/* branch_verify.c - a peer's perform_verify calls: sum what a branch of this host holds.
 * Flow: snapshot of the host's store -> sync/compare_serve -> the session's channel. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/serve.h"
#include "sync/compare.h"

static int serve_sums(struct serve *s, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    TRY(snapshot_open(&s->module->store, s->branch, &snapshot, e));
    TRY(serve_channel(s, e));
    const struct key_reader reader = {.snapshot = &snapshot,
                                      .conn = &s->conn,
                                      .cancel = s->session->cancel,
                                      .transfer = s->transfer,
                                      .progress = &s->progress};
    transfer_phase(s->transfer, PHASE_VERIFY);
    TRY(compare_serve(&reader, e));
    serve_finish(s);
    return ZS_OK;
}

int branch_verify(void *self, const struct zs_session *session, const char *args,
                  struct zs_error *e)
{
    CLEANUP(serve_close) struct serve s = {0};
    TRY(serve_open(&s, "branch_verify", self, session, args, e));
    int rc = serve_sums(&s, e);
    transfer_end(s.transfer, rc == ZS_OK ? NULL : e);
    return rc;
}
