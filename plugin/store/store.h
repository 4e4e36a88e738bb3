/* store.h - the only door to a host's store: import check and dispatchers.
 * Flow: sync/send and sync/receive -> here -> the host's struct zs_store.
 *
 * One function per operation of zenith-sync/store.h.  Each checks in one place
 * what every implementation owes (order, bounds, lifetimes that can be checked,
 * an error that is set), so that the rest of the plugin need not.  A broken
 * promise is XX000 and names the operation; it never crashes the host.
 *
 * Handles are small structs that know their store, so that they can be closed by
 * scope: CLEANUP(snapshot_close) struct snapshot s = {0};  A zeroed handle is
 * closed; closing it again does nothing.
 * Threads: as zenith-sync/store.h. */
#ifndef ZS_STORE_STORE_H
#define ZS_STORE_STORE_H

#include <zenith-sync/store.h>

#include <stdbool.h>

struct snapshot {
    const struct zs_store *store;
    struct zs_snapshot *handle;
    struct zs_branch_info info;
};

struct iter {
    const struct zs_store *store;
    struct zs_iter *handle;
    zs_lsn after_lsn, upto_lsn;
    uint8_t last_key[ZS_KEY_BYTES]; /* of the last record that was returned */
    zs_lsn last_lsn;                /* 0: none yet, or a seek since */
    uint8_t bound[ZS_KEY_BYTES];    /* nothing above it, once iter_range was called */
    bool bounded;
};

struct ingest {
    const struct zs_store *store;
    struct zs_ingest *handle;
    struct zs_ingest_state state; /* as of ingest_begin: timeline and base */
};

/* Copy a host's table into *out: min(size), the rest zeroed, required functions
 * present, unknown feature bits cleared.  0A000 in one sentence that says what
 * the table has and what is needed. */
int store_import(const struct zs_store *theirs, struct zs_store *out, struct zs_error *e);

static inline bool store_has(const struct zs_store *store, uint64_t feature)
{
    return (store->features & feature) != 0;
}

/* info is zeroed and its struct_size set here, in this and the next two. */
int store_branch_find(const struct zs_store *store, const char *name, struct zs_branch_info *info,
                      struct zs_error *e);
int store_branch_list(const struct zs_store *store, zs_branch_visit visit, void *context,
                      struct zs_error *e);

int snapshot_open(const struct zs_store *store, const char *branch, struct snapshot *out,
                  struct zs_error *e);
void snapshot_close(struct snapshot *s);
int snapshot_history(const struct snapshot *s, zs_lsn upto_lsn, struct zs_point *points, uint64_t n,
                     uint64_t *count, struct zs_error *e);

/* Only for a store with ZS_STORE_BLOBS, else 0A000.  snapshot_blob gives a malloc'ed copy, the
 * caller's; NULL and ZS_OK if there is none of that name. */
int snapshot_blob(const struct snapshot *s, const char *name, uint8_t **data, uint64_t *len,
                  struct zs_error *e);
int snapshot_blobs(const struct snapshot *s, zs_blob_visit visit, void *context,
                   struct zs_error *e);

int iter_open(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn, struct iter *out,
              struct zs_error *e);
int iter_seek(struct iter *it, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e);
/* Only for a store with ZS_STORE_BLOBS, else 0A000.  A later seek or range takes this one's place.
 */
int iter_range(struct iter *it, const uint8_t first[ZS_KEY_BYTES], const uint8_t last[ZS_KEY_BYTES],
               struct zs_error *e);
/* Besides: checks that what came is in range and in order (XX000 if not). */
int iter_next(struct iter *it, struct zs_record *records, uint64_t n, void *buf, uint64_t buf_bytes,
              uint64_t *count, bool *more, struct zs_error *e);
void iter_close(struct iter *it);

int ingest_begin(const struct zs_store *store, const struct zs_ingest_spec *spec,
                 struct ingest *out, struct zs_error *e);
int ingest_put(struct ingest *in, const struct zs_record *records, uint64_t n, struct zs_error *e);
int ingest_state(struct ingest *in, struct zs_ingest_state *state, struct zs_error *e);
int ingest_commit(struct ingest *in, const struct zs_commit *commit, struct zs_error *e);
void ingest_close(struct ingest *in);

/* verify.c: for a store with ZS_STORE_VERIFY; else nothing is looked at.  What `visit` gets is a
 * whole error in any case. */
int store_branch_verify(const struct zs_store *store, const char *branch,
                        const struct zs_cancel *cancel, zs_fault_visit visit, void *context,
                        struct zs_error *e);

/* ---- stage.c: only for a store with ZS_STORE_RESUME, else 0A000 ------------------------ */

int ingest_sync(struct ingest *in, const void *token, uint64_t token_bytes, bool *synced,
                struct zs_error *e);
/* `token` has room for ZS_TOKEN_MAX bytes. */
int ingest_resume(const struct zs_store *store, const char *branch, uint8_t *token,
                  uint64_t *token_bytes, struct ingest *out, struct zs_error *e);
/* Right after ingest_resume; *known false, and nothing visited, of a store that cannot. */
int ingest_keys(struct ingest *in, zs_key_visit visit, void *context, bool *known,
                struct zs_error *e);
int store_stage_list(const struct zs_store *store, zs_stage_visit visit, void *context,
                     struct zs_error *e);
int store_stage_drop(const struct zs_store *store, const char *branch, struct zs_error *e);

#endif
