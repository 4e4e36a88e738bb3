/* store_resume.c - the store contract: stages, kept by a sync and gone on with. */
#include "store_fixture.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 600u
#define LENGTH  8192u /* 4.7 MiB in all: a store that keeps small syncs for later keeps these */

static struct plan plan_of(const char *branch, const struct history *h, zs_lsn base, zs_lsn upto)
{
    return (struct plan){.branch = branch,
                         .history = h,
                         .base = base,
                         .upto = upto,
                         .flags = base == 0 ? ZS_INGEST_CREATE : 0};
}

/* Begin, put the records [from, to) of the plan's history. */
static int put_some(struct ingest *in, const struct history *h, size_t from, size_t to,
                    struct zs_error *e)
{
    CLEANUP(free_ptr) uint8_t *value = malloc(LENGTH);
    for (size_t i = from; i < to && value != NULL; i++) {
        struct zs_record r = h->records[i];
        value_fill(&r, value);
        r.value = value;
        TRY(ingest_put(in, &r, 1, e));
    }
    return ZS_OK;
}

static int begin(struct fixture *f, const struct plan *p, struct ingest *in, struct zs_error *e)
{
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .flags = p->flags,
                                  .branch = p->branch,
                                  .timeline = p->timeline,
                                  .base_lsn = p->base,
                                  .target_lsn = p->upto};
    return ingest_begin(&f->store, &spec, in, e);
}

/* A stage of n records with this token; more are put behind the sync and lost. */
static void stage_make(struct fixture *f, const struct plan *p, size_t n, const char *token)
{
    struct zs_error e = {0};
    struct ingest in;
    bool synced = false;
    ASSERT_OK(begin(f, p, &in, &e));
    ASSERT_OK(put_some(&in, p->history, 0, n, &e));
    ASSERT_OK(ingest_sync(&in, token, strlen(token), &synced, &e));
    CU_ASSERT(synced);
    ASSERT_OK(put_some(&in, p->history, n, n + 7, &e));
    ingest_close(&in);
}

static int32_t list_one(void *context, const struct zs_stage_info *info)
{
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 400 - used, "%s %llu..%llu %.*s;", info->branch,
                   (unsigned long long)info->base_lsn, (unsigned long long)info->target_lsn,
                   (int)info->token_bytes, (const char *)info->token);
    return 0;
}

static void check_stages(struct fixture *f, const char *wanted)
{
    struct zs_error e = {0};
    char text[400] = "";
    ASSERT_OK(store_stage_list(&f->store, list_one, text, &e));
    ASSERT_TEXT(text, wanted);
}

static int resume(struct fixture *f, const char *branch, struct ingest *in, struct zs_error *e)
{
    uint8_t token[ZS_TOKEN_MAX];
    uint64_t len = 0;
    return ingest_resume(&f->store, branch, token, &len, in, e);
}

struct expected_keys {
    const struct history *history;
    size_t at, end;
    bool wrong;
};

static int32_t expect_key(void *context, const uint8_t key[ZS_KEY_BYTES])
{
    struct expected_keys *k = context;
    const struct zs_record *records = k->history->records;
    /* A key with several records may come once. */
    while (k->at > 0 && k->at < k->end && memcmp(records[k->at].key, key, ZS_KEY_BYTES) != 0 &&
           memcmp(records[k->at].key, records[k->at - 1].key, ZS_KEY_BYTES) == 0)
        k->at++;
    k->wrong = k->at == k->end || memcmp(records[k->at].key, key, ZS_KEY_BYTES) != 0;
    k->at++;
    return k->wrong ? 1 : 0;
}

static int32_t stop_at_once(void *context, const uint8_t key[ZS_KEY_BYTES])
{
    (void)key;
    ++*(size_t *)context;
    return 1;
}

/* The keys of the first `n` records, of a store that can tell. */
static void check_keys(struct ingest *in, const struct history *h, size_t n)
{
    struct zs_error e = {0};
    struct expected_keys keys = {.history = h, .end = n};
    size_t visited = 0;
    bool known = false;
    ASSERT_OK(ingest_keys(in, expect_key, &keys, &known, &e));
    CU_ASSERT(!keys.wrong && (!known || keys.at == n));
    ASSERT_OK(ingest_keys(in, stop_at_once, &visited, &known, &e));
    CU_ASSERT(visited == (known ? 1 : 0));
}

