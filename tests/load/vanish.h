/* vanish.h - a client that begins a transfer as a peer does, and is gone in the middle of it.
 * Flow: acts.c connects, and hands the connection over; the stream's grammar is
 * wire/message.h's.  Threads: any, each with a connection of its own. */
#ifndef TESTS_LOAD_VANISH_H
#define TESTS_LOAD_VANISH_H

#include <libpq-fe.h>
#include <stdint.h>
#include <zenith-sync/types.h>

/* Close without a word: no Terminate, a reset.  `conn` is gone afterwards. */
void vanish(PGconn *conn);

/* With a pull under way: the offer has come, and mostly a first batch; nothing is answered.
 * `chance` decides where; `conn` is logged in, and gone afterwards. */
int vanish_in_pull(PGconn *conn, const char *branch, uint64_t chance, struct zs_error *e);

/* With a push under way: the server has said what it has; mostly it has been offered more,
 * so that it holds the branch, and often a batch has begun. */
int vanish_in_push(PGconn *conn, const char *branch, uint64_t chance, struct zs_error *e);

#endif
