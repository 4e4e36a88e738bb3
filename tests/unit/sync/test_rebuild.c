/* test_rebuild.c - coverage says what a map lacks, and a rebuild closes it; what is there
 * afterwards selects exactly what a full scan finds. */
#include "../../support/suite.h"

#include "map_fixture.h"
#include "stub/stub_fault.h"
#include "stub/stub_rot.h"
#include "sync/coverage.h"
#include "sync/rebuild.h"

#include <pthread.h>
#include <stdatomic.h>

static struct coverage covers(const struct world *w)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct coverage c;
    ASSERT_OK(snapshot_open(w->store, "main", &s, &e));
    ASSERT_OK(coverage_read(&s, &c, &e));
    return c;
}

static struct rebuild rebuild_of(const struct world *w)
{
    return (struct rebuild){.store = w->store, .branch = "main"};
}

static void test_coverage_names_what_is_missing(void)
{
    struct world w;
    uint32_t x = 5;
    zs_lsn at[7];
    world_open(&w, 0);
    struct coverage c = covers(&w);
    CU_ASSERT(c.epochs == 0 && c.ngaps == 0 && c.from_lsn == 0);
    /* Commits 2 and 4 go past the recording store. */
    for (int i = 0; i < 7; i++)
        at[i] = commit_some(i == 2 || i == 4 ? &w.host : w.store, &x, 10, 0x100);
    c = covers(&w);
    CU_ASSERT(c.epochs == 4 && c.from_lsn == at[0] && c.bytes > 0);
    CU_ASSERT_FATAL(c.ngaps == 2);
    CU_ASSERT(c.gaps[0].from_lsn == at[3] && c.gaps[0].to_lsn == at[4]);
    CU_ASSERT(c.gaps[1].from_lsn == at[1] && c.gaps[1].to_lsn == at[2]);
    commit_some(&w.host, &x, 10, 0x100);
    c = covers(&w);
    CU_ASSERT(c.ngaps == 3 && c.gaps[0].from_lsn == at[6]);
    CU_ASSERT(strstr(c.why, "past the change map") != NULL);
    world_close(&w);
}

/* An epoch that cannot be read leaves a gap, and it is said which one. */
static void test_coverage_names_what_is_damaged(void)
{
    struct world w;
    uint32_t x = 5;
    zs_lsn at[4];
    world_open(&w, 0);
    for (int i = 0; i < 4; i++)
        at[i] = commit_some(w.store, &x, 10, 0x100);
    stub_rot_blob(w.stub, "main", 1, 60);
    struct coverage c = covers(&w);
    CU_ASSERT(c.epochs == 2 && c.ngaps == 1 && c.from_lsn == at[0]);
    CU_ASSERT(c.gaps[0].from_lsn == at[1] && c.gaps[0].to_lsn == at[2]);
    CU_ASSERT(strstr(c.why, "ends at 0/300 is damaged") != NULL);
    world_close(&w);
}

static void test_a_rebuild_closes_every_gap(void)
{
    for (uint32_t seed = 1; seed <= 6; seed++) {
        struct world w;
        uint32_t x = seed, commits = 3 + 30 * seed; /* more than there can be epochs, at last */
        world_open(&w, seed % 2 == 0 ? STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS : 0);
        for (uint32_t i = 0; i < commits; i++)
            commit_some(next_random(&x) % 3 == 0 ? &w.host : w.store, &x, 1 + next_random(&x) % 40,
                        0x100);
        struct rebuild r = rebuild_of(&w);
        ASSERT_OK(rebuild_run(&r, &e));
        struct coverage c = covers(&w);
        CU_ASSERT(c.ngaps == 0 && c.from_lsn == 0 && c.epochs == r.epochs);
        CU_ASSERT(r.epochs <= REBUILD_EPOCHS && r.left_out == 0 && r.bytes <= r.total_bytes);
        CU_ASSERT(c.bytes == r.map_bytes);
        check_every_range(&w);
        commit_some(w.store, &x, 10, 0x100); /* and the chain goes on */
        c = covers(&w);
        CU_ASSERT(c.ngaps == 0 && c.from_lsn == 0 && c.epochs == r.epochs + 1);
        check_every_range(&w);
        world_close(&w);
    }
}

/* Commits while the scan runs keep their epochs, also when they are merged meanwhile. */
struct meanwhile {
    struct world *w;
    uint32_t seed, commits;
};

static void write_meanwhile(void *context, const struct rebuild *r)
{
    struct meanwhile *m = context;
    for (; m->commits > 0 && !r->waiting; m->commits--)
        commit_some(m->w->store, &m->seed, 5, 0x10);
}