/* Go on from record `at` to the end, and commit. */
static void finish(struct fixture *f, const struct plan *p, size_t at)
{
    struct zs_error e = {0};
    struct ingest in;
    struct zs_ingest_state state;
    ASSERT_OK(resume(f, p->branch, &in, &e));
    ASSERT_OK(ingest_state(&in, &state, &e));
    CU_ASSERT_EQUAL(state.records, at);
    check_keys(&in, p->history, at);
    CU_ASSERT_EQUAL(state.bytes, at * LENGTH);
    ASSERT_OK(put_some(&in, p->history, at, p->history->n, &e));
    ASSERT_OK(plan_commit(p, &in, &e));
    ingest_close(&in);
    check_stages(f, "");
    check_branch(f, p->branch, p->history, p->upto);
}

static void test_a_stage_is_gone_on_with(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan p = plan_of("main", &h, 0, 9);
    stage_make(&f, &p, 400, "first");
    check_stages(&f, "main 0..9 first;");
    check_no_branch(&f, "main");
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_stages(&f, "main 0..9 first;");

    struct ingest in, second;
    bool synced = false;
    ASSERT_OK(resume(&f, "main", &in, &e));
    check_stages(&f, ""); /* it does not wait while it is open */
    ASSERT_FAILS(resume(&f, "main", &second, &e), ZS_BUSY);
    ASSERT_FAILS(begin(&f, &p, &second, &e), ZS_BUSY);
    ASSERT_FAILS(store_stage_drop(&f.store, "main", &e), ZS_NO_SUCH_BRANCH);
    ingest_close(&in); /* as it was */
    check_stages(&f, "main 0..9 first;");
    ASSERT_OK(resume(&f, "main", &in, &e));
    ASSERT_OK(put_some(&in, &h, 400, 550, &e));
    ASSERT_OK(ingest_sync(&in, "second", 6, &synced, &e));
    ingest_close(&in);
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_stages(&f, "main 0..9 second;");
    finish(&f, &p, 550);
    history_free(&h);
    fixture_close(&f);
}

static void test_a_stage_on_a_branch(void)
{
    struct zs_error e = {0};
    struct history h = {0}, all = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    history_add_images(&all, 1, 100, LENGTH, 3);
    struct plan first = plan_of("main", &all, 0, 5);
    history_sort(&all);
    ASSERT_OK(plan_run(&f, &first, &e));
    history_add_images(&h, 1, RECORDS, LENGTH, 8);
    history_sort(&h);
    struct plan p = plan_of("main", &h, 5, 9);
    stage_make(&f, &p, 300, "t");
    check_stages(&f, "main 5..9 t;");
    check_branch(&f, "main", &all, 5); /* nothing of it is served */
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_branch(&f, "main", &all, 5);
    struct ingest in;
    ASSERT_OK(resume(&f, "main", &in, &e));
    ASSERT_OK(put_some(&in, &h, 300, RECORDS, &e));
    struct history both = {0};
    history_add_images(&both, 1, 100, LENGTH, 3);
    history_add_images(&both, 1, RECORDS, LENGTH, 8);
    history_sort(&both);
    p.history = &both;
    ASSERT_OK(plan_commit(&p, &in, &e));
    ingest_close(&in);
    check_branch(&f, "main", &both, 9);
    check_stages(&f, "");
    history_free(&h);
    history_free(&all);
    history_free(&both);
    fixture_close(&f);
}

static void test_what_ends_a_stage(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan p = plan_of("main", &h, 0, 9), other = plan_of("other", &h, 0, 9);
    stage_make(&f, &p, 400, "m");
    stage_make(&f, &other, 300, "o");
    check_stages(&f, "main 0..9 m;other 0..9 o;");
    ASSERT_FAILS(resume(&f, "third", &in, &e), ZS_NO_SUCH_BRANCH);
    ASSERT_FAILS(store_stage_drop(&f.store, "third", &e), ZS_NO_SUCH_BRANCH);

    ASSERT_OK(store_stage_drop(&f.store, "other", &e)); /* a command */
    check_stages(&f, "main 0..9 m;");
    ASSERT_FAILS(resume(&f, "other", &in, &e), ZS_NO_SUCH_BRANCH);

    ASSERT_OK(begin(&f, &p, &in, &e)); /* another ingest */
    check_stages(&f, "");
    ingest_close(&in);
    check_stages(&f, "");

    stage_make(&f, &p, 400, "m"); /* a commit that fails */
    ASSERT_OK(resume(&f, "main", &in, &e));
    struct zs_commit wrong = {
        .struct_size = sizeof wrong, .upto_lsn = 9, .end = {.lsn = 9}, .sum = {1, 2}};
    ASSERT_FAILS(ingest_commit(&in, &wrong, &e), ZS_CORRUPT);
    ingest_close(&in);
    check_stages(&f, "");
    check_no_branch(&f, "main");
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_stages(&f, "");

    stage_make(&f, &p, 400, "m"); /* a put that fails does not, */
    ASSERT_OK(resume(&f, "main", &in, &e));
    ASSERT_FAILS(put_some(&in, &h, 0, 1, &e), ZS_BAD_VALUE);
    ingest_close(&in);
    finish(&f, &p, 400);

    if (f.driver->branch_delete != NULL) { /* its branch goes */
        struct history more = {0};
        history_add_images(&more, 2, RECORDS, LENGTH, 12);
        history_sort(&more);
        struct plan delta = plan_of("main", &more, 9, 12);
        stage_make(&f, &delta, 400, "d");
        ASSERT_OK(f.driver->branch_delete(f.self, "main", &e));
        check_stages(&f, "");
        ASSERT_FAILS(resume(&f, "main", &in, &e), ZS_NO_SUCH_BRANCH);
        history_free(&more);
    }
    history_free(&h);
    fixture_close(&f);
}

