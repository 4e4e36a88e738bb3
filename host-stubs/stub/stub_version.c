/* stub_version.c - see stub_version.h. */
#include "stub/stub_version.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536u

struct value_chunk {
    struct value_chunk *next;
    size_t used, size;
    unsigned char bytes[];
};

struct values *values_create(void)
{
    struct values *v = calloc(1, sizeof *v);
    if (v != NULL)
        atomic_init(&v->refs, 1);
    return v;
}

/* A loop, because thousands of commits make a chain of thousands. */
void values_release(struct values *v)
{
    while (v != NULL && atomic_fetch_sub(&v->refs, 1) == 1) {
        struct values *older = v->older;
        for (struct value_chunk *c = v->chunks, *next; c != NULL; c = next) {
            next = c->next;
            free(c);
        }
        free(v);
        v = older;
    }
}

const void *values_add(struct values *v, const void *bytes, uint32_t len)
{
    struct value_chunk *c = v->chunks;
    if (c == NULL || c->size - c->used < len) {
        size_t size = len > CHUNK_BYTES / 4 || c == NULL ? len : CHUNK_BYTES;
        struct value_chunk *fresh = malloc(sizeof *fresh + size);
        if (fresh == NULL)
            return NULL;
        *fresh = (struct value_chunk){.next = c, .size = size};
        v->chunks = c = fresh;
    }
    unsigned char *at = c->bytes + c->used;
    if (len > 0)
        memcpy(at, bytes, len);
    c->used += len;
    return at;
}

int run_init(struct run *r, struct zs_error *e)
{
    *r = (struct run){.values = values_create()};
    return r->values == NULL ? error_memory(e) : ZS_OK;
}

void run_fini(struct run *r)
{
    values_release(r->values);
    free(r->records);
    *r = (struct run){0};
}

int run_add(struct run *r, const struct zs_record *record, struct zs_error *e)
{
    if (r->n == r->room) {
        uint64_t room = r->room == 0 ? 16 : 2 * r->room;
        struct zs_record *grown = realloc(r->records, room * sizeof *grown);
        if (grown == NULL)
            return error_memory(e);
        r->records = grown;
        r->room = room;
    }
    struct zs_record *copy = &r->records[r->n];
    *copy = *record;
    copy->flags = 0;
    copy->value = values_add(r->values, record->value, record->len);
    if (copy->value == NULL)
        return error_memory(e);
    r->n++;
    return ZS_OK;
}

static void blob_release(struct blob *b)
{
    if (atomic_fetch_sub(&b->refs, 1) == 1)
        free(b);
}

struct version *version_retain(struct version *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void version_release(struct version *v)
{
    if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    for (uint64_t i = 0; i < v->nblobs; i++)
        blob_release(v->blobs[i]);
    values_release(v->values);
    free(v->blobs);
    free(v->records);
    free(v->points);
    free(v);
}

/* Room for so many records and points, none in it yet. */
static struct version *version_alloc(const struct zs_branch_info *info, uint64_t n,
                                     uint64_t npoints, uint64_t nblobs, struct zs_error *e)
{
    struct version *v = calloc(1, sizeof *v);
    if (v == NULL) {
        error_memory(e);
        return NULL;
    }
    atomic_init(&v->refs, 1);
    v->info = *info;
    v->records = malloc((n + 1) * sizeof *v->records); /* 0 bytes would give NULL */
    v->points = calloc(npoints + 1, sizeof *v->points);
    v->blobs = calloc(nblobs + 1, sizeof(struct blob *));
    if (v->records == NULL || v->points == NULL || v->blobs == NULL) {
        version_release(v);
        error_memory(e);
        return NULL;
    }
    return v;
}

struct version *version_create(const struct zs_branch_info *info, struct zs_error *e)
{
    return version_alloc(info, 0, 0, 0, e);
}

int record_compare(const struct zs_record *a, const struct zs_record *b)
{
    int order = memcmp(a->key, b->key, ZS_KEY_BYTES);
    if (order != 0)
        return order;
    return (a->lsn > b->lsn) - (a->lsn < b->lsn);
}

static void merge_records(struct version *out, const struct version *old, const struct run *run)
{
    uint64_t i = 0;
    for (uint64_t j = 0; j < run->n; j++) {
        while (i < old->n && record_compare(&old->records[i], &run->records[j]) < 0)
            out->records[out->n++] = old->records[i++];
        out->records[out->n++] = run->records[j];
    }
    while (i < old->n)
        out->records[out->n++] = old->records[i++];
}

static void add_point(struct version *v, const struct zs_point *point)
{
    if (v->npoints > 0 && v->points[v->npoints - 1].lsn == point->lsn)
        v->npoints--; /* an empty commit at the same lsn */
    v->points[v->npoints++] = *point;
}

int blobs_check(const struct zs_blob *blobs, uint64_t n, struct zs_error *e)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789/_-";
    for (uint64_t i = 0; i < n; i++) {
        size_t len = strnlen(blobs[i].name, ZS_BLOB_NAME_MAX + 1);
        if (len == 0 || len > ZS_BLOB_NAME_MAX || strspn(blobs[i].name, characters) != len)
            return error_set(e, ZS_BAD_VALUE, "blob %llu has no proper name",
                             (unsigned long long)i + 1);
        if (blobs[i].data != NULL && blobs[i].len > ZS_BLOB_MAX)
            return error_set(e, ZS_VALUE_TOO_LARGE, "blob \"%s\" is too large", blobs[i].name);
        for (uint64_t k = 0; k < i; k++)
            if (strcmp(blobs[k].name, blobs[i].name) == 0)
                return error_set(e, ZS_BAD_VALUE, "blob \"%s\" stands twice in a commit",
                                 blobs[i].name);
    }
    return ZS_OK;
}

