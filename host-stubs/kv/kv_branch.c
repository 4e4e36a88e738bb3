/* kv_branch.c - branches made and removed, and the space of removed ones.
 *
 * A removal is one synced write that takes the metadata away and notes the space as
 * dead; the records follow when no snapshot shows them any more (space_reclaim): at
 * once, when the last such snapshot closes, or at the next start.
 * Threads: any. */
#include "kv/kv_internal.h"

#include <string.h>

int kv_branch_create(struct kv *kv, const char *name, struct zs_branch_info *info,
                     struct zs_error *e)
{
    const struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .flags = ZS_INGEST_CREATE, .branch = name};
    const struct zs_commit nothing = {.struct_size = sizeof nothing};
    struct zs_ingest_state state = {.struct_size = sizeof state};
    struct zs_ingest *ingest = NULL;
    TRY(kv_ingest_begin(kv, &spec, &state, &ingest, e));
    int rc = kv_ingest_commit(ingest, &nothing, e);
    kv_ingest_close(ingest);
    TRY(rc);
    return kv_branch_find(kv, name, info, e);
}

static int remove_metadata(struct kv *kv, const char *name, const struct branch_meta *meta,
                           struct zs_error *e)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (batch == NULL)
        return error_memory(e);
    struct kv_key branch = kv_key_branch(name);
    struct kv_key timeline = kv_key_timeline(meta->timeline);
    struct kv_key points = kv_key_space(KV_TAG_POINT, meta->space);
    struct kv_key points_end = kv_key_space(KV_TAG_POINT, meta->space + 1);
    struct kv_key blobs = kv_key_space(KV_TAG_BLOB, meta->space);
    struct kv_key blobs_end = kv_key_space(KV_TAG_BLOB, meta->space + 1);
    struct kv_key lengths = kv_key_space(KV_TAG_BLOB_LENGTH, meta->space);
    struct kv_key lengths_end = kv_key_space(KV_TAG_BLOB_LENGTH, meta->space + 1);
    struct kv_key dead = kv_key_dead(meta->space);
    rocksdb_writebatch_delete(batch, branch.bytes, branch.len);
    rocksdb_writebatch_delete(batch, timeline.bytes, timeline.len);
    rocksdb_writebatch_delete_range(batch, points.bytes, points.len, points_end.bytes,
                                    points_end.len);
    rocksdb_writebatch_delete_range(batch, blobs.bytes, blobs.len, blobs_end.bytes, blobs_end.len);
    rocksdb_writebatch_delete_range(batch, lengths.bytes, lengths.len, lengths_end.bytes,
                                    lengths_end.len);
    batch_put(batch, &dead, "", 0);
    int rc = engine_write(kv, true, batch, RESERVE_REMOVE, "remove the branch", e);
    rocksdb_writebatch_destroy(batch);
    return rc;
}

int kv_branch_delete(struct kv *kv, const char *name, struct zs_error *e)
{
    struct claim claim = {0};
    struct branch_meta meta = {0};
    struct kept *dropped = NULL;
    (void)pthread_mutex_lock(&kv->registry);
    int rc = branch_read(kv, kv->newest, name, &meta, e);
    if (rc == ZS_OK)
        rc = claim_check(kv, name, e);
    if (rc == ZS_OK) {
        memcpy(claim.name, name, strlen(name));
        claim.timeline = meta.timeline;
        claim_add(kv, &claim);
        dropped = kept_take(kv, name, false);
    }
    (void)pthread_mutex_unlock(&kv->registry);
    kept_remove(dropped);
    TRY(rc);

    rc = remove_metadata(kv, name, &meta, e);
    claim_drop(kv, &claim);
    if (rc == ZS_OK)
        space_reclaim(kv, meta.space);
    return rc;
}

static bool space_is_shown(struct kv *kv, uint64_t space)
{
    bool shown = false;
    (void)pthread_mutex_lock(&kv->registry);
    for (const struct zs_snapshot *s = kv->snapshots; s != NULL && !shown; s = s->next)
        shown = s->meta.space == space;
    (void)pthread_mutex_unlock(&kv->registry);
    return shown;
}

