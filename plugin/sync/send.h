/* send.h - the sending half: a snapshot of a branch out into a stream.
 * Flow: command/perform_push and command/branch_pull -> here -> wire -> a channel.
 * The grammar stands in wire/message.h.
 *
 * What holds
 *   - Nothing is sent before the verdict; only absent and behind send records.
 *   - Of a behind receiver only records in (X, Y] travel, each once.
 *   - A snapshot that has collected versions above X sends no delta: a collected
 *     tombstone would bring dropped pages back.
 *   - Of what the receiver says nothing is believed that this side can tell (answers.h).
 *   - What the store handed out must sum to D(Y) - D(X), else nothing is committed.
 *   - Cut off after some of it was sent, the snapshot is kept (lease.h), and
 *     serves the receiver's next try where the branch has collected what that one needs.
 * Memory and threads: sync/send_records.h's, and what the store's iterator has. */
#ifndef ZS_SYNC_SEND_H
#define ZS_SYNC_SEND_H

#include "store/store.h"
#include "sync/cancel.h"
#include "sync/outcome.h"
#include "sync/progress.h"
#include "sync/transfer.h"
#include "wire/conn.h"

struct answers;
struct lease_list;

struct send_job {
    struct snapshot *snapshot; /* what is sent; emptied if it is kept for a transfer cut off */
    struct lease_list *leases; /* where it is kept; NULL: nowhere */
    bool leased;               /* for send.c: the snapshot is one that was kept */
    zs_lsn cutoff_lsn;         /* for send.c: what a whole transfer tells to be collected */
    struct answers *answers;   /* for send.c: the ACKs of the range that is sent */
    struct conn *conn;
    const struct zs_cancel *cancel;
    struct shield *shield; /* of the channel; NULL if it has none */
    struct transfer *transfer;
    struct progress *progress;
    /* What this side asks for, besides what the receiver's STATE asks for. */
    bool dry_run;
    uint64_t max_rate_bps;   /* the lower one holds */
    uint32_t encoding;       /* as encoding.h; what the receiver cannot read is not used */
    uint32_t inline_batches; /* so many before a thread is started; 0: SEND_INLINE */
};

/* `state` is the receiver's if it came with the command (a pull); NULL: it is the
 * first message.  A refusal is no error here: outcome_refusal makes it one.
 * Errors: 0A000 no delta can be sent, XX001 the store's sum is wrong, 57014, and
 * the store's and the far side's own. */
int send_run(const struct send_job *job, const struct state_message *state, struct outcome *outcome,
             struct zs_error *e);

#endif
