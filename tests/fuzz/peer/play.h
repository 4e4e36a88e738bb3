/* play.h - the parts that a hostile peer can play, one session each.
 *
 *   PART_PUSHER     a client that says branch_push, and then what the script says
 *   PART_PULLER     a client that says branch_pull
 *   PART_SOURCE     a server that the pageserver was told to pull from
 *   PART_SINK       a server that the pageserver was told to push to
 *   PART_ASKER      a client that says branch_verify
 *   PART_ANSWERER   a server that the pageserver was told to compare with
 *   PART_STRANGER   a client that does not get as far as a command
 *
 * Flow: peer.c -> here -> script, link.  Threads: none. */
#ifndef TESTS_FUZZ_PEER_PLAY_H
#define TESTS_FUZZ_PEER_PLAY_H

#include "script.h"

enum part {
    PART_PUSHER,
    PART_PULLER,
    PART_SOURCE,
    PART_SINK,
    PART_ASKER,
    PART_ANSWERER,
    PART_STRANGER,
    PARTS
};

struct session {
    struct rng rng;
    enum part part;
    bool honest;
    const char *socket; /* the pageserver's */
    int listener;       /* ours, for PART_SOURCE and PART_SINK */
    unsigned port;
    char branch[32];
    struct zs_point at; /* where that is; zero: nowhere */
    /* what came of it */
    bool commit_said; /* a COMMIT, or what might be read as one, was written */
    bool done, error; /* the pageserver said so: a DONE (or a row), an error */
    bool committed;   /* by the pageserver's own word */
    char said[600];   /* its last error */
};

void session_play(struct session *s);
const char *part_name(enum part part);

/* An honest, full pull: does the branch hold what its digest says, and its LSN?  `lsn` and
 * `digest` as branch_list shows them; *why says what does not fit. */
bool branch_verify(const char *socket, const char *branch, const char *lsn, const char *digest,
                   const char **why);

#endif
