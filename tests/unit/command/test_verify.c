/* test_verify.c - verify finds what is damaged, says what and where, and changes nothing. */
#include "fixture.h"

#include "command/verify.h"
#include "model/key.h"
#include "stub/stub_rot.h"
#include "sync/epochs.h"
#include "sync/recording.h"
#include "sync/verify_scan.h"

/* ---- what verify says ------------------------------------------------------------------ */

/* The notices of a client that are faults of this kind; their texts to *text. */
static unsigned faults(const struct client *c, const char *kind, const char *part)
{
    char want[64];
    unsigned n = 0;
    (void)snprintf(want, sizeof want, "{\"fault\":{\"kind\":\"%s\"", kind);
    for (uint64_t i = 0; i < c->s.notice_count && i < STUB_SESSION_NOTICES; i++) {
        const struct zs_error *notice = &c->s.notices[i];
        if (strncmp(notice->detail, want, strlen(want)) == 0 &&
            strstr(notice->message, part) != NULL)
            n++;
    }
    return n;
}

static void test_sound(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    client_open(&c);
    branch_make(&w.a, "empty");
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify empty"), ZS_OK);
    ASSERT_TEXT(cell(&c, "result"), "sound");
    client_close(&c);
    client_open(&c);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 300);
    grow(&w.a, "main", 2, 30);
    grow(&w.a, "main", 3, 3);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main (progress off)"), ZS_OK);
    ASSERT_TEXT(cell(&c, "result"), "sound");
    ASSERT_TEXT(cell(&c, "records"), "333");
    ASSERT_TEXT(cell(&c, "commits"), "3");
    client_close(&c);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "sync_status"), ZS_OK); /* how much was to be read, too */
    ASSERT_TEXT(cell(&c, "total_records"), "333");
    ASSERT_TEXT(cell(&c, "total_bytes"), cell(&c, "bytes"));
    client_close(&c);
    world_close(&w);
}

/* A long history is thinned out, and all of it is compared. */
static void test_long_history(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    branch_make(&w.a, "main");
    for (uint32_t i = 0; i < 2 * VERIFY_POINTS + 7; i++)
        grow_one(&w.a, "main", i, ZS_KIND_WAL, 8);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_OK);
    ASSERT_TEXT(cell(&c, "records"), "2055");
    client_close(&c);
    stub_rot_value(w.a.store, "main", 7); /* one of the oldest */
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_FAIL);
    CU_ASSERT_EQUAL(faults(&c, "sum", "\"main\""), 1);
    client_close(&c);
    world_close(&w);
}

static void test_changed_record(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 40); /* up to 0/240 */
    grow(&w.a, "main", 2, 40); /* up to 0/480 */
    grow_one(&w.a, "main", 99, ZS_KIND_IMAGE, 8192);
    stub_rot_value(w.a.store, "main", 3);
    CLEANUP(free_ptr) char *before = picture(&w.a);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_FAIL);
    CU_ASSERT(error_is(&c.e, ZS_CORRUPT) && strstr(c.e.message, "1 fault ") != NULL &&
              c.e.hint[0] != '\0' && c.s.names == NULL);
    CU_ASSERT_EQUAL(faults(&c, "sum", "\"main\""), 1);
    CLEANUP(free_ptr) char *after = picture(&w.a);
    ASSERT_TEXT(after, before);
    client_close(&c);
    world_close(&w);
}

static void test_lost_record(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 40);
    stub_rot_lose(w.a.store, "main", 11);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_FAIL);
    CU_ASSERT_EQUAL(faults(&c, "sum", "0/0..0/240"), 1);
    CU_ASSERT_EQUAL(faults(&c, "count", "39 records"), 1);
    CU_ASSERT(strstr(c.e.message, "2 faults") != NULL);
    client_close(&c);
    world_close(&w);
}

