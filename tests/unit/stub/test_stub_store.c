/* test_stub_store.c - the host's own side of the in-memory store; what it owes as a
 * store is in tests/contract. */
#include "../../support/suite.h"

#include "base/digest.h"
#include "base/error.h"
#include "store/store.h"
#include "stub/stub_store.h"

#include <stdio.h>
#include <string.h>

static struct zs_record record_at(uint8_t key, uint8_t kind, zs_lsn lsn)
{
    struct zs_record r = {.kind = kind, .lsn = lsn, .len = kind == ZS_KIND_TOMBSTONE ? 0 : 1};
    r.key[0] = key;
    r.value = r.len == 0 ? NULL : "v";
    return r;
}

/* The branch's records as "k1@2 k1@3": key and lsn. */
static void dump(struct stub_store *stub, const char *branch, char out[200])
{
    struct zs_error e = {0};
    struct snapshot s;
    struct iter it;
    struct zs_record r[32];
    uint64_t count;
    bool more;
    out[0] = '\0';
    ASSERT_OK(snapshot_open(stub_store_table(stub), branch, &s, &e));
    ASSERT_OK(iter_open(&s, 0, UINT64_MAX, &it, &e));
    ASSERT_OK(iter_next(&it, r, 32, NULL, 0, &count, &more, &e));
    for (uint64_t i = 0; i < count; i++)
        (void)snprintf(out + strlen(out), 200 - strlen(out), "%s%u@%u", i == 0 ? "" : " ",
                       r[i].key[0], (unsigned)r[i].lsn);
    iter_close(&it);
    snapshot_close(&s);
}

static void test_collection(void)
{
    /* Key 1: images and WAL; 2: dropped at 4; 3: dropped at 4, back at 6; 4: WAL without
     * an image; 5: one version; 6: dropped after the cutoff. */
    const struct zs_record all[] = {record_at(1, 1, 1), record_at(1, 2, 2), record_at(1, 1, 3),
                                    record_at(1, 2, 5), record_at(1, 2, 8), record_at(2, 1, 1),
                                    record_at(2, 3, 4), record_at(3, 1, 1), record_at(3, 3, 4),
                                    record_at(3, 1, 6), record_at(4, 2, 2), record_at(4, 2, 3),
                                    record_at(5, 1, 1), record_at(6, 1, 2), record_at(6, 3, 7)};
    static const struct {
        zs_lsn cutoff;
        const char *left;
        uint64_t dropped;
    } steps[] = {
        {0, "1@1 1@2 1@3 1@5 1@8 2@1 2@4 3@1 3@4 3@6 4@2 4@3 5@1 6@2 6@7", 0},
        {2, "1@1 1@2 1@3 1@5 1@8 2@1 2@4 3@1 3@4 3@6 4@2 4@3 5@1 6@2 6@7", 0},
        {3, "1@3 1@5 1@8 2@1 2@4 3@1 3@4 3@6 4@2 4@3 5@1 6@2 6@7", 2},
        {5, "1@3 1@5 1@8 3@6 4@2 4@3 5@1 6@2 6@7", 4},
        {8, "1@3 1@5 1@8 3@6 4@2 4@3 5@1", 2},
    };
    struct zs_error e = {0};
    struct stub_store *stub;
    char left[200];
    ASSERT_OK(stub_store_open(0, &stub, &e));
    ASSERT_OK(stub_store_branch_create(stub, "main", NULL, NULL, &e));
    ASSERT_OK(stub_store_write(stub, "main", all, sizeof all / sizeof *all, 8, &e));
    struct zs_branch_info before, after;
    ASSERT_OK(store_branch_find(stub_store_table(stub), "main", &before, &e));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint64_t dropped = 99;
        ASSERT_OK(stub_store_gc(stub, "main", steps[i].cutoff, &dropped, &e));
        CU_ASSERT_EQUAL(dropped, steps[i].dropped);
        dump(stub, "main", left);
        ASSERT_TEXT(left, steps[i].left);
    }
    ASSERT_OK(store_branch_find(stub_store_table(stub), "main", &after, &e));
    CU_ASSERT(digest_equal(before.digest, after.digest)); /* collection never subtracts */
    CU_ASSERT_EQUAL(after.gc_cutoff_lsn, 8);
    ASSERT_FAILS(stub_store_gc(stub, "main", 7, NULL, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(stub_store_gc(stub, "main", 9, NULL, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(stub_store_gc(stub, "absent", 9, NULL, &e), ZS_NO_SUCH_BRANCH);
    stub_store_close(stub);
}

static void test_own_writer(void)
{
    struct zs_error e = {0};
    struct stub_store *stub;
    char left[200];
    const struct zs_record unordered[] = {record_at(2, 1, 3), record_at(1, 1, 5),
                                          record_at(1, 1, 2)};
    const struct zs_record twice[] = {record_at(1, 1, 8), record_at(1, 2, 8)};
    struct zs_record late = record_at(1, 1, 5), beyond = record_at(1, 1, 11);
    ASSERT_OK(stub_store_open(0, &stub, &e));
    ASSERT_OK(stub_store_branch_create(stub, "main", NULL, NULL, &e));
    ASSERT_OK(stub_store_write(stub, "main", unordered, 3, 6, &e));
    ASSERT_FAILS(stub_store_write(stub, "main", &late, 1, 10, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(stub_store_write(stub, "main", &beyond, 1, 10, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(stub_store_write(stub, "main", twice, 2, 10, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(stub_store_write(stub, "main", NULL, 0, 5, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(stub_store_write(stub, "absent", NULL, 0, 5, &e), ZS_NO_SUCH_BRANCH);
    dump(stub, "main", left);
    ASSERT_TEXT(left, "1@2 1@5 2@3");
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(stub_store_table(stub), "main", &info, &e));
    struct zs_digest sum = {0};
    digest_add_records(&sum, unordered, 3);
    CU_ASSERT(digest_equal(info.digest, sum) && info.last_valid_lsn == 6);
    CU_ASSERT(info.records == 3 && info.bytes == 3);
    stub_store_close(stub);
}

static void test_handles_are_counted(void)
{
    struct zs_error e = {0};
    struct stub_store *stub;
    struct snapshot s;
    struct iter it;
    struct ingest in;
    struct zs_ingest_spec spec = {.struct_size = sizeof spec, .branch = "main", .target_lsn = 5};
    ASSERT_OK(stub_store_open(0, &stub, &e));
    ASSERT_OK(stub_store_branch_create(stub, "main", NULL, NULL, &e));
    ASSERT_OK(snapshot_open(stub_store_table(stub), "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 5, &it, &e));
    ASSERT_OK(ingest_begin(stub_store_table(stub), &spec, &in, &e));
    CU_ASSERT_EQUAL(stub_store_open_handles(stub), 3);
    ASSERT_FAILS(ingest_begin(stub_store_table(stub), &spec, &(struct ingest){0}, &e), ZS_BUSY);
    CU_ASSERT_EQUAL(stub_store_open_handles(stub), 3);
    snapshot_close(&s); /* before its iterator: each holds on by itself */
    iter_close(&it);
    ingest_close(&in);
    CU_ASSERT_EQUAL(stub_store_open_handles(stub), 0);
    stub_store_close(stub);
}

SUITE("stub/stub_store",
      {"collection drops what nobody can see from the cutoff on", test_collection},
      {"the host's own writer appends and sums", test_own_writer},
      {"open handles are counted", test_handles_are_counted})
