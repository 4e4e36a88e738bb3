/* mangle.h - steps of a script, added, and then cut, doubled, swapped and overwritten.
 * Flow: script.c -> here.  Threads: none. */
#ifndef TESTS_FUZZ_PEER_MANGLE_H
#define TESTS_FUZZ_PEER_MANGLE_H

#include "script.h"

/* A copy of the bytes; nothing when there is no more room. */
void script_add(struct script *s, enum step_kind kind, const void *bytes, size_t len);

/* One to three changes. */
void mangle_steps(struct script *s, struct rng *r);

/* Takes and gives malloc'ed text. */
char *mangle_text(struct rng *r, char *text);

#endif
