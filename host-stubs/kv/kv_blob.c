/* kv_blob.c - the small values that the plugin keeps with a timeline.
 * Flow: kv_ingest writes them with a commit's metadata; snapshots read them here.
 * Threads: any. */
#include "base/bytes.h"
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
    struct kv_key from = kv_key_space(KV_TAG_BLOB_LENGTH, s->meta.space);
    struct kv_key to = kv_key_space(KV_TAG_BLOB_LENGTH, s->meta.space + 1);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    TRY(engine_walk_open(s->kv, s->at, &from, &to, &walk, e));
    for (rocksdb_iter_seek_to_first(walk.it); rocksdb_iter_valid(walk.it);
         rocksdb_iter_next(walk.it)) {
        char name[ZS_BLOB_NAME_MAX + 1] = "";
        size_t key_len = 0;
        size_t len = 0;
        const char *key = rocksdb_iter_key(walk.it, &key_len);
        const char *value = rocksdb_iter_value(walk.it, &len);
        if (key_len <= KV_SPACE_KEY || key_len - KV_SPACE_KEY > ZS_BLOB_NAME_MAX || len != 8)
            return error_set(e, ZS_CORRUPT, "a blob's name in the store is damaged");
        memcpy(name, key + KV_SPACE_KEY, key_len - KV_SPACE_KEY);
        if (visit(context, name, get_u64le(value)) != 0)
            return ZS_OK;
    }
    return snapshot_check(s, walk.it, "the blobs of ", e);
}

static int lengths_collect(struct kv *kv, rocksdb_writebatch_t *batch, struct zs_error *e)
{
    struct kv_key from = kv_key_tag(KV_TAG_BLOB);
    struct kv_key to = kv_key_tag(KV_TAG_BLOB + 1);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    TRY(engine_walk_open(kv, NULL, &from, &to, &walk, e));
    for (rocksdb_iter_seek_to_first(walk.it); rocksdb_iter_valid(walk.it);
         rocksdb_iter_next(walk.it)) {
        struct kv_key key = kv_key_tag(KV_TAG_BLOB_LENGTH);
        char value[8];
        size_t key_len = 0;
        size_t len = 0;
        const char *blob = rocksdb_iter_key(walk.it, &key_len);
        (void)rocksdb_iter_value(walk.it, &len);
        if (key_len > sizeof key.bytes)
            return error_set(e, ZS_CORRUPT, "a blob's name in the store is damaged");
        memcpy(key.bytes + 1, blob + 1, key_len - 1);
        key.len = key_len;
        put_u64le(value, len);
        batch_put(batch, &key, value, sizeof value);
    }
    return engine_check_end(walk.it, "look for blobs", e);
}

int blob_lengths_add(struct kv *kv, struct zs_error *e)
{
    struct kv_key version = kv_key_version();
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (batch == NULL)
        return error_memory(e);
    int rc = lengths_collect(kv, batch, e);
    batch_put(batch, &version, KV_LAYOUT_VERSION, strlen(KV_LAYOUT_VERSION));
    if (rc == ZS_OK)
        rc = engine_write(kv, true, batch, RESERVE_REMOVE, "bring the store up to date", e);
    rocksdb_writebatch_destroy(batch);
    return rc;
}