/* Below the cutoff versions may be gone, and no sum is compared; above it they are. */
static void test_collected(void)
{
    struct zs_error e = {0};
    struct world w;
    struct client c;
    uint64_t dropped = 0;
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 300);
    zs_lsn cutoff = last_lsn(&w.a, "main");
    grow(&w.a, "main", 1, 40);
    ASSERT_OK(stub_store_gc(w.a.store, "main", cutoff, &dropped, &e));
    CU_ASSERT(dropped > 0);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_OK);
    ASSERT_TEXT(cell(&c, "commits"), "1");
    client_close(&c);
    world_close(&w);
}

/* The map is noted by pushes: b's has an epoch for the second one. */
static void make_map(struct world *w)
{
    branch_make(&w->a, "main");
    grow(&w->a, "main", 1, 40);
    (void)RUN_OK(&w->a, "perform_push main stub://b", "absent");
    grow(&w->a, "main", 2, 40);
    static struct recording recording; /* its table's self */
    recording_init(&recording, stub_store_table(w->b.store));
    w->b.module.store = recording.table;
    (void)RUN_OK(&w->a, "perform_push main stub://b", "behind");
    grow(&w->a, "main", 3, 4);
    (void)RUN_OK(&w->a, "perform_push main stub://b", "behind");
}

static void test_change_map(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    make_map(&w);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.b, "verify main"), ZS_OK);
    ASSERT_TEXT(cell(&c, "change_maps"), "2");
    client_close(&c);
    stub_rot_blob(w.b.store, "main", 0, 60);
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.b, "verify main"), ZS_FAIL);
    CU_ASSERT_EQUAL(faults(&c, "map", "that ends at 0/480"), 1);
    CU_ASSERT(strstr(c.e.message, "1 fault ") != NULL && strstr(c.e.hint, "whole") != NULL);
    client_close(&c);
    world_close(&w);
}

/* In place of the n-th epoch, from the oldest, one in which nothing changed. */
static void forget(const struct zs_store *store, uint32_t n)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    CLEANUP(free_ptr) uint8_t *data = NULL;
    struct epoch_list list;
    struct change_epoch epoch;
    struct change_map *map = NULL, *empty = NULL;
    char why[128], name[EPOCH_NAME_BYTES];
    size_t len = 0;
    ASSERT_OK(snapshot_open(store, "main", &s, &e));
    ASSERT_OK(epoch_list_read(&s, &list, &e));
    CU_ASSERT_FATAL(n < list.count);
    ASSERT_OK(epoch_load(&s, list.at[n].to_lsn, &epoch, &map, why, sizeof why, &e));
    ASSERT_OK(change_map_open(&empty, &e));
    ASSERT_OK(change_map_encode(empty, &epoch, &data, &len, &e));
    change_map_close(map);
    change_map_close(empty);
    epoch_name(epoch.to_lsn, name);
    const struct zs_blob blob = {.name = name, .data = data, .len = len};
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = "main",
                                  .base_lsn = s.info.last_valid_lsn,
                                  .target_lsn = s.info.last_valid_lsn + 1};
    struct zs_ingest_state state;
    ASSERT_OK(ingest_begin(store, &spec, &in, &e));
    ASSERT_OK(ingest_state(&in, &state, &e));
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = spec.target_lsn,
                               .end = state.base,
                               .blobs = &blob,
                               .nblobs = 1};
    commit.end.lsn = spec.target_lsn;
    ASSERT_OK(ingest_commit(&in, &commit, &e));
}

static struct key_text first_key(struct side *side, zs_lsn after_lsn, zs_lsn upto_lsn)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(iter_close) struct iter it = {0};
    struct zs_record first = {.lsn = 0};
    uint64_t n = 0;
    bool more = false;
    ASSERT_OK(snapshot_open(stub_store_table(side->store), "main", &s, &e));
    ASSERT_OK(iter_open(&s, after_lsn, upto_lsn, &it, &e));
    ASSERT_OK(iter_next(&it, &first, 1, NULL, 0, &n, &more, &e));
    CU_ASSERT_FATAL(n == 1);
    return key_text(first.key);
}

