/* status.c - zenith status: the server, its transfers, stages and leases, how many origins there
 * are. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/format.h"
#include "cli/origins.h"
#include "cli/output.h"
#include "cli/session.h"

#include <stdio.h>
#include <string.h>

struct facts {
    struct rows *server;
    struct rows *transfers; /* NULL: the module is not loaded */
    struct rows *stages;    /* NULL: it is not, or is an older one; the next ones, too */
    struct rows *leases;
    struct rows *maps;
    size_t origins;
};

static void facts_fini(struct facts *f)
{
    rows_close(f->server);
    rows_close(f->transfers);
    rows_close(f->stages);
    rows_close(f->leases);
    rows_close(f->maps);
}

static int ask(struct cli *c, struct server *s, const char *command, int least, struct rows **rows,
               struct zs_error *e)
{
    CLEANUP(query_close) struct query query = {0};
    query_add(&query, command);
    return session_run_on(c, s, &query, NULL, least, rows, e);
}

/* A module's command, which may not be there: then *rows stays NULL. */
static int ask_newer(struct cli *c, struct server *s, const char *command, struct rows **rows,
                     struct zs_error *e)
{
    struct zs_error none = {0};
    if (ask(c, s, command, 0, rows, &none) == ZS_OK || error_is(&none, ZS_SYNTAX_ERROR))
        return ZS_OK;
    *e = none;
    return ZS_FAIL;
}

static int count_origins(const struct repo *repo, size_t *n, struct zs_error *e)
{
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    CLEANUP(free_ptr) const char *const *names = NULL;
    TRY(origins_load(repo, &origins, e));
    return toml_get_keys(origins, TOML_PATH("origin"), &names, n, e);
}

static bool add_rows(cJSON *root, const char *name, const struct rows *rows)
{
    cJSON *array = rows == NULL ? cJSON_CreateNull() : rows_json(rows);
    if (array != NULL && cJSON_AddItemToObject(root, name, array) != 0)
        return true;
    cJSON_Delete(array);
    return false;
}

static int print_status_json(const struct facts *f, struct zs_error *e)
{
    cJSON *root = result_json(f->server);
    if (root == NULL || cJSON_AddNumberToObject(root, "origins", (double)f->origins) == NULL ||
        !add_rows(root, "stages", f->stages) || !add_rows(root, "leases", f->leases) ||
        !add_rows(root, "change_maps", f->maps) || !add_rows(root, "transfers", f->transfers)) {
        cJSON_Delete(root);
        root = NULL;
    }
    return print_json(root, e);
}

/* A peer's half of a transfer is told from one's own. */
static const char *act_of(const char *command)
{
    static const char *const acts[][2] = {
        {"perform_push", "push"},       {"perform_pull", "pull"},
        {"perform_verify", "verify"},   {"branch_push", "peer's push"},
        {"branch_pull", "peer's pull"}, {"branch_verify", "peer's verify"},
    };
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i][0], command) == 0)
            return acts[i][1];
    return command;
}

/* "11-23 00:22Z" of "2026-11-23T00:22:26Z"; what looks otherwise stays. */
static void add_started(struct table *t, const char *started)
{
    char text[32];
    if (strlen(started) == 20 && started[10] == 'T')
        (void)snprintf(text, sizeof text, "%.5s %.5sZ", started + 5, started + 11);
    else
        (void)snprintf(text, sizeof text, "%.31s", started);
    table_add(t, text);
}

/* "running 57 %" where the whole is known. */
static void add_state(struct table *t, const struct rows *rows, int row)
{
    char text[64];
    const char *state = row_text(rows, row, "state");
    uint64_t bytes = row_number(rows, row, "bytes"), all = row_number(rows, row, "total_bytes");
    if (strcmp(state, "running") == 0 && all > 0)
        (void)snprintf(text, sizeof text, "running %u %%",
                       bytes >= all ? 100u : (unsigned)((double)bytes / (double)all * 100.0));
    else
        (void)snprintf(text, sizeof text, "%.63s", state);
    table_add(t, text);
}

static int print_transfers(const struct rows *rows, struct zs_error *e)
{
    static const char *const heads[] = {"STARTED", "WHAT", "BRANCH", "PEER", "STATE", "BYTES", ""};
    static const bool right[] = {false, false, false, false, false, true, false};
    static const char scheme[] = "postgresql://";
    CLEANUP(table_fini) struct table t = {.columns = sizeof right, .below = true};
    for (size_t c = 0; c < t.columns; c++)
        table_add(&t, heads[c]);
    for (int row = 0; row < rows_count(rows); row++) {
        const char *peer = row_text(rows, row, "peer");
        bool usual = strncmp(peer, scheme, sizeof scheme - 1) == 0;
        add_started(&t, row_text(rows, row, "started"));
        table_add(&t, act_of(row_text(rows, row, "command")));
        table_add(&t, row_text(rows, row, "branch"));
        table_add(&t, usual ? peer + sizeof scheme - 1 : peer);
        add_state(&t, rows, row);
        table_add(&t, bytes_text(row_number(rows, row, "bytes")).s);
        table_add(&t, row_text(rows, row, "error"));
    }
    (void)putchar('\n');
    return table_print(&t, right, e);
}

static void print_fact(const char *head, const char *value)
{
    (void)printf("%-12s", head);
    print_clean(stdout, value);
    (void)putchar('\n');
}

