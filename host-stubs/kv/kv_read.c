/* kv_read.c - snapshots and the history that they know.
 * A snapshot is one of the engine's, and the branch's metadata as it shows it: both
 * are taken while the registry is locked, so that a removal either finds the snapshot
 * in the list and leaves the records alone, or was before it and is seen by it.
 * Threads: any. */
#include "kv/kv_internal.h"

#include <stdio.h>
#include <string.h>

int snapshot_check(const struct zs_snapshot *s, const rocksdb_iterator_t *it, const char *what,
                   struct zs_error *e)
{
    char doing[ZS_BRANCH_NAME_MAX + 64];
    (void)snprintf(doing, sizeof doing, "read %sbranch \"%s\"", what, s->name);
    return engine_check_end(it, doing, e);
}

int kv_snapshot_open(void *self, const char *branch, struct zs_branch_info *info,
                     struct zs_snapshot **out, struct zs_error *e)
{
    struct kv *kv = self;
    struct zs_snapshot *s = calloc(1, sizeof *s);
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    if (s == NULL || options == NULL) {
        if (options != NULL)
            rocksdb_readoptions_destroy(options);
        free(s);
        return error_memory(e);
    }
    s->kv = kv;
    (void)snprintf(s->name, sizeof s->name, "%s", branch);

    (void)pthread_mutex_lock(&kv->registry);
    s->at = rocksdb_create_snapshot(kv->db);
    rocksdb_readoptions_set_snapshot(options, s->at);
    int rc = branch_read(kv, options, branch, &s->meta, e);
    if (rc == ZS_OK) {
        s->next = kv->snapshots;
        kv->snapshots = s;
    }
    (void)pthread_mutex_unlock(&kv->registry);

    rocksdb_readoptions_destroy(options);
    if (rc != ZS_OK) {
        rocksdb_release_snapshot(kv->db, s->at);
        free(s);
        return ZS_FAIL;
    }
    branch_tell(branch, &s->meta, info);
    *out = s;
    return ZS_OK;
}

void kv_snapshot_close(struct zs_snapshot *s)
{
    if (s == NULL)
        return;
    struct kv *kv = s->kv;
    (void)pthread_mutex_lock(&kv->registry);
    struct zs_snapshot **at = &kv->snapshots;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    (void)pthread_mutex_unlock(&kv->registry);

    rocksdb_release_snapshot(kv->db, s->at);
    space_reclaim(kv, s->meta.space);
    free(s);
}

int kv_snapshot_history(struct zs_snapshot *s, zs_lsn upto_lsn, struct zs_point *points, uint64_t n,
                        uint64_t *count, struct zs_error *e)
{
    *count = 0;
    struct kv_key from = kv_key_space(KV_TAG_POINT, s->meta.space);
    struct kv_key to = kv_key_space(KV_TAG_POINT, s->meta.space + 1);
    struct kv_key newest = kv_key_point(s->meta.space, upto_lsn);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    TRY(engine_walk_open(s->kv, s->at, &from, &to, &walk, e));
    for (rocksdb_iter_seek_for_prev(walk.it, newest.bytes, newest.len);
         *count < n && rocksdb_iter_valid(walk.it); rocksdb_iter_prev(walk.it)) {
        size_t key_len = 0;
        size_t len = 0;
        const char *key = rocksdb_iter_key(walk.it, &key_len);
        const char *value = rocksdb_iter_value(walk.it, &len);
        if (!kv_point_decode(key, key_len, value, len, &points[*count]))
            return error_set(e, ZS_CORRUPT, "a history point of branch \"%s\" is damaged", s->name);
        (*count)++;
    }
    return snapshot_check(s, walk.it, "the history of ", e);
}
