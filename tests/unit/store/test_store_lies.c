/* test_store_lies.c - blobs, handles and states of a host that lies, and its failures,
 * which go up as they are. */
#include "setting.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "stub/stub_fault.h"

#include <stdlib.h>

/* ---- blobs -------------------------------------------------------------------------------- */

static uint64_t told_sizes[2]; /* at the first read, and at the second */
static int reads;
static const char *read_fails; /* its SQLSTATE; NULL: it succeeds */

static int32_t lying_blob_read(struct zs_snapshot *snapshot, const char *name, void *buf,
                               uint64_t buf_bytes, uint64_t *len, struct zs_error *e)
{
    (void)snapshot;
    (void)name;
    *len = told_sizes[reads++ == 0 ? 0 : 1];
    if (*len <= buf_bytes)
        memset(buf, 'b', *len);
    return read_fails == NULL ? ZS_OK : error_set(e, read_fails, "told to fail");
}

static void test_blobs_that_break_the_rules(void)
{
    static const struct {
        uint64_t first, second;
        const char *fails, *sqlstate; /* NULL: fine */
        const char *what;
        int reads;
    } cases[] = {
        {0, 0, NULL, NULL, "", 1},
        {65536, 0, NULL, NULL, "", 1},
        {65537, 65537, NULL, NULL, "", 2}, /* does not fit at first */
        {ZS_BLOB_MAX, ZS_BLOB_MAX, NULL, NULL, "", 2},
        {70000, 69000, NULL, NULL, "", 2}, /* it has become smaller: what came is whole */
        {70000, 70001, NULL, ZS_INTERNAL_ERROR, "two sizes", 2},
        {ZS_BLOB_MAX + 1, 0, NULL, ZS_INTERNAL_ERROR, "more than a blob", 1},
        {1, 0, ZS_NO_SUCH_BRANCH, NULL, "", 1}, /* no such blob: none, and no error */
        {1, 0, ZS_IO_ERROR, ZS_IO_ERROR, "told to fail", 1},
    };
    struct setting t = make_setting();
    struct snapshot s;
    struct zs_error e = {0};
    ASSERT_OK(snapshot_open(&t.table, "main", &s, &e));
    t.table.blob_read = lying_blob_read;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(free_ptr) uint8_t *data = NULL;
        uint64_t len = 7;
        reads = 0;
        told_sizes[0] = cases[i].first;
        told_sizes[1] = cases[i].second;
        read_fails = cases[i].fails;
        int rc = snapshot_blob(&s, "name", &data, &len, &e);
        CU_ASSERT(reads == cases[i].reads);
        if (cases[i].sqlstate != NULL) {
            ASSERT_FAILS(rc, cases[i].sqlstate);
            CU_ASSERT(strstr(e.message, cases[i].what) != NULL);
            CU_ASSERT(data == NULL && len == 0);
            continue;
        }
        ASSERT_OK(rc);
        uint64_t want = cases[i].reads == 2 ? cases[i].second : cases[i].first;
        CU_ASSERT(len == (cases[i].fails == NULL ? want : 0));
        CU_ASSERT((data == NULL) == (cases[i].fails != NULL));
        CU_ASSERT(len == 0 || data == NULL || (data[0] == 'b' && data[len - 1] == 'b'));
    }
    snapshot_close(&s);
    drop_setting(&t);
}

static struct {
    const char *names[3];
    uint64_t len;
} blobs;

static int32_t lying_blob_list(struct zs_snapshot *snapshot, zs_blob_visit visit, void *context,
                               struct zs_error *e)
{
    (void)snapshot;
    for (int i = 0; i < 3 && blobs.names[i] != NULL; i++)
        if (visit(context, blobs.names[i], blobs.len) != 0)
            return ZS_OK;
    return read_fails == NULL ? ZS_OK : error_set(e, read_fails, "told to fail");
}

static int32_t count_blobs(void *context, const char *name, uint64_t len)
{
    CU_ASSERT(name != NULL && len == blobs.len);
    return ++*(int *)context == 2 ? 1 : 0; /* two are enough */
}

