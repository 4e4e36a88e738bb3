/* store_blob.c - the store contract: blobs, and ranges of keys. */
#include "store_fixture.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Move "main" from base to upto, with these blobs and no record. */
static int commit_blobs(struct fixture *f, zs_lsn base, zs_lsn upto, const struct zs_blob *blobs,
                        uint64_t n, struct zs_error *e)
{
    struct history none = {0};
    struct ingest in;
    struct plan p = {.branch = "main",
                     .history = &none,
                     .base = base,
                     .upto = upto,
                     .flags = base == 0 ? ZS_INGEST_CREATE : 0};
    TRY(plan_put(f, &p, &in, e));
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = upto,
                               .end = {.lsn = upto},
                               .blobs = blobs,
                               .nblobs = n};
    int rc = ingest_commit(&in, &commit, e);
    ingest_close(&in);
    return rc;
}

/* What the snapshot's blobs are, as "name=text name=text". */
struct listing {
    const struct snapshot *s;
    char text[400];
};

static int32_t list_one(void *context, const char *name, uint64_t len)
{
    struct listing *l = context;
    struct zs_error e = {0};
    CLEANUP(free_ptr) uint8_t *data = NULL;
    uint64_t got = 0;
    size_t used = strlen(l->text);
    ASSERT_OK(snapshot_blob(l->s, name, &data, &got, &e));
    CU_ASSERT_EQUAL(got, len);
    (void)snprintf(l->text + used, sizeof l->text - used, "%s=%.*s ", name, (int)got,
                   data == NULL ? "(none)" : (const char *)data);
    return 0;
}

static void check_blobs(const struct snapshot *s, const char *wanted)
{
    struct zs_error e = {0};
    struct listing l = {.s = s};
    ASSERT_OK(snapshot_blobs(s, list_one, &l, &e));
    ASSERT_TEXT(l.text, wanted);
}

static void check_branch_blobs(struct fixture *f, const char *wanted)
{
    struct zs_error e = {0};
    struct snapshot s;
    int rc = snapshot_open(&f->store, "main", &s, &e);
    ASSERT_OK(rc);
    if (rc == ZS_OK)
        check_blobs(&s, wanted);
    snapshot_close(&s);
}

static void test_blobs_are_part_of_the_commit(void)
{
    static const struct zs_blob first[] = {
        {"map/2", "two", 3}, {"map/1", "one", 3}, {"a", "A", 1}, {"empty", "", 0}};
    static const struct zs_blob second[] = {
        {"map/1", NULL, 0}, {"map/3", "three", 5}, {"a", "B", 1}, {"not-there", NULL, 0}};
    struct zs_error e = {0};
    struct fixture f;
    struct snapshot old;
    if (!fixture_open(&f))
        return;
    ASSERT_OK(commit_blobs(&f, 0, 1, first, 4, &e));
    check_branch_blobs(&f, "a=A empty= map/1=one map/2=two ");
    ASSERT_OK(snapshot_open(&f.store, "main", &old, &e));
    ASSERT_OK(commit_blobs(&f, 1, 2, second, 4, &e));
    check_branch_blobs(&f, "a=B empty= map/2=two map/3=three ");
    check_blobs(&old, "a=A empty= map/1=one map/2=two "); /* a snapshot does not change */
    snapshot_close(&old);
    ASSERT_OK(commit_blobs(&f, 2, 3, NULL, 0, &e)); /* a commit without any keeps them */
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_branch_blobs(&f, "a=B empty= map/2=two map/3=three ");
    fixture_close(&f);
}

static void test_blobs_of_a_failed_commit(void)
{
    static const struct zs_blob good = {"a", "A", 1}, changed = {"a", "B", 1};
    static const struct {
        struct zs_blob blob;
        const char *sqlstate;
    } bad[] = {
        {{"", "x", 1}, ZS_BAD_VALUE},
        {{"Upper", "x", 1}, ZS_BAD_VALUE},
        {{"blank here", "x", 1}, ZS_BAD_VALUE},
        {{"0123456789012345678901234567890123456789012345678901234567890123", "x", 1},
         ZS_BAD_VALUE},
        {{"a", NULL, 0}, ZS_BAD_VALUE}, /* twice */
    };
    struct zs_error e = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    ASSERT_OK(commit_blobs(&f, 0, 1, &good, 1, &e));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_blob both[] = {changed, bad[i].blob};
        ASSERT_FAILS(commit_blobs(&f, 1, 2, both, 2, &e), bad[i].sqlstate);
        check_branch_blobs(&f, "a=A ");
    }
    char *large = calloc(1, (size_t)ZS_BLOB_MAX + 1);
    struct zs_blob too_large = {"large", large, (uint64_t)ZS_BLOB_MAX + 1};
    ASSERT_FAILS(commit_blobs(&f, 1, 2, &too_large, 1, &e), ZS_VALUE_TOO_LARGE);
    too_large.len--;
    ASSERT_OK(commit_blobs(&f, 1, 2, &too_large, 1, &e));
    free(large);
    fixture_close(&f);
}

static void test_blob_sizes(void)
{
    static unsigned char bytes[3000000];
    static const uint64_t sizes[] = {1, 65535, 65536, 65537, 3000000};
    struct zs_error e = {0};
    struct fixture f;
    struct snapshot s;
    if (!fixture_open(&f))
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CLEANUP(free_ptr) uint8_t *data = NULL;
        struct zs_blob blob = {"b", bytes, sizes[i]};
        uint64_t len = 0;
        ASSERT_OK(commit_blobs(&f, i, i + 1, &blob, 1, &e));
        ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
        ASSERT_OK(snapshot_blob(&s, "b", &data, &len, &e));
        CU_ASSERT(len == sizes[i] && data != NULL && memcmp(data, bytes, len) == 0);
        char small[1] = {'x'}; /* too small: told how large it is, and left alone */
        if (sizes[i] > 1) {
            ASSERT_OK(f.store.blob_read(s.handle, "b", small, 1, &len, &e));
            CU_ASSERT(len == sizes[i] && small[0] == 'x');
        }
        ASSERT_FAILS(f.store.blob_read(s.handle, "c", small, 1, &len, &e), ZS_NO_SUCH_BRANCH);
        snapshot_close(&s);
    }
    fixture_close(&f);
}

