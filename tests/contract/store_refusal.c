/* store_refusal.c - the store contract: what an ingest refuses, and that a refusal
 * leaves the branch as it was. */
#include "store_fixture.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"

#include <stdlib.h>
#include <string.h>

/* "main" at 0x10 with 20 pages, and the same again for 0x20. */
static bool make_main(struct fixture *f, struct history *h)
{
    struct zs_error e = {0};
    if (!fixture_open(f))
        return false;
    history_add_images(h, 1, 20, 100, 0x10);
    history_add_images(h, 1, 20, 100, 0x20);
    ASSERT_OK(plan_run(
        f, &(struct plan){.branch = "main", .history = h, .upto = 0x10, .flags = ZS_INGEST_CREATE},
        &e));
    return true;
}

static struct zs_ingest_spec append_spec(const char *branch, zs_lsn base, zs_lsn target)
{
    return (struct zs_ingest_spec){.struct_size = sizeof(struct zs_ingest_spec),
                                   .branch = branch,
                                   .base_lsn = base,
                                   .target_lsn = target};
}

static void test_begin_refusals(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in = {0};
    if (!make_main(&f, &h))
        return;
    struct zs_ingest_spec spec = append_spec("absent", 0x10, 0x20);
    ASSERT_FAILS(ingest_begin(&f.store, &spec, &in, &e), ZS_NO_SUCH_BRANCH);
    spec = append_spec("main", 0, 0x20);
    spec.flags = ZS_INGEST_CREATE;
    ASSERT_FAILS(ingest_begin(&f.store, &spec, &in, &e), ZS_ALREADY_EXISTS);
    spec = append_spec("main", 0x0F, 0x20);
    ASSERT_FAILS(ingest_begin(&f.store, &spec, &in, &e), ZS_MOVED_MEANWHILE);
    spec = append_spec("main", 0x11, 0x20);
    ASSERT_FAILS(ingest_begin(&f.store, &spec, &in, &e), ZS_MOVED_MEANWHILE);
    spec = append_spec("main", 0x10, 0x20);
    spec.timeline.bytes[3] = 1;
    ASSERT_FAILS(ingest_begin(&f.store, &spec, &in, &e), ZS_MOVED_MEANWHILE);
    check_branch(&f, "main", &h, 0x10);
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(&f.store, "main", &info, &e));
    spec.timeline = info.timeline; /* the id that it has */
    ASSERT_OK(ingest_begin(&f.store, &spec, &in, &e));
    ingest_close(&in);
    history_free(&h);
    fixture_close(&f);
}

static void test_one_ingest_at_a_time(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest first = {0}, second = {0}, other = {0};
    if (!make_main(&f, &h))
        return;
    struct zs_ingest_spec spec = append_spec("main", 0x10, 0x20);
    struct zs_ingest_spec fresh = {.struct_size = sizeof fresh,
                                   .flags = ZS_INGEST_CREATE,
                                   .branch = "fresh",
                                   .timeline = {.bytes = {9}},
                                   .target_lsn = 0x20};
    ASSERT_OK(ingest_begin(&f.store, &spec, &first, &e));
    ASSERT_FAILS(ingest_begin(&f.store, &spec, &second, &e), ZS_BUSY);
    ASSERT_OK(ingest_begin(&f.store, &fresh, &other, &e)); /* another branch is free */
    ASSERT_FAILS(ingest_begin(&f.store, &fresh, &second, &e), ZS_BUSY);
    fresh.branch = "twin"; /* the same timeline under another name: refused or another id */
    bool began = ingest_begin(&f.store, &fresh, &second, &e) == ZS_OK;
    CU_ASSERT(began ? !timeline_equal(second.state.timeline, other.state.timeline)
                    : error_is(&e, ZS_BUSY));
    ingest_close(&second);
    ingest_close(&first);
    ASSERT_OK(ingest_begin(&f.store, &spec, &second, &e));
    ingest_close(&second);
    ingest_close(&other);
    fresh.branch = "fresh";
    ASSERT_OK(ingest_begin(&f.store, &fresh, &other, &e));
    CU_ASSERT(timeline_equal(other.state.timeline, fresh.timeline));
    ingest_close(&other);
    if (f.driver->branch_delete != NULL) {
        ASSERT_OK(ingest_begin(&f.store, &spec, &first, &e));
        ASSERT_FAILS(f.driver->branch_delete(f.self, "main", &e), ZS_BUSY);
        ingest_close(&first);
    }
    check_branch(&f, "main", &h, 0x10);
    history_free(&h);
    fixture_close(&f);
}

