/* test_history.c - history points thinned, found, compared and computed. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_cancel.h"
#include "stub/stub_store.h"
#include "sync/epochs.h"
#include "sync/history.h"

#include <string.h>

CLEANUP_POINTER(struct stub_store, stub_store_close)

/* A history of n points, at 10, 20, ..., that nobody has to write. */
static int32_t counted_history(struct zs_snapshot *snapshot, zs_lsn upto_lsn,
                               struct zs_point *points, uint64_t n, uint64_t *count,
                               struct zs_error *e)
{
    (void)e;
    uint64_t newest = *(const uint64_t *)(const void *)snapshot;
    uint64_t i = upto_lsn / 10 < newest ? upto_lsn / 10 : newest;
    for (*count = 0; *count < n && i > 0; i--, ++*count)
        points[*count] = (struct zs_point){.lsn = i * 10, .digest = {.lo = i}};
    return ZS_OK;
}

static void test_thinning_keeps_the_newest_and_reaches_far_back(void)
{
    static const struct {
        uint64_t points;
        zs_lsn after, upto;
        uint32_t count;        /* that are kept */
        zs_lsn newest, oldest; /* of them */
    } cases[] = {
        {0, 0, UINT64_MAX, 0, 0, 0},
        {1, 0, UINT64_MAX, 1, 10, 10},
        {32, 0, UINT64_MAX, 32, 320, 10},
        {33, 0, UINT64_MAX, 33, 330, 10},
        {127, 0, UINT64_MAX, 39, 1270, 280},
        {128, 0, UINT64_MAX, 39, 1280, 290},
        {129, 0, UINT64_MAX, 39, 1290, 300},
        {5000, 0, UINT64_MAX, 49, 50000, 2040},
        {5000, 0, 49995, 49, 49990, 2030},
        {5000, 49000, UINT64_MAX, 39, 50000, 49010},
        {5000, 49990, UINT64_MAX, 1, 50000, 50000},
        {5000, 50000, UINT64_MAX, 0, 0, 0},
        {5000, 0, 15, 1, 10, 10},
        {5000, 0, 5, 0, 0, 0},
        {5000, 0, 0, 0, 0, 0},
        {1000000, 0, UINT64_MAX, 62, 10000000, 668010},
        {10000000, 0, UINT64_MAX, 64, 100000000, 79002830},
    };
    static const struct zs_store table = {.features = ZS_STORE_DIGEST,
                                          .snapshot_history = counted_history};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct point_list list;
        uint64_t newest = cases[i].points;
        struct snapshot s = {.store = &table,
                             .handle = (struct zs_snapshot *)(void *)&newest,
                             .info = {.last_valid_lsn = newest * 10, .digest = {.lo = newest}}};
        memset(&list, 0xff, sizeof list);
        ASSERT_OK(history_thin(&s, cases[i].after, cases[i].upto, &list, &e));
        CU_ASSERT_FATAL(list.count <= CONTROL_MAX_POINTS);
        bool good = list.count == cases[i].count;
        if (good && list.count > 0)
            good =
                list.at[0].lsn == cases[i].newest && list.at[list.count - 1].lsn == cases[i].oldest;
        CU_ASSERT(good);
        if (!good)
            (void)printf("case %zu: %u points, the oldest %llu\n", i, list.count,
                         (unsigned long long)list.at[list.count - 1].lsn);
        for (uint32_t k = 1; k < list.count; k++) {
            zs_lsn gap = list.at[k - 1].lsn - list.at[k].lsn;
            CU_ASSERT(list.at[k].lsn < list.at[k - 1].lsn);
            CU_ASSERT(k >= 32 || gap == 10);                        /* the newest, all of them */
            CU_ASSERT(list.at[k].digest.lo * 10 == list.at[k].lsn); /* as they are */
        }
    }
}

/* ---- real records: three commits, to 0/10, 0/20 and 0/30 ------------------------------------- */

static void write_commit(struct stub_store *store, const char *branch, uint8_t salt, zs_lsn after,
                         zs_lsn upto)
{
    struct zs_error e = {0};
    struct zs_record records[8];
    uint8_t value[8] = {salt};
    for (uint32_t i = 0; i < 8; i++) {
        records[i] = (struct zs_record){
            .kind = ZS_KIND_IMAGE, .len = 8, .value = value, .lsn = after + 1 + i};
        put_u32be(records[i].key + 14, i);
    }
    ASSERT_OK(stub_store_write(store, branch, records, 8, upto, &e));
}

