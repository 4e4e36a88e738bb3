/* stub_store_impl.h - what stub_store.c and stub_ingest.c share; for no one else.
 * Everything behind the mutex is said so.  An ingest's own members belong to the
 * thread that uses its handle, but for `next`. */
#ifndef HOST_STUBS_STUB_STORE_IMPL_H
#define HOST_STUBS_STUB_STORE_IMPL_H

#include "stub/stub_store.h"
#include "stub/stub_version.h"

#include <pthread.h>

struct stub_branch {
    struct stub_branch *next; /* in name order */
    struct version *now;      /* owned reference; its info has the name */
};

struct stub_store {
    struct zs_store table;
    unsigned options;
    pthread_mutex_t mutex; /* guards all below */
    struct stub_branch *branches;
    struct zs_ingest *ingests; /* the open ones */
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

/* With the mutex held: is an ingest open on this branch? */
bool stub_ingest_is_open(const struct stub_store *store, const char *branch);

#endif
