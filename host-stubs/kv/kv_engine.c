/* kv_engine.c - RocksDB's errors as ours, and its few calls that all of kv needs.
 * Threads: any. */
#include "kv/kv_internal.h"

#include <string.h>

/* RocksDB tells its errors as text only: "IO error: No space left on device: ...". */
static const char *sqlstate_of(const char *text)
{
    static const struct {
        const char *part;
        char sqlstate[6];
    } known[] = {
        {"No space left", ZS_DISK_FULL},
        {"Disk quota exceeded", ZS_DISK_FULL},
        {"Space limit", ZS_DISK_FULL},
        {"Cannot allocate memory", ZS_OUT_OF_MEMORY},
        {"Memory limit", ZS_OUT_OF_MEMORY},
        {"Too many open files", ZS_LIMIT_EXCEEDED},
        {"Permission denied", ZS_NO_PERMISSION},
        {"Corruption", ZS_CORRUPT},
        {"IO error", ZS_IO_ERROR},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(text, known[i].part) != NULL)
            return known[i].sqlstate;
    return ZS_INTERNAL_ERROR;
}

static const char *hint_of(const char *sqlstate)
{
    if (strcmp(sqlstate, ZS_DISK_FULL) == 0)
        return "Free space on the disk of the repository and try again.";
    if (strcmp(sqlstate, ZS_CORRUPT) == 0)
        return "Check the disk; then delete the branch here and pull it again from where it is "
               "whole.";
    if (strcmp(sqlstate, ZS_LIMIT_EXCEEDED) == 0)
        return "Raise the limit of open files (ulimit -n) and start the server again.";
    return "The server's log and the kernel's say more about the disk.";
}

int engine_ready(char **text, struct zs_error *e)
{
    *text = calloc(1, 1);
    return *text == NULL ? error_memory(e) : ZS_OK;
}

int engine_check(const char *text, const char *doing, struct zs_error *e)
{
    if (text == NULL)
        return error_memory(e);
    if (text[0] == '\0')
        return ZS_OK;
    const char *sqlstate = sqlstate_of(text);
    bool full = strcmp(sqlstate, ZS_DISK_FULL) == 0;
    error_set(e, sqlstate, "could not %s%s", doing, full ? ": the disk is full" : "");
    error_detail(e, "The storage engine says: %s", text);
    return error_hint(e, "%s", hint_of(sqlstate));
}

int engine_check_end(const rocksdb_iterator_t *it, const char *doing, struct zs_error *e)
{
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_iter_get_error(it, &said);
    return engine_check(said, doing, e);
}

int engine_get(struct kv *kv, const rocksdb_readoptions_t *options, const struct kv_key *key,
               void *out, size_t size, size_t *len, bool *found, struct zs_error *e)
{
    CLEANUP(free_ptr) char *said = NULL;
    TRY(engine_ready(&said, e));
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(kv->db, options, key->bytes, key->len, &said);
    TRY(engine_check(said, "read the store", e));
    *found = slice != NULL;
    if (slice == NULL)
        return ZS_OK;
    const char *value = rocksdb_pinnableslice_value(slice, len);
    if (*len > 0 && *len <= size)
        memcpy(out, value, *len);
    rocksdb_pinnableslice_destroy(slice);
    return ZS_OK;
}

int engine_walk_open(struct kv *kv, const rocksdb_snapshot_t *at, const struct kv_key *from,
                     const struct kv_key *to, struct engine_walk *walk, struct zs_error *e)
{
    walk->options = rocksdb_readoptions_create();
    if (walk->options == NULL)
        return error_memory(e);
    if (at != NULL)
        rocksdb_readoptions_set_snapshot(walk->options, at);
    rocksdb_readoptions_set_iterate_lower_bound(walk->options, from->bytes, from->len);
    rocksdb_readoptions_set_iterate_upper_bound(walk->options, to->bytes, to->len);
    walk->it = rocksdb_create_iterator(kv->db, walk->options);
    return walk->it == NULL ? error_memory(e) : ZS_OK;
}

void engine_walk_close(struct engine_walk *walk)
{
    if (walk->it != NULL)
        rocksdb_iter_destroy(walk->it);
    if (walk->options != NULL)
        rocksdb_readoptions_destroy(walk->options);
    *walk = (struct engine_walk){0};
}

void batch_put(rocksdb_writebatch_t *batch, const struct kv_key *key, const void *value, size_t len)
{
    rocksdb_writebatch_put(batch, key->bytes, key->len, value, len);
}
