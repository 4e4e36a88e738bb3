/* perform_pull.c - fetch a branch of another pageserver into this host.
 * Flow: far branch_pull ~> transport -> sync/receive -> ingest of the host's store.
 * The STATE goes with the command, so that the far side answers with its OFFER. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/perform.h"
#include "sync/receive.h"

#include <stdio.h>

static int pull(struct perform *p, struct zs_error *e)
{
    CLEANUP(free_ptr) char *json = NULL;
    struct state_message state;
    struct outcome outcome;
    TRY(receive_state(&p->module->store, p->branch, &state, e));
    state.dry_run = p->options.dry_run;
    state.max_rate_bps = p->options.max_rate_bps;
    state.encoding = p->options.encoding;
    (void)snprintf(state.branch, sizeof state.branch, "%s", p->far_branch);
    TRY(state_encode(&state, &json, e));
    progress_tell(&p->progress);
    TRY(perform_connect(p, "branch_pull", state.timeline, json, e));
    struct receive_job job = {.store = &p->module->store,
                              .sync_bytes = p->module->sync_bytes,
                              .inline_batches = p->module->inline_batches,
                              .branch = p->branch,
                              .conn = &p->conn,
                              .cancel = p->session->cancel,
                              .shield = &p->shield,
                              .transfer = p->transfer,
                              .progress = &p->progress};
    TRY(receive_run(&job, &state, false, &outcome, e));
    return perform_result(p, &outcome, DIRECTION_PULL, e);
}

int perform_pull(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    CLEANUP(perform_close) struct perform p = {0};
    TRY(perform_open(&p, "perform_pull", self, session, args, e));
    return perform_end(&p, pull(&p, e), e);
}
