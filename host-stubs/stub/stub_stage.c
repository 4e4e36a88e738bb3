/* stub_stage.c - stages of the in-memory store: ingests that were synced and closed.
 * Flow: sync marks how far; close hands the ingest over to the list; resume takes it
 * back, cut to its mark.  A stage lives as long as the store.
 * Threads: the lists are behind the mutex. */
#include "base/error.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "stub/stub_store_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEPT_SECONDS (7 * INT64_C(86400))

static void stage_free(struct zs_ingest *in)
{
    run_fini(&in->run);
    free(in);
}

void stub_stage_forget(struct stub_store *store, const char *branch, bool old)
{
    int64_t oldest = old ? (int64_t)time(NULL) - KEPT_SECONDS : INT64_MIN;
    for (struct zs_ingest **at = &store->stages; *at != NULL;) {
        struct zs_ingest *in = *at;
        if ((branch == NULL || strcmp(in->branch, branch) != 0) && in->synced_unix > oldest) {
            at = &in->next;
            continue;
        }
        *at = in->next;
        stage_free(in);
    }
}

void stub_stage_keep(struct stub_store *store, struct zs_ingest *in)
{
    in->state = in->synced_state;
    in->highest_lsn = in->synced_highest;
    in->run.n = in->state.records;
    in->over = false;
    struct zs_ingest **at = &store->stages;
    while (*at != NULL && strcmp((*at)->branch, in->branch) < 0)
        at = &(*at)->next;
    in->next = *at;
    *at = in;
}

void stub_stages_free(struct stub_store *store)
{
    while (store->stages != NULL) {
        struct zs_ingest *in = store->stages;
        store->stages = in->next;
        stage_free(in);
    }
}

void stub_store_age_stages(struct stub_store *store, int64_t seconds)
{
    stub_lock(store);
    for (struct zs_ingest *in = store->stages; in != NULL; in = in->next)
        in->synced_unix -= seconds;
    stub_unlock(store);
}

int32_t stub_ingest_sync(struct zs_ingest *in, const void *token, uint64_t token_bytes,
                         uint32_t *synced, struct zs_error *e)
{
    *synced = 0;
    if (in->over)
        return error_set(e, ZS_BAD_VALUE, "the ingest has ended already");
    if (token_bytes > ZS_TOKEN_MAX)
        return error_set(e, ZS_BAD_VALUE, "a token of %llu bytes is too large",
                         (unsigned long long)token_bytes);
    in->synced_unix = (int64_t)time(NULL);
    in->synced_state = in->state;
    in->synced_highest = in->highest_lsn;
    in->token_bytes = (uint32_t)token_bytes;
    if (token_bytes > 0)
        memcpy(in->token, token, token_bytes);
    *synced = 1;
    return ZS_OK;
}

int32_t stub_stage_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e)
{
    struct stub_store *store = self;
    (void)e;
    stub_lock(store);
    stub_stage_forget(store, NULL, true);
    for (const struct zs_ingest *in = store->stages; in != NULL; in = in->next) {
        struct zs_stage_info info = {.struct_size = sizeof info,
                                     .token_bytes = in->token_bytes,
                                     .timeline = in->state.timeline,
                                     .base_lsn = in->state.base.lsn,
                                     .target_lsn = in->target_lsn,
                                     .synced_unix = in->synced_unix,
                                     .disk_bytes = in->state.bytes,
                                     .token = in->token};
        memcpy(info.branch, in->branch, sizeof info.branch);
        if (visit(context, &info) != 0)
            break;
    }
    stub_unlock(store);
    return ZS_OK;
}

static int no_stage(const char *branch, struct zs_error *e)
{
    error_set(e, ZS_NO_SUCH_BRANCH, "no interrupted transfer of branch \"%s\" waits", branch);
    (void)error_hint(e, "\"stages\" shows those that wait.");
    return ZS_FAIL;
}

static bool is_taken(struct stub_store *store, const struct zs_ingest *in)
{
    return in->create && stub_branch_of_timeline(store, in->state.timeline) != NULL;
}

static bool has_moved(struct stub_store *store, const struct zs_ingest *in)
{
    const struct stub_branch *b = stub_branch_named(store, in->branch);
    if (in->create)
        return b != NULL || (in->exact && is_taken(store, in));
    return b == NULL || !timeline_equal(b->now->info.timeline, in->state.timeline) ||
           b->now->info.last_valid_lsn != in->state.base.lsn;
}

/* With the mutex held. */
static int take(struct stub_store *store, const char *branch, struct zs_ingest **out,
                struct zs_error *e)
{
    if (stub_ingest_is_open(store, branch)) {
        (void)stub_busy(branch, e);
        return ZS_FAIL;
    }
    struct zs_ingest **at = &store->stages;
    while (*at != NULL && strcmp((*at)->branch, branch) != 0)
        at = &(*at)->next;
    struct zs_ingest *in = *at;
    if (in == NULL)
        return no_stage(branch, e);
    if (stub_timeline_is_written(store, in->state.timeline)) {
        (void)stub_busy(branch, e);
        return ZS_FAIL;
    }
    if (has_moved(store, in)) {
        stub_stage_forget(store, branch, false);
        error_set(e, ZS_MOVED_MEANWHILE, "branch \"%s\" was changed meanwhile", branch);
        (void)error_hint(e, "Run the command again: it starts from the beginning.");
        return ZS_FAIL;
    }
    if (is_taken(store, in)) { /* a name for the same history came first */
        TRY(timeline_random(&in->state.timeline, e));
        in->synced_state.timeline = in->state.timeline;
    }
    *at = in->next;
    in->next = store->ingests;
    store->ingests = in;
    store->open_handles++;
    *out = in;
    return ZS_OK;
}

int32_t stub_ingest_resume(void *self, const char *branch, struct zs_ingest_state *state, void *buf,
                           uint64_t buf_bytes, uint64_t *token_bytes, struct zs_ingest **out,
                           struct zs_error *e)
{
    struct stub_store *store = self;
    struct zs_ingest *in = NULL;
    TRY(branch_name_check(branch, e));
    stub_lock(store);
    int rc = take(store, branch, &in, e);
    stub_unlock(store);
    TRY(rc);
    stub_give_state(state, &in->state);
    *token_bytes = in->token_bytes;
    if (in->token_bytes <= buf_bytes)
        memcpy(buf, in->token, in->token_bytes);
    *out = in;
    return ZS_OK;
}

int32_t stub_ingest_keys(struct zs_ingest *in, zs_key_visit visit, void *context,
                         struct zs_error *e)
{
    (void)e;
    for (uint64_t i = 0; i < in->run.n && visit(context, in->run.records[i].key) == 0; i++)
        continue;
    return ZS_OK;
}

int32_t stub_stage_drop(void *self, const char *branch, struct zs_error *e)
{
    struct stub_store *store = self;
    int rc = ZS_FAIL;
    TRY(branch_name_check(branch, e));
    stub_lock(store);
    for (const struct zs_ingest *in = store->stages; in != NULL && rc != ZS_OK; in = in->next)
        if (strcmp(in->branch, branch) == 0)
            rc = ZS_OK;
    stub_stage_forget(store, branch, false);
    stub_unlock(store);
    return rc == ZS_OK ? ZS_OK : no_stage(branch, e);
}
