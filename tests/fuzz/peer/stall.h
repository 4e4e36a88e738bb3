/* stall.h - a peer that never goes on: it says branch_push, and then that it is alive.
 * Flow: peer.c -> here -> link.  Threads: none. */
#ifndef TESTS_FUZZ_PEER_STALL_H
#define TESTS_FUZZ_PEER_STALL_H

/* Until the server ends it, or for `seconds`; prints what the server said of it.  0: it ended
 * the command, and the session goes on. */
int stall(const char *socket_path, unsigned seconds);

#endif
