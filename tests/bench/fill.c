/* fill.c - a branch of any number and size of records, straight into a stopped server's store.
 *
 *     fill REPOSITORY/.zenith/data BRANCH RECORDS VALUE_BYTES [RECORDS_PER_RELATION]
 *
 * Flow: arguments -> one ingest of the store -> commit.  A branch that is there already is
 * continued, over the same keys.  Every record has an LSN of its own; keys are blocks of one
 * relation after another (RECORDS_PER_RELATION of them each, all in one unless given).  The
 * values are the same each time and cannot be compressed.
 * Threads: one.  Memory: POOL_BYTES and one call's records. */
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "kv/kv.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_BYTES (2 * (size_t)ZS_VALUE_MAX)
#define PUT_MAX    1024u
#define PUT_BYTES  ((uint64_t)1 << 20)

CLEANUP_POINTER(struct kv, kv_close)

struct fill {
    uint64_t records, value_bytes, per_relation;
    zs_lsn base_lsn;
    const uint8_t *pool; /* POOL_BYTES of noise; each value is a piece of it */
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void put_u32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (24 - 8 * i));
}

static struct zs_record record_make(const struct fill *f, uint64_t i, uint64_t *random)
{
    struct zs_record r = {
        .kind = ZS_KIND_IMAGE, .len = (uint32_t)f->value_bytes, .lsn = f->base_lsn + i + 1};
    put_u32(r.key + 1, 1663);
    put_u32(r.key + 5, 5);
    put_u32(r.key + 9, (uint32_t)(16384 + i / f->per_relation));
    put_u32(r.key + 14, (uint32_t)(i % f->per_relation));
    r.value = f->pool + next_random(random) % (POOL_BYTES - f->value_bytes + 1);
    return r;
}

static int put_all(struct ingest *in, const struct fill *f, struct zs_error *e)
{
    static struct zs_record records[PUT_MAX];
    uint64_t random = 0x9e3779b97f4a7c15U ^ f->base_lsn;
    for (uint64_t i = 0; i < f->records;) {
        uint64_t n = 0;
        for (; i < f->records && n < PUT_MAX && (n + 1) * f->value_bytes <= PUT_BYTES; n++, i++)
            records[n] = record_make(f, i, &random);
        if (n == 0)
            records[n++] = record_make(f, i++, &random);
        TRY(ingest_put(in, records, n, e));
    }
    return ZS_OK;
}

static int fill_branch(const struct zs_store *store, const char *branch, struct fill *f,
                       struct zs_error *e)
{
    CLEANUP(ingest_close) struct ingest in = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct zs_ingest_state state;
    struct zs_error none = {0};
    bool exists = store->branch_find(store->self, branch, &info, &none) == ZS_OK;
    f->base_lsn = exists ? info.last_valid_lsn : 0;
    const struct zs_ingest_spec spec = {
        .struct_size = sizeof spec,
        .flags = exists ? 0 : ZS_INGEST_CREATE,
        .branch = branch,
        .base_lsn = f->base_lsn,
        .target_lsn = f->base_lsn + f->records,
        .expected_bytes = f->records * f->value_bytes,
    };
    TRY(ingest_begin(store, &spec, &in, e));
    TRY(put_all(&in, f, e));
    TRY(ingest_state(&in, &state, e));
    const struct zs_commit commit = {
        .struct_size = sizeof commit,
        .upto_lsn = spec.target_lsn,
        .sum = state.sum,
        .end = {.lsn = spec.target_lsn,
                .digest = digest_plus(state.base.digest, state.sum),
                .records = state.base.records + state.records,
                .bytes = state.base.bytes + state.bytes},
    };
    return ingest_commit(&in, &commit, e);
}

static bool number(const char *text, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    *out = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0' && *out <= most;
}

static int run(const char *dir, const char *branch, struct fill *f, struct zs_error *e)
{
    CLEANUP(kv_close_ptr) struct kv *kv = NULL;
    CLEANUP(free_ptr) uint64_t *pool = malloc(POOL_BYTES);
    uint64_t random = 88172645463325252U;
    if (pool == NULL)
        return error_memory(e);
    for (size_t i = 0; i < POOL_BYTES / sizeof *pool; i++)
        pool[i] = next_random(&random);
    f->pool = (const uint8_t *)pool;
    TRY(kv_open(dir, 0, &kv, e));
    return fill_branch(kv_store(kv), branch, f, e);
}

int main(int argc, char **argv)
{
    struct fill f = {.per_relation = UINT32_MAX};
    struct zs_error e = {0};
    if ((argc != 5 && argc != 6) || !number(argv[3], UINT32_MAX, &f.records) ||
        !number(argv[4], ZS_VALUE_MAX, &f.value_bytes) ||
        (argc == 6 && !number(argv[5], UINT32_MAX, &f.per_relation)) || f.per_relation == 0) {
        (void)fputs("usage: fill DATA_DIR BRANCH RECORDS VALUE_BYTES [RECORDS_PER_RELATION]\n",
                    stderr);
        return 2;
    }
    if (run(argv[1], argv[2], &f, &e) == ZS_OK)
        return 0;
    (void)fprintf(stderr, "fill: %s\n%s\n", e.message, e.detail);
    return 1;
}