static void test_blob_lists_that_break_the_rules(void)
{
    char longest[ZS_BLOB_NAME_MAX + 1], longer[ZS_BLOB_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    memset(longer, 'n', sizeof longer);
    longest[ZS_BLOB_NAME_MAX] = longer[ZS_BLOB_NAME_MAX + 1] = '\0';
    const struct {
        const char *names[3];
        uint64_t len;
        const char *what; /* NULL: fine */
        int visits;
    } cases[] = {
        {{NULL}, 1, NULL, 0},
        {{"a", "b"}, ZS_BLOB_MAX, NULL, 2},
        {{"a", "b", "a"}, 1, NULL, 2}, /* what comes after the end asked for is not looked at */
        {{longest}, 1, NULL, 1},
        {{longer}, 1, "beyond the limits", 0},
        {{"a"}, ZS_BLOB_MAX + 1, "beyond the limits", 0},
        {{"b", "a"}, 1, "out of name order", 1},
        {{"b", "b"}, 1, "out of name order", 1},
        {{""}, 1, "out of name order", 0},
    };
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct snapshot s = {0};
    ASSERT_FAILS(snapshot_blobs(&s, count_blobs, NULL, &e), ZS_INTERNAL_ERROR); /* closed */
    ASSERT_OK(snapshot_open(&t.table, "main", &s, &e));
    t.table.blob_list = lying_blob_list;
    read_fails = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int visits = 0;
        memcpy(blobs.names, cases[i].names, sizeof blobs.names);
        blobs.len = cases[i].len;
        int rc = snapshot_blobs(&s, count_blobs, &visits, &e);
        CU_ASSERT(visits == cases[i].visits);
        if (cases[i].what == NULL) {
            ASSERT_OK(rc);
            continue;
        }
        ASSERT_FAILS(rc, ZS_INTERNAL_ERROR);
        CU_ASSERT(strstr(e.message, cases[i].what) != NULL);
    }
    int visits = 0;
    blobs.names[0] = NULL;
    read_fails = ZS_IO_ERROR;
    ASSERT_FAILS(snapshot_blobs(&s, count_blobs, &visits, &e), ZS_IO_ERROR);
    snapshot_close(&s);
    drop_setting(&t);
}

/* ---- branches ------------------------------------------------------------------------------ */

static int32_t failing_list(void *self, zs_branch_visit visit, void *context, struct zs_error *e)
{
    struct zs_branch_info nameless = {.struct_size = sizeof nameless};
    (void)self;
    CU_ASSERT(visit(context, &nameless) != 0); /* a lie ends the list */
    return read_fails == NULL ? ZS_OK : error_set(e, read_fails, "told to fail");
}

static int32_t no_visit(void *context, const struct zs_branch_info *info)
{
    (void)context;
    (void)info;
    CU_FAIL("a branch without a name is handed on");
    return 0;
}

