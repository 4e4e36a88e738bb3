/* branch.c - zenith branch list|create|delete|drop-stage|rebuild-map. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/branch_name.h"

#include <stdio.h>

static int print_branches(const struct rows *rows, struct zs_error *e)
{
    static const char *const heads[] = {"NAME", "LAST LSN", "RECORDS", "SIZE", "TIMELINE"};
    static const bool right[] = {false, false, true, true, false};
    CLEANUP(table_fini) struct table t = {.columns = sizeof right};
    for (size_t c = 0; c < t.columns; c++)
        table_add(&t, heads[c]);
    for (int row = 0; row < rows_count(rows); row++) {
        table_add(&t, row_text(rows, row, "name"));
        table_add(&t, row_text(rows, row, "last_valid_lsn"));
        table_add(&t, count_text(row_number(rows, row, "records")).s);
        table_add(&t, bytes_text(row_number(rows, row, "bytes")).s);
        table_add(&t, row_text(rows, row, "timeline_id"));
    }
    return table_print(&t, right, e);
}

static int run_list(struct cli *c, struct zs_error *e)
{
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    query_add(&query, "branch_list");
    int rc = session_run(c, &query, NULL, 0, &rows, e);
    if (rc != ZS_OK)
        return rc;
    if (c->json)
        return print_json(rows_json(rows), e);
    if (rows_count(rows) > 0)
        return print_branches(rows, e);
    (void)fprintf(stderr, "zenith: there are no branches yet\n"
                          "  hint: Take one in with: zenith import BRANCH PGDATA\n");
    return ZS_OK;
}

static int change(struct cli *c, const char *command, const char *done, struct zs_error *e)
{
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    TRY_USAGE(branch_name_check(c->args[0], e));
    query_add(&query, command);
    query_argument(&query, c->args[0]);
    int rc = session_run(c, &query, NULL, 1, &rows, e);
    if (rc != ZS_OK)
        return rc;
    if (c->json)
        return print_result_json(rows, e);
    (void)printf("%s %s\n", done, c->args[0]);
    return ZS_OK;
}

static int run_create(struct cli *c, struct zs_error *e)
{
    return change(c, "branch_create", "created", e);
}

static int run_delete(struct cli *c, struct zs_error *e)
{
    return change(c, "branch_delete", "deleted", e);
}

static int run_drop_stage(struct cli *c, struct zs_error *e)
{
    return change(c, "stage_drop", "dropped what was kept of", e);
}

static int run_rebuild_map(struct cli *c, struct zs_error *e)
{
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    TRY_USAGE(branch_name_check(c->args[0], e));
    query_add(&query, "change_map_rebuild");
    query_argument(&query, c->args[0]);
    int rc = session_run(c, &query, c->args[0], 1, &rows, e);
    if (rc != ZS_OK)
        return rc;
    if (c->json)
        return print_result_json(rows, e);
    (void)printf("made the change map of %s up to %s anew: %s epoch%s, %s, %s records looked at\n",
                 c->args[0], row_text(rows, 0, "to_lsn"), row_text(rows, 0, "epochs"),
                 row_number(rows, 0, "epochs") == 1 ? "" : "s",
                 bytes_text(row_number(rows, 0, "bytes")).s,
                 count_text(row_number(rows, 0, "records")).s);
    if (row_number(rows, 0, "left_out") > 0)
        (void)printf("in %s more ranges too much changed for a map: they are scanned when they "
                     "are asked for\n",
                     row_text(rows, 0, "left_out"));
    return ZS_OK;
}

static const struct argp_option options[] = {TAKES_DIR, TAKES_JSON, TAKES_NO_MORE};

const struct cli_command command_branch_list = {
    .name = "branch list",
    .args = "",
    .summary = "Show the branches and how far each is.",
    .help = "With --json an array of objects: name, timeline_id, last_valid_lsn, digest, records, "
            "bytes and more.  Two branches with the same last_valid_lsn and digest hold the "
            "same.\n\n"
            "Example:\n"
            "  zenith branch list --json",
    .options = options,
    .run = run_list,
};
const struct cli_command command_branch_create = {
    .name = "branch create",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Make an empty branch.",
    .help = "import, push and pull make the branch that they need by themselves.\n\n"
            "Example:\n"
            "  zenith branch create main",
    .options = options,
    .run = run_create,
};
const struct cli_command command_branch_delete = {
    .name = "branch delete",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Delete a branch and all that is in it, here.",
    .help = "Branches that it was pushed to stay as they are.\n\n"
            "Example:\n"
            "  zenith branch delete old",
    .options = options,
    .run = run_delete,
};
const struct cli_command command_branch_drop_stage = {
    .name = "branch drop-stage",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Drop what an interrupted push or pull of a branch left here.",
    .help = "The next push or pull of the branch starts again.  \"zenith status\" shows what "
            "waits; after stage_timeout, 7 days, it goes by itself.\n\n"
            "Example:\n"
            "  zenith branch drop-stage main",
    .options = options,
    .run = run_drop_stage,
};
const struct cli_command command_branch_rebuild_map = {
    .name = "branch rebuild-map",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Make the map of what changed in a branch anew.",
    .help = "The map is what lets a push send a little of a large branch without a look at all "
            "of it.  Where it has gaps (\"zenith status\" shows them) the branch is scanned for "
            "each push; this scans it once and closes them.  The branch can be read and pushed "
            "meanwhile.\n\n"
            "Example:\n"
            "  zenith branch rebuild-map main",
    .options = options,
    .run = run_rebuild_map,
};
