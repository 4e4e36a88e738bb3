/* test_store.c - import of a host's table, and dispatchers against a host that lies.
 * A liar is the in-memory store with one function replaced by one that breaks its
 * promise; what it is to say stands in a struct that its `self` or a static points to. */
#include "setting.h"

#include "base/error.h"
#include "model/lsn.h"

/* ---- import ------------------------------------------------------------------------ */

static void test_import_refuses(void)
{
    struct zs_error e = {0};
    struct zs_store out = {0};
    struct setting s = make_setting();
    struct zs_store t = s.table;

    ASSERT_FAILS(store_import(NULL, &out, &e), ZS_NOT_SUPPORTED);
    t.struct_size = ZS_STORE_SIZE_V1 - 1;
    ASSERT_FAILS(store_import(&t, &out, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "135 bytes") != NULL && strstr(e.message, "136") != NULL);
    t.struct_size = 65537;
    ASSERT_FAILS(store_import(&t, &out, &e), ZS_NOT_SUPPORTED);
    t = s.table;
    t.iter_seek = NULL;
    ASSERT_FAILS(store_import(&t, &out, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "iter_seek") != NULL);
    t = s.table;
    t.blob_list = NULL; /* promised by the feature bit */
    ASSERT_FAILS(store_import(&t, &out, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "blob_list") != NULL);
    CU_ASSERT_PTR_NULL(out.branch_find); /* untouched by all that */
    drop_setting(&s);
}

static void test_import_names_each_missing_function(void)
{
    struct zs_error e = {0};
    struct zs_store out;
    struct setting s = make_setting();
    size_t first = offsetof(struct zs_store, branch_find);
    size_t end = offsetof(struct zs_store, branch_verify); /* memory has no files to look at */
    for (size_t at = first; at < end; at += sizeof(void *)) {
        struct zs_store t = s.table;
        memset((char *)&t + at, 0, sizeof(void *));
        ASSERT_FAILS(store_import(&t, &out, &e), ZS_NOT_SUPPORTED);
        memcpy((char *)&t + at, (const char *)&s.table + at, sizeof(void *));
        ASSERT_OK(store_import(&t, &out, &e));
    }
    s.table.features |= ZS_STORE_VERIFY;
    ASSERT_FAILS(store_import(&s.table, &out, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "branch_verify") != NULL);
    drop_setting(&s);
}

static void test_import_of_older_and_newer_tables(void)
{
    struct zs_error e = {0};
    struct setting s = make_setting();
    struct {
        struct zs_store known;
        void *later[4];
    } newer = {.known = s.table, .later = {&s}};
    struct zs_store out;

    newer.known.struct_size = sizeof newer;
    newer.known.features |= 1ull << 40;
    ASSERT_OK(store_import(&newer.known, &out, &e));
    CU_ASSERT_EQUAL(out.struct_size, sizeof out);
    CU_ASSERT_EQUAL(out.features,
                    ZS_STORE_DIGEST | ZS_STORE_BLOBS | ZS_STORE_RESUME); /* unknown bits go */

    struct zs_store older = s.table; /* what lies behind its size is not looked at */
    older.struct_size = ZS_STORE_SIZE_V1;
    older.features = ZS_STORE_DIGEST;
    ASSERT_OK(store_import(&older, &out, &e));
    CU_ASSERT_PTR_NULL(out.blob_read);
    older = s.table; /* stages are of no use where nothing proves that the parts fit */
    older.features = ZS_STORE_BLOBS | ZS_STORE_RESUME;
    ASSERT_OK(store_import(&older, &out, &e));
    CU_ASSERT_EQUAL(out.features, ZS_STORE_BLOBS);
    older.features = ZS_STORE_DIGEST;
    ASSERT_OK(store_import(&older, &out, &e));
    CU_ASSERT(store_has(&out, ZS_STORE_DIGEST) && !store_has(&out, ZS_STORE_BLOBS));
    drop_setting(&s);
}

/* ---- liars: iter_next ----------------------------------------------------------------- */

static struct zs_record lie[4];
static uint64_t lie_count;

static int32_t lying_iter_next(struct zs_iter *iter, struct zs_record *records, uint64_t n,
                               void *buf, uint64_t buf_bytes, uint64_t *count, uint32_t *more,
                               struct zs_error *e)
{
    (void)iter;
    (void)buf;
    (void)buf_bytes;
    (void)e;
    for (uint64_t i = 0; i < lie_count && i < n; i++)
        records[i] = lie[i];
    *count = lie_count;
    *more = 0;
    return ZS_OK;
}

