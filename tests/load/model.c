/* model.c - see model.h. */
#include "model.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"
#include "store/store.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROWTH_MAX   64u /* records of one commit */
#define PAGE_BYTES   8192u
#define BLOCKS       256u
#define HISTORY_MAX  65536u
#define READ_RECORDS 256u
#define READ_BYTES   (4u << 20)

/* ---- a node ------------------------------------------------------------------------------ */

int node_open(const char *name, const char *module, const char *transport_dir, struct node *out,
              struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    out->settings[0] = (struct stub_setting){"transport_dir", transport_dir};
    out->settings[1] = (struct stub_setting){"max_transfers", "400"}; /* all clients are one user */
    void *so = dlopen(module, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (so == NULL)
        return error_set(e, ZS_NOT_SUPPORTED, "cannot load the module: %s",
                         dlerror()); /* NOLINT(concurrency-mt-unsafe): glibc keeps it per thread */
    zs_module_entry entry = NULL;
    void *symbol = dlsym(so, ZS_MODULE_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry);
    if (entry == NULL)
        return error_set(e, ZS_NOT_SUPPORTED, "%s is no module", module);
    TRY(stub_store_open(0, &out->store, e));
    TRY(stub_host_open(name, stub_store_table(out->store), out->settings, &out->host, e));
    return stub_host_load(out->host, entry(), e);
}

void node_close(struct node *n)
{
    if (n->host != NULL)
        stub_host_close(n->host);
    if (n->store != NULL)
        stub_store_close(n->store);
    memset(n, 0, sizeof *n);
}

/* ---- growing -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static zs_lsn last_lsn(const struct stub_store *store, const char *branch)
{
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    const struct zs_store *t = stub_store_table((struct stub_store *)(uintptr_t)store);
    return t->branch_find(t->self, branch, &info, &e) == ZS_OK ? info.last_valid_lsn : 0;
}

/* Mostly WAL records of some hundred bytes; now and then pages. */
static int write_commit(struct model *m, struct model_branch *b, uint32_t n, struct zs_error *e)
{
    struct zs_record records[GROWTH_MAX];
    CLEANUP(free_ptr) uint8_t *values = malloc((size_t)n * PAGE_BYTES);
    if (values == NULL)
        return error_memory(e);
    zs_lsn lsn = last_lsn(m->node.store, b->name);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = mix(b->seed++);
        bool page = x % 16 == 0;
        uint32_t len = page ? PAGE_BYTES : (uint32_t)(x >> 8) % 800;
        uint8_t *value = values + (size_t)i * PAGE_BYTES;
        for (uint32_t k = 0; k < len; k += 8)
            put_u64le(value + k, mix(x + k));
        lsn += 8 + (x >> 40) % 100;
        records[i] = (struct zs_record){.kind = page ? ZS_KIND_IMAGE : ZS_KIND_WAL,
                                        .len = len,
                                        .lsn = lsn,
                                        .value = len > 0 ? value : NULL};
        put_u32be(records[i].key + ZS_KEY_BYTES - 4, (uint32_t)(x >> 24) % BLOCKS);
    }
    return stub_store_write(m->node.store, b->name, records, n, lsn, e);
}

int model_grow(struct model *m, uint32_t branch, struct zs_error *e)
{
    struct model_branch *b = &m->branches[branch];
    (void)pthread_mutex_lock(&b->mutex);
    uint32_t n = mix(b->seed) % 50 == 0 ? GROWTH_MAX : 1 + (uint32_t)(mix(b->seed) >> 32) % 5;
    int rc = write_commit(m, b, n, e);
    (void)pthread_mutex_unlock(&b->mutex);
    return rc;
}

void model_confirm(struct model *m, uint32_t branch, zs_lsn lsn)
{
    struct model_branch *b = &m->branches[branch];
    (void)pthread_mutex_lock(&b->mutex);
    if (lsn > b->confirmed)
        b->confirmed = lsn;
    (void)pthread_mutex_unlock(&b->mutex);
}

