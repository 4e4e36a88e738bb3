/* stub_host.c - see stub_host.h. */
#include "stub/stub_host.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX     64u
#define MODULES_MAX      8u
#define MODULE_BYTES_MAX 65536u

struct stub_command {
    struct zs_command command;
    const char *module; /* whose it is */
};

struct stub_module {
    struct zs_module table;
    void *self;
};

struct stub_host {
    struct zs_host host;
    const struct stub_setting *settings;
    struct stub_command commands[COMMANDS_MAX];
    struct stub_module modules[MODULES_MAX];
    uint32_t ncommands, nmodules;
    const char *loading;   /* the module whose init runs */
    pthread_mutex_t mutex; /* guards what follows */
    char *log;
    size_t log_bytes;
};

/* ---- what a module gets ------------------------------------------------------------------ */

static const struct stub_command *command_named(const struct stub_host *host, const char *name)
{
    for (uint32_t i = 0; i < host->ncommands; i++)
        if (strcmp(host->commands[i].command.name, name) == 0)
            return &host->commands[i];
    return NULL;
}

static int32_t command_add(void *self, const struct zs_command *theirs, struct zs_error *e)
{
    struct stub_host *host = self;
    struct zs_command c = {0};
    memcpy(&c, theirs, theirs->struct_size < sizeof c ? theirs->struct_size : sizeof c);
    if (c.name == NULL || c.run == NULL || c.summary == NULL || c.role < ZS_ROLE_READ ||
        c.role > ZS_ROLE_ADMIN)
        return error_set(e, ZS_BAD_VALUE, "a command needs a name, a summary, a role and run");
    const struct stub_command *same = command_named(host, c.name);
    if (same != NULL)
        return error_set(e, ZS_ALREADY_EXISTS, "command \"%s\" is taken by module %s", c.name,
                         same->module);
    if (host->ncommands == COMMANDS_MAX)
        return error_set(e, ZS_LIMIT_EXCEEDED, "there are %u commands already", COMMANDS_MAX);
    host->commands[host->ncommands++] =
        (struct stub_command){.command = c, .module = host->loading};
    return ZS_OK;
}