/* Where the name is or would be. */
static uint64_t blob_place(const struct version *v, const char *name)
{
    uint64_t i = 0;
    while (i < v->nblobs && strcmp(v->blobs[i]->name, name) < 0)
        i++;
    return i;
}

const struct blob *version_blob(const struct version *v, const char *name)
{
    uint64_t i = blob_place(v, name);
    return i < v->nblobs && strcmp(v->blobs[i]->name, name) == 0 ? v->blobs[i] : NULL;
}

static void share_blobs(struct version *v, const struct version *old)
{
    for (uint64_t i = 0; i < old->nblobs; i++) {
        atomic_fetch_add(&old->blobs[i]->refs, 1);
        v->blobs[v->nblobs++] = old->blobs[i];
    }
}

/* Keep or remove one; there is room. */
static int set_blob(struct version *v, const struct zs_blob *blob, struct zs_error *e)
{
    uint64_t i = blob_place(v, blob->name);
    bool there = version_blob(v, blob->name) != NULL;
    struct blob *fresh = NULL;
    if (blob->data != NULL) {
        fresh = calloc(1, sizeof *fresh + blob->len);
        if (fresh == NULL)
            return error_memory(e);
        atomic_init(&fresh->refs, 1);
        fresh->len = blob->len;
        (void)stpcpy(fresh->name, blob->name); /* checked before */
        memcpy(fresh->bytes, blob->data, blob->len);
    }
    if (there) {
        blob_release(v->blobs[i]);
        memmove(&v->blobs[i], &v->blobs[i + 1], (--v->nblobs - i) * sizeof(struct blob *));
    }
    if (fresh != NULL) {
        memmove(&v->blobs[i + 1], &v->blobs[i], (v->nblobs++ - i) * sizeof(struct blob *));
        v->blobs[i] = fresh;
    }
    return ZS_OK;
}

struct version *version_after(const struct version *old, const struct version_change *change,
                              struct zs_error *e)
{
    const struct run *run = change->run;
    struct version *v =
        version_alloc(&old->info, old->n + run->n, old->npoints + change->npoints + 1,
                      old->nblobs + change->nblobs, e);
    if (v == NULL)
        return NULL;
    share_blobs(v, old);
    for (uint64_t i = 0; i < change->nblobs; i++)
        if (set_blob(v, &change->blobs[i], e) != ZS_OK) {
            version_release(v);
            return NULL;
        }
    merge_records(v, old, run);
    for (uint64_t i = 0; i < old->npoints - (old->passing ? 1 : 0); i++)
        add_point(v, &old->points[i]);
    v->passing = change->keep_points && change->passing && change->end.lsn > 0;
    if (change->keep_points) {
        for (uint64_t i = 0; i < change->npoints; i++)
            add_point(v, &change->points[i]);
        if (change->end.lsn > 0)
            add_point(v, &change->end);
        v->info.digest = change->end.digest;
    }
    v->info.last_valid_lsn = change->end.lsn;
    v->info.records = change->end.records;
    v->info.bytes = change->end.bytes;
    v->info.gc_cutoff_lsn = change->gc_cutoff_lsn;
    if (run->n == 0) { /* nothing new to hold on to */
        if (old->values != NULL)
            atomic_fetch_add(&old->values->refs, 1);
        v->values = old->values;
        return v;
    }
    /* The run's chain goes on with the old one's.  Set here, once: a run is used
     * for one commit. */
    atomic_fetch_add(&run->values->refs, 1);
    v->values = run->values;
    if (old->values != NULL) {
        atomic_fetch_add(&old->values->refs, 1);
        v->values->older = old->values;
    }
    return v;
}

/* Of one key's versions, oldest first: how many at the front nobody can see who
 * looks at cutoff or later.  What is visible at the cutoff is the newest image up to
 * it and the WAL records above that; a tombstone there shows nothing. */
static uint64_t hidden_versions(const struct zs_record *versions, uint64_t n, zs_lsn cutoff)
{
    uint64_t hidden = 0;
    for (uint64_t i = 0; i < n && versions[i].lsn <= cutoff; i++) {
        if (versions[i].kind == ZS_KIND_IMAGE)
            hidden = i;
        if (versions[i].kind == ZS_KIND_TOMBSTONE)
            hidden = i + 1;
    }
    return hidden;
}

struct version *version_collected(const struct version *old, zs_lsn cutoff_lsn, struct zs_error *e)
{
    struct version *v = version_alloc(&old->info, old->n, old->npoints, old->nblobs, e);
    if (v == NULL)
        return NULL;
    for (uint64_t i = 0, end; i < old->n; i = end) {
        end = i + 1;
        while (end < old->n &&
               memcmp(old->records[i].key, old->records[end].key, ZS_KEY_BYTES) == 0)
            end++;
        uint64_t kept = i + hidden_versions(&old->records[i], end - i, cutoff_lsn);
        memcpy(&v->records[v->n], &old->records[kept], (end - kept) * sizeof *v->records);
        v->n += end - kept;
    }
    memcpy(v->points, old->points, old->npoints * sizeof *v->points);
    v->npoints = old->npoints;
    v->passing = old->passing;
    share_blobs(v, old);
    v->info.gc_cutoff_lsn = cutoff_lsn;
    v->values = old->values;
    if (v->values != NULL)
        atomic_fetch_add(&v->values->refs, 1);
    return v;
}
