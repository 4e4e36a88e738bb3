/* change_maps.c - what the branches' change maps know, and one of them made anew.
 * Flow: a host's command -> here -> sync/coverage, sync/rebuild.
 * Threads: the sessions'. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/command.h"
#include "command/row.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "sync/cancel.h"
#include "sync/coverage.h"
#include "sync/progress.h"
#include "sync/rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names first: a store may hold a lock while it lists. */
struct names {
    char (*all)[ZS_BRANCH_NAME_MAX + 1];
    size_t n;
    bool no_memory;
};

static void names_fini(struct names *names)
{
    free(names->all);
}

static int32_t collect(void *context, const struct zs_branch_info *info)
{
    struct names *names = context;
    void *grown = reallocarray(names->all, names->n + 1, sizeof *names->all);
    if (grown == NULL) {
        names->no_memory = true;
        return 1;
    }
    names->all = grown;
    memcpy(names->all[names->n++], info->name, sizeof *names->all);
    return 0;
}

/* Two LSNs of 17 characters, dots and a blank each; a count. */
#define GAPS_BYTES (COVERAGE_GAPS * 37u + 32u)

/* "0/10..0/20 0/30..0/40 and 3 more" */
static void write_gaps(const struct coverage *c, char text[GAPS_BYTES])
{
    const size_t size = GAPS_BYTES; /* all of it fits */
    size_t used = 0;
    text[0] = '\0';
    for (uint64_t i = 0; i < c->ngaps && i < COVERAGE_GAPS; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s..%s", i > 0 ? " " : "",
                                 lsn_text(c->gaps[i].from_lsn).s, lsn_text(c->gaps[i].to_lsn).s);
    if (c->ngaps > COVERAGE_GAPS)
        (void)snprintf(text + used, size - used, " and %" PRIu64 " more", c->ngaps - COVERAGE_GAPS);
}

static int write_row(const struct zs_session *session, const struct snapshot *s,
                     const struct coverage *c, struct zs_error *e)
{
    char ranges[GAPS_BYTES];
    struct lsn_text last = lsn_text(s->info.last_valid_lsn), from = lsn_text(c->from_lsn);
    struct number_text epochs = number_text(c->epochs), bytes = number_text(c->bytes),
                       gaps = number_text(c->ngaps);
    write_gaps(c, ranges);
    const char *const row[] = {
        s->info.name, last.s, c->epochs > 0 ? from.s : NULL, epochs.s,
        bytes.s,      gaps.s, c->ngaps > 0 ? ranges : NULL,  c->ngaps > 0 ? c->why : NULL};
    return row_write(session, row, sizeof row / sizeof *row, e);
}

int change_maps(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    static const char *const columns[] = {"branch", "last_valid_lsn", "from_lsn",   "epochs",
                                          "bytes",  "gaps",           "gap_ranges", "reason"};
    const struct sync_module *module = self;
    CLEANUP(names_fini) struct names names = {0};
    TRY(arguments_none(args, "change_maps", e));
    if (store_has(&module->store, ZS_STORE_BLOBS))
        TRY(store_branch_list(&module->store, collect, &names, e));
    if (names.no_memory)
        return error_memory(e);
    TRY(row_columns(session, columns, sizeof columns / sizeof *columns, e));
    for (size_t i = 0; i < names.n; i++) {
        CLEANUP(snapshot_close) struct snapshot s = {0};
        struct coverage coverage;
        struct zs_error gone = {0};
        TRY(cancel_check(session->cancel, e));
        if (snapshot_open(&module->store, names.all[i], &s, &gone) != ZS_OK) {
            if (error_is(&gone, ZS_NO_SUCH_BRANCH)) /* meanwhile */
                continue;
            *e = gone;
            return ZS_FAIL;
        }
        TRY(coverage_read(&s, &coverage, e));
        TRY(write_row(session, &s, &coverage, e));
    }
    return ZS_OK;
}

/* ---- change_map_rebuild ------------------------------------------------------------------------
 */

struct listener {
    const struct zs_session *session;
    int64_t told_ns;
    bool said_waiting;
};

static void tell(void *context, const struct rebuild *r)
{
    struct listener *l = context;
    struct zs_error notice;
    int64_t now = clock_now_ns();
    if (r->waiting && !l->said_waiting) {
        l->said_waiting = true;
        error_set(&notice, "01000", "branch \"%s\" is being written to: waiting for the end",
                  r->branch);
        l->session->notice(l->session->self, &notice);
    }
    if (l->told_ns != 0 && now - l->told_ns < PROGRESS_EVERY_MS * INT64_C(1000000))
        return;
    l->told_ns = now;
    struct transfer_facts facts = {.phase = PHASE_SCAN,
                                   .records = r->records,
                                   .bytes = r->bytes,
                                   .total_records = r->total_records,
                                   .total_bytes = r->total_bytes};
    (void)snprintf(facts.branch, sizeof facts.branch, "%s", r->branch);
    progress_write(&facts, &notice);
    l->session->notice(l->session->self, &notice);
}

int change_map_rebuild(void *self, const struct zs_session *session, const char *args,
                       struct zs_error *e)
{
    static const char *const columns[] = {"branch",  "to_lsn",   "epochs",      "bytes",
                                          "records", "left_out", "milliseconds"};
    const struct sync_module *module = self;
    const int64_t started_ns = clock_now_ns();
    struct listener listener = {.session = session};
    CLEANUP(arguments_fini) struct arguments a = {0};
    TRY(arguments_parse(args, &a, e));
    TRY(arguments_expect(&a, 1, 1, "change_map_rebuild BRANCH", e));
    TRY(branch_name_check(a.words[0], e));
    struct rebuild r = {.store = &module->store,
                        .branch = a.words[0],
                        .cancel = session->cancel,
                        .tell = tell,
                        .context = &listener};
    TRY(rebuild_run(&r, e));
    struct lsn_text to = lsn_text(r.upto_lsn);
    struct number_text epochs = number_text(r.epochs), bytes = number_text(r.map_bytes),
                       records = number_text(r.records), left_out = number_text(r.left_out),
                       ms = number_text((uint64_t)(clock_now_ns() - started_ns) / 1000000);
    const char *const row[] = {r.branch, to.s, epochs.s, bytes.s, records.s, left_out.s, ms.s};
    return row_only(session, columns, row, sizeof columns / sizeof *columns, e);
}