/* waiting     main  0/0..0/16B3DB8  43 %, 640.0 MiB, 2 h old; drop with: ... */
static void print_stages(const struct rows *rows)
{
    for (int row = 0; rows != NULL && row < rows_count(rows); row++) {
        (void)printf("%-12s", "waiting");
        print_clean(stdout, row_text(rows, row, "branch"));
        (void)printf("  %s..%s  %s %%, %s, %s old; drop with: zenith branch drop-stage ",
                     row_text(rows, row, "from_lsn"), row_text(rows, row, "to_lsn"),
                     row_text(rows, row, "percent"), bytes_text(row_number(rows, row, "bytes")).s,
                     duration_text(row_number(rows, row, "age_seconds") * 1000).s);
        print_clean(stdout, row_text(rows, row, "branch"));
        (void)putchar('\n');
    }
}

/* leased      main  0/0..0/16B3DB8 for a transfer that was cut off, 52 min more */
static void print_leases(const struct rows *rows)
{
    for (int row = 0; rows != NULL && row < rows_count(rows); row++) {
        (void)printf("%-12s", "leased");
        print_clean(stdout, row_text(rows, row, "branch"));
        (void)printf("  %s..%s  for a transfer that was cut off, %s more\n",
                     row_text(rows, row, "from_lsn"), row_text(rows, row, "to_lsn"),
                     duration_text(row_number(rows, row, "left_seconds") * 1000).s);
    }
}

/* What an increment of each branch can be found by, from which LSN on. */
static int print_maps(const struct rows *rows, struct zs_error *e)
{
    static const char *const heads[] = {"CHANGE MAP", "FROM", "TO", "EPOCHS", "SIZE", "GAPS"};
    static const bool right[] = {false, false, false, true, true, false};
    CLEANUP(table_fini) struct table t = {.columns = sizeof right};
    for (size_t c = 0; c < t.columns; c++)
        table_add(&t, heads[c]);
    for (int row = 0; row < rows_count(rows); row++) {
        bool some = row_number(rows, row, "epochs") > 0, gaps = row_number(rows, row, "gaps") > 0;
        table_add(&t, row_text(rows, row, "branch"));
        table_add(&t, some ? row_text(rows, row, "from_lsn") : "none");
        table_add(&t, row_text(rows, row, "last_valid_lsn"));
        table_add(&t, row_text(rows, row, "epochs"));
        table_add(&t, bytes_text(row_number(rows, row, "bytes")).s);
        table_add(&t, gaps ? row_text(rows, row, "gap_ranges") : some ? "none" : "");
    }
    (void)putchar('\n');
    return table_print(&t, right, e);
}

static int print_status(const struct repo *repo, const struct facts *f, struct zs_error *e)
{
    char text[512];
    const struct rows *s = f->server;
    (void)snprintf(text, sizeof text, "%s %s, pid %s, since %s", row_text(s, 0, "name"),
                   row_text(s, 0, "version"), row_text(s, 0, "pid"), row_text(s, 0, "started"));
    print_fact("server", text);
    print_fact("repository", repo->zenith);
    const char *listen = row_text(s, 0, "listen");
    print_fact("listening", listen[0] == '\0' ? "on its Unix socket alone" : listen);
    print_fact("sessions", row_text(s, 0, "sessions"));
    print_fact("branches", row_text(s, 0, "branches"));
    print_fact("data", bytes_text(row_number(s, 0, "data_bytes")).s);
    print_fact("modules", row_text(s, 0, "modules"));
    (void)printf("%-12s%zu\n", "origins", f->origins);
    print_stages(f->stages);
    print_leases(f->leases);
    if (f->transfers == NULL)
        print_fact("transfers", "none: the module zenith_sync is not loaded");
    else if (rows_count(f->transfers) == 0)
        print_fact("transfers", "none so far");
    else
        TRY(print_transfers(f->transfers, e));
    if (f->maps != NULL && rows_count(f->maps) > 0)
        TRY(print_maps(f->maps, e));
    return ZS_OK;
}

static int run(struct cli *c, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(server_close) struct server server = {0};
    CLEANUP(facts_fini) struct facts facts = {0};
    CLEANUP(fd_close) int probe = -1;
    TRY_REPO(&repo, c, e);
    TRY(repo_socket(&repo, &probe, e));
    if (probe < 0)
        return repo_not_running(&repo, e);
    TRY(server_connect(&server, &repo, e));
    TRY(ask(c, &server, "status", 1, &facts.server, e));
    TRY(ask_newer(c, &server, "sync_status", &facts.transfers, e));
    if (facts.transfers != NULL) {
        TRY(ask_newer(c, &server, "stages", &facts.stages, e));
        TRY(ask_newer(c, &server, "leases", &facts.leases, e));
        TRY(ask_newer(c, &server, "change_maps", &facts.maps, e));
    }
    TRY(count_origins(&repo, &facts.origins, e));
    return c->json ? print_status_json(&facts, e) : print_status(&repo, &facts, e);
}

static const struct argp_option options[] = {TAKES_DIR, TAKES_JSON, TAKES_NO_MORE};

const struct cli_command command_status = {
    .name = "status",
    .args = "",
    .summary = "Show the pageserver, running and recent transfers, and those that wait.",
    .help = "Also, per branch, from which LSN on its change map knows what changed, and where it "
            "has gaps; \"zenith branch rebuild-map\" closes them.  Exit status 1 if no server "
            "runs.\n\n"
            "Example:\n"
            "  zenith status --json",
    .options = options,
    .run = run,
};
