/* command.c - the table of commands: one row each. */
#include "command/command.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static int refuse(struct zs_error *e, const char *what)
{
    error_set(e, ZS_NOT_SUPPORTED, "zenith_sync cannot serve this session: %s", what);
    return error_hint(e, "This is a fault of the host, not of the command.");
}

/* As much as both sides know; what is only for logs is a text in any case. */
static int session_import(const struct zs_session *theirs, struct zs_session *out,
                          struct zs_error *e)
{
    uint32_t size = theirs->struct_size;
    if (size < ZS_SESSION_SIZE_V1 || size > ZS_STRUCT_SIZE_MAX) {
        char what[100];
        (void)snprintf(what, sizeof what, "its struct zs_session has %u bytes, %u to %u are needed",
                       size, ZS_SESSION_SIZE_V1, ZS_STRUCT_SIZE_MAX);
        return refuse(e, what);
    }
    memset(out, 0, sizeof *out);
    memcpy(out, theirs, size < sizeof *out ? size : sizeof *out);
    out->struct_size = sizeof *out;
    if (out->columns == NULL || out->row == NULL || out->notice == NULL)
        return refuse(e, "columns, row or notice is missing in its struct zs_session");
    if (out->cancel != NULL &&
        (out->cancel->struct_size < ZS_CANCEL_SIZE_V1 || out->cancel->requested == NULL))
        return refuse(e, "its struct zs_cancel is too small, or cannot be asked");
    out->user = out->user == NULL ? "" : out->user;
    out->peer = out->peer == NULL ? "" : out->peer;
    return ZS_OK;
}

static int32_t run(void *self, const struct zs_session *theirs, const char *args,
                   struct zs_error *e)
{
    const struct command_entry *entry = self;
    struct zs_session session;
    TRY(session_import(theirs, &session, e));
    return entry->run(entry->module, &session, args, e);
}

int command_table_register(struct sync_module *module, const struct zs_host *host,
                           struct zs_error *e)
{
    static const struct {
        const char *name;
        uint32_t role;
        int (*run)(void *, const struct zs_session *, const char *, struct zs_error *);
        const char *summary;
    } table[] = {
        {"perform_push", ZS_ROLE_ADMIN, perform_push,
         "perform_push BRANCH URI [FAR_BRANCH] [(option value, ...)]: send a branch to another "
         "pageserver"},
        {"branch_push", ZS_ROLE_WRITE, branch_push,
         "branch_push BRANCH TIMELINE_ID ...: a peer's perform_push calls this"},
        {"perform_pull", ZS_ROLE_ADMIN, perform_pull,
         "perform_pull BRANCH URI [FAR_BRANCH] [(option value, ...)]: fetch a branch from another "
         "pageserver"},
        {"branch_pull", ZS_ROLE_READ, branch_pull,
         "branch_pull BRANCH TIMELINE_ID ...: a peer's perform_pull calls this"},
        {"stages", ZS_ROLE_READ, stages,
         "stages: interrupted transfers that wait to be gone on with"},
        {"stage_drop", ZS_ROLE_ADMIN, stage_drop,
         "stage_drop BRANCH: drop what an interrupted transfer of the branch left"},
        {"change_maps", ZS_ROLE_READ, change_maps,
         "change_maps: what the branches' change maps cover"},
        {"change_map_rebuild", ZS_ROLE_ADMIN, change_map_rebuild,
         "change_map_rebuild BRANCH: make its change map anew, by a look at all of its records"},
        {"leases", ZS_ROLE_READ, leases,
         "leases: what is kept from garbage collection for transfers that were cut off"},
        {"verify", ZS_ROLE_READ, verify,
         "verify BRANCH [(option value, ...)]: recompute every checksum and digest of a branch"},
        {"perform_verify", ZS_ROLE_ADMIN, perform_verify,
         "perform_verify BRANCH URI [FAR_BRANCH] [(option value, ...)]: compare a branch with "
         "another "
         "pageserver's, by sums"},
        {"branch_verify", ZS_ROLE_READ, branch_verify,
         "branch_verify BRANCH TIMELINE_ID ...: a peer's perform_verify calls this"},
        {"sync_status", ZS_ROLE_READ, sync_status, "sync_status: running and recent transfers"},
    };
    _Static_assert(sizeof table / sizeof *table <= COMMANDS_MAX, "each has its entry");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        module->entries[i] = (struct command_entry){.module = module, .run = table[i].run};
        struct zs_command command = {.struct_size = sizeof command,
                                     .role = table[i].role,
                                     .name = table[i].name,
                                     .summary = table[i].summary,
                                     .self = &module->entries[i],
                                     .run = run};
        TRY(error_check(host->command_add(host->self, &command, e), e, "the host's command_add"));
    }
    return ZS_OK;
}
