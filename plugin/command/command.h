/* command.h - what the commands share, and their table.
 * Flow: a host runs a row of the table -> its session is imported -> perform_* and branch_*
 * -> sync/.
 * Threads: run is concurrent across sessions; struct sync_module is read-only after
 * init, but for the lists of transfers and leases, which lock themselves. */
#ifndef ZS_COMMAND_COMMAND_H
#define ZS_COMMAND_COMMAND_H

#include "command/arguments.h"
#include "store/store.h"
#include "sync/lease.h"
#include "sync/outcome.h"
#include "sync/transfer.h"
#include "transport/registry.h"

#include <zenith-sync/host.h>

struct sync_module;

/* A command as the host runs it: the host's self for it. */
struct command_entry {
    struct sync_module *module; /* its own self */
    int (*run)(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
};

#define COMMANDS_MAX 16u

/* The module as it runs in one host; made by plugin.c, every command's self. */
struct sync_module {
    struct zs_host host;   /* imported: min(size), the rest zeroed */
    struct zs_store store; /* imported */
    struct registry *transports;
    struct transfer_list *transfers;
    struct lease_list *leases;
    int64_t work_ms;         /* struct conn's; 0: CONN_WORK_MS */
    uint64_t sync_bytes;     /* struct receive_job's */
    uint32_t inline_batches; /* struct receive_job's and struct send_job's; for tests */
    struct command_entry entries[COMMANDS_MAX];
};

int perform_push(void *self, const struct zs_session *session, const char *args,
                 struct zs_error *e);
int branch_push(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int perform_pull(void *self, const struct zs_session *session, const char *args,
                 struct zs_error *e);
int branch_pull(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int stages(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int stage_drop(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int change_maps(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int change_map_rebuild(void *self, const struct zs_session *session, const char *args,
                       struct zs_error *e);
int leases(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int verify(void *self, const struct zs_session *session, const char *args, struct zs_error *e);
int perform_verify(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e);
int branch_verify(void *self, const struct zs_session *session, const char *args,
                  struct zs_error *e);
int sync_status(void *self, const struct zs_session *session, const char *args, struct zs_error *e);

/* Offer all commands to the host; each gets `module` as self, and a session in which all is
 * there but, perhaps, `cancel` and `copy_both`.  A host's session that lacks more is 0A000. */
int command_table_register(struct sync_module *module, const struct zs_host *host,
                           struct zs_error *e);

#endif
