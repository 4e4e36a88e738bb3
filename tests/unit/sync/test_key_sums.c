/* test_key_sums.c - the records of a range, summed over the parts that the other side chose. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/key_sums.h"

#include <string.h>

enum { RECORDS = 40 };

/* A branch "main" of RECORDS blocks at 0/10, and what a side reads it with. */
struct scene {
    struct stub_store *stub;
    struct zs_store table;
    struct zs_record records[RECORDS];
    struct snapshot snapshot;
    struct transfer_list *list;
    struct transfer *transfer;
    struct conn conn;
    struct zs_channel far;
    struct progress progress;
    struct key_reader reader;
};

static void scene_open(struct scene *s)
{
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    ASSERT_OK(stub_store_open(0, &s->stub, &e));
    ASSERT_OK(store_import(stub_store_table(s->stub), &s->table, &e));
    ASSERT_OK(stub_store_branch_create(s->stub, "main", NULL, NULL, &e));
    for (uint32_t i = 0; i < RECORDS; i++) {
        s->records[i] =
            (struct zs_record){.kind = ZS_KIND_IMAGE, .len = 5, .lsn = 0x10, .value = "value"};
        put_u32be(s->records[i].key + 14, i);
    }
    ASSERT_OK(stub_store_write(s->stub, "main", s->records, RECORDS, 0x10, &e));
    ASSERT_OK(snapshot_open(&s->table, "main", &s->snapshot, &e));
    conn_init(&s->conn);
    ASSERT_OK(stub_pipe_open(0, NULL, NULL, &s->conn.channel, &s->far, &e));
    ASSERT_OK(transfer_list_open(&s->list, &e));
    s->transfer = transfer_begin(s->list, "test", "main", "far");
    s->reader = (struct key_reader){.snapshot = &s->snapshot,
                                    .conn = &s->conn,
                                    .transfer = s->transfer,
                                    .progress = &s->progress};
}

static void scene_close(struct scene *s)
{
    snapshot_close(&s->snapshot);
    transfer_end(s->transfer, NULL);
    transfer_list_close(s->list);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    CU_ASSERT(stub_store_open_handles(s->stub) == 0);
    stub_store_close(s->stub);
}

/* Each record belongs to the first part whose last key is not below its own; to the last part
 * belongs what lies behind it, too. */
static void test_sums_over_given_parts(void)
{
    static const struct {
        uint32_t last[4], parts; /* blocks */
        uint32_t first, upto;    /* asked for */
        uint32_t want[4];        /* records in each */
    } cases[] = {
        {{39}, 1, 0, 39, {40}},
        {{9, 39}, 2, 0, 39, {10, 30}},
        {{0, 9, 10, 39}, 4, 0, 39, {1, 9, 1, 29}},
        {{9, 19}, 2, 0, 39, {10, 30}},       /* and what lies behind */
        {{9, 19, 99}, 3, 5, 24, {5, 10, 5}}, /* part of the keys */
        {{2, 9}, 2, 20, 29, {0, 10}},        /* a part that is empty here */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct scene s;
        static struct sums_message parts;
        struct sum_part mine[4];
        struct ask_message ask = {.upto_lsn = 0x10};
        uint64_t records = 0, bytes = 0, all = 0;
        uint32_t at = cases[i].first;
        scene_open(&s);
        put_u32be(ask.first + 14, cases[i].first);
        put_u32be(ask.last + 14, cases[i].upto);
        parts = (struct sums_message){.count = cases[i].parts};
        for (uint32_t k = 0; k < parts.count; k++)
            put_u32be(parts.parts[k].last + 14, cases[i].last[k]);
        ASSERT_OK(key_sums_by(&s.reader, &ask, &parts, mine, &records, &bytes, &e));
        for (uint32_t k = 0; k < parts.count; k++) {
            struct zs_digest want = {0};
            digest_add_records(&want, s.records + at, cases[i].want[k]);
            at += cases[i].want[k];
            all += cases[i].want[k];
            CU_ASSERT(mine[k].records == cases[i].want[k] && digest_equal(mine[k].sum, want));
            CU_ASSERT(memcmp(mine[k].last, parts.parts[k].last, ZS_KEY_BYTES) == 0);
        }
        CU_ASSERT(records == all && bytes == 5 * all);
        scene_close(&s);
    }
}

static const struct zs_store *counted; /* by count_next; a test's own */
static unsigned looks;

static int32_t count_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                          uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e)
{
    looks++;
    return counted->iter_next(iter, records, n, buf, buf_bytes, count, more, e);
}

static void take(void *context, const struct zs_record *record)
{
    (void)record;
    ++*(unsigned *)context;
}

/* Where a store cannot be given a range, what lies behind it is not read to the end. */
static void test_reading_ends_behind_the_last_key(void)
{
    struct zs_error e = {0};
    struct scene s;
    struct ask_message ask = {.upto_lsn = 0x10};
    unsigned taken = 0;
    scene_open(&s);
    counted = stub_store_table(s.stub);
    s.table.features &= ~ZS_STORE_BLOBS;
    s.table.iter_next = count_next;
    put_u32be(ask.first + 14, 5);
    put_u32be(ask.last + 14, 9);
    looks = 0;
    ASSERT_OK(key_read(&s.reader, &ask, take, &taken, &e));
    CU_ASSERT(taken == 5 && looks == 1);
    scene_close(&s);
}

SUITE("sync/key_sums", {"reading ends behind the last key", test_reading_ends_behind_the_last_key},
      {"sums over given parts", test_sums_over_given_parts})
