/* send_records.h - the records of a range, out into batches.
 * Flow: sync/send -> here -> sync/selection for the records, wire/batch and wire/conn for
 * the way out.
 *
 *     a few batches      read, send: one after the other
 *     more than those    read (a thread of its own) ──slots──> send
 *
 * What holds: what a peer says meanwhile is heard before more is written; a long look or
 * a slow rate leaves the line neither silent nor deaf.  The thread touches the selection,
 * the batch writer and the range, and they are its alone until it ends, which is before
 * send_records returns; the channel, the session and the rate stay with the caller's.
 * Memory: SEND_SLOTS batches and one more, SEND_BYTES and one message at most, and what the
 * store's iterator has.
 * Threads: the caller's, and one of its own from the SEND_INLINE-th batch on; small
 * transfers start none. */
#ifndef ZS_SYNC_SEND_RECORDS_H
#define ZS_SYNC_SEND_RECORDS_H

#include "sync/selection.h"
#include "sync/send.h"

#define SEND_SLOTS  3u
#define SEND_BYTES  8388608u
#define SEND_INLINE 4u

/* The range that travels, and what it summed to. */
struct range {
    zs_lsn after_lsn, upto_lsn;
    bool whole;          /* all that is retained, for a receiver that has nothing */
    struct zs_point end; /* this side's, at upto_lsn */
    struct zs_digest sum;
    uint64_t records, bytes;
    const struct resume_point *resume; /* so much is there already, and counted; or NULL */
    char said[COMMIT_SAID_BYTES];      /* what the person at the other end should know; "" */
};

/* What an ACK says, checked and noted. */
int send_heard_ack(const struct send_job *job, const struct message *m, struct zs_error *e);

/* Send what `selection` gives, and count and sum it into *range. */
int send_records(const struct send_job *job, const struct state_message *state,
                 struct selection *selection, struct range *range, struct zs_error *e);

#endif
