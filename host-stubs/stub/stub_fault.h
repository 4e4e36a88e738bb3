/* stub_fault.h - faults as decorators over the real interfaces.
 * Flow: a test arms a plan, wraps a store or a channel with it, runs what production
 * runs, and looks whether the plan's moment came:
 *
 *     for (n = 1; ; n++) {
 *         stub_faults_arm(&faults, &(struct stub_fault){.nth = n, .sqlstate = ZS_IO_ERROR});
 *         ... run the transfer; check that nothing half done is visible ...
 *         if (!stub_faults_fired(&faults))
 *             break;                          n calls were not made: every one was failed
 *     }
 *
 * Threads: any; the counters have a mutex.  Ownership: struct stub_faults is the
 * caller's storage and outlives what it decorates. */
#ifndef HOST_STUBS_STUB_FAULT_H
#define HOST_STUBS_STUB_FAULT_H

#include <zenith-sync/store.h>
#include <zenith-sync/types.h>

#include <pthread.h>
#include <stdbool.h>

enum stub_fault_kind {
    STUB_FAULT_FAIL,       /* the call fails with sqlstate and does nothing */
    STUB_FAULT_FAIL_AFTER, /* the call does its work, then fails with sqlstate */
    STUB_FAULT_SILENT,     /* the call fails without setting the error: a callee's bug */
    STUB_FAULT_DELAY,      /* the call takes delay_ms longer */
    STUB_FAULT_FLIP,       /* one bit of a value, or of a message, is flipped */
    STUB_FAULT_DROP,       /* a record, or a message, is left out */
    STUB_FAULT_DUPLICATE,  /* channels: the message comes twice */
    STUB_FAULT_CUT,        /* channels: 08006 from here on, both ways; with cut_bytes set,
                              when more message bytes than that have passed */
};

struct stub_fault {
    const char *operation; /* a function's name in the table ("iter_next", "send"); NULL any */
    uint64_t nth;          /* which call of it, 1 the first; 0 none */
    uint64_t cut_bytes;
    enum stub_fault_kind kind;
    uint32_t delay_ms;
    uint32_t times;       /* how many calls in a row; 0 is one */
    const char *sqlstate; /* NULL: 58030 of a store, 08006 of a channel */
};

struct stub_faults {
    pthread_mutex_t mutex;
    struct stub_fault plan;
    uint64_t calls; /* that the plan is about */
    uint64_t fired;
};

/* Nothing is armed at first. */
int stub_faults_init(struct stub_faults *f, struct zs_error *e);
void stub_faults_fini(struct stub_faults *f);

/* Set the plan and both counters to 0.  FLIP and DROP count only the calls that carry
 * something to flip or drop, so that each n fires or does not exist. */
void stub_faults_arm(struct stub_faults *f, const struct stub_fault *plan);
bool stub_faults_fired(struct stub_faults *f);
uint64_t stub_faults_calls(struct stub_faults *f);

/* For decorators elsewhere: count a call of `operation`.  True, and *plan set, if the
 * fault is due and its kind is of the mask's (1u << kind). */
bool stub_faults_due(struct stub_faults *f, unsigned kinds, const char *operation,
                     struct stub_fault *plan);

/* ---- over a store ------------------------------------------------------------------ */

struct stub_fault_store;

/* `inner` and `f` are borrowed until close. */
int stub_fault_store_open(const struct zs_store *inner, struct stub_faults *f,
                          struct stub_fault_store **out, struct zs_error *e);
const struct zs_store *stub_fault_store_table(struct stub_fault_store *s);
void stub_fault_store_close(struct stub_fault_store *s);

/* ---- over a channel ---------------------------------------------------------------- */

/* Put the faults in front of *channel, in place; its close closes what it wraps.  On
 * ZS_FAIL *channel is as it was. */
int stub_fault_channel(struct stub_faults *f, struct zs_channel *channel, struct zs_error *e);

#endif
