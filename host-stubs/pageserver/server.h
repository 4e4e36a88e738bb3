/* server.h - the running server: what its parts share.
 * Flow: main -> server_start -> listener_run (until a signal) -> server_stop.
 * Owns everything below; set up by one thread, read-only afterwards but for what has
 * locks of its own. */
#ifndef PAGESERVER_SERVER_H
#define PAGESERVER_SERVER_H

#include "pageserver/commands.h"
#include "pageserver/config.h"
#include "pageserver/housekeeper.h"
#include "pageserver/listener.h"
#include "pageserver/log.h"
#include "pageserver/module.h"
#include "pageserver/repository.h"
#include "pageserver/sessions.h"

#include <time.h>

struct kv;
struct tls;

struct server {
    struct log log;
    struct repository repository;
    struct config config;
    struct kv *kv;
    struct housekeeper housekeeper;
    struct tls *tls; /* NULL: none */
    struct sessions sessions;
    struct commands commands;
    struct command_owner self_owner; /* of the server's own commands */
    struct module_context module_context;
    struct modules modules;
    struct listener listener;
    time_t started;
};

/* Everything up to the listening sockets; the repository is open and locked.  On
 * failure what was made is undone. */
int server_start(struct server *s, struct zs_error *e);

/* Cancel the sessions, wait for them (5 s, then their connections are cut), end the
 * modules, close the store.  False: some command did not end, so modules and store
 * were left as they are; the process must exit at once. */
bool server_stop(struct server *s);

/* The server's own commands, into the table. */
int own_commands_add(struct server *s, struct zs_error *e);

#endif
