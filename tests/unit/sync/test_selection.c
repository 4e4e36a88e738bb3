/* test_selection.c - going on behind a record, by map and by scan: wherever it is, what comes
 * is exactly what stood behind it. */
#include "map_fixture.h"

enum { ALL_MAX = 2048 };

/* The (key, lsn) of each record of the range, in order. */
struct place {
    uint8_t key[ZS_KEY_BYTES];
    zs_lsn lsn;
};

static uint32_t places(struct selection *sel, struct place *out)
{
    uint32_t n = 0;
    for (bool more = true; more;) {
        struct zs_record records[7];
        uint8_t buf[64];
        uint64_t got = 0;
        ASSERT_OK(selection_next(sel, records, 7, buf, sizeof buf, &got, &more, &e));
        for (uint64_t i = 0; i < got && n < ALL_MAX; i++, n++) {
            memcpy(out[n].key, records[i].key, ZS_KEY_BYTES);
            out[n].lsn = records[i].lsn;
        }
    }
    return n;
}

/* Three commits, of which the last two are the range: keys with one version and with two. */
static void world_of_three(struct world *w, unsigned options, zs_lsn *after)
{
    uint32_t seed = 99;
    world_open(w, options);
    *after = commit_some(w->store, &seed, 400, 0x100);
    (void)commit_some(w->store, &seed, 60, 0x100);
    (void)commit_some(w->store, &seed, 60, 0x100);
}

static void open_at(const struct snapshot *s, zs_lsn after, bool by_map, struct selection *sel)
{
    memset(sel, 0, sizeof *sel);
    if (by_map) {
        char why[128];
        sel->map = changed(s, after, why);
        CU_ASSERT(sel->map != NULL);
        sel->walk.map = sel->map;
    }
    ASSERT_OK(iter_open(s, after, s->info.last_valid_lsn, &sel->iter, &e));
}

static void test_it_goes_on_behind_any_record(void)
{
    static const unsigned stores[] = {0, STUB_STORE_COPIES, STUB_STORE_SHORT_LOOKS};
    static struct place all[ALL_MAX], rest[ALL_MAX];
    for (size_t kind = 0; kind < sizeof stores / sizeof *stores; kind++)
        for (int by_map = 0; by_map < 2; by_map++) {
            struct world w;
            zs_lsn after;
            struct selection sel;
            world_of_three(&w, stores[kind], &after);
            struct snapshot s;
            ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
            open_at(&s, after, by_map == 1, &sel);
            uint32_t n = places(&sel, all);
            selection_close(&sel);
            CU_ASSERT(n > 60 && n < ALL_MAX);
            for (uint32_t i = 0; i < n; i++) {
                open_at(&s, after, by_map == 1, &sel);
                ASSERT_OK(selection_skip(&sel, all[i].key, all[i].lsn, &e));
                uint32_t left = places(&sel, rest);
                CU_ASSERT(left == n - i - 1);
                CU_ASSERT(left == 0 || memcmp(rest, all + i + 1, left * sizeof *rest) == 0);
                selection_close(&sel);
            }
            snapshot_close(&s);
            world_close(&w);
        }
}

/* Behind a place where there is no record: the next one is the first. */
static void test_it_goes_on_behind_no_record(void)
{
    static struct place all[ALL_MAX], rest[ALL_MAX];
    for (int by_map = 0; by_map < 2; by_map++) {
        struct world w;
        zs_lsn after;
        struct selection sel;
        struct snapshot s;
        uint8_t key[ZS_KEY_BYTES] = {0};
        world_of_three(&w, 0, &after);
        ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
        open_at(&s, after, by_map == 1, &sel);
        uint32_t n = places(&sel, all);
        selection_close(&sel);
        for (int where = 0; where < 3; where++) {
            memset(key, where == 0 ? 0 : 0xFF, sizeof key); /* before all, behind all */
            zs_lsn lsn = 1;
            if (where == 2) { /* on a key, below its version */
                memcpy(key, all[10].key, sizeof key);
                lsn = all[10].lsn - 1;
            }
            open_at(&s, after, by_map == 1, &sel);
            ASSERT_OK(selection_skip(&sel, key, lsn, &e));
            uint32_t left = places(&sel, rest);
            uint32_t first = where == 0 ? 0 : where == 1 ? n : 10;
            if (where == 2 && memcmp(all[9].key, all[10].key, sizeof key) == 0)
                first = 10;
            CU_ASSERT(left == n - first);
            CU_ASSERT(left == 0 || memcmp(rest, all + first, left * sizeof *rest) == 0);
            selection_close(&sel);
        }
        snapshot_close(&s);
        world_close(&w);
    }
}

