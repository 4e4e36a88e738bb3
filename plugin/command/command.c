/* command.c - the table of commands: one row each. */
#include "command/command.h"

#include "base/error.h"

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
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct zs_command command = {.struct_size = sizeof command,
                                     .role = table[i].role,
                                     .name = table[i].name,
                                     .summary = table[i].summary,
                                     .self = module,
                                     .run = table[i].run};
        TRY(error_check(host->command_add(host->self, &command, e), e, "the host's command_add"));
    }
    return ZS_OK;
}
