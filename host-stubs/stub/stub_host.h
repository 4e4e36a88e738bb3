/* stub_host.h - a pageserver in memory: the smallest complete struct zs_host.
 * Flow: a test opens one over a store, loads a module into it (or adds commands), and
 * runs command lines with a scripted session; stub_transport.h lets one host's
 * commands reach another's.
 *
 *     stub_store_open(0, &store, e);
 *     stub_host_open("a", stub_store_table(store), settings, &host, e);
 *     stub_host_load(host, zenith_sync_module_v1(), e);
 *     stub_session_init(&s, e);
 *     stub_host_run(host, &s, "perform_push main stub://b", e);
 *
 * Threads: stub_host_run and stub_host_log from any; the rest alone.  Ownership: the
 * opener's; close after every run has returned. */
#ifndef HOST_STUBS_STUB_HOST_H
#define HOST_STUBS_STUB_HOST_H

#include "stub/stub_session.h"

#include <zenith-sync/host.h>

struct stub_host;

/* A configuration: pairs, up to one with name NULL. */
struct stub_setting {
    const char *name, *value;
};

/* `store` and `settings` (NULL: none) are borrowed until close. */
int stub_host_open(const char *name, const struct zs_store *store,
                   const struct stub_setting *settings, struct stub_host **out, struct zs_error *e);

/* fini of every module, in the opposite order of loading. */
void stub_host_close(struct stub_host *host);

/* Check a module's descriptor as host.h says, and init it.  0A000 refused; 42710 if it
 * registers a command that is there.  A module that fails leaves no command behind. */
int stub_host_load(struct stub_host *host, const struct zs_module *module, struct zs_error *e);

/* What a module gets: to add commands by hand. */
const struct zs_host *stub_host_table(struct stub_host *host);

/* A command that a module added; NULL: none of that name. */
const struct zs_command *stub_host_command(const struct stub_host *host, const char *name);

/* Run a query as a client's: the first word is the command; blanks around the rest and
 * one ';' are cut off.  42601 no such command, 42501 the session's role is too low.
 * Ends the session's copy. */
int stub_host_run(struct stub_host *host, struct stub_session *session, const char *line,
                  struct zs_error *e);

/* Every line logged so far, each with "LEVEL: " before it and a newline behind; to be
 * freed by the caller.  NULL without memory. */
char *stub_host_log(struct stub_host *host);

#endif