/* What was sent before is not read again: the first look finds the record that is skipped last,
 * the second what is behind it. */
static void test_it_goes_on_at_once(void)
{
    static struct place all[ALL_MAX];
    struct world w;
    zs_lsn after;
    struct selection sel;
    struct snapshot s;
    struct zs_record record;
    uint8_t buf[512];
    uint64_t count = 0;
    bool more = true;
    world_of_three(&w, 0, &after);
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    open_at(&s, after, false, &sel);
    uint32_t n = places(&sel, all);
    selection_close(&sel);
    open_at(&s, after, false, &sel);
    ASSERT_OK(selection_skip(&sel, all[n - 2].key, all[n - 2].lsn, &e));
    for (int look = 0; look < 2 && count == 0; look++)
        ASSERT_OK(selection_next(&sel, &record, 1, buf, sizeof buf, &count, &more, &e));
    CU_ASSERT(count == 1 && memcmp(record.key, all[n - 1].key, ZS_KEY_BYTES) == 0);
    selection_close(&sel);
    snapshot_close(&s);
    world_close(&w);
}

/* Once behind it, a look gives as much as there is room for. */
static void test_it_goes_on_with_many_at_once(void)
{
    static struct place all[ALL_MAX];
    struct world w;
    zs_lsn after;
    struct selection sel;
    struct snapshot s;
    struct zs_record records[7];
    uint8_t buf[512];
    uint64_t count = 0;
    bool more = true;
    world_of_three(&w, 0, &after);
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    open_at(&s, after, false, &sel);
    CU_ASSERT(places(&sel, all) > 10);
    selection_close(&sel);
    open_at(&s, after, false, &sel);
    ASSERT_OK(selection_skip(&sel, all[0].key, all[0].lsn, &e));
    while (count == 0 && more)
        ASSERT_OK(selection_next(&sel, records, 7, buf, sizeof buf, &count, &more, &e));
    ASSERT_OK(selection_next(&sel, records, 7, buf, sizeof buf, &count, &more, &e));
    CU_ASSERT(count == 7);
    selection_close(&sel);
    snapshot_close(&s);
    world_close(&w);
}

/* What a caller is told of why there was no map. */
static void test_it_says_why_it_scans(void)
{
    struct world w;
    zs_lsn after;
    struct selection sel;
    struct snapshot s;
    char why[128];
    world_of_three(&w, 0, &after);
    ASSERT_OK(snapshot_open(w.store, "main", &s, &e));
    struct {
        zs_lsn after;
        bool use_map;
        const char *why;
    } cases[] = {
        {after, true, ""},      /* there is one, and it does not pay */
        {after, false, ""},     /* nobody wanted one */
        {0, true, ""},          /* all is sent */
        {after + 1, true, "."}, /* inside of an epoch: the one that holds it is taken */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ASSERT_OK(selection_open(&s, cases[i].after, s.info.last_valid_lsn, cases[i].use_map, &sel,
                                 why, sizeof why, &e));
        if (cases[i].why[0] == '\0')
            ASSERT_TEXT(why, "");
        CU_ASSERT(sel.map == NULL); /* a branch so small is scanned */
        selection_close(&sel);
    }
    snapshot_close(&s);
    world_close(&w);
}

SUITE("sync/selection", {"it goes on behind any record", test_it_goes_on_behind_any_record},
      {"it goes on behind no record", test_it_goes_on_behind_no_record},
      {"it goes on at once", test_it_goes_on_at_once},
      {"it goes on with many at once", test_it_goes_on_with_many_at_once},
      {"it says why it scans", test_it_says_why_it_scans})
