/* intake.h - batches as they come, into an ingest.
 * Flow: sync/receive asks for messages here and gives BATCHes back -> wire/batch decodes ->
 * store/ puts, sync/staging keeps a stage from time to time.
 *
 *     a few batches      receive, check, put: one after the other
 *     more than those    receive, check ──slots──> put, keep the stage (a thread of its own,
 *                        where there are more than two cores)
 *
 * What holds
 *   - A record is put only after its batch was checked, and in the order of the stream; the
 *     values of a summed batch (wire/batch.h) are held to their sum right behind that, before
 *     anything of it is kept in a stage, or committed.
 *   - The thread touches the ingest and nothing else of the store; the channel, the session
 *     and the cancel token's descriptor stay with the caller's.  Between intake_batch and
 *     intake_drain the ingest is the thread's.
 *   - What the thread failed with comes out of the next call here, within INTAKE_LOOK_MS.
 *   - ACKs go out in the caller's thread, for what is durable already.
 *   - A message is not copied where the channel can keep it.
 * Memory: INTAKE_SLOTS messages, INTAKE_BYTES and one message at most, and per slot one array
 * of views and, for what is compressed, the decoded batch.
 * Threads: the caller's, and one of its own from the INTAKE_INLINE-th batch on; small
 * transfers start none, nor does one on two cores.  There the kernel goes on receiving while a
 * batch is put, and the other core is for a store that writes in a thread of its own, as
 * host-stubs/kv does.  A third thread costs more than it gives, as each batch then leaves the cache
 * of the core that received it: a first push of 1.5 GB takes 1.12 s with it and 1.02 without, a
 * first pull 1.30 and 1.15.  (A store that waits for its disk in ingest_put would gain by the
 * thread.) */
#ifndef ZS_SYNC_INTAKE_H
#define ZS_SYNC_INTAKE_H

#include "sync/receive.h"

#define INTAKE_SLOTS   3u
#define INTAKE_BYTES   8388608u
#define INTAKE_INLINE  4u
#define INTAKE_LOOK_MS 50

/* What has come so far, checked; put only after intake_drain. */
struct received {
    struct zs_digest sum; /* after intake_drain; kept here only for a store that keeps none */
    uint64_t records, bytes;
    uint8_t last_key[ZS_KEY_BYTES];
    zs_lsn last_lsn; /* 0: none yet */
};

struct intake;

/* For an ingest that has begun, or goes on where state->resume stands if the offer says so.
 * All but `state` are borrowed until the close. */
int intake_open(const struct receive_job *job, const struct state_message *state,
                const struct offer_message *offer, struct ingest *in, struct intake **out,
                struct zs_error *e);

/* The thread ends first; the ingest is the caller's again. */
void intake_close(struct intake *x);

/* The next message; meanwhile the thread is looked after.  Lifetime as conn_await's. */
int intake_recv(struct intake *x, struct message *m, struct zs_error *e);

/* Check a BATCH, and put it or hand it on. */
int intake_batch(struct intake *x, const struct message *m, struct zs_error *e);

/* Wait until all is put; the ingest is the caller's then. */
int intake_drain(struct intake *x, struct zs_error *e);

const struct received *intake_received(const struct intake *x);

#endif
