/* host.c - struct zs_host: the server as a module sees it.
 * Flow: module.c fills one per module -> the module's init.  self is the struct module.
 * Threads: log from any; the rest only during init, which is alone. */
#include "base/error.h"
#include "pageserver/module.h"
#include "pageserver/version.h"

#include <stdlib.h>
#include <string.h>

static int32_t host_command_add(void *self, const struct zs_command *command, struct zs_error *e)
{
    struct module *module = self;
    if (!module->loading)
        return error_set(e, ZS_INTERNAL_ERROR, "%s adds a command outside of its init",
                         module->label);
    struct zs_command checked;
    TRY(command_check(command, &checked, e));
    TRY(commands_name_is_free(module->context->commands, module->offered, checked.name,
                              module->owner.name, e));
    struct command *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return error_memory(e);
    mine->table = checked;
    mine->owner = &module->owner;
    mine->next = module->offered;
    module->offered = mine;
    return ZS_OK;
}

static void host_log(void *self, uint32_t level, const char *line)
{
    const struct module *module = self;
    log_line(module->context->log, level, "%s: %s", module->owner.name, line);
}

static const char *host_setting(void *self, const char *name)
{
    const struct module *module = self;
    const struct config *config = module->context->config;
    if (strcmp(name, "transport_dir") == 0)
        return module->transport_dir;
    if (strcmp(name, "allow_destinations") == 0)
        return config->allow_destinations;
    if (strcmp(name, "allow_unix_sockets") == 0)
        return config->allow_unix_sockets ? "true" : "false";
    if (strcmp(name, "tls_dir") == 0)
        return config->tls_dir;
    if (strcmp(name, "lease_timeout") == 0)
        return config->lease_timeout;
    if (strcmp(name, "progress_timeout") == 0)
        return config->progress_timeout;
    if (strcmp(name, "max_transfers") == 0)
        return config->max_transfers;
    return NULL;
}

void host_fill(struct module *module)
{
    module->host = (struct zs_host){.struct_size = sizeof module->host,
                                    .features = ZS_HOST_STORE | ZS_HOST_COPY_BOTH,
                                    .self = module,
                                    .name = PAGESERVER_NAME,
                                    .version = PAGESERVER_VERSION,
                                    .store = module->context->store,
                                    .command_add = host_command_add,
                                    .log = host_log,
                                    .setting = host_setting};
}