static void test_timeline_choice(void)
{
    struct zs_error e = {0};
    struct history none = {0};
    struct fixture f;
    struct zs_branch_info a, b, c;
    struct ingest in;
    struct zs_timeline_id id = {.bytes = {1, 2, 3, 4}};
    if (!fixture_open(&f))
        return;
    struct plan p = {
        .branch = "a", .history = &none, .upto = 5, .flags = ZS_INGEST_CREATE, .timeline = id};
    ASSERT_OK(plan_run(&f, &p, &e));
    ASSERT_OK(store_branch_find(&f.store, "a", &a, &e));
    CU_ASSERT(timeline_equal(a.timeline, id)); /* free: as wished */
    p.branch = "b";
    ASSERT_OK(plan_run(&f, &p, &e));
    ASSERT_OK(store_branch_find(&f.store, "b", &b, &e));
    CU_ASSERT(!timeline_equal(b.timeline, id) && !timeline_is_zero(b.timeline));
    p.branch = "c";
    p.timeline = (struct zs_timeline_id){0};
    ASSERT_OK(plan_run(&f, &p, &e));
    ASSERT_OK(store_branch_find(&f.store, "c", &c, &e));
    CU_ASSERT(!timeline_is_zero(c.timeline) && !timeline_equal(c.timeline, b.timeline));
    struct zs_ingest_spec exact = {.struct_size = sizeof exact,
                                   .flags = ZS_INGEST_CREATE | ZS_INGEST_EXACT_TIMELINE,
                                   .branch = "d",
                                   .timeline = id,
                                   .target_lsn = 5};
    ASSERT_FAILS(ingest_begin(&f.store, &exact, &in, &e), ZS_ALREADY_EXISTS);
    exact.timeline.bytes[0] = 77;
    ASSERT_OK(ingest_begin(&f.store, &exact, &in, &e));
    CU_ASSERT(timeline_equal(in.state.timeline, exact.timeline));
    ingest_close(&in);
    fixture_close(&f);
}

/* One record that is good, then one that is not; each alone and both in one call. */
static void test_put_refusals(void)
{
    static const struct {
        uint32_t blk;
        zs_lsn lsn;
        uint32_t len;
        uint8_t kind;
        const char *sqlstate;
    } bad[] = {
        {4, 0x20, 10, ZS_KIND_IMAGE, ZS_BAD_VALUE},     /* the key goes back */
        {5, 0x17, 10, ZS_KIND_IMAGE, ZS_BAD_VALUE},     /* the lsn goes back */
        {5, 0x18, 10, ZS_KIND_IMAGE, ZS_BAD_VALUE},     /* the same again */
        {6, 0x10, 10, ZS_KIND_IMAGE, ZS_BAD_VALUE},     /* not above the base */
        {6, 0, 10, ZS_KIND_IMAGE, ZS_BAD_VALUE},        /* no lsn */
        {6, 0x21, 10, ZS_KIND_IMAGE, ZS_BAD_VALUE},     /* above the target */
        {6, 0x20, 10, 0, ZS_BAD_VALUE},                 /* no kind */
        {6, 0x20, 10, 4, ZS_BAD_VALUE},                 /* no such kind */
        {6, 0x20, 10, ZS_KIND_TOMBSTONE, ZS_BAD_VALUE}, /* a tombstone has no value */
        {6, 0x20, ZS_VALUE_MAX + 1, ZS_KIND_IMAGE, ZS_VALUE_TOO_LARGE},
    };
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    if (!make_main(&f, &h))
        return;
    char *value = calloc(1, ZS_VALUE_MAX + 1);
    struct zs_ingest_spec spec = append_spec("main", 0x10, 0x20);
    struct plan commit = {.branch = "main", .history = &h, .base = 0x10, .upto = 0x20};
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        size_t b = i / 2;
        struct ingest in;
        struct zs_record r[2] = {
            {.kind = ZS_KIND_IMAGE, .len = 10, .lsn = 0x18, .value = value},
            {.kind = bad[b].kind, .len = bad[b].len, .lsn = bad[b].lsn, .value = value}};
        key_make(r[0].key, 1, 5);
        key_make(r[1].key, 1, bad[b].blk);
        int rc = ingest_begin(&f.store, &spec, &in, &e);
        ASSERT_OK(rc);
        if (rc != ZS_OK)
            break;
        if (i % 2 == 0)
            ASSERT_OK(ingest_put(&in, r, 1, &e));
        ASSERT_FAILS(ingest_put(&in, i % 2 == 0 ? r + 1 : r, i % 2 == 0 ? 1 : 2, &e),
                     bad[b].sqlstate);
        CU_ASSERT_NOT_EQUAL(plan_commit(&commit, &in, &e), ZS_OK); /* only a close is of use */
        ingest_close(&in);
    }
    check_branch(&f, "main", &h, 0x10);
    free(value);
    history_free(&h);
    fixture_close(&f);
}

