/* command_branch.c - branch_list, branch_create, branch_delete.
 * Flow: session -> commands -> here -> the store.  self is the struct server.
 * Threads: any. */
#include "base/cleanup.h"
#include "base/error.h"
#include "kv/kv.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "pageserver/own_commands.h"

static const char *const branch_columns[] = {
    "name", "timeline_id", "last_valid_lsn", "gc_cutoff_lsn", "digest", "records", "bytes"};
#define BRANCH_COLUMNS (sizeof branch_columns / sizeof *branch_columns)

static int send_row(const struct zs_session *session, const struct zs_branch_info *info,
                    struct zs_error *e)
{
    struct hex_text timeline = timeline_text(info->timeline), digest = digest_text(info->digest);
    struct lsn_text last = lsn_text(info->last_valid_lsn), cutoff = lsn_text(info->gc_cutoff_lsn);
    struct number_text records = number_text(info->records), bytes = number_text(info->bytes);
    const char *const row[BRANCH_COLUMNS] = {info->name, timeline.s, last.s, cutoff.s,
                                             digest.s,   records.s,  bytes.s};
    return session->row(session->self, row, BRANCH_COLUMNS, e);
}

/* The listing is gathered first: a store may hold a lock while it lists, and a slow
 * client must not hold that. */
struct listing {
    struct zs_branch_info *branches; /* owned */
    size_t n, capacity;
    bool failed;
};

static void listing_fini(struct listing *l)
{
    free(l->branches);
}

static int32_t gather(void *context, const struct zs_branch_info *info)
{
    struct listing *l = context;
    if (l->n == l->capacity) {
        size_t capacity = l->capacity * 2 + 16;
        struct zs_branch_info *more = realloc(l->branches, capacity * sizeof *more);
        if (more == NULL) {
            l->failed = true;
            return 1;
        }
        l->branches = more;
        l->capacity = capacity;
    }
    l->branches[l->n++] = *info;
    return 0;
}

int32_t run_branch_list(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    struct server *s = self;
    const struct zs_store *store = kv_store(s->kv);
    CLEANUP(listing_fini) struct listing l = {0};
    TRY(no_args(args, "branch_list", e));
    TRY(error_check(store->branch_list(store->self, gather, &l, e), e, "branch_list"));
    if (l.failed)
        return error_memory(e);
    TRY(session->columns(session->self, branch_columns, BRANCH_COLUMNS, e));
    for (size_t i = 0; i < l.n; i++)
        TRY(send_row(session, &l.branches[i], e));
    return ZS_OK;
}

int32_t run_branch_create(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e)
{
    struct server *s = self;
    CLEANUP(own_args_fini) struct own_args a = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    TRY(own_args_split(&a, args, 1, 1, "branch_create BRANCH", e));
    TRY(branch_name_check(a.words[0], e));
    TRY(error_check(kv_branch_create(s->kv, a.words[0], &info, e), e, "branch_create"));
    log_line(&s->log, ZS_LOG_INFO, "branch %s created by %s", info.name, session->user);
    TRY(session->columns(session->self, branch_columns, BRANCH_COLUMNS, e));
    return send_row(session, &info, e);
}

int32_t run_branch_delete(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e)
{
    static const char *const names[] = {"name"};
    struct server *s = self;
    CLEANUP(own_args_fini) struct own_args a = {0};
    TRY(own_args_split(&a, args, 1, 1, "branch_delete BRANCH", e));
    TRY(branch_name_check(a.words[0], e));
    TRY(error_check(kv_branch_delete(s->kv, a.words[0], e), e, "branch_delete"));
    modules_branch_gone(&s->modules, a.words[0]);
    log_line(&s->log, ZS_LOG_INFO, "branch %s deleted by %s", a.words[0], session->user);
    TRY(session->columns(session->self, names, 1, e));
    return session->row(session->self, a.words, 1, e);
}
