/* transfer.c - zenith push and zenith pull, which differ in one word.
 * Flow: the origin's URI from origins.toml (or as typed) -> the server's perform_push
 * or perform_pull -> progress on standard error -> one sentence, or one object. */
#include "cli/transfer.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/hint.h"
#include "cli/origins.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "cli/target.h"
#include "cli/value.h"
#include "model/branch_name.h"
#include "model/uri.h"

#include <stdio.h>
#include <string.h>

const struct argp_option transfer_options[] = {
    TAKES_DIR,
    {"dry-run", OPTION_DRY_RUN, NULL, 0, "Say what would go, and change nothing", 0},
    {"max-rate", OPTION_MAX_RATE, "RATE", 0, "At most so many bytes a second: 500k, 10M, 1G", 0},
    {"compression", OPTION_COMPRESSION, "METHOD", 0,
     "Compress on the wire: auto (if it pays), none, lz4 or zstd", 0},
    {"quiet", 'q', NULL, 0, "Show no progress", 0},
    TAKES_JSON,
    TAKES_NO_MORE,
};

/* perform_push 'branch' 'uri' 'far' (options) */
static void put_query(struct query *q, const struct cli *c, const char *uri, const char *far)
{
    const char *between = " (";
    query_argument(q, c->args[0]);
    query_argument(q, uri);
    query_argument(q, far);
    if (c->dry_run) {
        query_add(q, between);
        query_add(q, " dry_run true");
        between = ",";
    }
    if (c->max_rate != NULL) {
        query_add(q, between);
        query_add(q, " max_rate");
        query_argument(q, c->max_rate);
        between = ",";
    }
    if (c->compression != NULL) {
        query_add(q, between);
        query_add(q, " compression");
        query_argument(q, c->compression);
        between = ",";
    }
    if (c->quiet || c->json) {
        query_add(q, between);
        query_add(q, " progress false");
        between = ",";
    }
    query_add(q, between[0] == ',' ? " )" : "");
}

static int print_transfer(const struct cli *c, bool push, const char *origin,
                          const struct rows *rows, struct zs_error *e)
{
    if (c->json)
        return print_result_json(rows, e);
    const struct transfer_summary summary = {
        .push = push,
        .dry_run = c->dry_run,
        .verdict = row_text(rows, 0, "verdict"),
        .branch = row_text(rows, 0, "branch"),
        .origin = origin,
        .far_branch = row_text(rows, 0, "far_branch"),
        .from_lsn = row_text(rows, 0, "from_lsn"),
        .to_lsn = row_text(rows, 0, "to_lsn"),
        .records = row_number(rows, 0, "records"),
        .raw_bytes = row_number(rows, 0, "raw_bytes"),
        .wire_bytes = row_number(rows, 0, "wire_bytes"),
        .milliseconds = row_number(rows, 0, "milliseconds"),
        .resumed = strcmp(row_text(rows, 0, "resumed"), "true") == 0,
        .resumed_percent = row_number(rows, 0, "resumed_percent"),
    };
    transfer_sentence(stdout, &summary);
    return ZS_OK;
}

int transfer_run(struct cli *c, bool push, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    CLEANUP(server_close) struct server server = {0};
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    struct target target;
    char shown[URI_SHOWN];
    const char *uri = NULL;
    TRY_USAGE(branch_name_check(c->args[0], e));
    TRY_USAGE(target_split(c->args[1], &target, e));
    TRY_USAGE(value_check_max_rate(c->max_rate, e));
    TRY_USAGE(value_check_compression(c->compression, e));
    TRY_REPO(&repo, c, e);
    if (target.is_uri) {
        uri = target.origin;
        uri_show(uri, shown, sizeof shown);
    } else {
        TRY(origins_load(&repo, &origins, e));
        if (origins_find(origins, target.origin, &uri, e) != ZS_OK) {
            hint_dir(e, c->dir);
            return ZS_FAIL;
        }
        (void)snprintf(shown, sizeof shown, "%.*s", ORIGIN_NAME_MAX, target.origin);
    }
    TRY(server_connect(&server, &repo, e));
    query_add(&query, push ? "perform_push" : "perform_pull");
    put_query(&query, c, uri, target.far[0] == '\0' ? c->args[0] : target.far);
    if (session_run_on(c, &server, &query, c->args[0], 1, &rows, e) != ZS_OK) {
        hint_complete(e, target.is_uri ? NULL : target.origin, c->dir);
        return ZS_FAIL;
    }
    return print_transfer(c, push, shown, rows, e);
}
