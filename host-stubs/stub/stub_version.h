/* stub_version.h - the immutable states of a branch in memory.
 * Flow: stub_store.c and stub_ingest.c build a new version from the old one for
 * each commit and swap the branch's pointer; a snapshot is a reference to one.
 *
 * Invariants
 *   - A version never changes once it is built.
 *   - Its records are sorted by (key, lsn); their values live in its values chain.
 *   - The values chain is shared: version N+1's begins with its own values and goes
 *     on with version N's, so a commit copies no value.
 * Ownership: counted references.  Threads: the counts are atomic. */
#ifndef HOST_STUBS_STUB_VERSION_H
#define HOST_STUBS_STUB_VERSION_H

#include <zenith-sync/store.h>

#include <stdatomic.h>
#include <stdbool.h>

/* Value bytes that were written together; never moved once added. */
struct values {
    atomic_ulong refs;
    struct values *older; /* owned reference, or NULL */
    struct value_chunk *chunks;
};

struct values *values_create(void);
void values_release(struct values *v);
/* A copy of `len` bytes that lives as long as v; NULL if there is no memory. */
const void *values_add(struct values *v, const void *bytes, uint32_t len);

/* Records that grow: what an ingest collects. */
struct run {
    struct zs_record *records;
    uint64_t n, room;
    struct values *values; /* where their values are; owned reference */
};

int run_init(struct run *r, struct zs_error *e);
void run_fini(struct run *r);
/* Append a copy of the record and its value. */
int run_add(struct run *r, const struct zs_record *record, struct zs_error *e);

/* A blob of the plugin's, shared by the versions that have it. */
struct blob {
    atomic_ulong refs;
    char name[ZS_BLOB_NAME_MAX + 1];
    uint64_t len;
    unsigned char bytes[];
};

struct version {
    atomic_ulong refs;
    struct zs_branch_info info;
    struct zs_record *records;
    uint64_t n;
    struct zs_point *points; /* ascending by lsn */
    uint64_t npoints;
    bool passing;        /* the newest point goes with the next change */
    struct blob **blobs; /* in name order; owned references */
    uint64_t nblobs;
    struct values *values;
};

struct version *version_retain(struct version *v);
void version_release(struct version *v);

/* An empty one, with this info. */
struct version *version_create(const struct zs_branch_info *info, struct zs_error *e);

/* What a commit adds to a version.  last_valid_lsn, digest and counts become those
 * of the last point. */
struct version_change {
    const struct run *run; /* sorted; no (key, lsn) in common with the old version */
    const struct zs_point *points;
    uint64_t npoints;    /* the points before `end` */
    struct zs_point end; /* the new state */
    zs_lsn gc_cutoff_lsn;
    bool keep_points; /* false: a store without digests */
    bool passing;     /* `end` is listed until the next change only */
    const struct zs_blob *blobs;
    uint64_t nblobs;
};

/* 22023 or 54000 unless these blobs may be committed. */
int blobs_check(const struct zs_blob *blobs, uint64_t n, struct zs_error *e);

/* NULL if there is none. */
const struct blob *version_blob(const struct version *v, const char *name);

/* The version after the commit; `old` stays as it was. */
struct version *version_after(const struct version *old, const struct version_change *change,
                              struct zs_error *e);

/* The version after collection at cutoff_lsn. */
struct version *version_collected(const struct version *old, zs_lsn cutoff_lsn, struct zs_error *e);

/* (key, lsn) order: below 0, 0, above 0. */
int record_compare(const struct zs_record *a, const struct zs_record *b);

#endif
