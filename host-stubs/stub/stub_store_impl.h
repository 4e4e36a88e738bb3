/* stub_store_impl.h - what stub_store.c and stub_ingest.c share; for no one else.
 * Everything behind the mutex is said so.  An ingest's own members belong to the
 * thread that uses its handle, but for `next`. */
#ifndef HOST_STUBS_STUB_STORE_IMPL_H
#define HOST_STUBS_STUB_STORE_IMPL_H

#include "stub/stub_store.h"
#include "stub/stub_version.h"

#include <pthread.h>

/* An open ingest, or a stage that waits: one that was closed after a sync. */
struct zs_ingest {
    struct zs_ingest *next; /* in store->ingests or ->stages, under its mutex */
    struct stub_store *store;
    char branch[ZS_BRANCH_NAME_MAX + 1];
    bool create, over; /* over: failed or committed; only a close is of use */
    bool exact;        /* with create: no other timeline id will do */
    bool spent;        /* committed, or its commit was refused */
    struct zs_ingest_state state;
    zs_lsn target_lsn, highest_lsn;
    struct run run;
    /* As of the last sync; synced_unix 0: there was none. */
    int64_t synced_unix;
    struct zs_ingest_state synced_state;
    zs_lsn synced_highest;
    uint32_t token_bytes;
    uint8_t token[ZS_TOKEN_MAX];
};

struct stub_branch {
    struct stub_branch *next; /* in name order */
    struct version *now;      /* owned reference; its info has the name */
};

struct stub_store {
    struct zs_store table;
    unsigned options;
    pthread_mutex_t mutex; /* guards all below */
    bool hindered;         /* commits are */
    struct stub_branch *branches;
    struct zs_ingest *ingests; /* the open ones */
    struct zs_ingest *stages;  /* those that wait, in branch order */
    uint64_t open_handles;
};

static inline bool stub_has_digest(const struct stub_store *store)
{
    return (store->options & STUB_STORE_NO_DIGEST) == 0;
}

static inline void stub_lock(struct stub_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
}

static inline void stub_unlock(struct stub_store *store)
{
    (void)pthread_mutex_unlock(&store->mutex);
}

/* With the mutex held: the branch, or NULL; the same by timeline. */
struct stub_branch *stub_branch_named(struct stub_store *store, const char *name);
struct stub_branch *stub_branch_of_timeline(struct stub_store *store, struct zs_timeline_id id);

/* With the mutex held: take over `version` as a new branch. */
int stub_branch_insert(struct stub_store *store, struct version *version, struct zs_error *e);

int stub_no_such_branch(const char *name, struct zs_error *e);
int stub_branch_exists(const char *name, struct zs_error *e);

/* stub_ingest.c: the second half of the table. */
int32_t stub_ingest_begin(void *self, const struct zs_ingest_spec *spec,
                          struct zs_ingest_state *state, struct zs_ingest **out,
                          struct zs_error *e);
int32_t stub_ingest_put(struct zs_ingest *in, const struct zs_record *records, uint64_t n,
                        struct zs_error *e);
int32_t stub_ingest_state(struct zs_ingest *in, struct zs_ingest_state *state, struct zs_error *e);
int32_t stub_ingest_commit(struct zs_ingest *in, const struct zs_commit *commit,
                           struct zs_error *e);
void stub_ingest_close(struct zs_ingest *in);

/* stub_stage.c: the last part of the table. */
int32_t stub_ingest_sync(struct zs_ingest *in, const void *token, uint64_t token_bytes,
                         uint32_t *synced, struct zs_error *e);
int32_t stub_stage_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e);
int32_t stub_ingest_resume(void *self, const char *branch, struct zs_ingest_state *state, void *buf,
                           uint64_t buf_bytes, uint64_t *token_bytes, struct zs_ingest **out,
                           struct zs_error *e);
int32_t stub_ingest_keys(struct zs_ingest *in, zs_key_visit visit, void *context,
                         struct zs_error *e);
int32_t stub_stage_drop(void *self, const char *branch, struct zs_error *e);

/* With the mutex held.  Drop the branch's stage, and, with `old`, those past their time;
 * keep the ingest, which has been synced, as its branch's stage. */
void stub_stage_forget(struct stub_store *store, const char *branch, bool old);
void stub_stage_keep(struct stub_store *store, struct zs_ingest *in);
/* All of them, at the end. */
void stub_stages_free(struct stub_store *store);

/* With the mutex held: is an ingest open on this branch? */
bool stub_ingest_is_open(const struct stub_store *store, const char *branch);
bool stub_timeline_is_written(const struct stub_store *store, struct zs_timeline_id id);
int stub_busy(const char *branch, struct zs_error *e);
/* As far as the caller's struct goes. */
void stub_give_state(struct zs_ingest_state *to, const struct zs_ingest_state *from);

#endif
