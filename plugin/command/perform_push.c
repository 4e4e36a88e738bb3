/* perform_push.c - send a branch of this host to another pageserver.
 * Flow: snapshot of the host's store -> sync/send -> transport ~> far branch_push.
 * Opens the snapshot first, so that an unknown branch is said before anyone connects. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/perform.h"
#include "sync/send.h"

static int push(struct perform *p, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    CLEANUP(free_ptr) char *json = NULL;
    struct outcome outcome;
    TRY(snapshot_open(&p->module->store, p->branch, &snapshot, e));
    progress_tell(&p->progress);
    TRY(call_encode(p->far_branch, &json, e));
    TRY(perform_connect(p, "branch_push", snapshot.info.timeline, json, e));
    struct send_job job = {.snapshot = &snapshot,
                           .leases = p->module->leases,
                           .conn = &p->conn,
                           .cancel = p->session->cancel,
                           .shield = &p->shield,
                           .transfer = p->transfer,
                           .inline_batches = p->module->inline_batches,
                           .progress = &p->progress,
                           .dry_run = p->options.dry_run,
                           .max_rate_bps = p->options.max_rate_bps,
                           .encoding = p->options.encoding};
    TRY(send_run(&job, NULL, &outcome, e));
    return perform_result(p, &outcome, DIRECTION_PUSH, e);
}

int perform_push(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    CLEANUP(perform_close) struct perform p = {0};
    TRY(perform_open(&p, "perform_push", self, session, args, e));
    return perform_end(&p, push(&p, e), e);
}
