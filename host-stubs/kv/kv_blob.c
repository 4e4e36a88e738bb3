/* kv_blob.c - the small values that the plugin keeps with a timeline.
 * Flow: kv_ingest writes them with a commit's metadata; snapshots read them here.
 * Threads: any. */
#include "kv/kv_internal.h"

#include <string.h>

static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789/_-";

int blob_check(const struct zs_blob *blob, struct zs_error *e)
{
    size_t len = blob->name == NULL ? 0 : strnlen(blob->name, ZS_BLOB_NAME_MAX + 1);
    if (len == 0 || len > ZS_BLOB_NAME_MAX || strspn(blob->name, allowed) != len)
        return error_set(e, ZS_BAD_VALUE, "a blob's name must be 1 to %u of [a-z0-9/_-]",
                         ZS_BLOB_NAME_MAX);
    if (blob->len > ZS_BLOB_MAX)
        return error_set(e, ZS_VALUE_TOO_LARGE, "blob \"%s\" of %llu bytes is larger than %u",
                         blob->name, (unsigned long long)blob->len, ZS_BLOB_MAX);
    return ZS_OK;
}

int blob_order(const void *a, const void *b)
{
    return strcmp(((const struct zs_blob *)a)->name, ((const struct zs_blob *)b)->name);
}

int kv_blob_read(struct zs_snapshot *s, const char *name, void *buf, uint64_t buf_bytes,
                 uint64_t *len, struct zs_error *e)
{
    const struct zs_blob asked = {.name = name};
    struct kv_key key;
    size_t size = 0;
    bool found = false;
    TRY(blob_check(&asked, e));
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    if (options == NULL)
        return error_memory(e);
    rocksdb_readoptions_set_snapshot(options, s->at);
    key = kv_key_blob(s->meta.space, name);
    int rc = engine_get(s->kv, options, &key, buf, buf_bytes, &size, &found, e);
    rocksdb_readoptions_destroy(options);
    TRY(rc);
    if (!found)
        return error_set(e, ZS_NO_SUCH_BRANCH, "there is no blob \"%s\"", name);
    *len = size;
    return ZS_OK;
}

int kv_blob_list(struct zs_snapshot *s, zs_blob_visit visit, void *context, struct zs_error *e)
{
    struct kv_key from = kv_key_space(KV_TAG_BLOB, s->meta.space);
    struct kv_key to = kv_key_space(KV_TAG_BLOB, s->meta.space + 1);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    TRY(engine_walk_open(s->kv, s->at, &from, &to, &walk, e));
    for (rocksdb_iter_seek_to_first(walk.it); rocksdb_iter_valid(walk.it);
         rocksdb_iter_next(walk.it)) {
        char name[ZS_BLOB_NAME_MAX + 1] = "";
        size_t key_len = 0;
        size_t len = 0;
        const char *key = rocksdb_iter_key(walk.it, &key_len);
        (void)rocksdb_iter_value(walk.it, &len);
        if (key_len <= KV_SPACE_KEY || key_len - KV_SPACE_KEY > ZS_BLOB_NAME_MAX)
            return error_set(e, ZS_CORRUPT, "a blob's name in the store is damaged");
        memcpy(name, key + KV_SPACE_KEY, key_len - KV_SPACE_KEY);
        if (visit(context, name, len) != 0)
            return ZS_OK;
    }
    return snapshot_check(s, walk.it, "the blobs of ", e);
}