static int read_lie(const struct zs_store *table, struct zs_error *e)
{
    struct snapshot s = {0};
    struct iter it = {0};
    struct zs_record r[4];
    uint64_t count = 7;
    bool more = true;
    int rc = snapshot_open(table, "main", &s, e);
    rc = rc != ZS_OK ? rc : iter_open(&s, 0x10, 0x20, &it, e);
    rc = rc != ZS_OK ? rc : iter_next(&it, r, 4, NULL, 0, &count, &more, e);
    CU_ASSERT(rc == ZS_OK || count == 0);
    iter_close(&it);
    snapshot_close(&s);
    return rc;
}

static void test_records_that_break_the_rules(void)
{
    static const struct {
        const char *what; /* a part of the message; NULL: nothing is wrong */
        struct zs_record second;
        uint8_t key, other_key;
        uint64_t count;
    } cases[] = {
        {NULL, {.lsn = 0x18, .kind = 1, .len = 1, .value = "x"}, 5, 5, 2},
        {NULL, {.lsn = 0x11, .kind = 3}, 5, 6, 2},
        {NULL, {.lsn = 0x20, .kind = 2}, 5, 6, 2},
        {"range", {.lsn = 0x10, .kind = 1}, 5, 6, 2},
        {"range", {.lsn = 0x21, .kind = 1}, 5, 6, 2},
        {"range", {.lsn = 0, .kind = 1}, 5, 6, 2},
        {"order", {.lsn = 0x17, .kind = 1}, 5, 5, 2}, /* the same again */
        {"order", {.lsn = 0x16, .kind = 1}, 5, 5, 2},
        {"order", {.lsn = 0x18, .kind = 1}, 5, 4, 2},
        {"kind", {.lsn = 0x18, .kind = 0}, 5, 6, 2},
        {"kind", {.lsn = 0x18, .kind = 4}, 5, 6, 2},
        {"larger", {.lsn = 0x18, .kind = 1, .len = ZS_VALUE_MAX + 1, .value = "x"}, 5, 6, 2},
        {"tombstone", {.lsn = 0x18, .kind = 3, .len = 1, .value = "x"}, 5, 6, 2},
        {"without its value", {.lsn = 0x18, .kind = 1, .len = 1}, 5, 6, 2},
        {"more records", {.lsn = 0x18, .kind = 1}, 5, 6, 5},
    };
    struct setting s = make_setting();
    s.table.iter_next = lying_iter_next;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        lie[0] = record_of(cases[i].key, 0x17);
        lie[1] = cases[i].second;
        lie[1].key[0] = cases[i].other_key;
        lie_count = cases[i].count;
        if (cases[i].what == NULL) {
            ASSERT_OK(read_lie(&s.table, &e));
            continue;
        }
        ASSERT_FAILS(read_lie(&s.table, &e), ZS_INTERNAL_ERROR);
        CU_ASSERT(strstr(e.message, "iter_next") != NULL);
        CU_ASSERT(strstr(e.message, cases[i].what) != NULL);
    }
    drop_setting(&s);
}

