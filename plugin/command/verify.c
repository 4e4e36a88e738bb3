/* verify.c - recompute what a branch of this host says of itself.
 * Flow: a host's command -> here -> sync/verify.  Each fault is a notice (verify.h); the
 * end is one row, or XX001 that says how many there were. */
#include "command/verify.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "command/row.h"
#include "model/branch_name.h"
#include "model/key.h"
#include "model/lsn.h"
#include "sync/cancel.h"

#include <cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct telling {
    const struct zs_session *session;
    uint64_t told;
    bool records_bad; /* not only what can be made anew */
};

int verify_options_read(const struct arguments *a, bool *progress, struct zs_error *e)
{
    struct transfer_options o;
    for (size_t i = 0; i < a->noptions; i++)
        if (strcasecmp(a->options[i].name, "progress") != 0) {
            error_set(e, ZS_SYNTAX_ERROR, "a verification has no option but progress");
            return error_hint(e, "Leave the others away, or write: (progress off)");
        }
    TRY(transfer_options_read(a, &o, e));
    *progress = o.progress;
    return ZS_OK;
}

/* ---- faults --------------------------------------------------------------------------- */

static void put(cJSON *o, const char *name, const char *text)
{
    (void)cJSON_AddStringToObject(o, name, text); /* a member less, if memory is short */
}

void verify_notice(const struct fault *fault, struct zs_error *notice)
{
    char detail[480]; /* so that the object fits a notice, escapes included */
    error_set(notice, "01000", "%s", fault->error.message);
    error_hint(notice, "%s", fault->error.hint);
    cJSON *root = cJSON_CreateObject();
    cJSON *o = root == NULL ? NULL : cJSON_AddObjectToObject(root, "fault");
    if (o != NULL) {
        put(o, "kind", fault_kind_name(fault->kind));
        put(o, "sqlstate", fault->error.sqlstate);
        (void)snprintf(detail, sizeof detail, "%.479s", fault->error.detail);
        if (detail[0] != '\0')
            put(o, "detail", detail);
        if (fault->has_after)
            put(o, "after", key_hex(fault->after).s);
        if (fault->has_before)
            put(o, "before", key_hex(fault->before).s);
        if (fault->has_lsns) {
            put(o, "from_lsn", lsn_text(fault->from_lsn).s);
            put(o, "to_lsn", lsn_text(fault->to_lsn).s);
        }
    }
    char *text = o == NULL ? NULL : cJSON_PrintUnformatted(root);
    if (text != NULL && strlen(text) < sizeof notice->detail)
        error_detail(notice, "%s", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static void tell(void *context, const struct fault *fault)
{
    struct telling *t = context;
    struct zs_error notice;
    t->records_bad = t->records_bad || (fault->kind != FAULT_MAP && fault->kind != FAULT_STAGE);
    if (t->told++ >= VERIFY_TOLD)
        return;
    verify_notice(fault, &notice);
    t->session->notice(t->session->self, &notice);
}

static int refuse(const char *branch, const struct verify_result *r, const struct telling *t,
                  struct zs_error *e)
{
    error_set(e, ZS_CORRUPT, "branch \"%s\" is damaged: %" PRIu64 " fault%s found", branch,
              r->faults, r->faults == 1 ? " was" : "s were");
    if (r->faults > VERIFY_TOLD)
        error_detail(e, "The first %u were told.", VERIFY_TOLD);
    if (!t->records_bad)
        return error_hint(e, "Its records are whole; what helps is said with each fault.");
    return error_hint(e, "Check the disk; then delete the branch here and pull it again from where "
                         "it is whole.");
}

/* ---- the command ------------------------------------------------------------------------ */

static int tell_sound(const struct zs_session *s, const char *branch, const struct verify_result *r,
                      int64_t started_ns, struct zs_error *e)
{
    static const char *const names[] = {"result",  "branch",      "last_lsn",
                                        "digest",  "records",     "bytes",
                                        "commits", "change_maps", "milliseconds"};
    enum { COLUMNS = sizeof names / sizeof *names };
    struct number_text records = number_text(r->records), bytes = number_text(r->bytes),
                       commits = number_text(r->intervals), epochs = number_text(r->epochs),
                       ms = number_text((uint64_t)(clock_now_ns() - started_ns) / 1000000);
    struct lsn_text last = lsn_text(r->last_lsn);
    struct hex_text digest = digest_text(r->digest);
    const char *const row[COLUMNS] = {r->exists ? "sound" : "absent",
                                      branch,
                                      last.s,
                                      digest.s,
                                      records.s,
                                      bytes.s,
                                      commits.s,
                                      epochs.s,
                                      ms.s};
    return row_only(s, names, row, COLUMNS, e);
}

static int run(const struct sync_module *module, const struct zs_session *session,
               const char *branch, bool progress, struct transfer *transfer, struct zs_error *e)
{
    struct telling telling = {.session = session};
    struct verify_result result;
    struct progress p = {.session = progress ? session : NULL, .transfer = transfer};
    int64_t started_ns = clock_now_ns();
    const struct verify_job job = {.store = &module->store,
                                   .branch = branch,
                                   .cancel = session->cancel,
                                   .transfer = transfer,
                                   .progress = &p,
                                   .tell = tell,
                                   .context = &telling};
    TRY(verify_run(&job, &result, e));
    if (result.faults > 0)
        return refuse(branch, &result, &telling, e);
    return tell_sound(session, branch, &result, started_ns, e);
}

int verify(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    const struct sync_module *module = self;
    CLEANUP(arguments_fini) struct arguments a = {0};
    bool progress = true;
    TRY(arguments_parse(args, &a, e));
    TRY(arguments_expect(&a, 1, 1, "verify BRANCH [(progress off)]", e));
    TRY(verify_options_read(&a, &progress, e));
    TRY(branch_name_check(a.words[0], e));
    struct transfer *transfer = NULL;
    TRY(transfer_start(module->transfers, "verify", a.words[0], "", session->user, &transfer, e));
    int rc = run(module, session, a.words[0], progress, transfer, e);
    transfer_end(transfer, rc == ZS_OK ? NULL : e);
    return rc;
}
