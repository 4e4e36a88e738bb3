/* command_info.c - the server's own commands about itself, and the rows of them all:
 * status, commands, modules, load.  Those about branches: command_branch.c; import and
 * export: command_pgdata.c.
 * Flow: session -> commands -> here.  self is the struct server.  Threads: any. */
#include "base/error.h"
#include "kv/kv.h"
#include "pageserver/own_commands.h"
#include "pageserver/users.h"
#include "pageserver/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int no_args(const char *args, const char *usage, struct zs_error *e)
{
    if (args[0] == '\0')
        return ZS_OK;
    error_set(e, ZS_SYNTAX_ERROR, "there are too many arguments");
    return error_hint(e, "Usage: %s", usage);
}

struct number_text number_text(uint64_t n)
{
    struct number_text t;
    (void)snprintf(t.s, sizeof t.s, "%llu", (unsigned long long)n);
    return t;
}

/* ---- status ----------------------------------------------------------------------------- */

static int32_t count_branch(void *context, const struct zs_branch_info *info)
{
    (void)info;
    (*(uint64_t *)context)++;
    return 0;
}

static int count_module(void *context, const struct module *module)
{
    (void)module;
    (*(uint64_t *)context)++;
    return 0;
}

static int32_t run_status(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e)
{
    static const char *const names[] = {"name",     "version",  "pid",     "started",   "listen",
                                        "sessions", "branches", "modules", "data_bytes"};
    struct server *s = self;
    const struct zs_store *store = kv_store(s->kv);
    uint64_t branches = 0;
    uint64_t modules = 0;
    char started[32];
    struct tm tm;
    TRY(no_args(args, "status", e));
    TRY(error_check(store->branch_list(store->self, count_branch, &branches, e), e, "branch_list"));
    (void)modules_list(&s->modules, count_module, &modules);
    (void)gmtime_r(&s->started, &tm);
    (void)strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &tm);
    struct number_text pid = number_text((uint64_t)getpid()),
                       sessions = number_text(sessions_count(&s->sessions)),
                       nbranches = number_text(branches), nmodules = number_text(modules),
                       bytes = number_text(kv_disk_bytes(s->kv));
    const char *const row[] = {PAGESERVER_NAME, PAGESERVER_VERSION,  pid.s,
                               started,         s->listener.address, sessions.s,
                               nbranches.s,     nmodules.s,          bytes.s};
    TRY(session->columns(session->self, names, sizeof names / sizeof *names, e));
    return session->row(session->self, row, sizeof row / sizeof *row, e);
}

/* ---- commands ------------------------------------------------------------------------------ */

/* Rows gathered under the table's lock and sent after it: a slow client stops nobody. */
struct command_rows {
    struct zs_command rows[256];
    uint32_t n;
};

static int gather_command(void *context, const struct command *command)
{
    struct command_rows *r = context;
    if (r->n == sizeof r->rows / sizeof *r->rows)
        return 1;
    r->rows[r->n++] = command->table;
    return 0;
}

static int32_t run_commands(void *self, const struct zs_session *session, const char *args,
                            struct zs_error *e)
{
    static const char *const names[] = {"name", "role", "summary"};
    struct server *s = self;
    struct command_rows rows = {.n = 0};
    TRY(no_args(args, "commands", e));
    (void)commands_list(&s->commands, gather_command, &rows);
    TRY(session->columns(session->self, names, 3, e));
    for (uint32_t i = 0; i < rows.n; i++) {
        const struct zs_command *c = &rows.rows[i];
        const char *const row[] = {c->name, role_name(c->role), c->summary};
        TRY(session->row(session->self, row, 3, e));
    }
    return ZS_OK;
}

/* ---- modules and load ------------------------------------------------------------------------ */

static const char *const module_columns[] = {"name", "version", "path", "commands"};

/* The names of the module's commands, separated by blanks. */
struct module_names {
    const struct command_owner *owner;
    char text[1024];
    size_t len;
};

static int gather_name(void *context, const struct command *command)
{
    struct module_names *n = context;
    if (command->owner != n->owner)
        return 0;
    int more = snprintf(n->text + n->len, sizeof n->text - n->len, "%s%s", n->len > 0 ? " " : "",
                        command->table.name);
    if (more > 0 && (size_t)more < sizeof n->text - n->len)
        n->len += (size_t)more;
    else
        n->text[n->len] = '\0';
    return 0;
}

struct module_row {
    char path[FILE_PATH_MAX];
    const char *name, *version; /* PROCESS */
    struct module_names names;
};

static void module_row_fill(struct commands *commands, const struct module *module,
                            struct module_row *row)
{
    (void)snprintf(row->path, sizeof row->path, "%s", module->path);
    row->name = module->owner.name;
    row->version = module->table.version;
    row->names = (struct module_names){.owner = &module->owner};
    (void)commands_list(commands, gather_name, &row->names);
}