static void test_change_map_that_misses_records(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    make_map(&w);
    const struct key_text firsts[] = {first_key(&w.b, 0x240, 0x480), first_key(&w.b, 0x480, 0x4b0)};
    for (uint32_t n = 0; n < 2; n++) {
        forget(stub_store_table(w.b.store), n);
        client_open(&c);
        CU_ASSERT_EQUAL(client_run(&c, &w.b, "verify main"), ZS_FAIL);
        CU_ASSERT_EQUAL(faults(&c, "map", "does not know of 40 records"), 1);
        CU_ASSERT_EQUAL(faults(&c, "map", "does not know of 4 records"), n);
        CU_ASSERT(strstr(c.s.notices[c.s.notice_count - 1].detail, firsts[n].s) != NULL);
        client_close(&c);
    }
    world_close(&w);
}

static void test_what_is_typed(void)
{
    static const struct {
        const char *line, *sqlstate;
    } cases[] = {
        {"verify", ZS_SYNTAX_ERROR},
        {"verify main twice", ZS_SYNTAX_ERROR},
        {"verify main (dry_run on)", ZS_SYNTAX_ERROR},
        {"verify main (progress perhaps)", ZS_BAD_VALUE},
        {"verify ../main", ZS_BAD_VALUE},
        {"verify main", ZS_NO_SUCH_BRANCH},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        (void)RUN_REFUSED(&w, &w.a, cases[i].line, cases[i].sqlstate);
    world_close(&w);
}

static void test_cancel(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 40);
    client_open(&c);
    stub_cancel_request(&c.s.cancel);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_FAIL);
    CU_ASSERT(error_is(&c.e, ZS_CANCELLED));
    client_close(&c);
    world_close(&w);
}

/* ---- a store in which ranges of keys cannot be read ------------------------------------- */

struct bad_range {
    uint32_t first, last; /* blocks */
};
static struct bad_range bad[4]; /* of the store below; a test's own */
static unsigned bad_count;
static const struct zs_store *whole;

/* As a store does that reads blocks: what comes before the bad one was in the same call. */
static int32_t bad_iter_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                             uint64_t buf_bytes, uint64_t *count, uint32_t *more,
                             struct zs_error *e)
{
    if (whole->iter_next(iter, records, n, buf, buf_bytes, count, more, e) != ZS_OK)
        return ZS_FAIL;
    for (uint64_t i = 0; i < *count; i++) {
        uint32_t block = get_u32be(records[i].key + 14);
        for (unsigned k = 0; k < bad_count; k++)
            if (block >= bad[k].first && block <= bad[k].last)
                return error_set(e, ZS_CORRUPT, "a block is damaged");
    }
    return ZS_OK;
}

struct seen {
    uint64_t records;
    unsigned gaps;
    char text[256]; /* "3..9 20.." */
    bool last;
};

static void see_records(void *context, const struct zs_record *records, uint64_t n)
{
    struct seen *s = context;
    (void)records;
    s->records += n;
}

static void see_gap(void *context, const struct scan_gap *gap)
{
    struct seen *s = context;
    size_t used = strlen(s->text);
    char after[12] = "", before[12] = "";
    if (gap->after != NULL)
        (void)snprintf(after, sizeof after, "%u", get_u32be(gap->after + 14));
    if (gap->before != NULL)
        (void)snprintf(before, sizeof before, "%u", get_u32be(gap->before + 14));
    (void)snprintf(s->text + used, sizeof s->text - used, "%s..%s ", after, before);
    s->gaps++;
    s->last = gap->last;
}

