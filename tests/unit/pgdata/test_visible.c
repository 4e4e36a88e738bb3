/* test_visible.c - the newest version of each key, whatever the batches. */
#include "../../support/suite.h"

#include "pgdata/visible.h"
#include "stub/stub_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct zs_record record(unsigned key, zs_lsn lsn, uint8_t kind, const char *text)
{
    struct zs_record r = {.kind = kind, .lsn = lsn, .len = (uint32_t)strlen(text)};
    r.value = r.len == 0 ? NULL : text;
    (void)snprintf((char *)r.key, sizeof r.key, "%06u", key);
    return r;
}

/* The branch as "key=value key=value ", WAL records in brackets. */
static void look(const struct zs_store *store, zs_lsn upto, char *out, size_t size)
{
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct visible *v = NULL;
    const struct zs_record *r;
    size_t used = 0;
    out[0] = '\0';
    ASSERT_OK(snapshot_open(store, "b", &s, &e));
    ASSERT_OK(visible_open(&s, upto, NULL, &v, &e));
    while (visible_next(v, &r, &e) == ZS_OK && r != NULL)
        used += (size_t)snprintf(out + used, size - used,
                                 r->kind == ZS_KIND_WAL ? "[%d=%.*s] " : "%d=%.*s ",
                                 r->key[5] - '0', (int)r->len, (const char *)r->value);
    visible_close(v);
    snapshot_close(&s);
}

static void with_store(unsigned options, void (*test)(struct stub_store *))
{
    struct zs_error e = {0};
    struct stub_store *s = NULL;
    ASSERT_OK(stub_store_open(options, &s, &e));
    ASSERT_OK(stub_store_branch_create(s, "b", NULL, NULL, &e));
    test(s);
    CU_ASSERT(stub_store_open_handles(s) == 0);
    stub_store_close(s);
}

static void few_versions(struct stub_store *s)
{
    struct zs_error e = {0};
    char text[200];
    const struct zs_record records[] = {
        record(1, 10, ZS_KIND_IMAGE, "old"),  record(1, 20, ZS_KIND_IMAGE, "new"),
        record(2, 10, ZS_KIND_IMAGE, "gone"), record(2, 20, ZS_KIND_TOMBSTONE, ""),
        record(3, 10, ZS_KIND_IMAGE, "page"), record(3, 20, ZS_KIND_WAL, "wal"),
        record(4, 20, ZS_KIND_IMAGE, "late"), record(5, 10, ZS_KIND_TOMBSTONE, ""),
        record(5, 20, ZS_KIND_IMAGE, "back")};
    ASSERT_OK(stub_store_write(s, "b", records, 9, 20, &e));
    look(stub_store_table(s), 20, text, sizeof text);
    ASSERT_TEXT(text, "1=new [3=wal] 4=late 5=back ");
    look(stub_store_table(s), 19, text, sizeof text);
    ASSERT_TEXT(text, "1=old 2=gone 3=page ");
    look(stub_store_table(s), 0, text, sizeof text);
    ASSERT_TEXT(text, "");
}

/* More versions of more keys than a batch holds: each border between batches falls at
 * another place among a key's versions. */
static void many_versions(struct stub_store *s)
{
    enum { KEYS = 700, VERSIONS = 5 };
    static char values[KEYS][VERSIONS][16];
    struct zs_error e = {0};
    struct snapshot snapshot = {0};
    struct visible *v = NULL;
    const struct zs_record *r;
    unsigned seen = 0;
    for (unsigned k = 0; k < KEYS; k++)
        for (unsigned n = 0; n <= k % VERSIONS; n++) {
            (void)snprintf(values[k][n], sizeof values[k][n], "%u of %u", n, k);
            const struct zs_record one =
                record(k, k * VERSIONS + n + 1, ZS_KIND_IMAGE, values[k][n]);
            ASSERT_OK(stub_store_write(s, "b", &one, 1, one.lsn, &e));
        }
    ASSERT_OK(snapshot_open(stub_store_table(s), "b", &snapshot, &e));
    ASSERT_OK(visible_open(&snapshot, UINT64_MAX, NULL, &v, &e));
    while (visible_next(v, &r, &e) == ZS_OK && r != NULL) {
        const char *want = values[seen][seen % VERSIONS];
        CU_ASSERT(r->len == strlen(want) && memcmp(r->value, want, r->len) == 0);
        seen++;
    }
    CU_ASSERT(seen == KEYS);
    visible_close(v);
    snapshot_close(&snapshot);
}

static void one_key(struct stub_store *s)
{
    struct zs_error e = {0};
    struct snapshot snapshot = {0};
    struct zs_record got;
    char buf[4];
    int found;
    const struct zs_record records[] = {
        record(1, 10, ZS_KIND_IMAGE, "a"), record(1, 20, ZS_KIND_IMAGE, "longer"),
        record(2, 10, ZS_KIND_IMAGE, "b"), record(2, 20, ZS_KIND_TOMBSTONE, "")};
    const struct zs_record no = record(3, 1, ZS_KIND_IMAGE, "");
    ASSERT_OK(stub_store_write(s, "b", records, 4, 20, &e));
    ASSERT_OK(snapshot_open(stub_store_table(s), "b", &snapshot, &e));
    ASSERT_OK(visible_get(&snapshot, 15, records[0].key, buf, sizeof buf, &got, &found, &e));
    CU_ASSERT(found == 1 && got.lsn == 10 && got.len == 1 && buf[0] == 'a');
    ASSERT_OK(visible_get(&snapshot, 20, records[0].key, buf, sizeof buf, &got, &found, &e));
    CU_ASSERT(found == 1 && got.lsn == 20 && got.len == 6 && memcmp(buf, "long", 4) == 0);
    ASSERT_OK(visible_get(&snapshot, 20, records[2].key, buf, sizeof buf, &got, &found, &e));
    CU_ASSERT(found == 1 && got.kind == ZS_KIND_TOMBSTONE);
    ASSERT_OK(visible_get(&snapshot, 20, no.key, buf, sizeof buf, &got, &found, &e));
    CU_ASSERT(found == 0);
    ASSERT_OK(visible_get(&snapshot, 9, records[0].key, buf, sizeof buf, &got, &found, &e));
    CU_ASSERT(found == 0);
    snapshot_close(&snapshot);
}

static void over_all_stores(void (*test)(struct stub_store *))
{
    with_store(0, test);
    with_store(STUB_STORE_COPIES, test);
    with_store(STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS, test);
}

static void test_newest(void)
{
    over_all_stores(few_versions);
}

static void test_batches(void)
{
    over_all_stores(many_versions);
}

static void test_one_key(void)
{
    over_all_stores(one_key);
}

SUITE("pgdata/visible", {"the newest version at an LSN shows, unless it is gone", test_newest},
      {"borders of batches do not show", test_batches},
      {"one key is found at any LSN", test_one_key})
