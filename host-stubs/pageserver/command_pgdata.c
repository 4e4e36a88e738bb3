/* command_pgdata.c - import and export of PostgreSQL data directories.
 * Flow: session -> commands -> here -> pgdata -> the store.  Notices tell how far it
 * is, twice a second at most.  self is the struct server.  Threads: any. */
#include "base/cleanup.h"
#include "base/error.h"
#include "kv/kv.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "pageserver/own_commands.h"
#include "pgdata/pgdata.h"

#include <stdio.h>

#define NOTICE_EVERY_NS 500000000

struct watching {
    const struct zs_session *session;
    const char *branch, *phase, *doing;
    int64_t next_ns;
};

static void on_note(void *context, const char *sentence)
{
    const struct watching *w = context;
    struct zs_error notice = {.sqlstate = "00000"};
    (void)snprintf(notice.message, sizeof notice.message, "%s", sentence);
    w->session->notice(w->session->self, &notice);
}

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct watching *w = context;
    int64_t now = clock_now_ns();
    if (now < w->next_ns && done < total)
        return;
    w->next_ns = now + NOTICE_EVERY_NS;
    struct zs_error notice = {.sqlstate = "00000"};
    if (total > 0) {
        (void)snprintf(notice.message, sizeof notice.message, "%s %s: %u %%", w->doing, w->branch,
                       (unsigned)((double)done / (double)total * 100.0));
        (void)snprintf(notice.detail, sizeof notice.detail,
                       "{\"progress\":{\"phase\":\"%s\",\"bytes\":\"%llu\",\"total_bytes\":"
                       "\"%llu\"}}",
                       w->phase, (unsigned long long)done, (unsigned long long)total);
    } else {
        (void)snprintf(notice.message, sizeof notice.message, "%s %s", w->doing, w->branch);
        (void)snprintf(notice.detail, sizeof notice.detail,
                       "{\"progress\":{\"phase\":\"%s\",\"bytes\":\"%llu\"}}", w->phase,
                       (unsigned long long)done);
    }
    w->session->notice(w->session->self, &notice);
}

static struct pgdata_watch watch_over(struct watching *w)
{
    w->next_ns = clock_now_ns() + NOTICE_EVERY_NS;
    return (struct pgdata_watch){
        .context = w, .cancel = w->session->cancel, .note = on_note, .progress = on_progress};
}

int32_t run_import(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e)
{
    static const char *const names[] = {"branch",  "result", "from_lsn",    "to_lsn",
                                        "records", "bytes",  "milliseconds"};
    struct server *s = self;
    CLEANUP(own_args_fini) struct own_args a = {0};
    TRY(own_args_split(&a, args, 2, 2, "import BRANCH 'PGDATA'", e));
    TRY(branch_name_check(a.words[0], e));
    struct watching w = {
        .session = session, .branch = a.words[0], .phase = "import", .doing = "importing"};
    struct pgdata_watch watch = watch_over(&w);
    struct pgdata_result r = {0};
    int64_t begin = clock_now_ns();
    CLEANUP(modules_writer_close) struct modules_writer writer = {0};
    modules_writer_open(&s->modules, kv_store(s->kv), &writer);
    TRY(error_check(pgdata_import(writer.store, a.words[0], a.words[1], &watch, &r, e), e,
                    "import"));
    uint64_t ms = (uint64_t)(clock_now_ns() - begin) / 1000000;
    const char *result = r.created ? "created" : r.changed ? "changed" : "unchanged";
    log_line(&s->log, ZS_LOG_INFO, "import into %s by %s: %s, %s to %s", a.words[0], session->user,
             result, lsn_text(r.from_lsn).s, lsn_text(r.to_lsn).s);
    struct lsn_text from = lsn_text(r.from_lsn), to = lsn_text(r.to_lsn);
    struct number_text records = number_text(r.records), bytes = number_text(r.bytes),
                       took = number_text(ms);
    const char *const row[] = {a.words[0], result, from.s, to.s, records.s, bytes.s, took.s};
    TRY(session->columns(session->self, names, sizeof names / sizeof *names, e));
    return session->row(session->self, row, sizeof row / sizeof *row, e);
}

int32_t run_export(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e)
{
    static const char *const names[] = {"branch", "lsn", "files", "bytes", "milliseconds"};
    struct server *s = self;
    CLEANUP(own_args_fini) struct own_args a = {0};
    zs_lsn lsn = 0;
    TRY(own_args_split(&a, args, 2, 3, "export BRANCH 'DIR' ['LSN']", e));
    TRY(branch_name_check(a.words[0], e));
    if (a.n == 3 && !lsn_parse(a.words[2], &lsn)) {
        error_set(e, ZS_BAD_VALUE, "\"%.40s\" is no LSN", a.words[2]);
        return error_hint(e, "An LSN looks like 0/16B3748; branch_list shows the newest.");
    }
    struct watching w = {
        .session = session, .branch = a.words[0], .phase = "export", .doing = "exporting"};
    struct pgdata_watch watch = watch_over(&w);
    struct pgdata_result r = {0};
    int64_t begin = clock_now_ns();
    TRY(error_check(pgdata_export(kv_store(s->kv), a.words[0], lsn, a.words[1], &watch, &r, e), e,
                    "export"));
    uint64_t ms = (uint64_t)(clock_now_ns() - begin) / 1000000;
    struct lsn_text to = lsn_text(r.to_lsn);
    struct number_text records = number_text(r.records), bytes = number_text(r.bytes),
                       took = number_text(ms);
    const char *const row[] = {a.words[0], to.s, records.s, bytes.s, took.s};
    TRY(session->columns(session->self, names, sizeof names / sizeof *names, e));
    return session->row(session->self, row, sizeof row / sizeof *row, e);
}
