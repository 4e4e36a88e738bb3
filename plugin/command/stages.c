/* stages.c - interrupted transfers that wait: listed, and dropped by name.
 * Flow: a host's command -> here -> the stages of its store.
 * A token that cannot be read leaves the percentage NULL.  Threads: the sessions'. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/row.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "sync/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const columns[] = {"branch", "from_lsn",    "to_lsn",
                                      "bytes",  "age_seconds", "percent"};

enum { COLUMNS = sizeof columns / sizeof *columns };

struct stage_row {
    char branch[ZS_BRANCH_NAME_MAX + 1];
    struct lsn_text from, to;
    char bytes[21], age[21], percent[21];
};

/* Copies: a store may hold a lock while it lists, and a client may be slow. */
struct stage_rows {
    struct stage_row *rows;
    size_t n;
    bool no_memory;
};

static void rows_fini(struct stage_rows *r)
{
    free(r->rows);
}

static int32_t collect(void *context, const struct zs_stage_info *info)
{
    struct stage_rows *r = context;
    struct stage_row *grown = reallocarray(r->rows, r->n + 1, sizeof *grown);
    if (grown == NULL) {
        r->no_memory = true;
        return 1;
    }
    r->rows = grown;
    struct stage_row *row = &grown[r->n++];
    struct resume_token token;
    int64_t age = (int64_t)time(NULL) - info->synced_unix;
    *row = (struct stage_row){.from = lsn_text(info->base_lsn), .to = lsn_text(info->target_lsn)};
    memcpy(row->branch, info->branch, sizeof row->branch);
    (void)snprintf(row->bytes, sizeof row->bytes, "%" PRIu64, info->disk_bytes);
    (void)snprintf(row->age, sizeof row->age, "%" PRId64, age > 0 ? age : 0);
    if (resume_token_decode(info->token, info->token_bytes, &token))
        (void)snprintf(row->percent, sizeof row->percent, "%u",
                       resume_percent(token.at.bytes, resume_total_bytes(&token)));
    return 0;
}

int stages(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    const struct sync_module *module = self;
    CLEANUP(rows_fini) struct stage_rows all = {0};
    TRY(arguments_none(args, "stages", e));
    if (store_has(&module->store, ZS_STORE_RESUME))
        TRY(store_stage_list(&module->store, collect, &all, e));
    if (all.no_memory)
        return error_memory(e);
    TRY(row_columns(session, columns, COLUMNS, e));
    for (size_t i = 0; i < all.n; i++) {
        const struct stage_row *r = &all.rows[i];
        const char *const row[COLUMNS] = {r->branch, r->from.s, r->to.s,
                                          r->bytes,  r->age,    r->percent[0] ? r->percent : NULL};
        TRY(row_write(session, row, COLUMNS, e));
    }
    return ZS_OK;
}

int stage_drop(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    static const char *const names[] = {"branch"};
    const struct sync_module *module = self;
    CLEANUP(arguments_fini) struct arguments a = {0};
    TRY(arguments_parse(args, &a, e));
    TRY(arguments_expect(&a, 1, 1, "stage_drop BRANCH", e));
    TRY(branch_name_check(a.words[0], e));
    TRY(store_stage_drop(&module->store, a.words[0], e));
    return row_only(session, names, a.words, 1, e);
}
