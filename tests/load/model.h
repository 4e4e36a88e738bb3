/* model.h - what the server under load must hold: a host in memory with the branches that
 * the clients push, and the history of each.
 * Flow: acts.c grows a branch here and pushes it; at the end load.c asks whether the
 * server's branch is the same.
 * Threads: any, once opened; a branch's writer is behind its mutex.  Ownership: the
 * caller's storage, from open to close; every thread that uses it has ended by then. */
#ifndef TESTS_LOAD_MODEL_H
#define TESTS_LOAD_MODEL_H

#include "stub/stub_host.h"
#include "stub/stub_store.h"

#include <pthread.h>
#include <stdbool.h>

#define BRANCHES_MAX 1000u

/* A host in memory with zenith_sync.so loaded. */
struct node {
    struct stub_store *store;
    struct stub_host *host;
    struct stub_setting settings[3];
};

/* `module` is zenith_sync.so's file, `transport_dir` the folder with libpq.so; borrowed. */
int node_open(const char *name, const char *module, const char *transport_dir, struct node *out,
              struct zs_error *e);
void node_close(struct node *n);

struct model_branch {
    char name[16];
    pthread_mutex_t mutex;
    uint64_t seed;    /* of what is written next */
    zs_lsn confirmed; /* the highest LSN that a push was told to have arrived */
};

struct model {
    struct node node;
    struct model_branch branches[BRANCHES_MAX];
    uint32_t n;
};

/* n branches, "load-0" and so on, with some records each. */
int model_open(const char *module, const char *transport_dir, uint32_t n, uint64_t seed,
               struct model *out, struct zs_error *e);
void model_close(struct model *m);

/* Write one commit of a few records. */
int model_grow(struct model *m, uint32_t branch, struct zs_error *e);

/* A push was told that everything up to there has arrived. */
void model_confirm(struct model *m, uint32_t branch, zs_lsn lsn);

/* Was the branch ever just so? */
int model_had(struct model *m, uint32_t branch, zs_lsn lsn, struct zs_digest digest, bool *had,
              struct zs_error *e);

/* The branch in `other` holds the same as it does here, record by record; and nothing that
 * was confirmed is missing.  XX001 with what differs. */
int model_compare(struct model *m, uint32_t branch, const struct stub_store *other,
                  struct zs_error *e);

#endif
