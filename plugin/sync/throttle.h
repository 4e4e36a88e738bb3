/* throttle.h - holding a rate of bytes on the wire.
 * Flow: sync/send_records asks before each batch, with the batch as it travels: packed, and
 * without its holes.  What else is sent, a KEEPALIVE or an OFFER, is noted.
 *
 * What holds: a message goes once all of its bytes are paid for.  So, whatever the sizes, and
 * however long anyone stalls, in any W seconds no more goes than the rate gives in
 * W + THROTTLE_CREDIT seconds, and one message more: the one that the W seconds begin with.
 * Messages of throttle_batch_bytes are a twentieth of a second, small records a little more:
 * within 10 s that is 1.6 % too much at most.
 * A record is not cut up, so one that is larger is a message of its own, and counts whole:
 * within 10 s no more than 5 % too much as long as a record takes 0.4 s at most.  That is a page
 * from 20 KiB/s on, and a value of 8 MiB from 20 MiB/s on; below that the bound is that of the
 * first sentence, and the rate holds over longer times alone.
 * What was not sent in time is made up for up to the credit, which is what waking up late
 * costs; idle time is not saved up beyond that.
 * Threads: none of its own. */
#ifndef ZS_SYNC_THROTTLE_H
#define ZS_SYNC_THROTTLE_H

#include <zenith-sync/types.h>

#define THROTTLE_CREDIT_NS INT64_C(100000000)

struct throttle {
    uint64_t rate_bps; /* bytes per second; 0 no limit */
    int64_t paid_ns;   /* when all that went is paid for */
};

/* When may `bytes` go that are ready at now_ns?  Returns the moment, not before now_ns, and
 * books them. */
int64_t throttle_book(struct throttle *t, uint64_t bytes, int64_t now_ns);

/* So many bytes went without asking: what is booked next waits for them too. */
void throttle_note(struct throttle *t, uint64_t bytes, int64_t now_ns);

/* Wait for that moment, and meanwhile, once a second, see to the line: `meanwhile` may be
 * NULL; if it fails, so does the wait.  57014. */
int throttle_wait(struct throttle *t, uint64_t bytes, const struct zs_cancel *cancel,
                  int (*meanwhile)(void *context, struct zs_error *e), void *context,
                  struct zs_error *e);

/* How many bytes a batch should have as it travels, so that a slow rate still flows evenly. */
uint32_t throttle_batch_bytes(const struct throttle *t);

#endif