/* Blocks 0 to 999, but for those that are odd from 500 on. */
static void test_what_cannot_be_read(void)
{
    static const struct {
        struct bad_range bad[3];
        unsigned n;
        const char *gaps;
        uint64_t records;
    } cases[] = {
        {{{0, 0}}, 0, "", 750},
        {{{7, 9}}, 1, "6..10 ", 747},
        {{{0, 3}}, 1, "..4 ", 746},
        {{{990, 2000}}, 1, "988.. ", 745},
        {{{0, 2000}}, 1, ".. ", 0},
        {{{501, 503}}, 1, "500..504 ", 749},
        {{{10, 10}, {12, 12}}, 2, "9..11 11..13 ", 748},
        {{{10, 20}, {300, 400}, {998, 998}}, 3, "9..21 299..401 996.. ", 750 - 11 - 101 - 1},
    };
    struct zs_error e = {0};
    struct world w;
    struct zs_record records[750];
    size_t n = 0;
    world_open(&w);
    branch_make(&w.a, "main");
    memset(records, 0, sizeof records);
    for (uint32_t block = 0; block < 1000; block++) {
        if (block >= 500 && block % 2 == 1)
            continue;
        records[n] = (struct zs_record){.kind = ZS_KIND_WAL, .len = 4, .value = "page", .lsn = 9};
        put_u32be(records[n++].key + 14, block);
    }
    ASSERT_OK(stub_store_write(w.a.store, "main", records, n, 9, &e));
    whole = stub_store_table(w.a.store);
    struct zs_store table = *whole;
    table.iter_next = bad_iter_next;
    const struct scan_visitor visitor = {.records = see_records, .gap = see_gap};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen = {0};
        struct snapshot s = {0};
        struct scan_visitor mine = visitor;
        mine.context = &seen;
        memcpy(bad, cases[i].bad, sizeof cases[i].bad);
        bad_count = cases[i].n;
        ASSERT_OK(snapshot_open(&table, "main", &s, &e));
        ASSERT_OK(verify_scan(&s, 0, UINT64_MAX, NULL, &mine, &e));
        snapshot_close(&s);
        ASSERT_TEXT(seen.text, cases[i].gaps);
        CU_ASSERT_EQUAL(seen.records, cases[i].records);
    }
    world_close(&w);
}

static int32_t rotten_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                           uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e)
{
    (void)iter, (void)records, (void)n, (void)buf, (void)buf_bytes;
    *count = *more = 0;
    return error_set(e, ZS_CORRUPT, "a file is damaged");
}

/* From no key on, and not even that there is no more. */
static void test_nothing_can_be_read(void)
{
    struct zs_error e = {0};
    struct world w;
    struct seen seen = {0};
    struct snapshot s = {0};
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 40);
    struct zs_store table = *stub_store_table(w.a.store);
    table.iter_next = rotten_next;
    const struct scan_visitor visitor = {.context = &seen, .records = see_records, .gap = see_gap};
    ASSERT_OK(snapshot_open(&table, "main", &s, &e));
    ASSERT_OK(verify_scan(&s, 0, UINT64_MAX, NULL, &visitor, &e));
    snapshot_close(&s);
    ASSERT_TEXT(seen.text, ".. ");
    CU_ASSERT_EQUAL(seen.records, 0);
    world_close(&w);
}

static zs_lsn bad_lsn; /* of the store below; a test's own */

/* Every version of a key can be read but one, and what comes with it in the same call. */
static int32_t bad_version_next(struct zs_iter *iter, struct zs_record *records, uint64_t n,
                                void *buf, uint64_t buf_bytes, uint64_t *count, uint32_t *more,
                                struct zs_error *e)
{
    if (whole->iter_next(iter, records, n, buf, buf_bytes, count, more, e) != ZS_OK)
        return ZS_FAIL;
    for (uint64_t i = 0; i < *count; i++)
        if (records[i].lsn == bad_lsn)
            return error_set(e, ZS_CORRUPT, "a block is damaged");
    return ZS_OK;
}

/* More versions in front of the damage than are read one by one. */
static void test_a_bad_version_among_many(void)
{
    enum { VERSIONS = 4000, BAD = 3000 };
    struct zs_error e = {0};
    struct world w;
    struct seen seen = {0};
    struct snapshot s = {0};
    const struct scan_visitor visitor = {.context = &seen, .records = see_records, .gap = see_gap};
    struct zs_record *records = calloc(VERSIONS + 1, sizeof *records);
    if (records == NULL)
        abort();
    world_open(&w);
    branch_make(&w.a, "main");
    for (uint32_t i = 0; i <= VERSIONS; i++) {
        records[i] = (struct zs_record){.kind = ZS_KIND_WAL, .len = 4, .value = "page"};
        records[i].lsn = i < VERSIONS ? i + 1 : 1;
        put_u32be(records[i].key + 14, i / VERSIONS);
    }
    ASSERT_OK(stub_store_write(w.a.store, "main", records, VERSIONS + 1, VERSIONS, &e));
    whole = stub_store_table(w.a.store);
    struct zs_store table = *whole;
    table.iter_next = bad_version_next;
    bad_lsn = BAD;
    ASSERT_OK(snapshot_open(&table, "main", &s, &e));
    ASSERT_OK(verify_scan(&s, 0, UINT64_MAX, NULL, &visitor, &e));
    ASSERT_TEXT(seen.text, "0..1 ");
    CU_ASSERT_EQUAL(seen.records, BAD - 1 + 1);
    snapshot_close(&s);
    world_close(&w);
    free(records);
}