static void take_log(void *self, uint32_t level, const char *line)
{
    static const char *const levels[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    struct stub_host *host = self;
    const char *shown = level <= ZS_LOG_ERROR ? levels[level] : "?";
    (void)pthread_mutex_lock(&host->mutex);
    size_t more = strlen(shown) + strlen(line) + 4; /* ": ", newline, NUL */
    char *grown = realloc(host->log, host->log_bytes + more);
    if (grown != NULL) {
        int n = snprintf(grown + host->log_bytes, more, "%s: %s\n", shown, line);
        host->log = grown;
        host->log_bytes += n > 0 ? (size_t)n : 0;
    }
    (void)pthread_mutex_unlock(&host->mutex);
}

static const char *setting(void *self, const char *name)
{
    const struct stub_host *host = self;
    for (const struct stub_setting *s = host->settings; s != NULL && s->name != NULL; s++)
        if (strcmp(s->name, name) == 0)
            return s->value;
    return NULL;
}

const struct zs_command *stub_host_command(const struct stub_host *host, const char *name)
{
    const struct stub_command *c = command_named(host, name);
    return c == NULL ? NULL : &c->command;
}

const struct zs_host *stub_host_table(struct stub_host *host)
{
    return &host->host;
}

char *stub_host_log(struct stub_host *host)
{
    (void)pthread_mutex_lock(&host->mutex);
    char *copy = strdup(host->log == NULL ? "" : host->log);
    (void)pthread_mutex_unlock(&host->mutex);
    return copy;
}

/* ---- modules -------------------------------------------------------------------------------- */

static int check_module(const struct stub_host *host, const struct zs_module *theirs,
                        struct zs_module *ours, struct zs_error *e)
{
    if (theirs == NULL)
        return error_set(e, ZS_NOT_SUPPORTED, "the module has no descriptor");
    uint32_t size = theirs->struct_size;
    if (size < ZS_MODULE_SIZE_V1 || size > MODULE_BYTES_MAX)
        return error_set(e, ZS_NOT_SUPPORTED,
                         "the module's descriptor has %u bytes, and %u to %u are needed", size,
                         ZS_MODULE_SIZE_V1, MODULE_BYTES_MAX);
    memset(ours, 0, sizeof *ours);
    memcpy(ours, theirs, size < sizeof *ours ? size : sizeof *ours);
    if (ours->name == NULL || ours->version == NULL || ours->init == NULL || ours->fini == NULL ||
        ours->digest_add == NULL)
        return error_set(e, ZS_NOT_SUPPORTED,
                         "the module's descriptor lacks a name, version, init, fini or digest_add");
    if ((ours->needs & ~host->host.features) != 0)
        return error_set(e, ZS_NOT_SUPPORTED,
                         "module %s needs features 0x%llx, and this host has 0x%llx", ours->name,
                         (unsigned long long)ours->needs, (unsigned long long)host->host.features);
    if (host->nmodules == MODULES_MAX)
        return error_set(e, ZS_LIMIT_EXCEEDED, "there are %u modules already", MODULES_MAX);
    return ZS_OK;
}

int stub_host_load(struct stub_host *host, const struct zs_module *module, struct zs_error *e)
{
    struct stub_module m = {0};
    if (check_module(host, module, &m.table, e) != ZS_OK || m.table.init == NULL)
        return ZS_FAIL;
    uint32_t commands_before = host->ncommands;
    host->loading = m.table.name;
    int rc = error_check(m.table.init(&host->host, &m.self, e), e, "init");
    host->loading = "none";
    if (rc != ZS_OK) {
        host->ncommands = commands_before;
        return ZS_FAIL;
    }
    host->modules[host->nmodules++] = m;
    return ZS_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static const char *const blanks = " \t\r\n\v\f";

/* Cut blanks and one ';' off the end, in place. */
static void trim_end(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && strchr(blanks, text[len - 1]) != NULL)
        len--;
    if (len > 0 && text[len - 1] == ';')
        len--;
    while (len > 0 && strchr(blanks, text[len - 1]) != NULL)
        len--;
    text[len] = '\0';
}

static int run_line(struct stub_host *host, struct stub_session *session, const char *line,
                    struct zs_error *e)
{
    CLEANUP(free_ptr) char *copy = strdup(line);
    if (copy == NULL)
        return error_memory(e);
    trim_end(copy);
    char *name = copy + strspn(copy, blanks);
    char *args = name + strcspn(name, blanks);
    if (*args != '\0')
        *args++ = '\0';
    args += strspn(args, blanks);
    const struct stub_command *c = command_named(host, name);
    if (c == NULL)
        return error_set(e, ZS_SYNTAX_ERROR, "there is no command \"%s\"", name);
    if (session->session.role < c->command.role)
        return error_set(e, ZS_NO_PERMISSION, "user \"%s\" may not run %s", session->session.user,
                         name);
    return error_check(c->command.run(c->command.self, &session->session, args, e), e, name);
}

int stub_host_run(struct stub_host *host, struct stub_session *session, const char *line,
                  struct zs_error *e)
{
    int rc = run_line(host, session, line, e);
    stub_session_end(session, rc, e);
    return rc;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

int stub_host_open(const char *name, const struct zs_store *store,
                   const struct stub_setting *settings, struct stub_host **out, struct zs_error *e)
{
    struct stub_host *host = calloc(1, sizeof *host);
    char *own_name = strdup(name);
    if (host == NULL || own_name == NULL || pthread_mutex_init(&host->mutex, NULL) != 0) {
        free(own_name);
        free(host);
        return error_memory(e);
    }
    host->settings = settings;
    host->loading = "none";
    host->host =
        (struct zs_host){.struct_size = sizeof host->host,
                         .features = ZS_HOST_COPY_BOTH | (store != NULL ? ZS_HOST_STORE : 0),
                         .self = host,
                         .name = own_name,
                         .version = "1",
                         .store = store,
                         .command_add = command_add,
                         .log = take_log,
                         .setting = setting};
    *out = host;
    return ZS_OK;
}

void stub_host_close(struct stub_host *host)
{
    if (host == NULL)
        return;
    while (host->nmodules > 0) {
        struct stub_module *m = &host->modules[--host->nmodules];
        m->table.fini(m->self);
    }
    (void)pthread_mutex_destroy(&host->mutex);
    free(host->log);
    free((char *)(uintptr_t)host->host.name); /* ours, from stub_host_open */
    free(host);
}
