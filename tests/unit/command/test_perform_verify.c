/* test_perform_verify.c - two sides are compared without moving a record: what is the same
 * is said to be, what differs is named, what has parted is told apart from what is damaged. */
#include "fixture.h"

#include "stub/stub_rot.h"

/* The notices that name a record of this kind. */
static unsigned named(const struct client *c, const char *kind)
{
    char want[64];
    unsigned n = 0;
    (void)snprintf(want, sizeof want, "{\"fault\":{\"kind\":\"%s\",\"key\":", kind);
    for (uint64_t i = 0; i < c->s.notice_count && i < STUB_SESSION_NOTICES; i++)
        n += strncmp(c->s.notices[i].detail, want, strlen(want)) == 0;
    return n;
}

/* "main" on a, of three commits, and pushed to b. */
static void open_pushed(struct world *w, uint32_t records)
{
    world_open(w);
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, records);
    grow(&w->a, "main", 2, 40);
    grow(&w->a, "main", 3, 3);
    (void)RUN_OK(&w->a, "perform_push main stub://b", "absent");
}

/* Run it on a; what it says is checked by the caller, and nothing may have changed. */
static void compare(struct world *w, struct client *c, const char *line)
{
    CLEANUP(free_ptr) char *a = picture(&w->a);
    CLEANUP(free_ptr) char *b = picture(&w->b);
    client_open(c);
    client_run(c, &w->a, line);
    CLEANUP(free_ptr) char *a_after = picture(&w->a);
    CLEANUP(free_ptr) char *b_after = picture(&w->b);
    ASSERT_TEXT(a_after, a);
    ASSERT_TEXT(b_after, b);
}

static void check_equal(struct world *w, const char *line, const char *to_lsn, uint64_t records)
{
    struct client c;
    compare(w, &c, line);
    if (c.rc != ZS_OK)
        (void)printf("    %s: %s %s %s\n", line, c.e.sqlstate, c.e.message, c.e.detail);
    ASSERT_TEXT(cell(&c, "result"), "equal");
    ASSERT_TEXT(cell(&c, "to_lsn"), to_lsn);
    CU_ASSERT_EQUAL(strtoull(cell(&c, "records"), NULL, 10), records);
    CU_ASSERT(strtoull(cell(&c, "wire_bytes"), NULL, 10) < 60000);
    client_close(&c);
}

/* It must fail so; `found` is in the message. */
static void check_differs(struct world *w, const char *found, unsigned different, unsigned here,
                          unsigned there, const char *blame, int at)
{
    struct client c;
    compare(w, &c, "perform_verify main stub://b (progress off)");
    assert_fails(c.rc, &c.e, ZS_CORRUPT, "perform_verify", __FILE__, at);
    bool good = strstr(c.e.message, found) != NULL && named(&c, "different") == different &&
                named(&c, "missing_here") == here && named(&c, "missing_there") == there &&
                strstr(c.e.detail, blame) != NULL && c.e.hint[0] != '\0';
    if (!good)
        (void)printf("    %s | %s | %u %u %u\n", c.e.message, c.e.detail, named(&c, "different"),
                     named(&c, "missing_here"), named(&c, "missing_there"));
    CU_assertImplementation(good, (unsigned)at, "what differs", __FILE__, "", CU_FALSE);
    client_close(&c);
}
#define CHECK_DIFFERS(w, found, different, here, there, blame)                                     \
    check_differs((w), (found), (different), (here), (there), (blame), __LINE__)

static void test_equal(void)
{
    struct world w;
    open_pushed(&w, 300);
    check_equal(&w, "perform_verify main stub://b", "0/DB8", 343);
    (void)RUN_OK(&w.a, "perform_push main stub://b copy", "absent");
    check_equal(&w, "perform_verify main stub://b copy", "0/DB8", 343);
    branch_make(&w.a, "empty");
    branch_make(&w.b, "empty");
    check_equal(&w, "perform_verify empty stub://b", "0/0", 0);
    world_close(&w);
}

/* Either may be further than the other. */
static void test_equal_so_far(void)
{
    struct world w;
    struct client c;
    open_pushed(&w, 300);
    grow(&w.a, "main", 4, 50);
    check_equal(&w, "perform_verify main stub://b", "0/DB8", 343);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.b, "perform_verify main stub://a"), ZS_OK);
    ASSERT_TEXT(cell(&c, "near_lsn"), "0/DB8");
    ASSERT_TEXT(cell(&c, "far_lsn"), "0/1048");
    client_close(&c);
    world_close(&w);
}