/* What was refused would be refused again, and is dropped; what passes leaves the stage. */
static void test_a_commit_that_fails(void)
{
    static const struct {
        zs_lsn upto;
        uint32_t npoints;
        bool hindered, other_sum;
        const char *sqlstate; /* NULL: whatever it is */
    } cases[] = {{.upto = 9, .other_sum = true, .sqlstate = ZS_CORRUPT},
                 {.upto = 10, .sqlstate = ZS_BAD_VALUE},
                 {.upto = 9, .npoints = 1, .sqlstate = ZS_BAD_VALUE},
                 {.upto = 9, .hindered = true}};
    static const struct zs_point beyond = {.lsn = 11};
    struct history h = {0};
    struct fixture f;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan p = plan_of("main", &h, 0, 9);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct ingest in;
        struct zs_ingest_state state;
        stage_make(&f, &p, 400, "m");
        ASSERT_OK(resume(&f, "main", &in, &e));
        ASSERT_OK(put_some(&in, &h, 400, RECORDS, &e));
        ASSERT_OK(ingest_state(&in, &state, &e));
        state.sum.lo += cases[i].other_sum;
        const struct zs_commit commit = {.struct_size = sizeof commit,
                                         .upto_lsn = cases[i].upto,
                                         .end = {.lsn = cases[i].upto, .digest = state.sum},
                                         .sum = state.sum,
                                         .points = &beyond,
                                         .npoints = cases[i].npoints};
        if (cases[i].hindered)
            f.driver->hinder_commits(f.self, 1);
        CU_ASSERT(ingest_commit(&in, &commit, &e) == ZS_FAIL);
        if (cases[i].sqlstate != NULL)
            ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        CU_ASSERT(ingest_commit(&in, &commit, &e) == ZS_FAIL); /* once is all */
        ingest_close(&in);
        if (cases[i].hindered)
            f.driver->hinder_commits(f.self, 0);
        check_stages(&f, cases[i].hindered ? "main 0..9 m;" : "");
        check_no_branch(&f, "main");
    }
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_stages(&f, "main 0..9 m;");
    finish(&f, &p, 400);
    history_free(&h);
    fixture_close(&f);
}

/* The host's own writer moves the branch under the stage. */
static void test_a_stage_of_a_branch_that_moved(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    ASSERT_OK(f.driver->branch_create(f.self, "main", &e));
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan p = plan_of("main", &h, 0, 9);
    p.flags = 0;
    stage_make(&f, &p, 400, "m");
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .lsn = 3, .value = "x"};
    ASSERT_OK(f.driver->write(f.self, "main", &r, 1, 3, &e));
    ASSERT_FAILS(resume(&f, "main", &in, &e), ZS_MOVED_MEANWHILE);
    check_stages(&f, "");
    history_free(&h);
    fixture_close(&f);
}

/* The same history was pushed under another name meanwhile, and has the id: the stage is gone
 * on with all the same, as another timeline. */