static void test_blobs_go_with_their_branch(void)
{
    static const struct zs_blob blob = {"a", "A", 1};
    struct zs_error e = {0};
    struct fixture f;
    struct history none = {0};
    if (!fixture_open(&f))
        return;
    ASSERT_OK(commit_blobs(&f, 0, 1, &blob, 1, &e));
    ASSERT_OK(plan_run(
        &f,
        &(struct plan){.branch = "other", .history = &none, .upto = 1, .flags = ZS_INGEST_CREATE},
        &e));
    struct snapshot s;
    ASSERT_OK(snapshot_open(&f.store, "other", &s, &e));
    check_blobs(&s, "");
    snapshot_close(&s);
    ASSERT_OK(f.driver->branch_delete(f.self, "main", &e));
    ASSERT_OK(commit_blobs(&f, 0, 1, NULL, 0, &e));
    check_branch_blobs(&f, "");
    fixture_close(&f);
}

/* What [rel:first, rel:last] should give, one record per call. */
static void check_range(struct iter *it, const struct history *h, uint32_t rel, uint32_t first,
                        uint32_t last)
{
    struct zs_error e = {0};
    uint8_t from[ZS_KEY_BYTES], to[ZS_KEY_BYTES];
    struct zs_record r;
    uint64_t count = 1, got = 0, wanted = 0;
    char buf[256];
    key_make(from, rel, first);
    key_make(to, rel, last);
    for (size_t i = 0; i < h->n; i++)
        wanted += memcmp(h->records[i].key, from, ZS_KEY_BYTES) >= 0 &&
                  memcmp(h->records[i].key, to, ZS_KEY_BYTES) <= 0 &&
                  h->records[i].lsn > it->after_lsn && h->records[i].lsn <= it->upto_lsn;
    ASSERT_OK(iter_range(it, from, to, &e));
    while (count > 0) {
        ASSERT_OK(next_some(it, &r, 1, buf, sizeof buf, &count, &e));
        if (count == 0 || e.sqlstate[0] != '\0')
            break;
        CU_ASSERT(memcmp(r.key, from, ZS_KEY_BYTES) >= 0 && memcmp(r.key, to, ZS_KEY_BYTES) <= 0);
        CU_ASSERT(value_matches(&r, r.value));
        got++;
    }
    CU_ASSERT_EQUAL(got, wanted);
}

static void test_ranges_of_keys(void)
{
    static const uint32_t ranges[][2] = {{0, 0},   {5, 5},   {5, 9},   {99, 99}, {99, 200},
                                         {0, 200}, {41, 41}, {60, 50}, {3, 3},   {150, 160}};
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct snapshot s;
    struct iter it;
    if (!fixture_open(&f))
        return;
    for (uint32_t blk = 0; blk < 100; blk += 1 + blk % 2) {
        history_add(&h, 1, blk, ZS_KIND_IMAGE, 50, 1);
        history_add(&h, 1, blk, ZS_KIND_WAL, 20, 2);
        history_add(&h, 2, blk, ZS_KIND_IMAGE, 50, 2);
        if (blk % 5 == 0)
            history_add(&h, 1, blk, ZS_KIND_IMAGE, 50, 3);
    }
    history_sort(&h);
    ASSERT_OK(plan_run(
        &f, &(struct plan){.branch = "main", .history = &h, .upto = 3, .flags = ZS_INGEST_CREATE},
        &e));
    ASSERT_OK(snapshot_open(&f.store, "main", &s, &e));
    for (zs_lsn after = 0; after < 3; after++) {
        ASSERT_OK(iter_open(&s, after, 3, &it, &e));
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
            for (uint32_t rel = 0; rel < 4; rel++)
                check_range(&it, &h, rel, ranges[i][0], ranges[i][1]);
        uint8_t key[ZS_KEY_BYTES] = {0}; /* a seek afterwards is not held by the range */
        struct zs_record r[200];
        uint64_t count;
        check_range(&it, &h, 1, 5, 5);
        key_make(key, 2, 98);
        ASSERT_OK(iter_seek(&it, key, &e));
        ASSERT_OK(next_some(&it, r, 200, NULL, 0, &count, &e));
        CU_ASSERT(after == 2 ? count == 0 : count > 0);
        iter_close(&it);
    }
    snapshot_close(&s);
    history_free(&h);
    fixture_close(&f);
}

struct contract_tests store_blob_tests(void)
{
    static const struct contract_test tests[] = {
        {"blobs are part of the commit", test_blobs_are_part_of_the_commit, NEEDS_BLOBS},
        {"a commit that fails changes no blob", test_blobs_of_a_failed_commit, NEEDS_BLOBS},
        {"a blob comes whole or its size alone", test_blob_sizes, NEEDS_BLOBS},
        {"blobs go with their branch", test_blobs_go_with_their_branch, NEEDS_BLOBS | NEEDS_DELETE},
        {"a range of keys gives those keys and ends", test_ranges_of_keys, NEEDS_BLOBS},
    };
    return (struct contract_tests){.tests = tests, .n = sizeof tests / sizeof *tests};
}
