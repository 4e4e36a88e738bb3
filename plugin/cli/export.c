/* export.c - zenith export: a branch as a data directory that PostgreSQL starts on. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "cli/target.h"
#include "model/branch_name.h"
#include "model/lsn.h"

#include <stdlib.h>

static int check_lsn(const char *text, struct zs_error *e)
{
    zs_lsn lsn = 0;
    if (text == NULL || lsn_parse(text, &lsn))
        return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "\"%.40s\" is not an LSN", text);
    return error_hint(e, "Write it as branch list shows it, such as 16/B374D848.");
}

static int run(struct cli *c, struct zs_error *e)
{
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    CLEANUP(free_ptr) char *dir = NULL;
    TRY_USAGE(branch_name_check(c->args[0], e));
    TRY_USAGE(check_lsn(c->lsn, e));
    TRY_USAGE(path_absolute(c->args[1], &dir, e));
    query_add(&query, "export");
    query_argument(&query, c->args[0]);
    query_argument(&query, dir);
    if (c->lsn != NULL)
        query_argument(&query, c->lsn);
    int rc = session_run(c, &query, c->args[0], 1, &rows, e);
    if (rc != ZS_OK)
        return rc;
    if (c->json)
        return print_result_json(rows, e);
    const struct export_summary summary = {
        .branch = row_text(rows, 0, "branch"),
        .lsn = row_text(rows, 0, "lsn"),
        .dir = dir,
        .files = row_number(rows, 0, "files"),
        .bytes = row_number(rows, 0, "bytes"),
        .milliseconds = row_number(rows, 0, "milliseconds"),
    };
    export_sentence(stdout, &summary);
    return ZS_OK;
}

static const struct argp_option options[] = {
    TAKES_DIR,
    {"lsn", OPTION_LSN, "LSN", 0,
     "As it was at LSN; between two imports that is the last one before it (default: the newest)",
     0},
    {"quiet", 'q', NULL, 0, "Show no progress", 0},
    TAKES_JSON,
    TAKES_NO_MORE,
};

const struct cli_command command_export = {
    .name = "export",
    .args = "BRANCH DIR",
    .least = 2,
    .most = 2,
    .summary = "Write BRANCH as a data directory that PostgreSQL starts on.",
    .help = "DIR must be empty, or not there yet.  The server writes it, as the user that it "
            "runs as.\n\n"
            "Examples:\n"
            "  zenith export main /srv/copy\n"
            "  zenith export main /srv/before --lsn 16/B374D848",
    .options = options,
    .run = run,
};