/* Commit what was put with one thing changed. */
struct bad_commit {
    const char *what, *sqlstate;
    zs_lsn upto, end, cutoff;
    zs_lsn points[2];
    uint32_t npoints;
    uint32_t wrong_sum;
    uint32_t needs_digest;
};

static int commit_badly(struct ingest *in, const struct bad_commit *b, struct zs_error *e)
{
    struct zs_ingest_state now;
    TRY(ingest_state(in, &now, e));
    struct zs_point points[2] = {{.lsn = b->points[0]}, {.lsn = b->points[1]}};
    struct zs_commit c = {.struct_size = sizeof c,
                          .npoints = b->npoints,
                          .upto_lsn = b->upto,
                          .gc_cutoff_lsn = b->cutoff,
                          .sum = now.sum,
                          .end = {.lsn = b->end, .digest = digest_plus(now.base.digest, now.sum)},
                          .points = points};
    c.sum.hi += b->wrong_sum;
    return ingest_commit(in, &c, e);
}

static void test_commit_refusals(void)
{
    static const struct bad_commit bad[] = {
        {"a sum that is another", ZS_CORRUPT, 0x20, 0x20, 0, {0}, 0, 1, 1},
        {"below a record that was put", ZS_BAD_VALUE, 0x1F, 0x1F, 0, {0}, 0, 0, 0},
        {"below the base", ZS_BAD_VALUE, 0x0F, 0x0F, 0, {0}, 0, 0, 0},
        {"above the target", ZS_BAD_VALUE, 0x29, 0x29, 0, {0}, 0, 0, 0},
        {"an end elsewhere", ZS_BAD_VALUE, 0x20, 0x21, 0, {0}, 0, 0, 0},
        {"a cutoff above", ZS_BAD_VALUE, 0x20, 0x20, 0x21, {0}, 0, 0, 0},
        {"a point at the base", ZS_BAD_VALUE, 0x20, 0x20, 0, {0x10}, 1, 0, 1},
        {"a point at the end", ZS_BAD_VALUE, 0x20, 0x20, 0, {0x20}, 1, 0, 1},
        {"points out of order", ZS_BAD_VALUE, 0x20, 0x20, 0, {0x15, 0x14}, 2, 0, 1},
        {"a point twice", ZS_BAD_VALUE, 0x20, 0x20, 0, {0x15, 0x15}, 2, 0, 1},
    };
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    if (!make_main(&f, &h))
        return;
    struct plan p = {.branch = "main", .history = &h, .base = 0x10, .upto = 0x28};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ingest in;
        if (bad[i].needs_digest != 0 && !f.digest)
            continue;
        int rc = plan_put(&f, &p, &in, &e);
        ASSERT_OK(rc);
        if (rc != ZS_OK)
            break;
        rc = commit_badly(&in, &bad[i], &e);
        ASSERT_TEXT(rc == ZS_OK ? bad[i].what : e.sqlstate, bad[i].sqlstate);
        ingest_close(&in);
        check_branch(&f, "main", &h, 0x10);
    }
    ASSERT_OK(plan_run(&f, &p, &e)); /* and the right one goes through afterwards */
    check_branch(&f, "main", &h, 0x28);
    history_free(&h);
    fixture_close(&f);
}