static void test_a_list_that_lies_and_a_list_that_fails(void)
{
    struct zs_error e = {0};
    struct setting t = make_setting();
    t.table.branch_list = failing_list;
    read_fails = NULL;
    ASSERT_FAILS(store_branch_list(&t.table, no_visit, NULL, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(strstr(e.message, "without a name") != NULL);
    read_fails = ZS_IO_ERROR; /* then this is the reason */
    ASSERT_FAILS(store_branch_list(&t.table, no_visit, NULL, &e), ZS_IO_ERROR);
    drop_setting(&t);
}

/* ---- handles ------------------------------------------------------------------------------- */

static int32_t (*honest_snapshot)(void *self, const char *branch, struct zs_branch_info *info,
                                  struct zs_snapshot **out, struct zs_error *e);

static int32_t snapshot_of_another(void *self, const char *branch, struct zs_branch_info *info,
                                   struct zs_snapshot **out, struct zs_error *e)
{
    TRY(honest_snapshot(self, branch, info, out, e));
    info->name[0] = 'x';
    return ZS_OK;
}

static int32_t no_iter(struct zs_snapshot *snapshot, zs_lsn after_lsn, zs_lsn upto_lsn,
                       struct zs_iter **out, struct zs_error *e)
{
    (void)snapshot;
    (void)after_lsn;
    (void)upto_lsn;
    (void)out;
    (void)e;
    return ZS_OK;
}

static int32_t no_range(struct zs_iter *iter, const uint8_t first[ZS_KEY_BYTES],
                        const uint8_t last[ZS_KEY_BYTES], struct zs_error *e)
{
    (void)iter;
    (void)first;
    (void)last;
    return error_set(e, ZS_IO_ERROR, "told to fail");
}

static void test_reading_handles_that_break_the_rules(void)
{
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct snapshot s;
    struct iter it;
    uint8_t key[ZS_KEY_BYTES] = {0};
    honest_snapshot = t.table.snapshot_open;
    t.table.snapshot_open = snapshot_of_another;
    ASSERT_FAILS(snapshot_open(&t.table, "main", &s, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(s.handle == NULL && stub_store_open_handles(t.stub) == 0);
    t.table.snapshot_open = honest_snapshot;
    ASSERT_OK(snapshot_open(&t.table, "main", &s, &e));
    ASSERT_OK(iter_open(&s, 0, 0x20, &it, &e));
    t.table.iter_range = no_range;
    ASSERT_FAILS(iter_range(&it, key, key, &e), ZS_IO_ERROR);
    t.table.features &= ~ZS_STORE_BLOBS; /* iter_range came with the blobs */
    ASSERT_FAILS(iter_range(&it, key, key, &e), ZS_NOT_SUPPORTED);
    iter_close(&it);
    t.table.iter_open = no_iter;
    ASSERT_FAILS(iter_open(&s, 0, 0x20, &it, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(strstr(e.message, "no handle") != NULL);
    snapshot_close(&s);
    drop_setting(&t);
}

static int32_t (*honest_begin)(void *self, const struct zs_ingest_spec *spec,
                               struct zs_ingest_state *state, struct zs_ingest **out,
                               struct zs_error *e);
static enum { NO_LIE, NO_HANDLE, LARGE_STATE, OTHER_TIMELINE } begin_lie;

static int32_t lying_begin(void *self, const struct zs_ingest_spec *spec,
                           struct zs_ingest_state *state, struct zs_ingest **out,
                           struct zs_error *e)
{
    if (begin_lie == NO_HANDLE)
        return ZS_OK;
    TRY(honest_begin(self, spec, state, out, e));
    if (begin_lie == LARGE_STATE)
        state->struct_size = sizeof *state + 8;
    if (begin_lie == OTHER_TIMELINE)
        state->timeline.bytes[3] ^= 1;
    return ZS_OK;
}

static struct zs_ingest_state told;

static int32_t lying_state(struct zs_ingest *ingest, struct zs_ingest_state *state,
                           struct zs_error *e)
{
    (void)ingest;
    (void)e;
    *state = told;
    return ZS_OK;
}

static void test_ingests_that_break_the_rules(void)
{
    struct zs_error e = {0};
    struct setting t = make_setting();
    struct ingest in;
    struct zs_ingest_state state;
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = 0x20, .target_lsn = 0x40};
    honest_begin = t.table.ingest_begin;
    t.table.ingest_begin = lying_begin;
    begin_lie = NO_HANDLE;
    ASSERT_FAILS(ingest_begin(&t.table, &spec, &in, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(strstr(e.message, "no handle") != NULL && in.handle == NULL);
    begin_lie = LARGE_STATE;
    ASSERT_FAILS(ingest_begin(&t.table, &spec, &in, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(stub_store_open_handles(t.stub) == 0);
    begin_lie = OTHER_TIMELINE;
    ASSERT_OK(ingest_begin(&t.table, &spec, &in, &e)); /* none was asked for */
    ingest_close(&in);
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(&t.table, "main", &info, &e));
    struct zs_ingest_spec exact = spec;
    exact.timeline = info.timeline;
    ASSERT_FAILS(ingest_begin(&t.table, &exact, &in, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(strstr(e.message, "another timeline than was asked for") != NULL);
    CU_ASSERT(stub_store_open_handles(t.stub) == 0);
    begin_lie = NO_LIE;
    ASSERT_OK(ingest_begin(&t.table, &spec, &in, &e));
    ASSERT_OK(ingest_state(&in, &state, &e));
    CU_ASSERT(state.struct_size == sizeof state && state.base.lsn == 0x20);

    t.table.ingest_state = lying_state;
    told = state;
    told.struct_size = offsetof(struct zs_ingest_state, records); /* an older host's */
    ASSERT_OK(ingest_state(&in, &state, &e));
    CU_ASSERT(state.struct_size == sizeof state);
    told.struct_size = sizeof told + 8;
    ASSERT_FAILS(ingest_state(&in, &state, &e), ZS_INTERNAL_ERROR);
    told.struct_size = sizeof told;
    told.base.lsn++;
    ASSERT_FAILS(ingest_state(&in, &state, &e), ZS_INTERNAL_ERROR);
    told.base.lsn--;
    told.timeline.bytes[0] ^= 1;
    ASSERT_FAILS(ingest_state(&in, &state, &e), ZS_INTERNAL_ERROR);
    CU_ASSERT(strstr(e.message, "changed what the ingest builds on") != NULL);

    struct zs_blob blob = {.name = "b", .data = "x", .len = 1};
    struct zs_commit commit = {.struct_size = sizeof commit, .blobs = &blob, .nblobs = 1};
    t.table.features &= ~ZS_STORE_BLOBS;
    ASSERT_FAILS(ingest_commit(&in, &commit, &e), ZS_NOT_SUPPORTED);
    ingest_close(&in);
    drop_setting(&t);
}

static int32_t count_branches(void *context, const struct zs_branch_info *info)
{
    ASSERT_TEXT(info->name, "main");
    ++*(int *)context;
    return 0;
}

/* ---- failures ------------------------------------------------------------------------------ */

/* Everything once that a table can do; the error of the first call that fails. */
static int use_all(const struct zs_store *table, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(iter_close) struct iter it = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    CLEANUP(free_ptr) uint8_t *data = NULL;
    struct zs_branch_info info;
    struct zs_point points[4];
    struct zs_record records[4], r = record_of(3, 0x30);
    struct zs_ingest_state state;
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = 0x20, .target_lsn = 0x40};
    struct zs_commit commit = {.struct_size = sizeof commit, .upto_lsn = 0x30};
    uint8_t key[ZS_KEY_BYTES] = {0};
    uint64_t n = 0;
    bool flag = false;
    int visits = 0;
    TRY(store_branch_find(table, "main", &info, e));
    TRY(store_branch_list(table, count_branches, &visits, e));
    TRY(snapshot_open(table, "main", &s, e));
    TRY(snapshot_history(&s, 0x20, points, 4, &n, e));
    TRY(snapshot_blob(&s, "none", &data, &n, e));
    TRY(snapshot_blobs(&s, count_blobs, &visits, e));
    TRY(iter_open(&s, 0, 0x20, &it, e));
    TRY(iter_seek(&it, key, e));
    TRY(iter_next(&it, records, 4, NULL, 0, &n, &flag, e));
    TRY(iter_range(&it, key, key, e));
    TRY(ingest_begin(table, &spec, &in, e));
    TRY(ingest_put(&in, &r, 1, e));
    TRY(ingest_sync(&in, "token", 5, &flag, e));
    TRY(ingest_state(&in, &state, e));
    commit.sum = state.sum;
    commit.end.lsn = commit.upto_lsn;
    return ingest_commit(&in, &commit, e);
}

static void test_a_failure_goes_up_as_it_is(void)
{
    static const char *const operations[] = {
        "branch_find",  "branch_list", "snapshot_open", "snapshot_history", "blob_read",
        "blob_list",    "iter_open",   "iter_seek",     "iter_next",        "iter_range",
        "ingest_begin", "ingest_put",  "ingest_sync",   "ingest_state",     "ingest_commit",
    };
    struct zs_error e = {0};
    struct stub_faults faults;
    ASSERT_OK(stub_faults_init(&faults, &e));
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        for (int silent = 0; silent < 2; silent++) {
            struct setting t = make_setting();
            struct stub_fault_store *wrapped = NULL;
            struct zs_store table;
            e = (struct zs_error){0};
            ASSERT_OK(stub_fault_store_open(stub_store_table(t.stub), &faults, &wrapped, &e));
            ASSERT_OK(store_import(stub_fault_store_table(wrapped), &table, &e));
            stub_faults_arm(
                &faults, &(struct stub_fault){.operation = operations[i],
                                              .nth = 1,
                                              .kind = silent ? STUB_FAULT_SILENT : STUB_FAULT_FAIL,
                                              .sqlstate = ZS_DISK_FULL});
            ASSERT_FAILS(use_all(&table, &e), silent ? ZS_INTERNAL_ERROR : ZS_DISK_FULL);
            CU_ASSERT(stub_faults_fired(&faults));
            CU_ASSERT(!silent || strstr(e.message, operations[i]) != NULL);
            ASSERT_OK(use_all(&table, &e)); /* and without a failure all of it is done */
            stub_fault_store_close(wrapped);
            drop_setting(&t);
        }
    stub_faults_fini(&faults);
}

SUITE("store/lies", {"blobs that break the rules are XX000", test_blobs_that_break_the_rules},
      {"blob lists that break the rules are XX000", test_blob_lists_that_break_the_rules},
      {"a list that lies, and a list that fails", test_a_list_that_lies_and_a_list_that_fails},
      {"reading handles that break the rules are XX000 and closed",
       test_reading_handles_that_break_the_rules},
      {"ingests that break the rules are XX000 and closed", test_ingests_that_break_the_rules},
      {"a failure goes up as it is", test_a_failure_goes_up_as_it_is})