static void test_what_is_written_meanwhile_is_kept(void)
{
    for (uint32_t commits = 1; commits <= 81; commits += 40) {
        struct world w;
        uint32_t x = 3;
        world_open(&w, 0);
        for (int i = 0; i < 20; i++)
            commit_some(i == 7 ? &w.host : w.store, &x, 30, 0x100);
        struct meanwhile m = {.w = &w, .seed = 9, .commits = commits};
        struct rebuild r = rebuild_of(&w);
        r.tell = write_meanwhile;
        r.context = &m;
        ASSERT_OK(rebuild_run(&r, &e));
        CU_ASSERT(m.commits == 0);
        check_every_range(&w);
        if (commits == 1)
            CU_ASSERT(covers(&w).ngaps == 0 && covers(&w).from_lsn == 0);
        world_close(&w);
    }
}

static void test_an_empty_branch_and_a_missing_one(void)
{
    struct world w;
    world_open(&w, 0);
    struct rebuild r = rebuild_of(&w);
    ASSERT_OK(rebuild_run(&r, &e));
    CU_ASSERT(r.epochs == 0);
    r = rebuild_of(&w);
    r.branch = "none";
    ASSERT_FAILS(rebuild_run(&r, &e), ZS_NO_SUCH_BRANCH);
    world_close(&w);
    world_open(&w, STUB_STORE_NO_BLOBS);
    r = rebuild_of(&w);
    ASSERT_FAILS(rebuild_run(&r, &e), ZS_NOT_SUPPORTED);
    world_close(&w);
}

/* Another ingest is open: it is waited for, until a cancel. */
struct busy {
    struct ingest in;
    atomic_int asked;
    bool waited;
};

static void end_it(void *context, const struct rebuild *r)
{
    struct busy *b = context;
    if (!r->waiting)
        return;
    b->waited = true;
    ingest_close(&b->in);
}

static int32_t after_a_while(void *self)
{
    return atomic_fetch_add((atomic_int *)self, 1) > 8;
}

static void begin_another(const struct world *w, struct busy *b)
{
    struct zs_branch_info now;
    ASSERT_OK(store_branch_find(w->store, "main", &now, &e));
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = "main",
                                  .base_lsn = now.last_valid_lsn,
                                  .target_lsn = now.last_valid_lsn + 16};
    ASSERT_OK(ingest_begin(w->store, &spec, &b->in, &e));
}

static void test_another_writer_is_waited_for(void)
{
    struct world w;
    uint32_t x = 3;
    world_open(&w, 0);
    commit_some(w.store, &x, 30, 0x100);
    struct busy busy = {0};
    begin_another(&w, &busy);
    struct rebuild r = rebuild_of(&w);
    r.tell = end_it;
    r.context = &busy;
    ASSERT_OK(rebuild_run(&r, &e));
    CU_ASSERT(busy.waited && r.epochs == 1);
    begin_another(&w, &busy);
    atomic_int asked = 0;
    struct zs_cancel cancel = {
        .struct_size = sizeof cancel, .fd = -1, .self = &asked, .requested = after_a_while};
    r = rebuild_of(&w);
    r.cancel = &cancel;
    ASSERT_FAILS(rebuild_run(&r, &e), ZS_CANCELLED);
    ingest_close(&busy.in);
    world_close(&w);
}

/* A stage that waits would be dropped by any writer. */
static void test_a_stage_is_left_alone(void)
{
    struct world w;
    uint32_t x = 3;
    bool synced = false;
    world_open(&w, 0);
    commit_some(w.store, &x, 30, 0x100);
    struct busy busy = {0};
    begin_another(&w, &busy);
    ASSERT_OK(ingest_sync(&busy.in, "token", 5, &synced, &e));
    ingest_close(&busy.in);
    struct rebuild r = rebuild_of(&w);
    ASSERT_FAILS(rebuild_run(&r, &e), ZS_BUSY);
    CU_ASSERT(strstr(e.hint, "drop-stage main") != NULL);
    ASSERT_OK(store_stage_drop(w.store, "main", &e));
    r = rebuild_of(&w);
    ASSERT_OK(rebuild_run(&r, &e));
    world_close(&w);
}

/* Who comes while the scan runs: another branch of that name, or a transfer that is cut off. */
struct newcomer {
    struct world *w;
    bool stage, came;
};

static void come(void *context, const struct rebuild *r)
{
    struct newcomer *n = context;
    struct busy busy = {0};
    bool synced = false;
    (void)r;
    if (n->came)
        return;
    n->came = true;
    if (n->stage) {
        begin_another(n->w, &busy);
        ASSERT_OK(ingest_sync(&busy.in, "token", 5, &synced, &e));
        ingest_close(&busy.in);
    } else {
        ASSERT_OK(stub_store_branch_delete(n->w->stub, "main", &e));
        ASSERT_OK(stub_store_branch_create(n->w->stub, "main", NULL, NULL, &e));
    }
}

static void test_who_comes_meanwhile_is_left_alone(void)
{
    for (int stage = 0; stage < 2; stage++) {
        struct world w;
        uint32_t x = 3;
        world_open(&w, 0);
        commit_some(&w.host, &x, 30, 0x100);
        struct newcomer newcomer = {.w = &w, .stage = stage == 1};
        struct rebuild r = rebuild_of(&w);
        r.tell = come;
        r.context = &newcomer;
        ASSERT_FAILS(rebuild_run(&r, &e), stage ? ZS_BUSY : ZS_MOVED_MEANWHILE);
        CU_ASSERT(strstr(e.message, stage ? "waits here" : "was replaced") != NULL);
        CU_ASSERT(covers(&w).epochs == 0 && e.hint[0] != '\0');
        world_close(&w);
    }
}

