/* transfer.h - the transfers that run and that ran, for progress and sync_status.
 * Flow: a command begins one; send or receive counts into it; sync_status lists.
 * Owns: every transfer, in one list with a lock: all that run, and the newest
 * TRANSFER_KEEP that ended.  Threads: any; a transfer is written by its command. */
#ifndef ZS_SYNC_TRANSFER_H
#define ZS_SYNC_TRANSFER_H

#include "wire/control.h"

#define TRANSFER_KEEP     32u
#define TRANSFER_PER_USER 32u /* where the host sets nothing else */

enum transfer_phase {
    PHASE_CONNECT,
    PHASE_NEGOTIATE,
    PHASE_SUM, /* negotiating, and reading the branch for a digest that no history lists */
    PHASE_SEND,
    PHASE_RECEIVE,
    PHASE_COMMIT,
    PHASE_SCAN, /* of a change map that is made anew: no transfer, told as one */
    PHASE_VERIFY,
    PHASE_DONE,
    PHASE_FAILED,
};

/* All that is known of one; also the copy that a visitor sees. */
struct transfer_facts {
    uint64_t id;
    const char *command; /* "perform_push"; PROCESS */
    char branch[ZS_BRANCH_NAME_MAX + 1];
    char peer[300]; /* where the far side is, without secrets */
    enum transfer_phase phase;
    bool has_verdict;
    enum verdict verdict;
    zs_lsn from_lsn, to_lsn;
    uint64_t records, bytes, wire_bytes;
    uint64_t total_records, total_bytes; /* 0 unknown */
    uint64_t durable_bytes;              /* what a receiver that was cut off would still have */
    int64_t started_unix_ns;
    int64_t started_ns, ended_ns; /* monotonic; 0 not ended */
    struct zs_error error;        /* PHASE_FAILED */
};

struct transfer_list;
struct transfer;

int transfer_list_open(struct transfer_list **out, struct zs_error *e);
void transfer_list_close(struct transfer_list *list);

/* So many may one user have under way: each holds a snapshot or a branch, a thread or two,
 * and memory.  Before the first one begins; 0: any number. */
void transfer_list_limit(struct transfer_list *list, unsigned per_user);

/* A new one.  NULL for want of memory.  End it with transfer_end. */
struct transfer *transfer_begin(struct transfer_list *list, const char *command, const char *branch,
                                const char *peer);

/* Whose it is.  53400: that user has too many under way already; this one has ended then. */
int transfer_own(struct transfer *t, const char *user, struct zs_error *e);

/* Both, as a command does.  53200, 53400; *out is set on success alone. */
int transfer_start(struct transfer_list *list, const char *command, const char *branch,
                   const char *peer, const char *user, struct transfer **out, struct zs_error *e);

void transfer_phase(struct transfer *t, enum transfer_phase phase);
void transfer_range(struct transfer *t, enum verdict verdict, zs_lsn from_lsn, zs_lsn to_lsn,
                    uint64_t total_records, uint64_t total_bytes);
/* The same where there is no verdict: so much will be looked at. */
void transfer_expect(struct transfer *t, uint64_t total_records, uint64_t total_bytes);
/* A sum reads the whole branch, and a peer causes one by naming a point that no history
 * lists: so many at a time, in all sessions.  False: not now, else in PHASE_SUM until the
 * next transfer_phase or transfer_end. */
#define TRANSFER_SUMS_MAX 4u
bool transfer_sum_begin(struct transfer *t);
/* Add to the counts; wire_bytes is the new total. */
void transfer_count(struct transfer *t, uint64_t records, uint64_t bytes, uint64_t wire_bytes);
/* So much is durable at the receiver. */
void transfer_durable(struct transfer *t, uint64_t bytes);
struct transfer_facts transfer_look(const struct transfer *t);

/* It is over: e NULL for a good end.  The pointer is the list's from then on. */
void transfer_end(struct transfer *t, const struct zs_error *e);

/* Each one, running first, then newest first.  visit's return other than 0 ends it. */
int transfer_list_visit(struct transfer_list *list,
                        int (*visit)(void *context, const struct transfer_facts *facts),
                        void *context, struct zs_error *e);

const char *phase_name(enum transfer_phase phase);

#endif
