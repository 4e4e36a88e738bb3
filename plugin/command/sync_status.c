/* sync_status.c - the transfers that run and that ran, one row each.
 * Columns that are not known are NULL; no row holds a URI's secrets. */
#include "base/error.h"
#include "command/command.h"
#include "command/row.h"
#include "model/lsn.h"
#include "sync/cancel.h"

#include <stdio.h>
#include <time.h>

static const char *const columns[] = {
    "id",          "command",    "branch",  "peer",         "state",         "phase",
    "verdict",     "from_lsn",   "to_lsn",  "records",      "total_records", "bytes",
    "total_bytes", "wire_bytes", "started", "milliseconds", "error"};

enum { COLUMNS = sizeof columns / sizeof *columns };

struct visit {
    const struct zs_session *session;
    struct zs_error *e;
    int rc;
};

static const char *state_of(const struct transfer_facts *f)
{
    if (f->ended_ns == 0)
        return "running";
    return f->phase == PHASE_FAILED ? "failed" : "done";
}

static int write_row(void *context, const struct transfer_facts *f)
{
    struct visit *v = context;
    struct number_text id = number_text(f->id), records = number_text(f->records),
                       total_records = number_text(f->total_records), bytes = number_text(f->bytes),
                       total_bytes = number_text(f->total_bytes), wire = number_text(f->wire_bytes);
    int64_t end = f->ended_ns == 0 ? clock_now_ns() : f->ended_ns;
    struct number_text ms = number_text((uint64_t)(end - f->started_ns) / 1000000);
    struct lsn_text from = lsn_text(f->from_lsn), to = lsn_text(f->to_lsn);
    char started[32], error[640];
    time_t seconds = (time_t)(f->started_unix_ns / 1000000000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &tm);
    (void)snprintf(error, sizeof error, "%s: %s", f->error.sqlstate, f->error.message);

    const char *const row[COLUMNS] = {
        id.s,
        f->command,
        f->branch,
        f->peer,
        state_of(f),
        phase_name(f->phase),
        f->has_verdict ? verdict_name(f->verdict) : NULL,
        f->has_verdict ? from.s : NULL,
        f->has_verdict ? to.s : NULL,
        records.s,
        f->total_records != 0 ? total_records.s : NULL,
        bytes.s,
        f->total_bytes != 0 ? total_bytes.s : NULL,
        wire.s,
        started,
        ms.s,
        f->phase == PHASE_FAILED ? error : NULL,
    };
    v->rc = row_write(v->session, row, COLUMNS, v->e);
    return v->rc;
}

int sync_status(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    const struct sync_module *module = self;
    TRY(arguments_none(args, "sync_status", e));
    struct visit visit = {.session = session, .e = e, .rc = ZS_OK};
    TRY(row_columns(session, columns, COLUMNS, e));
    TRY(transfer_list_visit(module->transfers, write_row, &visit, e));
    return visit.rc;
}
