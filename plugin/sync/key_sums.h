/* key_sums.h - the records of a range of keys, read and summed: as a whole and in parts.
 * Flow: both halves of a comparison (sync/compare.h) -> here -> store/'s iterators.
 * Whoever waits on the other end of `conn` is told that work goes on.
 * Memory: one buffer, and fixed tables.  Threads: the caller's. */
#ifndef ZS_SYNC_KEY_SUMS_H
#define ZS_SYNC_KEY_SUMS_H

#include "store/store.h"
#include "sync/progress.h"
#include "wire/conn.h"
#include "wire/sums.h"

/* What a side reads with. */
struct key_reader {
    const struct snapshot *snapshot;
    struct conn *conn;
    const struct zs_cancel *cancel;
    struct transfer *transfer;
    struct progress *progress;
};

/* Every record that `ask` is about, in order.  57014. */
int key_read(const struct key_reader *r, const struct ask_message *ask,
             void (*take)(void *context, const struct zs_record *record), void *context,
             struct zs_error *e);

/* The answer to `ask`, but for what is told of the history: the records one by one if
 * SUMS_MAX suffice, else at most SUMS_MAX parts of much the same size.  A key is never
 * divided. */
int key_sums(const struct key_reader *r, const struct ask_message *ask, struct sums_message *out,
             struct zs_error *e);

/* The sums of this side's records over the parts of the other side's answer to `ask`; what
 * lies behind the last part is added to it.  *records and *bytes: in all. */
int key_sums_by(const struct key_reader *r, const struct ask_message *ask,
                const struct sums_message *parts, struct sum_part *mine, uint64_t *records,
                uint64_t *bytes, struct zs_error *e);

/* For the tests: cuts records, one by one in order, into parts. */
struct key_splitter {
    struct sums_message *out;
    uint64_t stride; /* so many records make a part full */
};
void key_split(struct key_splitter *s, const uint8_t key[ZS_KEY_BYTES], struct zs_digest sum);

#endif
