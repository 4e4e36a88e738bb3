/* stage.c - the door to a store's stages; see store.h.
 * Flow: sync/staging and command/stages -> here -> the host's table.
 * Threads: none of its own. */
#include "base/error.h"
#include "model/lsn.h"
#include "store/store.h"

#include <string.h>

static int broken(struct zs_error *e, const char *operation, const char *how)
{
    error_set(e, ZS_INTERNAL_ERROR, "the host's store broke its contract: %s %s", operation, how);
    return error_hint(e, "This is a fault of the host, not of the command.");
}

static int check_feature(const struct zs_store *store, struct zs_error *e)
{
    if (store_has(store, ZS_STORE_RESUME))
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED, "this pageserver keeps nothing of interrupted transfers");
    return error_hint(e, "A transfer that was cut off starts again from its beginning.");
}

int ingest_sync(struct ingest *in, const void *token, uint64_t token_bytes, bool *synced,
                struct zs_error *e)
{
    uint32_t theirs = 0;
    *synced = false;
    if (in->handle == NULL)
        return error_set(e, ZS_INTERNAL_ERROR, "ingest_sync was called on a closed handle");
    TRY(check_feature(in->store, e));
    TRY(error_check(in->store->ingest_sync(in->handle, token, token_bytes, &theirs, e), e,
                    "ingest_sync"));
    *synced = theirs != 0;
    return ZS_OK;
}

int ingest_resume(const struct zs_store *store, const char *branch, uint8_t *token,
                  uint64_t *token_bytes, struct ingest *out, struct zs_error *e)
{
    struct ingest in = {.store = store, .state = {.struct_size = sizeof in.state}};
    memset(out, 0, sizeof *out);
    *token_bytes = 0;
    TRY(check_feature(store, e));
    TRY(error_check(store->ingest_resume(store->self, branch, &in.state, token, ZS_TOKEN_MAX,
                                         token_bytes, &in.handle, e),
                    e, "ingest_resume"));
    if (in.handle == NULL)
        return broken(e, "ingest_resume", "gave no handle");
    const char *how = NULL;
    if (in.state.struct_size > sizeof in.state)
        how = "filled more of the state than there was";
    else if (timeline_is_zero(in.state.timeline))
        how = "gave no timeline id";
    else if (*token_bytes > ZS_TOKEN_MAX)
        how = "gave a larger token than there can be";
    if (how != NULL) {
        ingest_close(&in);
        return broken(e, "ingest_resume", how);
    }
    in.state.struct_size = sizeof in.state;
    *out = in;
    return ZS_OK;
}

int ingest_keys(struct ingest *in, zs_key_visit visit, void *context, bool *known,
                struct zs_error *e)
{
    if (in->handle == NULL)
        return error_set(e, ZS_INTERNAL_ERROR, "ingest_keys was called on a closed handle");
    *known = in->store->ingest_keys != NULL;
    return *known ? error_check(in->store->ingest_keys(in->handle, visit, context, e), e,
                                "ingest_keys")
                  : ZS_OK;
}

struct stage_listing {
    zs_stage_visit visit;
    void *context;
    const char *fault; /* how the store broke its contract */
};

static int32_t check_and_visit(void *context, const struct zs_stage_info *theirs)
{
    struct stage_listing *l = context;
    struct zs_stage_info info = {0};
    memcpy(&info, theirs, theirs->struct_size < sizeof info ? theirs->struct_size : sizeof info);
    info.struct_size = sizeof info;
    if (memchr(info.branch, '\0', sizeof info.branch) == NULL || info.branch[0] == '\0')
        l->fault = "gave a stage without a branch";
    else if (info.token_bytes > ZS_TOKEN_MAX || (info.token == NULL && info.token_bytes > 0))
        l->fault = "gave a token that cannot be";
    else if (info.target_lsn < info.base_lsn)
        l->fault = "gave a stage that ends before it begins";
    return l->fault != NULL ? 1 : l->visit(l->context, &info);
}

int store_stage_list(const struct zs_store *store, zs_stage_visit visit, void *context,
                     struct zs_error *e)
{
    struct stage_listing l = {.visit = visit, .context = context};
    TRY(check_feature(store, e));
    TRY(error_check(store->stage_list(store->self, check_and_visit, &l, e), e, "stage_list"));
    return l.fault != NULL ? broken(e, "stage_list", l.fault) : ZS_OK;
}

int store_stage_drop(const struct zs_store *store, const char *branch, struct zs_error *e)
{
    TRY(check_feature(store, e));
    return error_check(store->stage_drop(store->self, branch, e), e, "stage_drop");
}