static void test_order_holds_across_calls_and_seeks(void)
{
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct snapshot s;
    struct iter it;
    struct zs_record r[4];
    uint8_t key[ZS_KEY_BYTES] = {3}, end[ZS_KEY_BYTES] = {4};
    uint64_t count;
    bool more;
    ASSERT_OK(snapshot_open(&t.table, "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 0x20, &it, &e));
    t.table.iter_next = lying_iter_next;
    lie[0] = record_of(5, 0x17);
    lie_count = 1;
    ASSERT_OK(iter_next(&it, r, 4, NULL, 0, &count, &more, &e));
    ASSERT_FAILS(iter_next(&it, r, 4, NULL, 0, &count, &more, &e), ZS_INTERNAL_ERROR);
    ASSERT_OK(iter_seek(&it, key, &e)); /* back: the same is in order again */
    ASSERT_OK(iter_next(&it, r, 4, NULL, 0, &count, &more, &e));
    key[0] = 6;
    ASSERT_OK(iter_seek(&it, key, &e)); /* 5 is before what was sought */
    ASSERT_FAILS(iter_next(&it, r, 4, NULL, 0, &count, &more, &e), ZS_INTERNAL_ERROR);
    key[0] = 3;
    ASSERT_OK(iter_range(&it, key, end, &e)); /* 5 is behind the range */
    ASSERT_FAILS(iter_next(&it, r, 4, NULL, 0, &count, &more, &e), ZS_INTERNAL_ERROR);
    ASSERT_OK(iter_seek(&it, key, &e)); /* which a seek lifts */
    ASSERT_OK(iter_next(&it, r, 4, NULL, 0, &count, &more, &e));
    iter_close(&it);
    snapshot_close(&s);
    drop_setting(&t);
}

/* ---- liars: the rest ------------------------------------------------------------------- */

static int32_t silent_find(void *self, const char *name, struct zs_branch_info *info,
                           struct zs_error *e)
{
    (void)self;
    (void)name;
    (void)info;
    (void)e;
    return ZS_FAIL;
}

static struct zs_branch_info told;

static int32_t lying_find(void *self, const char *name, struct zs_branch_info *info,
                          struct zs_error *e)
{
    (void)self;
    (void)name;
    (void)e;
    *info = told;
    return ZS_OK;
}

static void test_failure_without_a_reason(void)
{
    struct zs_error e = {0};
    struct zs_branch_info info;
    struct setting s = make_setting();
    s.table.branch_find = silent_find;
    ASSERT_FAILS(store_branch_find(&s.table, "main", &info, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(strstr(e.message, "branch_find") != NULL);
    drop_setting(&s);
}

static void test_infos_that_break_the_rules(void)
{
    struct zs_branch_info good = {.struct_size = sizeof good,
                                  .name = "main",
                                  .timeline = {.bytes = {1}},
                                  .last_valid_lsn = 5,
                                  .digest = {.lo = 7}};
    struct zs_error e = {0};
    struct zs_branch_info info;
    struct setting s = make_setting();
    s.table.branch_find = lying_find;
    told = good;
    ASSERT_OK(store_branch_find(&s.table, "main", &info, &e));
    CU_ASSERT_EQUAL(info.digest.lo, 7);
    ASSERT_FAILS(store_branch_find(&s.table, "other", &info, &e), ZS_INTERNAL_ERROR);
    told.gc_cutoff_lsn = 6;
    ASSERT_FAILS(store_branch_find(&s.table, "main", &info, &e), ZS_INTERNAL_ERROR);
    told = good;
    told.timeline.bytes[0] = 0;
    ASSERT_FAILS(store_branch_find(&s.table, "main", &info, &e), ZS_INTERNAL_ERROR);
    told = good;
    memset(told.name, 'm', sizeof told.name);
    ASSERT_FAILS(store_branch_find(&s.table, "main", &info, &e), ZS_INTERNAL_ERROR);
    told = good;
    told.struct_size = sizeof told + 8;
    ASSERT_FAILS(store_branch_find(&s.table, "main", &info, &e), ZS_INTERNAL_ERROR);
    told = good;
    s.table.features = 0; /* a digest from a host that says it keeps none */
    ASSERT_OK(store_branch_find(&s.table, "main", &info, &e));
    CU_ASSERT_EQUAL(info.digest.lo, 0);
    drop_setting(&s);
}

static struct zs_branch_info listed[2];

static int32_t lying_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e)
{
    (void)self;
    (void)e;
    if (visit(context, &listed[0]) == 0)
        (void)visit(context, &listed[1]);
    return ZS_OK;
}

static int32_t count_visits(void *context, const struct zs_branch_info *info)
{
    CU_ASSERT_EQUAL(info->struct_size, sizeof *info);
    CU_ASSERT(info->digest.lo == 0 && info->digest.hi == 0); /* nobody told one */
    ++*(int *)context;
    return 0;
}

static void test_lists_that_break_the_rules(void)
{
    struct zs_error e = {0};
    int visits = 0;
    struct setting s = make_setting();
    s.table.branch_list = lying_list;
    for (int i = 0; i < 2; i++)
        listed[i] = (struct zs_branch_info){
            .struct_size = sizeof listed[i], .name = {(char)('a' + i)}, .timeline = {.bytes = {1}}};
    listed[1].struct_size = offsetof(struct zs_branch_info, digest); /* an older host's */
    listed[1].digest.lo = listed[1].digest.hi = 7; /* which has something else there */
    ASSERT_OK(store_branch_list(&s.table, count_visits, &visits, &e));
    CU_ASSERT_EQUAL(visits, 2);
    listed[1].name[0] = 'a';
    ASSERT_FAILS(store_branch_list(&s.table, count_visits, &visits, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT_EQUAL(visits, 3);
    drop_setting(&s);
}

static struct zs_point points_told[3];
static uint64_t points_count;

static int32_t lying_history(struct zs_snapshot *snapshot, zs_lsn upto_lsn, struct zs_point *points,
                             uint64_t n, uint64_t *count, struct zs_error *e)
{
    (void)snapshot;
    (void)upto_lsn;
    (void)e;
    for (uint64_t i = 0; i < points_count && i < n; i++)
        points[i] = points_told[i];
    *count = points_count;
    return ZS_OK;
}

static void test_histories_that_break_the_rules(void)
{
    static const struct {
        zs_lsn lsns[3];
        uint64_t count;
        zs_lsn upto;
        int fine;
    } cases[] = {
        {{0x20, 0x10}, 2, 0x20, 1}, {{0x10, 0x8, 0x1}, 3, 0x1F, 1},  {{0}, 0, 0x1F, 1},
        {{0x10, 0x20}, 2, 0x20, 0}, {{0x20, 0x20}, 2, 0x20, 0},      {{0x21}, 1, 0x99, 0},
        {{0x20}, 1, 0x1F, 0},       {{0x20, 0}, 2, 0x20, 0},         {{0}, 0, 0x20, 0},
        {{0x10}, 1, 0x20, 0},       {{0x20, 0x10, 0x8}, 4, 0x20, 0},
    };
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct snapshot s;
    struct zs_point got[3];
    uint64_t count;
    ASSERT_OK(snapshot_open(&t.table, "main", &s, &e));
    t.table.snapshot_history = lying_history;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int p = 0; p < 3; p++)
            points_told[p] = (struct zs_point){
                .lsn = cases[i].lsns[p],
                .digest = cases[i].lsns[p] == 0x20 ? s.info.digest : (struct zs_digest){.lo = 1}};
        points_count = cases[i].count;
        int rc = snapshot_history(&s, cases[i].upto, got, 3, &count, &e);
        CU_ASSERT_EQUAL(rc == ZS_OK, cases[i].fine);
        CU_ASSERT_EQUAL(count, cases[i].fine ? cases[i].count : 0);
    }
    points_told[0] = (struct zs_point){.lsn = 0x20}; /* the right lsn, another digest */
    points_count = 1;
    ASSERT_FAILS(snapshot_history(&s, 0x20, got, 3, &count, &e), ZS_INTERNAL_ERROR);
    points_told[0].digest = s.info.digest;
    points_told[0].digest.hi ^= 1;
    ASSERT_FAILS(snapshot_history(&s, 0x20, got, 3, &count, &e), ZS_INTERNAL_ERROR);
    points_told[0] = (struct zs_point){.lsn = 0x1f, .digest = s.info.digest};
    ASSERT_FAILS(snapshot_history(&s, 0x20, got, 3, &count, &e), ZS_INTERNAL_ERROR);
    points_count = 0;
    ASSERT_OK(snapshot_history(&s, 0x20, got, 0, &count, &e)); /* no room: none is missed */
    s.info.last_valid_lsn = 0;
    ASSERT_OK(snapshot_history(&s, 0x20, got, 3, &count, &e)); /* an empty branch has none */
    t.table.features = 0; /* points of a host that keeps no digests are not looked at */
    points_count = 1;
    ASSERT_OK(snapshot_history(&s, 0x20, got, 3, &count, &e));
    CU_ASSERT_EQUAL(count, 0);
    snapshot_close(&s);
    drop_setting(&t);
}

static int32_t no_handle(void *self, const char *branch, struct zs_branch_info *info,
                         struct zs_snapshot **out, struct zs_error *e)
{
    (void)self;
    (void)branch;
    (void)info;
    (void)out;
    (void)e;
    return ZS_OK;
}

static struct zs_timeline_id began_with;
static zs_lsn began_at;
static int32_t (*honest_begin)(void *self, const struct zs_ingest_spec *spec,
                               struct zs_ingest_state *state, struct zs_ingest **out,
                               struct zs_error *e);

static int32_t lying_begin(void *self, const struct zs_ingest_spec *spec,
                           struct zs_ingest_state *state, struct zs_ingest **out,
                           struct zs_error *e)
{
    TRY(honest_begin(self, spec, state, out, e));
    state->timeline = began_with;
    state->base.lsn = began_at;
    return ZS_OK;
}

static void test_handles_that_break_the_rules(void)
{
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct snapshot s;
    struct ingest in;
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .flags = ZS_INGEST_CREATE | ZS_INGEST_EXACT_TIMELINE,
                                  .branch = "new",
                                  .timeline = {.bytes = {7}},
                                  .target_lsn = 9};
    honest_begin = t.table.ingest_begin;
    t.table.snapshot_open = no_handle;
    ASSERT_FAILS(snapshot_open(&t.table, "main", &s, &e), ZS_INTERNAL_ERROR);
    snapshot_close(&s);
    t.table.ingest_begin = lying_begin;
    began_with = spec.timeline;
    ASSERT_OK(ingest_begin(&t.table, &spec, &in, &e));
    ingest_close(&in);
    began_at = 1;
    ASSERT_FAILS(ingest_begin(&t.table, &spec, &in, &e), ZS_INTERNAL_ERROR);
    began_at = 0;
    began_with.bytes[0] = 8; /* another timeline than exactly this one */
    ASSERT_FAILS(ingest_begin(&t.table, &spec, &in, &e), ZS_INTERNAL_ERROR);
    spec.flags = ZS_INGEST_CREATE; /* which is allowed where it was only a wish */
    ASSERT_OK(ingest_begin(&t.table, &spec, &in, &e));
    ingest_close(&in);
    began_with.bytes[0] = 0;
    ASSERT_FAILS(ingest_begin(&t.table, &spec, &in, &e), ZS_INTERNAL_ERROR);
    drop_setting(&t); /* what was begun and refused here has been closed */
}

static void test_closed_handles(void)
{
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct iter it = {0};
    struct ingest in = {0};
    struct zs_record r = record_of(1, 1);
    struct zs_ingest_state state;
    struct zs_commit commit = {.struct_size = sizeof commit};
    uint8_t key[ZS_KEY_BYTES] = {0};
    uint8_t *data;
    uint64_t count;
    bool more;
    ASSERT_FAILS(iter_open(&s, 0, 1, &it, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(snapshot_history(&s, 0, NULL, 0, &count, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(snapshot_blob(&s, "a", &data, &count, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(iter_seek(&it, key, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(iter_range(&it, key, key, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(iter_next(&it, &r, 1, NULL, 0, &count, &more, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(ingest_put(&in, &r, 1, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(ingest_state(&in, &state, &e), ZS_INTERNAL_ERROR);
    ASSERT_FAILS(ingest_commit(&in, &commit, &e), ZS_INTERNAL_ERROR);
    for (int i = 0; i < 2; i++) {
        snapshot_close(&s);
        iter_close(&it);
        ingest_close(&in);
    }
}

static void test_blobs_of_a_store_without(void)
{
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct snapshot s;
    uint8_t *data;
    uint64_t len;
    t.table.features &= ~ZS_STORE_BLOBS;
    t.table.blob_read = NULL;
    ASSERT_OK(snapshot_open(&t.table, "main", &s, &e));
    ASSERT_FAILS(snapshot_blob(&s, "a", &data, &len, &e), ZS_NOT_SUPPORTED);
    ASSERT_FAILS(snapshot_blobs(&s, NULL, NULL, &e), ZS_NOT_SUPPORTED);
    snapshot_close(&s);
    drop_setting(&t);
}

SUITE("store/store", {"a table that cannot be used is refused in a sentence", test_import_refuses},
      {"each missing function is missed", test_import_names_each_missing_function},
      {"older and newer tables are taken", test_import_of_older_and_newer_tables},
      {"records that break the rules are XX000", test_records_that_break_the_rules},
      {"order holds across calls and seeks", test_order_holds_across_calls_and_seeks},
      {"a failure without a reason names the function", test_failure_without_a_reason},
      {"infos that break the rules are XX000", test_infos_that_break_the_rules},
      {"lists that break the rules are XX000", test_lists_that_break_the_rules},
      {"histories that break the rules are XX000", test_histories_that_break_the_rules},
      {"handles that break the rules are XX000 and closed", test_handles_that_break_the_rules},
      {"a zeroed handle is closed", test_closed_handles},
      {"blobs of a store without them are 0A000", test_blobs_of_a_store_without})
