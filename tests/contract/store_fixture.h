/* store_fixture.h - what the store contract's tests are written in.
 *
 * A history is the model: the records that a timeline should have, sorted by (key,
 * lsn), without their values: a value is computed from its record, so that gigabytes
 * can be checked without being kept.
 * Threads: a store may be used by many, a history by one at a time. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "../support/suite.h"
#include "store_contract.h"

#include "store/store.h"

#include <stdbool.h>

/* ---- the store under test ---------------------------------------------------------- */

struct fixture {
    const struct store_driver *driver;
    void *self;
    struct zs_store store; /* the table, imported; call through it */
    bool digest;           /* it has ZS_STORE_DIGEST */
};

/* A fresh store in every test; false, and the test failed, if there is none. */
bool fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* Stop and start; the table is taken anew. */
bool fixture_reopen(struct fixture *f);

/* ---- tests by need ------------------------------------------------------------------- */

#define NEEDS_REOPEN  1u
#define NEEDS_CREATE  2u
#define NEEDS_DELETE  4u
#define NEEDS_COLLECT 8u
#define NEEDS_WRITE   16u
#define NEEDS_DIGEST  32u
#define NEEDS_BLOBS   64u
#define NEEDS_RESUME  128u
#define NEEDS_HINDER  256u

struct contract_test {
    const char *name;
    void (*run)(void);
    unsigned needs;
};

struct contract_tests {
    const struct contract_test *tests;
    size_t n;
};

struct contract_tests store_read_tests(void);
struct contract_tests store_write_tests(void);
struct contract_tests store_refusal_tests(void);
struct contract_tests store_blob_tests(void);
struct contract_tests store_resume_tests(void);
struct contract_tests store_whole_tests(void);

/* ---- histories ------------------------------------------------------------------------- */

struct history {
    struct zs_record *records; /* value is NULL: see record_value */
    size_t n, room;
};

void history_free(struct history *h);

/* Add a record; sorted again at the next use.  Block blk of relation rel. */
void history_add(struct history *h, uint32_t rel, uint32_t blk, uint8_t kind, uint32_t len,
                 zs_lsn lsn);
void history_sort(struct history *h);
/* Fill it with n images of `len` bytes, blocks 0.. of relation rel, at lsn. */
void history_add_images(struct history *h, uint32_t rel, uint32_t n, uint32_t len, zs_lsn lsn);

void key_make(uint8_t key[ZS_KEY_BYTES], uint32_t rel, uint32_t blk);

/* The state at upto: digest and counts of what was written up to there. */
struct zs_point history_point(const struct history *h, zs_lsn upto);

/* Write the record's value (r->len bytes) to out; does `value` equal it? */
void value_fill(const struct zs_record *r, void *out);
bool value_matches(const struct zs_record *r, const void *value);

/* ---- writing and reading whole histories ------------------------------------------------ */

struct plan {
    const char *branch;
    const struct history *history; /* its records with base < lsn <= upto are put */
    zs_lsn base, upto;
    uint32_t flags; /* ZS_INGEST_* */
    uint32_t npoints;
    struct zs_timeline_id timeline;
    const struct zs_point *points;
    zs_lsn gc_cutoff;
    uint64_t expected_bytes;
    size_t batch; /* records per put; 0 is 100 */
};

/* begin and put; on ZS_OK the ingest is open. */
int plan_put(struct fixture *f, const struct plan *p, struct ingest *in, struct zs_error *e);
/* commit what was put, with the right sum. */
int plan_commit(const struct plan *p, struct ingest *in, struct zs_error *e);
/* begin, put, commit, close. */
int plan_run(struct fixture *f, const struct plan *p, struct zs_error *e);

/* How to read. */
struct reading {
    zs_lsn after, upto;
    uint64_t n;          /* records per call; 0 is 100 */
    uint64_t buf_bytes;  /* 0: no buffer */
    const uint8_t *seek; /* key to begin at, or NULL */
};

/* Read the snapshot and compare with the history; says what differs and returns false.
 * Does not touch CUnit: any thread. */
bool snapshot_equals(const struct snapshot *s, const struct history *h, const struct reading *r);

/* iter_next, called again until it gives something or is at the end. */
int next_some(struct iter *it, struct zs_record *records, uint64_t n, void *buf, uint64_t buf_bytes,
              uint64_t *count, struct zs_error *e);

/* The branch is at upto, its state is the history's and so is what it reads. */
void check_branch(struct fixture *f, const char *branch, const struct history *h, zs_lsn upto);
void check_no_branch(struct fixture *f, const char *branch);

/* A small pseudo-random generator (splitmix64). */
uint64_t random_next(uint64_t *state);
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(random_next(state) % n);
}

#endif
