/* fixture.h - a store in a folder of its own, and records whose content follows from
 * their place, so that a test knows what must come back without keeping it.
 * Threads: none. */
#ifndef TESTS_UNIT_KV_FIXTURE_H
#define TESTS_UNIT_KV_FIXTURE_H

#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "kv/kv.h"
#include "store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 8192u

/* ---- folders --------------------------------------------------------------------- */

__attribute__((unused)) static int remove_one(const char *path, const struct stat *st, int flag,
                                              struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

/* An empty folder; fixture_remove takes it away. */
struct folder {
    char path[32];
};

__attribute__((unused)) static struct folder fixture_folder(void)
{
    struct folder folder = {.path = "/tmp/zenith-kv-XXXXXX"};
    if (mkdtemp(folder.path) == NULL)
        abort();
    return folder;
}

__attribute__((unused)) static void fixture_remove(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); // NOLINT(concurrency-mt-unsafe)
}

/* What a test draws its chances from; TEST_SEED draws those of an earlier run again. */
__attribute__((unused)) static uint64_t fixture_seed(void)
{
    const char *given = getenv("TEST_SEED"); // NOLINT(concurrency-mt-unsafe)
    uint64_t seed = (uint64_t)getpid();
    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    (void)printf("seed %llu (TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

/* A new store in an own folder. */
struct fixture {
    struct kv *kv;
    char dir[32];
};

__attribute__((unused)) static struct fixture fixture_open(void)
{
    struct zs_error e = {0};
    struct folder folder = fixture_folder();
    struct fixture f = {0};
    memcpy(f.dir, folder.path, sizeof f.dir);
    ASSERT_OK(kv_open(f.dir, 1, &f.kv, &e));
    if (f.kv == NULL)
        abort();
    return f;
}

/* As after a stop and a start. */
__attribute__((unused)) static void fixture_reopen(struct fixture *f)
{
    struct zs_error e = {0};
    kv_close(f->kv);
    f->kv = NULL;
    ASSERT_OK(kv_open(f->dir, 0, &f->kv, &e));
    if (f->kv == NULL)
        abort();
}

__attribute__((unused)) static void fixture_close(struct fixture *f)
{
    kv_close(f->kv);
    fixture_remove(f->dir);
}

/* ---- records --------------------------------------------------------------------- */

/* Block `block` at `lsn`, `len` bytes of `value`, which is filled in to be unlike any
 * other block's or version's. */
__attribute__((unused)) static struct zs_record page_of(uint32_t block, zs_lsn lsn, uint8_t *value,
                                                        uint32_t len)
{
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .lsn = lsn, .len = len, .value = value};
    put_u32be(r.key + ZS_KEY_BYTES - 4, block);
    uint64_t x = (lsn << 32) ^ block;
    for (uint32_t i = 0; i < len; i += 8) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(value + i, &x, len - i < 8 ? len - i : 8);
    }
    return r;
}

/* Put blocks [from, to) at `lsn` into an open ingest. */
__attribute__((unused)) static int put_pages(struct ingest *in, uint32_t from, uint32_t to,
                                             zs_lsn lsn, struct zs_error *e)
{
    static uint8_t values[64][PAGE];
    for (uint32_t at = from; at < to; at += 64) {
        struct zs_record records[64];
        uint32_t n = to - at < 64 ? to - at : 64;
        for (uint32_t i = 0; i < n; i++)
            records[i] = page_of(at + i, lsn, values[i], PAGE);
        TRY(ingest_put(in, records, n, e));
    }
    return ZS_OK;
}

/* Commit at the target with what the ingest itself counted. */
__attribute__((unused)) static int commit_at(struct ingest *in, zs_lsn lsn, struct zs_error *e)
{
    struct zs_ingest_state s = {.struct_size = sizeof s};
    if (ingest_state(in, &s, e) != ZS_OK)
        return ZS_FAIL;
    const struct zs_commit commit = {
        .struct_size = sizeof commit,
        .upto_lsn = lsn,
        .sum = s.sum,
        .end = {.lsn = lsn,
                .digest = digest_plus(s.base.digest, s.sum),
                .records = s.base.records + s.records,
                .bytes = s.base.bytes + s.bytes},
    };
    return ingest_commit(in, &commit, e);
}

#define BULK ((uint64_t)1 << 30) /* as expected_bytes: to the stage at once */

/* Blocks [from, to) at `lsn`, on top of what the branch has; makes it if it is new. */
__attribute__((unused)) static int try_write_pages(const struct zs_store *store, const char *branch,
                                                   uint32_t from, uint32_t to, zs_lsn lsn,
                                                   uint64_t expected_bytes, struct zs_error *e)
{
    struct zs_branch_info info = {.struct_size = sizeof info};
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = branch,
                                  .target_lsn = lsn,
                                  .expected_bytes = expected_bytes};
    if (store_branch_find(store, branch, &info, e) == ZS_OK)
        spec.base_lsn = info.last_valid_lsn;
    else
        spec.flags = ZS_INGEST_CREATE;
    struct ingest in = {0};
    TRY(ingest_begin(store, &spec, &in, e));
    int rc = put_pages(&in, from, to, lsn, e);
    if (rc == ZS_OK)
        rc = commit_at(&in, lsn, e);
    ingest_close(&in);
    return rc;
}

__attribute__((unused)) static void write_pages(const struct zs_store *store, const char *branch,
                                                uint32_t from, uint32_t to, zs_lsn lsn,
                                                uint64_t expected_bytes)
{
    struct zs_error e = {0};
    ASSERT_OK(try_write_pages(store, branch, from, to, lsn, expected_bytes, &e));
}

/* Read (after, upto] of a snapshot to its end: how many records, and their sum. */
__attribute__((unused)) static uint64_t read_all(const struct snapshot *s, zs_lsn after,
                                                 zs_lsn upto, struct zs_digest *sum)
{
    struct zs_error e = {0};
    struct iter it = {0};
    uint64_t total = 0;
    uint64_t count = 0;
    bool more = true;
    static uint8_t buf[1 << 20];
    struct zs_record records[256];
    *sum = (struct zs_digest){0};
    ASSERT_OK(iter_open(s, after, upto, &it, &e));
    while (more && iter_next(&it, records, 256, buf, sizeof buf, &count, &more, &e) == ZS_OK) {
        digest_add_records(sum, records, count);
        total += count;
    }
    CU_ASSERT(!more);
    iter_close(&it);
    return total;
}

/* The branch has this many records, and they are those that its digest was made of. */
__attribute__((unused)) static void check_branch(const struct zs_store *store, const char *branch,
                                                 uint64_t records)
{
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct zs_digest sum;
    ASSERT_OK(snapshot_open(store, branch, &s, &e));
    CU_ASSERT_EQUAL(read_all(&s, 0, UINT64_MAX, &sum), records);
    CU_ASSERT_EQUAL(s.info.records, records);
    CU_ASSERT(digest_equal(sum, s.info.digest));
    snapshot_close(&s);
}

#endif