static void test_changed_records(void)
{
    struct world w;
    open_pushed(&w, 300);
    stub_rot_value(w.b.store, "main", 17);
    CHECK_DIFFERS(&w, "1 record differs", 1, 0, 0, "The records of the far side do not");
    stub_rot_value(w.a.store, "main", 200);
    CHECK_DIFFERS(&w, "2 records differ", 2, 0, 0, "On neither side");
    stub_rot_value(w.b.store, "main", 17);
    CHECK_DIFFERS(&w, "1 record differs", 1, 0, 0, "The records of this side do not");
    stub_rot_value(w.a.store, "main", 200);
    check_equal(&w, "perform_verify main stub://b", "0/DB8", 343);
    world_close(&w);
}

static void test_lost_records(void)
{
    struct world w;
    open_pushed(&w, 5000);
    stub_rot_lose(w.b.store, "main", 0);
    stub_rot_lose(w.b.store, "main", 5041); /* the last one */
    CHECK_DIFFERS(&w, "2 records differ", 0, 0, 2, "far side");
    stub_rot_lose(w.a.store, "main", 2500);
    CHECK_DIFFERS(&w, "3 records differ", 0, 1, 2, "On neither side");
    for (unsigned i = 0; i < 400; i++)
        stub_rot_lose(w.b.store, "main", 3000);
    CHECK_DIFFERS(&w, "403 records differ", 0, 1, 19, "402 missing on the far side");
    world_close(&w);
}

/* The one that stands further may have no point where the other one stands: it was pushed
 * in one go, and points are thinned out on the way.  Damage is still told apart from history. */
static void test_damage_below_an_unlisted_point(void)
{
    struct world w;
    struct client c;
    open_pushed(&w, 300);
    for (uint32_t i = 0; i < 200; i++)
        grow_one(&w.a, "main", 7000 + i, ZS_KIND_WAL, 8);
    (void)RUN_OK(&w.a, "perform_push main stub://b long", "absent");
    stub_rot_value(w.b.store, "long", 5);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.b, "perform_verify main stub://b long"), ZS_FAIL);
    CU_ASSERT(error_is(&c.e, ZS_CORRUPT) && strstr(c.e.message, "1 record differs") != NULL);
    client_close(&c);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.b, "perform_verify long stub://b main"), ZS_FAIL);
    CU_ASSERT(error_is(&c.e, ZS_CORRUPT) && strstr(c.e.message, "1 record differs") != NULL);
    client_close(&c);
    world_close(&w);
}

/* The newest row of sync_status on a side. */
static void check_row(struct side *side, const char *command, const char *state, bool has_read,
                      int at)
{
    struct client c;
    client_open(&c);
    client_run(&c, side, "sync_status");
    bool good = strcmp(cell(&c, "command"), command) == 0 &&
                strcmp(cell(&c, "state"), state) == 0 &&
                (strtoull(cell(&c, "records"), NULL, 10) > 0) == has_read;
    if (!good)
        (void)printf("    %s %s %s %s\n", cell(&c, "command"), cell(&c, "state"),
                     cell(&c, "records"), cell(&c, "error"));
    CU_assertImplementation(good, (unsigned)at, "the row of sync_status", __FILE__, "", CU_FALSE);
    client_close(&c);
}
#define CHECK_ROW(side, command, state, has_read)                                                  \
    check_row((side), (command), (state), (has_read), __LINE__)

/* The side that asks fails, and the other one has done what it was asked for.  Where both list
 * an LSN, with another digest, neither reads a record. */
static void test_parted(void)
{
    struct world w;
    open_pushed(&w, 300);
    grow(&w.a, "main", 5, 50);
    grow(&w.b, "main", 6, 50);
    struct zs_error e = RUN_REFUSED(&w, &w.a, "perform_verify main stub://b", ZS_DIVERGED);
    CU_ASSERT(strstr(e.message, "0/DB8") != NULL);
    CHECK_ROW(&w.a, "perform_verify", "failed", false);
    CHECK_ROW(&w.b, "branch_verify", "done", false);
    grow(&w.b, "main", 7, 3); /* and where one lacks the other's point */
    (void)RUN_REFUSED(&w, &w.a, "perform_verify main stub://b", ZS_DIVERGED);
    (void)RUN_REFUSED(&w, &w.b, "perform_verify main stub://a", ZS_DIVERGED);
    branch_make(&w.b, "other");
    grow(&w.b, "other", 8, 30);
    (void)RUN_REFUSED(&w, &w.a, "perform_verify main stub://b other", ZS_UNRELATED);
    CHECK_ROW(&w.b, "branch_verify", "done", true);
    grow_one(&w.b, "main", 7000, ZS_KIND_WAL, 8); /* one that a does not list */
    (void)RUN_REFUSED(&w, &w.b, "perform_verify main stub://a", ZS_DIVERGED);
    CHECK_ROW(&w.a, "branch_verify", "done", false);
    (void)RUN_OK(&w.b, "perform_push main stub://a copy", "absent");
    e = RUN_REFUSED(&w, &w.a, "perform_verify main stub://a copy", ZS_DIVERGED);
    CU_ASSERT(strstr(e.hint, "\"zenith verify main\" here") != NULL);
    CU_ASSERT(strstr(e.hint, "\"zenith verify copy\" on the far side") != NULL);
    world_close(&w);
}