static int module_row_send(const struct module_row *row, const struct zs_session *session,
                           struct zs_error *e)
{
    const char *const values[] = {row->name, row->version, row->path, row->names.text};
    return session->row(session->self, values, 4, e);
}

struct module_rows {
    struct commands *commands;
    struct module_row *rows; /* owned */
    size_t n;
    bool failed;
};

static int gather_module(void *context, const struct module *module)
{
    struct module_rows *r = context;
    struct module_row *rows = realloc(r->rows, (r->n + 1) * sizeof *rows);
    if (rows == NULL) {
        r->failed = true;
        return 1;
    }
    r->rows = rows;
    module_row_fill(r->commands, module, &rows[r->n++]);
    return 0;
}

static int32_t run_modules(void *self, const struct zs_session *session, const char *args,
                           struct zs_error *e)
{
    struct server *s = self;
    struct module_rows rows = {.commands = &s->commands};
    TRY(no_args(args, "modules", e));
    (void)modules_list(&s->modules, gather_module, &rows);
    int rc = rows.failed ? error_memory(e) : session->columns(session->self, module_columns, 4, e);
    for (size_t i = rows.n; i > 0 && rc == ZS_OK; i--) /* oldest first */
        rc = module_row_send(&rows.rows[i - 1], session, e);
    free(rows.rows);
    return rc;
}

static int32_t run_load(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    struct server *s = self;
    struct own_args a = {0};
    struct module *module = NULL;
    char path[FILE_PATH_MAX];
    TRY(own_args_split(&a, args, 1, 1, "load 'PATH'", e));
    int rc = module_locate(a.words[0], s->repository.path, path, e);
    own_args_fini(&a);
    TRY(rc);
    TRY(modules_load(&s->modules, path, &module, e));
    struct module_row row;
    module_row_fill(&s->commands, module, &row);
    TRY(session->columns(session->self, module_columns, 4, e));
    return module_row_send(&row, session, e);
}

/* ---- the table ----------------------------------------------------------------------------------
 */

int own_args_split(struct own_args *a, const char *args, uint32_t min, uint32_t max,
                   const char *usage, struct zs_error *e)
{
    a->text = strdup(args);
    if (a->text == NULL)
        return error_memory(e);
    int rc = args_split(a->text, a->words, min, max, &a->n, usage, e);
    if (rc != ZS_OK)
        own_args_fini(a);
    return rc;
}

void own_args_fini(struct own_args *a)
{
    free(a->text);
    a->text = NULL;
}

static const struct zs_command own_commands[] = {
    {.role = ZS_ROLE_READ,
     .name = "status",
     .summary = "status: this server, where it listens and what it holds",
     .run = run_status},
    {.role = ZS_ROLE_READ,
     .name = "commands",
     .summary = "commands: what one can type",
     .run = run_commands},
    {.role = ZS_ROLE_READ,
     .name = "modules",
     .summary = "modules: what is loaded",
     .run = run_modules},
    {.role = ZS_ROLE_ADMIN,
     .name = "load",
     .summary = "load 'PATH': load a module, or a new build of one",
     .run = run_load},
    {.role = ZS_ROLE_READ,
     .name = "branch_list",
     .summary = "branch_list: the branches and how far they are",
     .run = run_branch_list},
    {.role = ZS_ROLE_ADMIN,
     .name = "branch_create",
     .summary = "branch_create BRANCH: make an empty branch",
     .run = run_branch_create},
    {.role = ZS_ROLE_ADMIN,
     .name = "branch_delete",
     .summary = "branch_delete BRANCH: remove a branch with all that it holds",
     .run = run_branch_delete},
    {.role = ZS_ROLE_ADMIN,
     .name = "import",
     .summary = "import BRANCH 'PGDATA': take in a cleanly stopped PostgreSQL data directory",
     .run = run_import},
    {.role = ZS_ROLE_ADMIN,
     .name = "export",
     .summary = "export BRANCH 'DIR' ['LSN']: write a data directory that PostgreSQL starts on",
     .run = run_export},
};

int own_commands_add(struct server *s, struct zs_error *e)
{
    struct command *list = NULL;
    for (size_t i = 0; i < sizeof own_commands / sizeof *own_commands; i++) {
        struct command *c = calloc(1, sizeof *c);
        if (c == NULL) {
            command_list_free(list);
            return error_memory(e);
        }
        c->table = own_commands[i];
        c->table.struct_size = sizeof c->table;
        c->table.self = s;
        c->owner = &s->self_owner;
        c->next = list;
        list = c;
    }
    int rc = commands_add(&s->commands, list, NULL, e);
    if (rc != ZS_OK)
        command_list_free(list);
    return rc;
}