/* Another branch's stage is in nobody's way. */
static void test_a_stage_of_another_branch(void)
{
    struct world w;
    uint32_t x = 3;
    bool synced = false;
    struct ingest in = {0};
    world_open(&w, 0);
    ASSERT_OK(stub_store_branch_create(w.stub, "other", NULL, NULL, &e));
    commit_some(&w.host, &x, 30, 0x100);
    struct zs_ingest_spec spec = {.struct_size = sizeof spec, .branch = "other", .target_lsn = 16};
    ASSERT_OK(ingest_begin(w.store, &spec, &in, &e));
    ASSERT_OK(ingest_sync(&in, "token", 5, &synced, &e));
    ingest_close(&in);
    struct rebuild r = rebuild_of(&w);
    ASSERT_OK(rebuild_run(&r, &e));
    CU_ASSERT(r.epochs == 1);
    world_close(&w);
}

/* Maps that need more memory together than a rebuild may take: the largest are given up, and
 * what is left is right. */
static void test_memory_is_bounded(void)
{
    enum { COMMITS = 6, KEYS = 36000 }; /* each key behind a prefix of its own */
    struct world w;
    struct zs_record *records = calloc(KEYS, sizeof *records);
    if (records == NULL)
        abort();
    world_open(&w, 0);
    for (uint32_t c = 0; c < COMMITS; c++) {
        zs_lsn upto = (c + 1) * UINT64_C(0x100);
        uint32_t n = c == 1 ? 10 : KEYS;
        for (uint32_t i = 0; i < n; i++) {
            records[i] =
                (struct zs_record){.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = upto};
            put_u32be(records[i].key, c * KEYS + i);
        }
        ASSERT_OK(stub_store_write(w.stub, "main", records, n, upto, &e));
    }
    free(records);
    struct rebuild r = rebuild_of(&w);
    ASSERT_OK(rebuild_run(&r, &e));
    CU_ASSERT(r.left_out > 0 && r.left_out < COMMITS && r.epochs + r.left_out == COMMITS);
    struct coverage c = covers(&w);
    for (uint64_t i = 0; i < c.ngaps; i++)
        CU_ASSERT(c.gaps[i].to_lsn != 0x200); /* the small one is never given up */
    CU_ASSERT(c.epochs == r.epochs);
    (void)check_every_range(&w);
    world_close(&w);
}

/* Each call of the store may fail: the map is as before or as after, never between. */
static void test_each_call_may_fail(void)
{
    for (uint64_t n = 1;; n++) {
        struct world w;
        struct stub_faults faults;
        struct stub_fault_store *faulty = NULL;
        uint32_t x = 8;
        world_open(&w, 0);
        for (int i = 0; i < 9; i++)
            commit_some(i == 4 ? &w.host : w.store, &x, 30, 0x100);
        ASSERT_OK(stub_faults_init(&faults, &e));
        ASSERT_OK(stub_fault_store_open(&w.host, &faults, &faulty, &e));
        stub_faults_arm(&faults, &(struct stub_fault){.nth = n});
        struct rebuild r = {.store = stub_fault_store_table(faulty), .branch = "main"};
        struct zs_error fault = {0};
        int rc = rebuild_run(&r, &fault);
        bool fired = stub_faults_fired(&faults);
        CU_ASSERT(fired == (rc != ZS_OK));
        CU_ASSERT(rc == ZS_OK || fault.sqlstate[0] != '\0');
        CU_ASSERT(covers(&w).ngaps == (rc == ZS_OK ? 0 : 1));
        check_every_range(&w);
        stub_fault_store_close(faulty);
        stub_faults_fini(&faults);
        world_close(&w);
        if (!fired)
            break;
        CU_ASSERT_FATAL(n < 1000);
    }
}

SUITE("sync/rebuild", {"coverage names what is missing", test_coverage_names_what_is_missing},
      {"coverage names what is damaged", test_coverage_names_what_is_damaged},
      {"a rebuild closes every gap", test_a_rebuild_closes_every_gap},
      {"what is written meanwhile is kept", test_what_is_written_meanwhile_is_kept},
      {"an empty branch and a missing one", test_an_empty_branch_and_a_missing_one},
      {"another writer is waited for", test_another_writer_is_waited_for},
      {"a stage that waits is left alone", test_a_stage_is_left_alone},
      {"who comes meanwhile is left alone", test_who_comes_meanwhile_is_left_alone},
      {"another branch's stage is in nobody's way", test_a_stage_of_another_branch},
      {"memory is bounded", test_memory_is_bounded},
      {"each call of the store may fail", test_each_call_may_fail})