/* Where it lies within one key's versions is said by the LSN. */
static void test_a_gap_within_a_key_is_named(void)
{
    struct zs_error e = {0};
    struct world w;
    struct client c;
    struct zs_record records[4];
    world_open(&w);
    branch_make(&w.a, "main");
    for (uint32_t i = 0; i < 4; i++)
        records[i] =
            (struct zs_record){.kind = ZS_KIND_WAL, .len = 4, .value = "page", .lsn = 0x11 + i};
    ASSERT_OK(stub_store_write(w.a.store, "main", records, 4, 0x20, &e));
    const struct zs_store honest = w.a.module.store;
    whole = &honest;
    w.a.module.store.iter_next = bad_version_next;
    bad_lsn = 0x13;
    client_open(&c);
    CU_ASSERT_EQUAL(client_run(&c, &w.a, "verify main"), ZS_FAIL);
    CU_ASSERT_EQUAL(faults(&c, "read", " at 0/12, before the end"), 1);
    client_close(&c);
    world_close(&w);
}

static unsigned bad_calls; /* of the store below; a test's own */

/* Damaged where a scan stands; then, when it looks for what lies behind, there is no memory. */
static int32_t starved_iter_next(struct zs_iter *iter, struct zs_record *records, uint64_t n,
                                 void *buf, uint64_t buf_bytes, uint64_t *count, uint32_t *more,
                                 struct zs_error *e)
{
    (void)iter, (void)records, (void)n, (void)buf, (void)buf_bytes;
    *count = *more = 0;
    return bad_calls++ < 2 ? error_set(e, ZS_CORRUPT, "a block is damaged")
                           : error_set(e, ZS_OUT_OF_MEMORY, "no memory for a block");
}

static void test_what_is_no_damage_ends_it(void)
{
    struct zs_error e = {0};
    struct world w;
    struct seen seen = {0};
    struct snapshot s = {0};
    const struct scan_visitor visitor = {.context = &seen, .records = see_records, .gap = see_gap};
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 4);
    struct zs_store table = *stub_store_table(w.a.store);
    table.iter_next = starved_iter_next;
    bad_calls = 0;
    ASSERT_OK(snapshot_open(&table, "main", &s, &e));
    ASSERT_FAILS(verify_scan(&s, 0, UINT64_MAX, NULL, &visitor, &e), ZS_OUT_OF_MEMORY);
    ASSERT_TEXT(e.message, "no memory for a block");
    CU_ASSERT(bad_calls == 3 && seen.gaps == 0);
    snapshot_close(&s);
    world_close(&w);
}

SUITE("command/verify", {"a sound branch is said to be sound", test_sound},
      {"a long history is compared in fewer parts", test_long_history},
      {"a record that changed is narrowed down to its commit", test_changed_record},
      {"a record that is lost is missed", test_lost_record},
      {"what was collected is not missed", test_collected},
      {"a damaged change map is named", test_change_map},
      {"a change map that misses records is named, and each of them",
       test_change_map_that_misses_records},
      {"what is typed wrong is said", test_what_is_typed}, {"a cancel ends it", test_cancel},
      {"ranges that cannot be read are found to the key", test_what_cannot_be_read},
      {"nothing at all can be read", test_nothing_can_be_read},
      {"a version that cannot be read is found behind any number of others",
       test_a_bad_version_among_many},
      {"a gap within a key is named by its LSN", test_a_gap_within_a_key_is_named},
      {"a failure that is no damage ends it", test_what_is_no_damage_ends_it})