static void test_points_are_found_and_compared(void)
{
    struct zs_error e = {0};
    CLEANUP(stub_store_close_ptr) struct stub_store *store = NULL;
    CLEANUP(snapshot_close) struct snapshot a = {0};
    CLEANUP(snapshot_close) struct snapshot b = {0};
    ASSERT_OK(stub_store_open(0, &store, &e));
    ASSERT_OK(stub_store_branch_create(store, "a", NULL, NULL, &e));
    ASSERT_OK(stub_store_branch_create(store, "b", NULL, NULL, &e));
    for (zs_lsn lsn = 0; lsn < 0x40; lsn += 0x10) { /* the same up to 0/20 */
        write_commit(store, "a", 1, lsn, lsn + 0x10);
        write_commit(store, "b", lsn < 0x20 ? 1 : 2, lsn, lsn + 0x10);
    }
    ASSERT_OK(snapshot_open(stub_store_table(store), "a", &a, &e));
    ASSERT_OK(snapshot_open(stub_store_table(store), "b", &b, &e));

    static const struct {
        zs_lsn lsn;
        bool found;
    } cases[] = {{0x10, true}, {0x20, true},  {0x40, true}, {0x11, false},
                 {0x9, false}, {0x41, false}, {0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_point p = {0};
        bool found = !cases[i].found;
        ASSERT_OK(history_find(&a, cases[i].lsn, &found, &p, &e));
        CU_ASSERT(found == cases[i].found && (!found || p.lsn == cases[i].lsn));
    }
    struct point_list list;
    zs_lsn common = 77;
    ASSERT_OK(history_thin(&b, 0, UINT64_MAX, &list, &e));
    ASSERT_OK(history_common(&a, &list, &common, &e));
    CU_ASSERT(common == 0x20); /* not 0/30 or 0/40, where the LSNs are equal */
    list.count = 2;            /* 0/40 and 0/30 alone */
    ASSERT_OK(history_common(&a, &list, &common, &e));
    CU_ASSERT(common == 0);
    list.count = 0;
    ASSERT_OK(history_common(&a, &list, &common, &e));
    CU_ASSERT(common == 0);
    struct zs_point last = history_last(&a);
    CU_ASSERT(last.lsn == 0x40 && last.records == 32 && last.bytes == 256);
    CU_ASSERT(digest_equal(last.digest, a.info.digest) && !digest_is_zero(last.digest));
}

/* D at an LSN: listed, summed, or not to be known; against digests kept in small steps by
 * a second branch. */
static void test_a_digest_is_listed_summed_or_unknown(void)
{
    static const unsigned options[] = {0, STUB_STORE_COPIES,
                                       STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS};
    for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
        struct zs_error e = {0};
        CLEANUP(stub_store_close_ptr) struct stub_store *store = NULL;
        CLEANUP(snapshot_close) struct snapshot fine = {0};
        ASSERT_OK(stub_store_open(options[o], &store, &e));
        ASSERT_OK(stub_store_branch_create(store, "coarse", NULL, NULL, &e));
        ASSERT_OK(stub_store_branch_create(store, "fine", NULL, NULL, &e));
        static uint8_t value[300000]; /* larger than what a sum reads at once */
        struct zs_record all[40];
        for (uint32_t i = 0; i < 40; i++) {
            all[i] = (struct zs_record){.kind = ZS_KIND_IMAGE,
                                        .len = i == 7 ? sizeof value : i,
                                        .value = value,
                                        .lsn = i + 1};
            put_u32be(all[i].key + 14, i % 5);
            ASSERT_OK(stub_store_write(store, "fine", &all[i], 1, i + 1, &e));
        }
        ASSERT_OK(stub_store_write(store, "coarse", all, 40, 40, &e));
        ASSERT_OK(snapshot_open(stub_store_table(store), "fine", &fine, &e));
        static const zs_lsn cutoffs[] = {0, 20};
        for (size_t c = 0; c < 2; c++) {
            CLEANUP(snapshot_close) struct snapshot coarse = {0};
            ASSERT_OK(stub_store_gc(store, "coarse", cutoffs[c], NULL, &e));
            ASSERT_OK(snapshot_open(stub_store_table(store), "coarse", &coarse, &e));
            for (zs_lsn lsn = 1; lsn <= 40; lsn++) {
                struct maybe_digest got = {0}, want = {0};
                ASSERT_OK(history_digest_at(&coarse, lsn, (struct zs_digest){0}, NULL, NULL, NULL,
                                            &got, &e));
                ASSERT_OK(history_digest_at(&fine, lsn, (struct zs_digest){0}, NULL, NULL, NULL,
                                            &want, &e));
                CU_ASSERT(want.known && got.known == (lsn >= cutoffs[c]));
                CU_ASSERT(!got.known || digest_equal(got.digest, want.digest));
            }
        }
        snapshot_close(&fine);
        CU_ASSERT(stub_store_open_handles(store) == 0);
    }
}

static void test_a_sum_can_be_cancelled(void)
{
    struct zs_error e = {0};
    CLEANUP(stub_store_close_ptr) struct stub_store *store = NULL;
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct stub_cancel cancel;
    struct maybe_digest out;
    CU_ASSERT_FATAL(stub_cancel_init(&cancel, &e) == ZS_OK);
    ASSERT_OK(stub_store_open(0, &store, &e));
    ASSERT_OK(stub_store_branch_create(store, "a", NULL, NULL, &e));
    write_commit(store, "a", 1, 0, 0x10);
    ASSERT_OK(snapshot_open(stub_store_table(store), "a", &s, &e));
    stub_cancel_request(&cancel);
    ASSERT_FAILS(
        history_digest_at(&s, 5, (struct zs_digest){0}, NULL, &cancel.token, NULL, &out, &e),
        ZS_CANCELLED);
    CU_ASSERT(!out.known);
    ASSERT_OK(history_digest_at(&s, 0x10, (struct zs_digest){0}, NULL, &cancel.token, NULL, &out,
                                &e)); /* listed: no work */
    CU_ASSERT(out.known);
    stub_cancel_fini(&cancel);
}

