/* lease.h - snapshots that are kept for transfers which were cut off.
 * Flow: sync/send keeps one when a receiver is left with a part, and takes it back when
 * that receiver comes again; command/leases lists them; the host's branch_gone drops them.
 *
 * A snapshot holds back the store's garbage collection (zenith-sync/store.h, promise 1).
 * As long as one is kept, what its transfer still lacks is there, however much the source
 * has collected meanwhile.
 *
 * What holds
 *   - A lease ends by itself after the list's time.  Taken and cut off again it begins anew, but
 *     ends for good LEASE_TIMES times as long after it first began: nobody holds back
 *     collection for ever.  At most LEASES_MAX are kept, and the oldest goes for a new one.
 *   - It is for one transfer: a branch, its timeline, and the range (X, Y] that the
 *     receiver's token names.  Whoever takes it has it alone.
 *   - Cut off behind the COMMIT, the receiver may be complete: when one comes that is where the
 *     transfer was to end, such a lease ends.
 *   - It lives in memory: a server that stops gives all of them back.
 * Owns: its snapshots.  Threads: any.  A thread of its own closes what has expired; it
 * lives only while there are leases, and no snapshot is closed under the lock. */
#ifndef ZS_SYNC_LEASE_H
#define ZS_SYNC_LEASE_H

#include "store/store.h"

#define LEASES_MAX    16u
#define LEASE_SECONDS 3600 /* where the host sets nothing else */
#define LEASE_TIMES   24

struct lease_list;

/* `keep_ns` 0: nothing is ever kept. */
int lease_list_open(int64_t keep_ns, struct lease_list **out, struct zs_error *e);
/* Closes all.  Nobody may use the list any more; NULL is none. */
void lease_list_close(struct lease_list *list);

/* Keep *s, which is the list's from then on and closed here; or leave it as it is, if
 * nothing can be kept.  `committing`: the COMMIT had been sent.  `last_ns`: as lease_take gave
 * it, or 0.  A NULL list keeps nothing, and has nothing to take. */
void lease_keep(struct lease_list *list, struct snapshot *s, zs_lsn from_lsn, zs_lsn to_lsn,
                bool committing, int64_t last_ns);

/* The newest lease for this branch's (from, to] into *out, which is the caller's then; *last_ns is
 * when it ends for good. */
bool lease_take(struct lease_list *list, const struct zs_branch_info *branch, zs_lsn from_lsn,
                zs_lsn to_lsn, struct snapshot *out, int64_t *last_ns);

/* A receiver of this branch is at `at_lsn`: close the newest lease whose COMMIT led there.  One
 * only: several receivers may have been cut off, and each comes again. */
void lease_settle(struct lease_list *list, const struct zs_branch_info *branch, zs_lsn at_lsn);

/* The branch is gone: so are its leases. */
void lease_drop(struct lease_list *list, const char *branch);

struct lease_facts {
    char branch[ZS_BRANCH_NAME_MAX + 1];
    zs_lsn from_lsn, to_lsn;
    uint64_t left_seconds;
};

/* Those there are, newest first; returns how many. */
unsigned lease_list_look(struct lease_list *list, struct lease_facts out[LEASES_MAX]);

#endif
