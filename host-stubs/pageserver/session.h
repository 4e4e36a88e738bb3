/* session.h - one client from its first packet to its last.
 * Flow: listener -> session_main -> startup, auth -> queries -> commands, reply.
 *
 *   first packets   SSLRequest | GSSENCRequest | CancelRequest | StartupMessage
 *   login           auth_login, ParameterStatus*, BackendKeyData
 *   then, repeated  ReadyForQuery  <- Query | Sync | Terminate
 *                   result | error
 *
 * The extended query protocol is refused by name, and skipped up to its Sync.  Late
 * copy messages are ignored.  Threads: one per session. */
#ifndef PAGESERVER_SESSION_H
#define PAGESERVER_SESSION_H

#include <stdbool.h>

struct server;

/* Give the client its thread; fd is taken over, as is the place that was reserved in
 * server->sessions. */
void session_start(struct server *server, int fd, bool is_local);

#endif
