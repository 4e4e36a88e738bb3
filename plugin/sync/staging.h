/* staging.h - the receiver's stage: kept while records come, found by the next transfer.
 * Flow: sync/receive begins and ends it, sync/intake steps and tells -> store/ (ingest_sync,
 * ingest_resume, stages).
 *
 * What holds: a stage is offered only for the state that it was built on; it is opened
 * only if it is the one that was offered, with the sum that its token says; it goes when
 * the disk is full, for then its space is what is needed.
 * Threads: one puts and calls staging_step, one receives and calls staging_tell; they may be
 * the same.  Begin and end when there is one alone. */
#ifndef ZS_SYNC_STAGING_H
#define ZS_SYNC_STAGING_H

#include "sync/receive.h"
#include "sync/resume.h"

#include <pthread.h>

/* What is not synced is sent again after a cut: at most 64 MiB or 10 s of work may be.
 * Half of either leaves room for the batch that is being taken, for what is in the
 * sockets' buffers, and for the sync itself. */
#define STAGING_SYNC_BYTES 33554432u
#define STAGING_SYNC_NS    INT64_C(5000000000)

struct staging {
    bool on; /* the store can, and both sides keep digests */
    bool acks;
    uint64_t every_bytes; /* STAGING_SYNC_BYTES, or what a test wants */
    uint64_t synced_bytes;
    int64_t synced_ns;
    struct resume_token token;

    pthread_mutex_t lock;
    bool news; /* this is durable, and the sender does not know: by the lock */
    struct ack_message durable;
};

/* Tell of the branch's stage in state->resume, if there is one that fits the rest. */
int staging_find(const struct zs_store *store, const char *branch, struct state_message *state,
                 struct zs_error *e);

/* Open the stage that `state` told of, and read it whole, in a thread of its own, while the peer
 * hears KEEPALIVEs; then it hears an ACK.  A stage that is damaged is dropped: XX001.  After a
 * cancel it waits as before. */
int staging_resume(const struct receive_job *job, const struct state_message *state,
                   struct ingest *in, struct zs_error *e);

/* A new ingest, or a resumed one, begins. */
void staging_begin(struct staging *s, const struct zs_store *store,
                   const struct state_message *state, const struct offer_message *offer,
                   uint64_t every_bytes);

void staging_end(struct staging *s);

/* After a batch whose last record is (key, lsn): sync if it is time. */
int staging_step(struct staging *s, struct ingest *in, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                 struct transfer *transfer, struct zs_error *e);

/* ACK what has become durable since the last call. */
int staging_tell(struct staging *s, struct conn *conn, struct zs_error *e);

/* The transfer failed with *e and the ingest is closed: say so if a stage was kept. */
void staging_failed(const struct zs_store *store, const char *branch, struct zs_error *e);

#endif