/* Whole files go at once; what shares files with others is covered by a tombstone and
 * leaves with the next compaction, which is asked for.  The order matters: the note
 * that the space is dead goes last.  Without room for a flush, which would stop the engine,
 * the rest waits for the next start. */
static int reclaim(struct kv *kv, uint64_t space, struct zs_error *e)
{
    struct kv_key from = kv_key_space(KV_TAG_RECORD, space);
    struct kv_key to = kv_key_space(KV_TAG_RECORD, space + 1);
    struct kv_key dead = kv_key_dead(space);
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_delete_file_in_range(kv->db, from.bytes, from.len, to.bytes, to.len, &said);
    TRY(engine_check(said, "remove a branch's files", e));
    if (!engine_has_room(kv, RESERVE_FLUSH))
        return ZS_OK;

    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (batch == NULL)
        return error_memory(e);
    rocksdb_writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
    rocksdb_writebatch_delete(batch, dead.bytes, dead.len);
    int rc = engine_write(kv, false, batch, RESERVE_REMOVE, "remove a branch's records", e);
    rocksdb_writebatch_destroy(batch);
    TRY(rc);

    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    if (flush == NULL)
        return error_memory(e);
    rocksdb_flush(kv->db, flush, &said);
    rocksdb_flushoptions_destroy(flush);
    TRY(engine_check(said, "remove a branch's records", e));
    rocksdb_suggest_compact_range(kv->db, from.bytes, from.len, to.bytes, to.len, &said);
    return engine_check(said, "remove a branch's records", e);
}

void space_reclaim(struct kv *kv, uint64_t space)
{
    struct kv_key dead = kv_key_dead(space);
    size_t len = 0;
    bool found = false;
    struct zs_error ignored;
    if (engine_get(kv, kv->newest, &dead, NULL, 0, &len, &found, &ignored) == ZS_OK && found &&
        !space_is_shown(kv, space))
        (void)reclaim(kv, space, &ignored);
}

int space_taken(struct kv *kv, uint64_t space, bool *taken, struct zs_error *e)
{
    struct kv_key dead = kv_key_dead(space);
    struct kv_key from = kv_key_tag(KV_TAG_BRANCH);
    struct kv_key to = kv_key_tag(KV_TAG_BRANCH + 1);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    size_t len = 0;
    TRY(engine_get(kv, kv->newest, &dead, NULL, 0, &len, taken, e));
    TRY(engine_walk_open(kv, NULL, &from, &to, &walk, e));
    for (rocksdb_iter_seek_to_first(walk.it); rocksdb_iter_valid(walk.it) && !*taken;
         rocksdb_iter_next(walk.it)) {
        struct branch_meta meta = {0};
        const char *value = rocksdb_iter_value(walk.it, &len);
        *taken = kv_branch_decode(value, len, &meta) && meta.space == space;
    }
    return engine_check_end(walk.it, "list the branches", e);
}

int space_reclaim_all(struct kv *kv, struct zs_error *e)
{
    struct kv_key from = kv_key_tag(KV_TAG_DEAD);
    struct kv_key to = kv_key_tag(KV_TAG_DEAD + 1);
    CLEANUP(engine_walk_close) struct engine_walk walk = {0};
    TRY(engine_walk_open(kv, NULL, &from, &to, &walk, e));
    for (rocksdb_iter_seek_to_first(walk.it); rocksdb_iter_valid(walk.it);
         rocksdb_iter_next(walk.it)) {
        size_t len = 0;
        const char *key = rocksdb_iter_key(walk.it, &len);
        uint64_t space = 0;
        if (!kv_space_of_dead(key, len, &space))
            return error_set(e, ZS_CORRUPT, "a removed branch's entry in the store is damaged");
        TRY(reclaim(kv, space, e));
    }
    return engine_check_end(walk.it, "look for removed branches", e);
}