/* One side has collected: what both still must have is compared. */
static void test_collected(void)
{
    struct zs_error e = {0};
    struct world w;
    uint64_t dropped = 0;
    open_pushed(&w, 300);
    zs_lsn cutoff = last_lsn(&w.a, "main");
    grow(&w.a, "main", 1, 60);
    (void)RUN_OK(&w.a, "perform_push main stub://b", "behind");
    ASSERT_OK(stub_store_gc(w.b.store, "main", cutoff, &dropped, &e));
    CU_ASSERT(dropped > 0);
    check_equal(&w, "perform_verify main stub://b", "0/1098", 60);
    world_close(&w);
}

/* More versions of one key than an answer lists: the key is named. */
static void test_many_versions(void)
{
    struct zs_error e = {0};
    struct world w;
    static struct zs_record records[1000];
    world_open(&w);
    branch_make(&w.a, "main");
    for (uint32_t i = 0; i < 1000; i++)
        records[i] = (struct zs_record){
            .key = {3}, .kind = ZS_KIND_WAL, .len = 4, .value = "page", .lsn = 1 + i};
    ASSERT_OK(stub_store_write(w.a.store, "main", records, 1000, 1000, &e));
    (void)RUN_OK(&w.a, "perform_push main stub://b", "absent");
    stub_rot_lose(w.b.store, "main", 600);
    CHECK_DIFFERS(&w, "1 record differs", 1, 0, 0, "far side");
    world_close(&w);
}

static void test_what_is_typed(void)
{
    static const struct {
        const char *line, *sqlstate;
    } cases[] = {
        {"perform_verify main", ZS_SYNTAX_ERROR},
        {"perform_verify main stub://b main more", ZS_SYNTAX_ERROR},
        {"perform_verify main stub://b (dry_run on)", ZS_SYNTAX_ERROR},
        {"perform_verify other stub://b", ZS_NO_SUCH_BRANCH},
        {"perform_verify main stub://b other", ZS_NO_SUCH_BRANCH},
        {"perform_verify main nothing://b", ZS_NOT_SUPPORTED},
    };
    struct world w;
    open_pushed(&w, 30);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        (void)RUN_REFUSED(&w, &w.a, cases[i].line, cases[i].sqlstate);
    world_close(&w);
}

/* Every call of either store fails once: an error, nothing left open, and then it works. */
static void test_faults(void)
{
    static const char *const calls[] = {"snapshot_open", "iter_open", "iter_next",
                                        "snapshot_history"};
    struct world w;
    open_pushed(&w, 300);
    stub_rot_value(w.b.store, "main", 17);
    for (size_t i = 0; i < 2 * sizeof calls / sizeof *calls; i++) {
        struct client c;
        struct stub_faults *f = i % 2 == 0 ? &w.a.faults : &w.b.faults;
        stub_faults_arm(f, &(struct stub_fault){.operation = calls[i / 2], .nth = 1});
        client_open(&c);
        CU_ASSERT_EQUAL(client_run(&c, &w.a, "perform_verify main stub://b"), ZS_FAIL);
        CU_ASSERT(c.e.sqlstate[0] != '\0' && strstr(c.e.message, "1 record differs") == NULL);
        CU_ASSERT(stub_faults_fired(f));
        stub_faults_arm(f, &(struct stub_fault){0});
        client_close(&c);
    }
    CHECK_DIFFERS(&w, "1 record differs", 1, 0, 0, "far side");
    world_close(&w);
}

SUITE("command/perform_verify", {"what is the same is said to be", test_equal},
      {"one side may be further", test_equal_so_far},
      {"records that changed are named, and the side that is damaged", test_changed_records},
      {"records that are lost are named, on either side", test_lost_records},
      {"damage is told from history without a point", test_damage_below_an_unlisted_point},
      {"histories that have parted are refused", test_parted},
      {"what was collected is left out", test_collected},
      {"a key of many versions is named as a whole", test_many_versions},
      {"what is typed wrong is said", test_what_is_typed},
      {"a store that fails fails it", test_faults})
