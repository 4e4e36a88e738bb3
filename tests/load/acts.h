/* acts.h - what one client under load does, again and again, until it is told to end.
 * Flow: load.c starts a thread per client; each runs client_run.
 * Threads: one per client; they share the model, the tallies (atomic) and `ending`.
 * Ownership: the caller's storage, until the thread has ended. */
#ifndef TESTS_LOAD_ACTS_H
#define TESTS_LOAD_ACTS_H

#include "model.h"

#include <stdatomic.h>

enum act {
    ACT_PUSH,       /* writes to a branch and pushes it */
    ACT_PULL,       /* pulls a branch into a store of its own, and looks whether it is right */
    ACT_STATUS,     /* asks for status, on one connection; the time is taken */
    ACT_LOGIN,      /* comes with a wrong password, or as somebody unknown */
    ACT_DISCONNECT, /* begins something and vanishes */
    ACT_COUNT
};

extern const char *const act_names[ACT_COUNT];

/* What came of them, over all clients of that act. */
struct tally {
    atomic_ullong done;   /* as it should be */
    atomic_ullong lost;   /* another client of that branch was first, and it was said so */
    atomic_ullong failed; /* with something that must not be */
};

struct load {
    struct model model;
    const char *module, *transport_dir;
    const char *uri;  /* of the server under load, with user and password */
    const char *host; /* the same in pieces, for clients that do not behave */
    const char *port, *user, *password;
    unsigned pause_ms; /* a client waits 0 to twice as long between two acts */
    atomic_bool ending;
    struct tally tallies[ACT_COUNT];
    atomic_ullong cut_pulls, cut_pushes; /* whose client vanished in the middle */
    atomic_int complaints;               /* failures that were printed */
};

struct client {
    struct load *load;
    enum act act;
    uint64_t seed;
    double *status_ms; /* ACT_STATUS: how long each took; malloc'ed, the caller frees it */
    size_t nstatus, room;
};

/* A thread's start; `self` is a struct client. */
void *client_run(void *self);

/* At the end, in this order.  Before anything is sent again: pull it into `node`, an empty
 * one; it is as it once was, and nothing that was confirmed is missing. */
int final_look(struct load *l, uint32_t branch, struct node *node, struct zs_error *e);
/* Push what nobody has pushed yet. */
int final_push(struct load *l, uint32_t branch, struct zs_error *e);
/* Pull it into `node`, another empty one, and compare it with the model. */
int final_check(struct load *l, uint32_t branch, struct node *node, struct zs_error *e);

#endif
