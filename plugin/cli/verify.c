/* verify.c - zenith verify: is a branch what it should be, here and elsewhere?
 * Flow: the server's verify or perform_verify -> faults as notices, on standard error or,
 * with --json, in the result's "faults" -> one sentence, or one object.  A branch that is
 * not sound is a failure like any other. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/exit_status.h"
#include "cli/hint.h"
#include "cli/meter.h"
#include "cli/origins.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "cli/target.h"
#include "model/branch_name.h"
#include "model/uri.h"

#include <stdio.h>
#include <string.h>

#define FAULTS_MAX 1000 /* a server tells fewer */

/* What is heard meanwhile. */
struct hearing {
    struct meter meter;
    cJSON *faults; /* an array; NULL: they are printed */
    int n;
};

static void print_fault(const struct zs_error *notice, const cJSON *fault)
{
    struct zs_error shown = *notice;
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fault, "detail"));
    (void)snprintf(shown.detail, sizeof shown.detail, "%s", detail == NULL ? "" : detail);
    print_notice(&shown);
}

/* Takes over `fault`. */
static void keep_fault(struct hearing *h, const struct zs_error *notice, cJSON *fault)
{
    if (fault == NULL || h->n++ >= FAULTS_MAX ||
        cJSON_AddStringToObject(fault, "message", notice->message) == NULL ||
        cJSON_AddStringToObject(fault, "hint", notice->hint) == NULL ||
        !cJSON_AddItemToArray(h->faults, fault))
        cJSON_Delete(fault);
}

static void hear(void *self, const struct zs_error *notice)
{
    struct hearing *h = self;
    if (meter_notice(&h->meter, notice))
        return;
    meter_clear(&h->meter);
    cJSON *root = notice->detail[0] == '{' ? cJSON_Parse(notice->detail) : NULL;
    const cJSON *fault = cJSON_GetObjectItemCaseSensitive(root, "fault");
    if (!cJSON_IsObject(fault))
        print_notice(notice);
    else if (h->faults == NULL)
        print_fault(notice, fault);
    else
        keep_fault(h, notice, cJSON_DetachItemFromObjectCaseSensitive(root, "fault"));
    cJSON_Delete(root);
}

/* The far side, if one is named.  *uri lives as long as target and origins. */
static int find_far(const struct repo *repo, const struct target *target, struct toml_doc **origins,
                    const char **uri, char shown[URI_SHOWN], struct zs_error *e)
{
    if (target->is_uri) {
        *uri = target->origin;
        uri_show(*uri, shown, URI_SHOWN);
        return ZS_OK;
    }
    TRY(origins_load(repo, origins, e));
    TRY(origins_find(*origins, target->origin, uri, e));
    (void)snprintf(shown, URI_SHOWN, "%.*s", ORIGIN_NAME_MAX, target->origin);
    return ZS_OK;
}

static int print_sound(const struct cli *c, const char *origin, const struct rows *rows,
                       struct zs_error *e)
{
    if (c->json)
        return print_result_json(rows, e);
    const struct verify_summary summary = {
        .origin = origin,
        .result = row_text(rows, 0, "result"),
        .branch = row_text(rows, 0, "branch"),
        .far_branch = row_text(rows, 0, "far_branch"),
        .last_lsn = row_text(rows, 0, origin == NULL ? "last_lsn" : "to_lsn"),
        .near_lsn = row_text(rows, 0, "near_lsn"),
        .far_lsn = row_text(rows, 0, "far_lsn"),
        .records = row_number(rows, 0, "records"),
        .bytes = row_number(rows, 0, "bytes"),
        .wire_bytes = row_number(rows, 0, "wire_bytes"),
        .milliseconds = row_number(rows, 0, "milliseconds"),
    };
    verify_sentence(stdout, &summary);
    return ZS_OK;
}

static int ask(struct cli *c, const struct repo *repo, struct query *q, const char *origin,
               const struct target *target, struct zs_error *e)
{
    CLEANUP(server_close) struct server server = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    struct hearing h = {0};
    const struct listener listener = {.self = &h, .notice = hear};
    const char *text = NULL;
    TRY(query_text(q, &text, e));
    TRY(server_connect(&server, repo, e));
    if (c->json && (h.faults = cJSON_CreateArray()) == NULL)
        return error_memory(e);
    meter_open(&h.meter, c->args[0], !c->quiet && !c->json);
    int rc = server_run(&server, text, &listener, &rows, e);
    meter_clear(&h.meter);
    if (rc == ZS_OK) {
        cJSON_Delete(h.faults);
        return print_sound(c, origin, rows, e);
    }
    hint_complete(e, target->is_uri || target->origin[0] == '\0' ? NULL : target->origin, c->dir);
    if (!c->json)
        return ZS_FAIL;
    print_failure_json(e, "faults", h.faults);
    c->status = exit_status(e->sqlstate);
    return ZS_OK;
}

static int run(struct cli *c, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    CLEANUP(query_close) struct query query = {0};
    struct target target = {0};
    char shown[URI_SHOWN] = "";
    const char *uri = NULL;
    TRY_USAGE(branch_name_check(c->args[0], e));
    if (c->nargs > 1)
        TRY_USAGE(target_split(c->args[1], &target, e));
    TRY_REPO(&repo, c, e);
    if (c->nargs > 1 && find_far(&repo, &target, &origins, &uri, shown, e) != ZS_OK) {
        hint_dir(e, c->dir);
        return ZS_FAIL;
    }
    query_add(&query, uri == NULL ? "verify" : "perform_verify");
    query_argument(&query, c->args[0]);
    if (uri != NULL) {
        query_argument(&query, uri);
        query_argument(&query, target.far[0] == '\0' ? c->args[0] : target.far);
    }
    if (c->quiet || c->json)
        query_add(&query, " (progress false)");
    return ask(c, &repo, &query, uri == NULL ? NULL : shown, &target, e);
}

static const struct argp_option options[] = {
    TAKES_DIR,
    {"quiet", 'q', NULL, 0, "Show no progress", 0},
    TAKES_JSON,
    TAKES_NO_MORE,
};

const struct cli_command command_verify = {
    .name = "verify",
    .args = "BRANCH [ORIGIN[:FAR_BRANCH]]",
    .least = 1,
    .most = 2,
    .summary = "Check BRANCH, here or against ORIGIN.",
    .help =
        "Without ORIGIN every checksum and the digest are computed anew: of the files that hold "
        "the branch, of its records commit by commit, of its change map and of what an "
        "interrupted transfer left.  Each fault is named: the file, the range of keys, the "
        "commits.\n\n"
        "With ORIGIN both sides sum the records that they have up to the lower of their LSNs, "
        "and where the sums differ, they are narrowed down to the records that differ.  No "
        "record travels, and nothing is changed.\n\n"
        "Exit status 0: sound, and the same; 1: damaged, or not the same; 4: the histories "
        "have parted.\n\n"
        "Examples:\n"
        "  zenith verify main\n"
        "  zenith verify main cloud\n"
        "  zenith verify main cloud:release/1.0 --json",
    .options = options,
    .run = run,
};
