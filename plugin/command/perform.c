/* perform.c - see perform.h. */
#include "command/perform.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "command/row.h"
#include "model/branch_name.h"
#include "model/lsn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int perform_open(struct perform *p, const char *command, void *module,
                 const struct zs_session *session, const char *args, struct zs_error *e)
{
    char usage[128], shown[300] = "";
    p->module = module;
    p->session = session;
    p->started_ns = clock_now_ns();
    shield_init(&p->shield, session->cancel);
    (void)snprintf(usage, sizeof usage, "%s BRANCH 'URI' [FAR_BRANCH] [( option value, ... )]",
                   command);
    TRY(arguments_parse(args, &p->args, e));
    TRY(arguments_expect(&p->args, 2, 3, usage, e));
    TRY(transfer_options_read(&p->args, &p->options, e));
    p->branch = p->args.words[0];
    p->uri = p->args.words[1];
    p->far_branch = p->args.nwords > 2 ? p->args.words[2] : p->branch;
    TRY(branch_name_check(p->branch, e));
    TRY(branch_name_check(p->far_branch, e));
    TRY(registry_find(p->module->transports, p->uri, &p->transport, e));
    const struct zs_transport *t = &p->transport->table;
    TRY(error_check(t->uri_check(p->transport->self, p->uri, shown, sizeof shown, e), e,
                    "the transport's uri_check"));
    TRY(transfer_start(p->module->transfers, command, p->branch, shown, session->user, &p->transfer,
                       e));
    p->progress = (struct progress){
        .session = session, .quiet = !p->options.progress, .transfer = p->transfer};
    return ZS_OK;
}

int perform_connect(struct perform *p, const char *command, struct zs_timeline_id timeline,
                    const char *json, struct zs_error *e)
{
    size_t size = 2 * (strlen(json) + strlen(p->far_branch)) + 128;
    CLEANUP(free_ptr) char *line = malloc(size);
    if (line == NULL)
        return error_memory(e);
    size_t used = (size_t)snprintf(line, size, "%s ", command);
    bool fits = argument_quote(line, size, &used, p->far_branch);
    used += (size_t)snprintf(line + used, size - used, " %s ", timeline_text(timeline).s);
    fits = fits && argument_quote(line, size, &used, json);
    if (!fits)
        return error_set(e, ZS_INTERNAL_ERROR, "the command for the far side is too long");

    struct zs_connect spec = {.struct_size = sizeof spec,
                              .uri = p->uri,
                              .command = line,
                              .application = "zenith-sync",
                              .cancel = &p->shield.token};
    conn_init(&p->conn);
    if (p->module->work_ms != 0)
        p->conn.work_ms = p->module->work_ms;
    p->asked = true;
    const struct zs_transport *t = &p->transport->table;
    int rc = error_check(t->connect(p->transport->self, &spec, &p->conn.channel, e), e,
                         "the transport's connect");
    if (rc != ZS_OK) {
        memset(&p->conn.channel, 0, sizeof p->conn.channel); /* nothing to close */
        return ZS_FAIL;
    }
    return conn_check(&p->conn, t->name, e);
}

int perform_result(struct perform *p, const struct outcome *o, enum direction direction,
                   struct zs_error *e)
{
    static const char *const names[] = {"verdict",      "branch",  "far_branch",     "from_lsn",
                                        "to_lsn",       "records", "wire_bytes",     "raw_bytes",
                                        "milliseconds", "resumed", "resumed_percent"};
    enum { COLUMNS = sizeof names / sizeof *names };
    /* The outcome is known.  Without an orderly end the far side's command would fail,
     * though it is done. */
    struct zs_error unheard = {0};
    (void)conn_finish(&p->conn, &unheard);
    TRY(outcome_refusal(o, direction, p->branch, p->far_branch, e));
    const struct zs_session *s = p->session;
    if (o->late_cancel) {
        struct zs_error notice;
        error_set(&notice, "01000",
                  "the cancel came when the commit had begun: the branch is "
                  "complete");
        s->notice(s->self, &notice);
    }
    struct lsn_text from = lsn_text(o->from_lsn), to = lsn_text(o->to_lsn);
    struct number_text records = number_text(o->records), wire = number_text(o->wire_bytes),
                       raw = number_text(o->raw_bytes), percent = number_text(o->resumed_percent),
                       ms = number_text((uint64_t)(clock_now_ns() - p->started_ns) / 1000000);
    const char *const row[COLUMNS] = {verdict_name(o->verdict),
                                      p->branch,
                                      p->far_branch,
                                      from.s,
                                      to.s,
                                      records.s,
                                      wire.s,
                                      raw.s,
                                      ms.s,
                                      o->resumed ? "true" : "false",
                                      o->resumed ? percent.s : NULL};
    return row_only(s, names, row, COLUMNS, e);
}

int perform_end(struct perform *p, int rc, struct zs_error *e)
{
    /* Not every transport says what a cancel leaves; until COMMIT is out, and in a pull at
     * any time, it is what was there before. */
    if (rc != ZS_OK && error_is(e, ZS_CANCELLED) && e->hint[0] == '\0' &&
        atomic_load(&p->shield.up_since_ns) == 0)
        error_hint(e, "Nothing was changed; run the same command to start again.");
    if (rc != ZS_OK && error_is(e, ZS_PROTOCOL_VIOLATION) && e->hint[0] == '\0')
        error_hint(e,
                   "The far side does not speak as this one does: see that both run zenith-sync, "
                   "and what its log says.");
    if (rc != ZS_OK && p->asked && error_is(e, ZS_NO_SUCH_BRANCH)) {
        error_set(e, ZS_NO_SUCH_BRANCH, "the far side has no branch \"%s\"", p->far_branch);
        error_hint(e, "\"zenith branch list\" over there shows its branches; from here: psql URI "
                      "-c branch_list");
    }
    transfer_end(p->transfer, rc == ZS_OK ? NULL : e);
    return rc;
}

void perform_close(struct perform *p)
{
    conn_close(&p->conn);
    arguments_fini(&p->args);
}