/* A peer that names points which nobody has costs a few passes at a time, however many they are. */
static void test_sums_are_few_at_a_time(void)
{
    struct zs_error e = {0};
    CLEANUP(stub_store_close_ptr) struct stub_store *store = NULL;
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct transfer_list *list = NULL;
    struct transfer *t[TRANSFER_SUMS_MAX + 1];
    struct maybe_digest out;
    ASSERT_OK(transfer_list_open(&list, &e));
    ASSERT_OK(stub_store_open(0, &store, &e));
    ASSERT_OK(stub_store_branch_create(store, "a", NULL, NULL, &e));
    write_commit(store, "a", 1, 0, 0x10);
    ASSERT_OK(snapshot_open(stub_store_table(store), "a", &s, &e));
    for (size_t i = 0; i <= TRANSFER_SUMS_MAX; i++) {
        t[i] = transfer_begin(list, "branch_pull", "a", "local");
        CU_ASSERT_FATAL(t[i] != NULL);
    }
    struct transfer *one_more = t[TRANSFER_SUMS_MAX];
    ASSERT_OK(history_digest_at(&s, 5, (struct zs_digest){0}, one_more, NULL, NULL, &out, &e));
    CU_ASSERT(transfer_look(one_more).phase == PHASE_NEGOTIATE); /* its place is given back */
    for (size_t i = 0; i < TRANSFER_SUMS_MAX; i++)
        CU_ASSERT(transfer_sum_begin(t[i]));
    ASSERT_FAILS(history_digest_at(&s, 5, (struct zs_digest){0}, one_more, NULL, NULL, &out, &e),
                 ZS_LIMIT_EXCEEDED);
    CU_ASSERT(!out.known && e.hint[0] != '\0');
    ASSERT_OK(history_digest_at(&s, 0x10, (struct zs_digest){0}, one_more, NULL, NULL, &out,
                                &e)); /* listed: no work */
    transfer_end(t[0], &e);           /* a failed one has no place */
    ASSERT_OK(history_digest_at(&s, 5, (struct zs_digest){0}, one_more, NULL, NULL, &out, &e));
    snapshot_close(&s);
    transfer_list_close(list);
}

/* A map that knows of nothing: its sum is taken only where the other side's digest proves it. */
static void test_a_map_is_summed_first_and_believed_if_it_fits(void)
{
    struct zs_error e = {0};
    CLEANUP(stub_store_close_ptr) struct stub_store *store = NULL;
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct change_map *nothing = NULL;
    struct maybe_digest got;
    struct zs_branch_info first, last;
    char name[EPOCH_NAME_BYTES];
    uint8_t *data = NULL;
    size_t len = 0;
    ASSERT_OK(stub_store_open(0, &store, &e));
    ASSERT_OK(stub_store_branch_create(store, "a", NULL, NULL, &e));
    write_commit(store, "a", 1, 0, 0x10);
    ASSERT_OK(store_branch_find(stub_store_table(store), "a", &first, &e));
    struct change_epoch epoch = {.timeline = first.timeline, .from_lsn = 0x10, .to_lsn = 0x20};
    ASSERT_OK(change_map_open(&nothing, &e));
    ASSERT_OK(change_map_encode(nothing, &epoch, &data, &len, &e));
    epoch_name(0x20, name);
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = 0x20};
    struct zs_blob blob = {.name = name, .data = data, .len = len};
    struct stub_write write = {
        .records = &r, .n = 1, .upto_lsn = 0x20, .blobs = &blob, .nblobs = 1};
    ASSERT_OK(stub_store_write_with(store, "a", &write, &e));
    ASSERT_OK(snapshot_open(stub_store_table(store), "a", &s, &e));
    last = s.info;
    ASSERT_OK(history_digest_at(&s, 0x18, last.digest, NULL, NULL, NULL, &got, &e));
    CU_ASSERT(got.known && digest_equal(got.digest, last.digest)); /* nobody looked further */
    ASSERT_OK(history_digest_at(&s, 0x18, first.digest, NULL, NULL, NULL, &got, &e));
    CU_ASSERT(got.known && digest_equal(got.digest, first.digest)); /* found by a scan */
    change_map_close(nothing);
    free(data);
}

SUITE("sync/history",
      {"a map is summed first, and believed if it fits",
       test_a_map_is_summed_first_and_believed_if_it_fits},
      {"thinning keeps the newest and reaches far back",
       test_thinning_keeps_the_newest_and_reaches_far_back},
      {"points are found and compared", test_points_are_found_and_compared},
      {"a digest is listed, summed or unknown", test_a_digest_is_listed_summed_or_unknown},
      {"sums are few at a time", test_sums_are_few_at_a_time},
      {"a sum can be cancelled", test_a_sum_can_be_cancelled})
