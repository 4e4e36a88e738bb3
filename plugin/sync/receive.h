/* receive.h - the receiving half: a stream into an ingest of a branch.
 * Flow: a channel -> wire -> here -> the host's ingest.  command/branch_push and
 * command/perform_pull use it.  The grammar stands in wire/message.h.
 *
 * What holds
 *   - Nothing the peer sends is believed: order, range, counts and sums are checked,
 *     and its verdict against what this side has.
 *   - Nothing is visible before the commit; after it everything is, at once.
 *   - The commit needs D(X) + what was received = the sender's D(Y).
 *   - What arrived is kept as a stage from time to time; the next transfer goes on there.
 *   - A branch that moved since the STATE was told is left alone (40001).
 * Memory and threads: sync/intake.h's, and what the store's ingest has. */
#ifndef ZS_SYNC_RECEIVE_H
#define ZS_SYNC_RECEIVE_H

#include "store/store.h"
#include "sync/cancel.h"
#include "sync/outcome.h"
#include "sync/progress.h"
#include "sync/transfer.h"
#include "wire/conn.h"

struct receive_job {
    const struct zs_store *store;
    const char *branch;
    struct conn *conn;
    const struct zs_cancel *cancel;
    struct shield *shield; /* of the channel; NULL if it has none */
    struct transfer *transfer;
    struct progress *progress;
    uint64_t sync_bytes; /* keep a stage every so many value bytes; 0: STAGING_SYNC_BYTES */
    /* So many before a thread is started, whatever the cores; 0: INTAKE_INLINE, where one pays
     * (intake.h). */
    uint32_t inline_batches;
    uint64_t beside_bytes; /* a commit of so much in a thread of its own; 0: COMMIT_BESIDE_BYTES */
};

/* What this side has of the branch, to be told to the sender.  Options of the stream
 * (dry_run, encoding, max_rate_bps) are left for the caller to set. */
int receive_state(const struct zs_store *store, const char *branch, struct state_message *state,
                  struct zs_error *e);

/* `state` as it was told; `tell` sends it first (a push; in a pull it went with the
 * command).  A refusal is no error here: outcome_refusal makes it one.
 * Errors: 08P01 the peer breaks the protocol, XX001 sums differ, 40001, 55006, 57014,
 * and the store's and the far side's own. */
int receive_run(const struct receive_job *job, const struct state_message *state, bool tell,
                struct outcome *outcome, struct zs_error *e);

#endif
