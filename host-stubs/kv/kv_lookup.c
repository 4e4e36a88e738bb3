/* kv_lookup.c - branches found by name, listed, and claimed by whoever writes one.
 * Threads: any. */
#include "kv/kv_internal.h"
#include "model/branch_name.h"

#include <string.h>

void branch_tell(const char *name, const struct branch_meta *meta, struct zs_branch_info *info)
{
    struct zs_branch_info full = {
        .struct_size = info->struct_size,
        .timeline = meta->timeline,
        .ancestor = meta->ancestor,
        .last_valid_lsn = meta->last_valid_lsn,
        .gc_cutoff_lsn = meta->gc_cutoff_lsn,
        .digest = meta->digest,
        .records = meta->records,
        .bytes = meta->bytes,
    };
    memcpy(full.name, name, strnlen(name, ZS_BRANCH_NAME_MAX));
    memcpy(info, &full, info->struct_size < sizeof full ? info->struct_size : sizeof full);
}

int branch_look(struct kv *kv, const rocksdb_readoptions_t *options, const char *name,
                struct branch_meta *meta, bool *found, struct zs_error *e)
{
    char value[KV_BRANCH_VALUE];
    size_t len = 0;
    TRY(branch_name_check(name, e));
    struct kv_key key = kv_key_branch(name);
    TRY(engine_get(kv, options, &key, value, sizeof value, &len, found, e));
    if (*found && !kv_branch_decode(value, len, meta))
        return error_set(e, ZS_CORRUPT, "the store's entry for branch \"%s\" is damaged", name);
    return ZS_OK;
}

int branch_read(struct kv *kv, const rocksdb_readoptions_t *options, const char *name,
                struct branch_meta *meta, struct zs_error *e)
{
    bool found = false;
    TRY(branch_look(kv, options, name, meta, &found, e));
    if (found)
        return ZS_OK;
    error_set(e, ZS_NO_SUCH_BRANCH, "there is no branch \"%s\"", name);
    return error_hint(e, "\"zenith branch list\" shows the branches.");
}

int kv_branch_find(void *self, const char *name, struct zs_branch_info *info, struct zs_error *e)
{
    struct kv *kv = self;
    struct branch_meta meta = {0};
    TRY(branch_read(kv, kv->newest, name, &meta, e));
    branch_tell(name, &meta, info);
    return ZS_OK;
}

int kv_branch_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e)
{
    struct kv *kv = self;
    struct kv_key from = kv_key_tag(KV_TAG_BRANCH);
    struct kv_key to = kv_key_tag(KV_TAG_BRANCH + 1);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    TRY(engine_walk_open(kv, NULL, &from, &to, &walk, e)); /* an iterator is one moment */
    for (rocksdb_iter_seek_to_first(walk.it); rocksdb_iter_valid(walk.it);
         rocksdb_iter_next(walk.it)) {
        size_t key_len = 0;
        size_t len = 0;
        const char *key = rocksdb_iter_key(walk.it, &key_len);
        const char *value = rocksdb_iter_value(walk.it, &len);
        char name[KV_NAME_KEY_MAX] = "";
        struct branch_meta meta = {0};
        if (key_len > sizeof name || !kv_branch_decode(value, len, &meta))
            return error_set(e, ZS_CORRUPT, "a branch's entry in the store is damaged");
        memcpy(name, key + 1, key_len - 1);
        struct zs_branch_info info = {.struct_size = sizeof info};
        branch_tell(name, &meta, &info);
        if (visit(context, &info) != 0)
            return ZS_OK;
    }
    return engine_check_end(walk.it, "list the branches", e);
}

int claim_check(const struct kv *kv, const char *name, struct zs_error *e)
{
    for (const struct claim *c = kv->claims; c != NULL; c = c->next) {
        if (strcmp(c->name, name) != 0)
            continue;
        error_set(e, ZS_BUSY, "branch \"%s\" is being written by another transfer", name);
        return error_hint(e, "Wait until it has ended (\"zenith status\" shows it) and try again.");
    }
    return ZS_OK;
}

void claim_add(struct kv *kv, struct claim *claim)
{
    claim->next = kv->claims;
    kv->claims = claim;
}

void claim_drop(struct kv *kv, struct claim *claim)
{
    (void)pthread_mutex_lock(&kv->registry);
    struct claim **at = &kv->claims;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    (void)pthread_mutex_unlock(&kv->registry);
}
