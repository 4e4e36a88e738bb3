/* handoff.h - a bounded queue of reused slots between two threads.
 * Flow: sync/send_records (a thread fills, the command's thread sends), sync/intake (the
 * command's thread receives, a thread stores), sync/beside; a store of ours, too (kv_direct.c in
 * host-stubs).  The slots themselves are the caller's, an array that both sides index by the
 * number given here.
 *
 *     giver   room ──slot──> fill it ──> give            end: no more come
 *     taker   take ──slot──> use it  ──> done            in the order given
 *
 * What holds
 *   - A slot is one thread's at a time: the giver's from room to give, the taker's from take
 *     to done.  The lock orders what they write, and is never held while either works.
 *   - At most `slots` are on their way, and no more are begun once those hold max_bytes.
 *   - The first failure of either side is kept and told to both; nothing is passed on after.
 *   - Close waits for the thread, which no longer waits itself: it ends at its next call here.
 * Threads: one giver, one taker, one of which runs in the thread that handoff_start makes and
 * the other in the opener's; open, start and close by the opener.  The thread takes no
 * signals: those are the host's. */
#ifndef ZS_BASE_HANDOFF_H
#define ZS_BASE_HANDOFF_H

#include <stdbool.h>
#include <zenith-sync/types.h>

struct handoff;

enum handoff_got {
    HANDOFF_FAILED = -1, /* *e is the first failure; when closing, 57014 for the thread alone */
    HANDOFF_NOTHING,     /* not within the time */
    HANDOFF_SLOT,
    HANDOFF_END, /* take: all was taken, and the giver gives no more */
};

int handoff_open(uint32_t slots, uint64_t max_bytes, struct handoff **out, struct zs_error *e);

/* Run work(context, h) in a thread of its own.  What it fails with is told as handoff_fail
 * does.  False: no thread is to be had. */
bool handoff_start(struct handoff *h,
                   int (*work)(void *context, struct handoff *h, struct zs_error *e),
                   void *context);
void handoff_close(struct handoff *h);

/* timeout_ms -1: as long as it takes. */
enum handoff_got handoff_room(struct handoff *h, int timeout_ms, uint32_t *slot,
                              struct zs_error *e);
void handoff_give(struct handoff *h, uint64_t bytes);
void handoff_end(struct handoff *h);
enum handoff_got handoff_take(struct handoff *h, int timeout_ms, uint32_t *slot,
                              struct zs_error *e);
void handoff_done(struct handoff *h);

/* For the giver: HANDOFF_SLOT once all that was given is done with. */
enum handoff_got handoff_rest(struct handoff *h, int timeout_ms, struct zs_error *e);

/* Note a failure, and make *e the first one. */
void handoff_fail(struct handoff *h, struct zs_error *e);

/* ZS_FAIL if one side has failed.  *done counts the slots that were done with so far, *given
 * those that were given. */
int handoff_look(struct handoff *h, uint64_t *given, uint64_t *done, struct zs_error *e);

#endif
