/* plugin.c - zenith_sync.so: the exported symbol and the composition root.
 * The only file that names implementations: it imports the host's tables, opens the
 * registry and the transfer list, loads the transports and registers the commands.
 * Threads: init and fini alone; the rest as the commands. */
#include "base/digest.h"
#include "base/error.h"
#include "command/command.h"
#include "sync/notes.h"
#include "sync/recording.h"

#include <stdlib.h>
#include <string.h>

#ifndef ZENITH_SYNC_VERSION
#define ZENITH_SYNC_VERSION "unknown"
#endif

struct module {
    struct sync_module sync;    /* its store is the recording one */
    struct zs_store host_store; /* imported */
    struct recording recording;
    struct notes_list *notes;
    struct zs_transport_host transport_host; /* over the host's own functions */
};

static int import_host(const struct zs_host *theirs, struct zs_host *out, struct zs_error *e)
{
    uint32_t size = theirs->struct_size;
    if (size < ZS_HOST_SIZE_V1 || size > ZS_STRUCT_SIZE_MAX)
        return error_set(e, ZS_NOT_SUPPORTED,
                         "zenith_sync cannot run in this host: its struct zs_host has %u bytes, "
                         "%u to %u are needed",
                         size, ZS_HOST_SIZE_V1, ZS_STRUCT_SIZE_MAX);
    memset(out, 0, sizeof *out);
    memcpy(out, theirs, size < sizeof *out ? size : sizeof *out);
    out->struct_size = sizeof *out;
    if (out->name == NULL || out->version == NULL || out->store == NULL ||
        out->command_add == NULL || out->log == NULL || out->setting == NULL)
        return error_set(e, ZS_NOT_SUPPORTED,
                         "zenith_sync cannot run in this host: its name, its version, the store or "
                         "a function is missing in its struct zs_host");
    return ZS_OK;
}

static void module_fini(void *self)
{
    struct module *m = self;
    if (m == NULL)
        return;
    lease_list_close(m->sync.leases);
    registry_close(m->sync.transports);
    transfer_list_close(m->sync.transfers);
    notes_close(m->notes);
    free(m);
}

/* What the host sets; *count is left as it is if it sets nothing. */
static int host_count(const struct zs_host *host, const char *name, const char *what,
                      const char *hint, int64_t *count, struct zs_error *e)
{
    const char *text = host->setting(host->self, name);
    if (text == NULL)
        return ZS_OK;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 8 || text[digits] != '\0') {
        error_set(e, ZS_BAD_VALUE, "the setting %s is \"%s\", which is no number of %s", name, text,
                  what);
        return error_hint(e, "%s", hint);
    }
    *count = strtoll(text, NULL, 10);
    return ZS_OK;
}

static int start(struct module *m, const struct zs_host *host, struct zs_error *e)
{
    TRY(import_host(host, &m->sync.host, e));
    TRY(store_import(host->store, &m->host_store, e));
    TRY(notes_open(&m->host_store, &m->notes, e));
    recording_init(&m->recording, &m->host_store);
    m->recording.notes = m->notes;
    m->sync.store = m->recording.table;
    int64_t lease_s = LEASE_SECONDS, work_s = 0, per_user = TRANSFER_PER_USER;
    TRY(transfer_list_open(&m->sync.transfers, e));
    TRY(host_count(host, "lease_timeout", "seconds",
                   "Set it to a number such as 3600, or to 0 to keep nothing.", &lease_s, e));
    TRY(host_count(host, "progress_timeout", "seconds", "Set it to a number such as 86400.",
                   &work_s, e));
    TRY(host_count(host, "max_transfers", "transfers",
                   "Set it to a number such as 32, or to 0 for no limit.", &per_user, e));
    transfer_list_limit(m->sync.transfers, (unsigned)per_user);
    m->sync.work_ms = work_s * 1000;
    TRY(lease_list_open(lease_s * 1000000000, &m->sync.leases, e));
    m->transport_host = (struct zs_transport_host){.struct_size = sizeof m->transport_host,
                                                   .self = m->sync.host.self,
                                                   .log = m->sync.host.log,
                                                   .setting = m->sync.host.setting};
    TRY(registry_open(&m->transport_host, &m->sync.transports, e));
    const char *dir = host->setting(host->self, "transport_dir");
    struct zs_error refusal = {0};
    /* One bad transport, which the registry logs, must not take the others along, nor this host's
     * own commands; who asks for its scheme is told that nobody takes it. */
    if (dir != NULL && registry_load_dir(m->sync.transports, dir, &refusal) != ZS_OK &&
        error_is(&refusal, ZS_OUT_OF_MEMORY)) { /* not the transport's fault: load again */
        *e = refusal;
        return ZS_FAIL;
    }
    return command_table_register(&m->sync, host, e);
}

static int32_t module_init(const struct zs_host *host, void **self, struct zs_error *e)
{
    struct module *m = calloc(1, sizeof *m);
    if (m == NULL)
        return error_memory(e);
    if (start(m, host, e) != ZS_OK) {
        module_fini(m);
        return ZS_FAIL;
    }
    *self = m;
    return ZS_OK;
}

static const struct zs_store *module_recording_store(void *self)
{
    const struct module *m = self;
    return store_has(&m->host_store, ZS_STORE_BLOBS) ? &m->recording.table : NULL;
}

static int32_t module_writer_open(void *self, const struct zs_timeline_id *timeline,
                                  zs_lsn from_lsn, struct zs_writer **out, struct zs_error *e)
{
    const struct module *m = self;
    return writer_open(m->notes, timeline, from_lsn, out, e);
}

static void module_branch_gone(void *self, const char *branch)
{
    const struct module *m = self;
    lease_drop(m->sync.leases, branch);
}

ZS_EXPORT const struct zs_module *zenith_sync_module_v1(void);

const struct zs_module *zenith_sync_module_v1(void)
{
    static const struct zs_module module = {
        .struct_size = sizeof module,
        .needs = ZS_HOST_STORE | ZS_HOST_COPY_BOTH,
        .name = "zenith_sync",
        .version = ZENITH_SYNC_VERSION,
        .init = module_init,
        .fini = module_fini,
        .digest_add = digest_add_records,
        .recording_store = module_recording_store,
        .branch_gone = module_branch_gone,
        .writer_open = module_writer_open,
        .writer_note = writer_note,
        .writer_seal = writer_seal,
        .writer_sealed = writer_sealed,
        .writer_close = writer_close,
    };
    return &module;
}