int model_open(const char *module, const char *transport_dir, uint32_t n, uint64_t seed,
               struct model *out, struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    TRY(node_open("model", module, transport_dir, &out->node, e));
    for (; out->n < n; out->n++) {
        struct model_branch *b = &out->branches[out->n];
        (void)snprintf(b->name, sizeof b->name, "load-%u", out->n);
        b->seed = mix(seed) + ((uint64_t)out->n << 40);
        if (pthread_mutex_init(&b->mutex, NULL) != 0)
            return error_memory(e);
        TRY(stub_store_branch_create(out->node.store, b->name, NULL, NULL, e));
        TRY(write_commit(out, b, GROWTH_MAX, e));
    }
    return ZS_OK;
}

void model_close(struct model *m)
{
    for (uint32_t i = 0; i < m->n; i++)
        (void)pthread_mutex_destroy(&m->branches[i].mutex);
    m->n = 0;
    node_close(&m->node);
}

/* ---- comparing ----------------------------------------------------------------------------------
 */

int model_had(struct model *m, uint32_t branch, zs_lsn lsn, struct zs_digest digest, bool *had,
              struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(free_ptr) struct zs_point *points = calloc(HISTORY_MAX, sizeof *points);
    uint64_t n = 0;
    if (points == NULL)
        return error_memory(e);
    TRY(snapshot_open(stub_store_table(m->node.store), m->branches[branch].name, &s, e));
    TRY(snapshot_history(&s, lsn, points, HISTORY_MAX, &n, e));
    *had = false;
    for (uint64_t i = 0; i < n; i++)
        *had = *had || (points[i].lsn == lsn && digest_equal(points[i].digest, digest));
    return ZS_OK;
}

/* The digest of what an iterator gives, not of what the store says. */
static int sum(const struct snapshot *s, struct zs_digest *out, uint64_t *records,
               struct zs_error *e)
{
    struct zs_record batch[READ_RECORDS];
    CLEANUP(free_ptr) void *room = malloc(READ_BYTES);
    CLEANUP(iter_close) struct iter it = {0};
    if (room == NULL)
        return error_memory(e);
    TRY(iter_open(s, 0, s->info.last_valid_lsn, &it, e));
    for (bool more = true; more;) {
        uint64_t n = 0;
        TRY(iter_next(&it, batch, READ_RECORDS, room, READ_BYTES, &n, &more, e));
        digest_add_records(out, batch, n);
        *records += n;
    }
    return ZS_OK;
}

int model_compare(struct model *m, uint32_t branch, const struct stub_store *other,
                  struct zs_error *e)
{
    const struct model_branch *b = &m->branches[branch];
    const struct zs_store *theirs = stub_store_table((struct stub_store *)(uintptr_t)other);
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(snapshot_close) struct snapshot t = {0};
    struct zs_digest want = {0};
    struct zs_digest got = {0};
    uint64_t nwant = 0;
    uint64_t ngot = 0;
    TRY(snapshot_open(stub_store_table(m->node.store), b->name, &s, e));
    TRY(snapshot_open(theirs, b->name, &t, e));
    TRY(sum(&s, &want, &nwant, e));
    TRY(sum(&t, &got, &ngot, e));
    if (t.info.last_valid_lsn < b->confirmed)
        return error_set(e, ZS_CORRUPT, "%s ends at %s, and %s was confirmed", b->name,
                         lsn_text(t.info.last_valid_lsn).s, lsn_text(b->confirmed).s);
    if (t.info.last_valid_lsn != s.info.last_valid_lsn || ngot != nwant ||
        !digest_equal(got, want) || !digest_equal(t.info.digest, want))
        return error_set(e, ZS_CORRUPT,
                         "%s has %llu records up to %s, and %llu up to %s were written", b->name,
                         (unsigned long long)ngot, lsn_text(t.info.last_valid_lsn).s,
                         (unsigned long long)nwant, lsn_text(s.info.last_valid_lsn).s);
    return ZS_OK;
}
