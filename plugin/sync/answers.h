/* answers.h - what a receiver says to its sender, held against what the sender knows.
 * Flow: sync/send and sync/send_records decode -> here -> on, or 08P01.
 *
 * What holds
 *   - A STATE of a branch that is not there has neither an LSN nor a history, and no history
 *     goes beyond the LSN that it has.
 *   - What it kept of a transfer is what its STATE said.
 *   - Each ACK names more records than the one before, not fewer bytes, and nothing that was
 *     not sent: so there are at most as many as records, and a flood of them ends.  When a
 *     range starts over, the counts may go back, once.
 *   - DONE gives the verdict of the OFFER; where nothing was sent, the branch is where it was.
 * Threads: the caller's. */
#ifndef ZS_SYNC_ANSWERS_H
#define ZS_SYNC_ANSWERS_H

#include "wire/control.h"

/* The ACKs of one range. */
struct answers {
    uint64_t before_records, before_bytes; /* of the transfer's counts, when the range began */
    uint64_t records, bytes;               /* what the last ACK named */
    bool again;                            /* the range starts over; no ACK has gone back yet */
};

int answers_state(const struct state_message *state, struct zs_error *e);

/* The ACK in front of what goes on with a stage. */
int answers_kept(const struct ack_message *ack, const struct resume_point *kept,
                 struct zs_error *e);

/* `sent_*` is all that the transfer has counted: this range and what came before. */
int answers_ack(struct answers *a, const struct ack_message *ack, uint64_t sent_records,
                uint64_t sent_bytes, struct zs_error *e);

/* `there` is where the receiver has to be, in what `digests` says this side can tell.  XX001 if
 * records were sent and it is elsewhere. */
int answers_done(const struct done_message *done, const struct offer_message *offer,
                 const struct zs_point *there, bool digests, struct zs_error *e);

#endif
