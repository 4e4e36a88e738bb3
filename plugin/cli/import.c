/* import.c - zenith import: a stopped cluster's data directory into a branch. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "cli/target.h"
#include "model/branch_name.h"

#include <stdlib.h>

static int run(struct cli *c, struct zs_error *e)
{
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    CLEANUP(free_ptr) char *dir = NULL;
    TRY_USAGE(branch_name_check(c->args[0], e));
    TRY_USAGE(path_absolute(c->args[1], &dir, e));
    query_add(&query, "import");
    query_argument(&query, c->args[0]);
    query_argument(&query, dir);
    int rc = session_run(c, &query, c->args[0], 1, &rows, e);
    if (rc != ZS_OK)
        return rc;
    if (c->json)
        return print_result_json(rows, e);
    const struct import_summary summary = {
        .branch = row_text(rows, 0, "branch"),
        .result = row_text(rows, 0, "result"),
        .from_lsn = row_text(rows, 0, "from_lsn"),
        .to_lsn = row_text(rows, 0, "to_lsn"),
        .records = row_number(rows, 0, "records"),
        .bytes = row_number(rows, 0, "bytes"),
        .milliseconds = row_number(rows, 0, "milliseconds"),
    };
    import_sentence(stdout, &summary);
    return ZS_OK;
}

static const struct argp_option options[] = {
    TAKES_DIR,
    {"quiet", 'q', NULL, 0, "Show no progress", 0},
    TAKES_JSON,
    TAKES_NO_MORE,
};

const struct cli_command command_import = {
    .name = "import",
    .args = "BRANCH PGDATA",
    .least = 2,
    .most = 2,
    .summary = "Take a PostgreSQL data directory into BRANCH.",
    .help = "PostgreSQL must have been stopped cleanly.  The branch is made if it is not there; "
            "given again later, only what changed is stored, at the new LSN.\n\n"
            "Example:\n"
            "  zenith import main /var/lib/postgresql/15/main",
    .options = options,
    .run = run,
};
