/* resume.h - the token of a stage: where an interrupted transfer stands, as bytes.
 * Flow: sync/staging writes one with every sync, and reads it when the branch is asked
 * for again.  Bound to the receiver's state (X, D(X)) and to the sender's (Y, D(Y)): a
 * digest over every record names a history better than a timeline id or a session, so
 * neither stands in it, and any sender with that history may go on.
 * Layout, little-endian: magic 8, from 40, to 40, key 18, lsn 8, sum 16, records 8,
 * bytes 8, XXH3_64 of all before 8.
 * Pure functions.  Threads: any. */
#ifndef ZS_SYNC_RESUME_H
#define ZS_SYNC_RESUME_H

#include "wire/control.h"

#define RESUME_TOKEN_BYTES 154u

struct resume_token {
    struct zs_point from;   /* what the receiver had: X, D(X) */
    struct resume_point at; /* present is true */
};

void resume_token_encode(const struct resume_token *t, uint8_t out[RESUME_TOKEN_BYTES]);
/* False if it is none, or not as it was written. */
bool resume_token_decode(const uint8_t *bytes, size_t len, struct resume_token *t);

/* How much of the whole is there, 0 to 99; 0 if it is not known. */
unsigned resume_percent(uint64_t bytes, uint64_t total_bytes);
uint64_t resume_total_bytes(const struct resume_token *t);

/* The failure was a cut or a cancel, or says nothing better: hint that the same command
 * goes on. */
void resume_hint(struct zs_error *e, unsigned percent);

#endif
