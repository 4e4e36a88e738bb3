/* script.h - what a hostile peer will say: an honest transfer, then lied about and mangled.
 * Flow: play.c -> here -> wire/'s own encoders, so that lies carry good checksums.
 *
 *   values     fields of OFFER, COMMIT, STATE and DONE, records: one lie each, and then
 *              encoded as an honest sender would
 *   texts      the JSON of a control message, before it is framed
 *   bytes      batches with their checksums mended; compressed bombs
 *   order      messages dropped, doubled, swapped, early, late; others between them
 *   frames     of PostgreSQL's protocol: CopyDone, CopyFail, lengths that lie, queries
 *
 * All of it follows from the seed.  Threads: none. */
#ifndef TESTS_FUZZ_PEER_SCRIPT_H
#define TESTS_FUZZ_PEER_SCRIPT_H

#include "wire/control.h"
#include "wire/sums.h"

#include <stddef.h>

struct rng {
    uint64_t s;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 to n - 1 */
static inline bool one_in(struct rng *r, uint64_t n)
{
    return rng_below(r, n) == 0;
}

enum step_kind {
    STEP_COPY, /* bytes as one CopyData */
    STEP_RAW,  /* bytes as they are */
    STEP_WAIT, /* for the other side's COMMIT or SUMS, or silence */
    STEP_DONE, /* a DONE that fits the OFFER that was heard */
    STEP_SUMS, /* wait for an ASK, and answer with sums that could be */
};

struct step {
    enum step_kind kind;
    uint8_t *bytes; /* owned */
    size_t len;
};

#define STEPS_MAX 128

struct script {
    struct step at[STEPS_MAX];
    size_t n;
    bool honest;
    bool mangled; /* not only lied in */
};

/* A sender's part, for a receiver in this state. */
void script_sender(struct script *s, struct rng *r, const struct state_message *state, bool honest);
/* A receiver's part, behind its STATE; with `tell` the STATE itself is in it. */
void script_receiver(struct script *s, struct rng *r, const struct state_message *state, bool tell,
                     bool honest);
/* The two parts of a comparison (sync/compare.h); the one that asks knows how far it may. */
void script_asker(struct script *s, struct rng *r, const struct state_message *state, bool honest);
void script_answerer(struct script *s, struct rng *r, const struct state_message *state);
void script_close(struct script *s);

/* A receiver's state: none such branch, or lies about one. */
void script_state(struct rng *r, bool honest, struct state_message *state);
/* A receiver that has nothing but a stage on its way to `at`, which the sender has; what it says
 * of the stage is a lie. */
void script_state_resumes(struct rng *r, const struct zs_point *at, struct state_message *state);
/* A DONE for an offer, true or not; malloc'ed text of a STATE. */
void script_done(struct step *step, struct rng *r, const struct offer_message *offer, bool honest);
void script_sums(struct step *step, struct rng *r, const struct ask_message *ask);
char *script_state_text(struct rng *r, const struct state_message *state, bool honest);

#endif