/* The host's own side came between: it won and the commit failed, or the other way. */
static void check_outcome(int rc, bool host_won, const struct zs_error *said)
{
    struct zs_error e = *said;
    if (!host_won) {
        ASSERT_OK(rc);
        return;
    }
    ASSERT_FAILS(rc, ZS_MOVED_MEANWHILE);
}

static void test_moved_meanwhile(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    if (!make_main(&f, &h))
        return;
    struct plan p = {.branch = "main", .history = &h, .base = 0x10, .upto = 0x20};
    int rc = plan_put(&f, &p, &in, &e);
    ASSERT_OK(rc);
    char value[8] = "seven";
    struct zs_record own = {.kind = ZS_KIND_IMAGE, .len = 8, .lsn = 0x11, .value = value};
    key_make(own.key, 1, 5);
    bool won = f.driver->write(f.self, "main", &own, 1, 0x12, &e) == ZS_OK;
    CU_ASSERT(won || error_is(&e, ZS_BUSY));
    if (rc == ZS_OK) {
        rc = plan_commit(&p, &in, &e);
        check_outcome(rc, won, &e);
    }
    ingest_close(&in);
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(&f.store, "main", &info, &e));
    CU_ASSERT_EQUAL(info.last_valid_lsn, won ? 0x12 : 0x20);
    CU_ASSERT_EQUAL(info.records, won ? 21 : 40);
    history_free(&h);
    fixture_close(&f);
}

static void test_name_taken_meanwhile(void)
{
    struct zs_error e = {0};
    struct history h = {0}, none = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, 20, 100, 0x10);
    struct plan p = {.branch = "main", .history = &h, .upto = 0x10, .flags = ZS_INGEST_CREATE};
    int rc = plan_put(&f, &p, &in, &e);
    ASSERT_OK(rc);
    bool won = f.driver->branch_create(f.self, "main", &e) == ZS_OK;
    CU_ASSERT(won || error_is(&e, ZS_BUSY));
    if (rc == ZS_OK) {
        rc = plan_commit(&p, &in, &e);
        check_outcome(rc, won, &e);
    }
    ingest_close(&in);
    check_branch(&f, "main", won ? &none : &h, won ? 0 : 0x10);
    history_free(&h);
    fixture_close(&f);
}

static void test_bad_names(void)
{
    static const char *const names[] = {"", "-a", "/a", "a..b", "a b", "a\n", "\xC3\xA9", "a\\"};
    struct zs_error e = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zs_ingest_spec spec = append_spec(names[i], 0, 5);
        spec.flags = ZS_INGEST_CREATE;
        ASSERT_FAILS(ingest_begin(&f.store, &spec, &in, &e), ZS_BAD_VALUE);
    }
    struct zs_branch_info info;
    CU_ASSERT_NOT_EQUAL(store_branch_find(&f.store, "../x", &info, &e), ZS_OK);
    fixture_close(&f);
}

struct contract_tests store_refusal_tests(void)
{
    static const struct contract_test tests[] = {
        {"an ingest that does not fit the branch does not begin", test_begin_refusals, 0},
        {"one ingest per branch and timeline at a time", test_one_ingest_at_a_time, 0},
        {"a timeline id that is taken is not given twice", test_timeline_choice, 0},
        {"records that break the rules are refused", test_put_refusals, 0},
        {"a commit that does not fit changes nothing", test_commit_refusals, 0},
        {"a branch that moved meanwhile is not overwritten", test_moved_meanwhile, NEEDS_WRITE},
        {"a name that was taken meanwhile is not overwritten", test_name_taken_meanwhile,
         NEEDS_CREATE},
        {"a new branch needs a proper name", test_bad_names, 0},
    };
    return (struct contract_tests){.tests = tests, .n = sizeof tests / sizeof *tests};
}