static void test_a_stage_whose_id_is_taken(void)
{
    static const struct zs_timeline_id id = {{7, 7, 7}};
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    struct zs_ingest_state state;
    struct zs_branch_info one = {.struct_size = sizeof one}, two = {.struct_size = sizeof two};
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan first = plan_of("one", &h, 0, 9), second = plan_of("two", &h, 0, 9);
    first.timeline = second.timeline = id;
    stage_make(&f, &first, 400, "t");
    ASSERT_OK(plan_run(&f, &second, &e));
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    check_stages(&f, "one 0..9 t;");
    for (int i = 0; i < 2; i++) { /* it waits again, and is what it was */
        ASSERT_OK(resume(&f, "one", &in, &e));
        ASSERT_OK(ingest_state(&in, &state, &e));
        CU_ASSERT(memcmp(&state.timeline, &id, sizeof id) != 0);
        ingest_close(&in);
        if (f.driver->reopen != NULL)
            CU_ASSERT(fixture_reopen(&f));
    }
    finish(&f, &first, 400);
    check_branch(&f, "two", &h, 9);
    ASSERT_OK(store_branch_find(&f.store, "one", &one, &e));
    ASSERT_OK(store_branch_find(&f.store, "two", &two, &e));
    CU_ASSERT(memcmp(&two.timeline, &id, sizeof id) == 0);
    CU_ASSERT(memcmp(&one.timeline, &id, sizeof id) != 0);
    history_free(&h);
    fixture_close(&f);
}

/* No other id will do for it. */
static void test_a_stage_of_an_exact_id_that_is_taken(void)
{
    static const struct zs_timeline_id id = {{7, 7, 7}};
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan first = plan_of("one", &h, 0, 9), second = plan_of("two", &h, 0, 9);
    first.timeline = second.timeline = id;
    first.flags |= ZS_INGEST_EXACT_TIMELINE;
    stage_make(&f, &first, 400, "t");
    if (f.driver->reopen != NULL)
        CU_ASSERT(fixture_reopen(&f));
    ASSERT_OK(plan_run(&f, &second, &e));
    ASSERT_FAILS(resume(&f, "one", &in, &e), ZS_MOVED_MEANWHILE);
    check_stages(&f, "");
    history_free(&h);
    fixture_close(&f);
}

static void test_bounds_of_a_token(void)
{
    struct zs_error e = {0};
    struct history h = {0};
    struct fixture f;
    struct ingest in;
    bool synced = true;
    uint64_t len = 0;
    static uint8_t large[ZS_TOKEN_MAX + 1], got[ZS_TOKEN_MAX];
    if (!fixture_open(&f))
        return;
    history_add_images(&h, 1, RECORDS, LENGTH, 5);
    history_sort(&h);
    struct plan p = plan_of("main", &h, 0, 9);
    ASSERT_OK(begin(&f, &p, &in, &e));
    ASSERT_OK(put_some(&in, &h, 0, 400, &e));
    ASSERT_FAILS(ingest_sync(&in, large, sizeof large, &synced, &e), ZS_BAD_VALUE);
    ingest_close(&in);
    check_stages(&f, "");
    memset(large, 'x', sizeof large);
    ASSERT_OK(begin(&f, &p, &in, &e));
    ASSERT_OK(put_some(&in, &h, 0, 400, &e));
    ASSERT_OK(ingest_sync(&in, large, ZS_TOKEN_MAX, &synced, &e));
    ingest_close(&in);
    ASSERT_OK(ingest_resume(&f.store, "main", got, &len, &in, &e));
    CU_ASSERT(len == ZS_TOKEN_MAX && memcmp(got, large, ZS_TOKEN_MAX) == 0);
    ingest_close(&in);
    history_free(&h);
    fixture_close(&f);
}

struct contract_tests store_resume_tests(void)
{
    static const struct contract_test tests[] = {
        {"a stage outlives its ingest and is gone on with", test_a_stage_is_gone_on_with,
         NEEDS_RESUME},
        {"a stage on top of a branch is not served", test_a_stage_on_a_branch, NEEDS_RESUME},
        {"a stage ends with a command, an ingest, a commit, its branch", test_what_ends_a_stage,
         NEEDS_RESUME},
        {"a commit that was refused ends a stage, one that was hindered does not",
         test_a_commit_that_fails, NEEDS_RESUME | NEEDS_HINDER},
        {"a stage of a branch that moved is dropped", test_a_stage_of_a_branch_that_moved,
         NEEDS_RESUME | NEEDS_CREATE | NEEDS_WRITE},
        {"a stage whose timeline id is taken becomes another timeline",
         test_a_stage_whose_id_is_taken, NEEDS_RESUME},
        {"and is dropped if it must have that one", test_a_stage_of_an_exact_id_that_is_taken,
         NEEDS_RESUME},
        {"a token has bounds", test_bounds_of_a_token, NEEDS_RESUME},
    };
    return (struct contract_tests){tests, sizeof tests / sizeof *tests};
}
