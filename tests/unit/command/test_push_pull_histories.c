/* test_push_pull_histories.c - the change map never lies: two hosts write, truncate, drop,
 * push, pull, collect, delete and rebuild by chance, and any call of a store may fail, before
 * or after its work.  After each step what the maps select is held against full scans; at the
 * end the two are equal. */
#include "fixture.h"

#include "stub/stub_writer.h"
#include "sync/epochs.h"
#include "sync/notes.h"
#include "sync/recording.h"
#include "sync/selection.h"

enum { RELATIONS = 4, BLOCKS = 120, HISTORIES = 60, STEPS = 60, LONG = 600 };

struct recorded {
    struct side *side;
    struct zs_store host; /* with the faults, without the map */
    struct recording recording;
    struct notes_list *notes;
    struct stub_writer *writer; /* NULL: none is open */
};

struct play {
    struct world w;
    struct recorded a, b;
    uint64_t x;                         /* of the generator */
    unsigned mapped, scanned, stumbled; /* ranges looked at; steps that failed */
};

static uint32_t chance(struct play *p, uint32_t n)
{
    p->x = p->x * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(p->x >> 33) % n;
}

/* The part of the module that a host's own writer uses. */
static int32_t module_writer_open(void *self, const struct zs_timeline_id *timeline,
                                  zs_lsn from_lsn, struct zs_writer **out, struct zs_error *e)
{
    return writer_open(self, timeline, from_lsn, out, e);
}

static const struct zs_module module = {.struct_size = sizeof module,
                                        .writer_open = module_writer_open,
                                        .writer_note = writer_note,
                                        .writer_seal = writer_seal,
                                        .writer_sealed = writer_sealed,
                                        .writer_close = writer_close};

static void recorded_open(struct recorded *r, struct side *side)
{
    struct zs_error e = {0};
    r->side = side;
    r->host = side->module.store;
    recording_init(&r->recording, &r->host);
    must(notes_open(&r->host, &r->notes, &e), &e);
    r->recording.notes = r->notes;
    side->module.store = r->recording.table;
    side->module.sync_bytes = 200;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

struct batch {
    struct zs_record records[RELATIONS * BLOCKS];
    uint8_t values[RELATIONS * BLOCKS][16];
    uint64_t n;
};

/* Some pages of each relation, a truncation, or a drop: in key order. */
static void fill(struct play *p, struct batch *b, zs_lsn after, zs_lsn upto)
{
    b->n = 0;
    for (uint32_t relation = 0; relation < RELATIONS; relation++) {
        uint32_t what = chance(p, 8), cut = what == 0 ? 0 : chance(p, BLOCKS);
        for (uint32_t block = 0; block < BLOCKS; block++) {
            bool gone = what <= 1 && block >= cut;
            if (!gone && chance(p, 25) != 0)
                continue;
            struct zs_record *r = &b->records[b->n];
            uint8_t *value = b->values[b->n++];
            put_u64le(value, p->x);
            put_u64le(value + 8, b->n);
            *r = (struct zs_record){.kind = gone ? ZS_KIND_TOMBSTONE : ZS_KIND_IMAGE,
                                    .len = gone ? 0 : 16,
                                    .value = gone ? NULL : value,
                                    .lsn = after + 1 + chance(p, (uint32_t)(upto - after))};
            r->key[13] = (uint8_t)relation;
            put_u32be(r->key + 14, block);
        }
    }
}

static int commit_through(const struct zs_store *store, const struct batch *b, zs_lsn base,
                          zs_lsn upto)
{
    struct zs_error e = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    struct zs_ingest_state state;
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = base, .target_lsn = upto};
    TRY(ingest_begin(store, &spec, &in, &e));
    TRY(ingest_put(&in, b->records, b->n, &e));
    TRY(ingest_state(&in, &state, &e));
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = upto,
                               .sum = state.sum,
                               .end = {.lsn = upto,
                                       .digest = digest_plus(state.base.digest, state.sum),
                                       .records = state.base.records + state.records,
                                       .bytes = state.base.bytes + state.bytes}};
    return ingest_commit(&in, &commit, &e);
}

/* Not in good order: what is not sealed is gone. */
static void writer_crash(struct recorded *r)
{
    stub_writer_close(r->writer);
    r->writer = NULL;
}

/* By the host's own writer, which stays, also while the plugin ingests; until it is closed in
 * good order, or crashes. */
static int write_own(struct play *p, struct recorded *r, struct batch *b)
{
    struct zs_error e = {0};
    int rc = ZS_OK;
    if (r->writer == NULL)
        rc = stub_writer_open(r->side->store, &module, r->notes, "main", 600, &r->writer, &e);
    for (uint32_t n = chance(p, 4); rc == ZS_OK && n > 0; n--) {
        zs_lsn last = last_lsn(r->side, "main");
        fill(p, b, last, last + 16);
        rc = stub_writer_write(r->writer, b->records, b->n, last + 16, &e);
    }
    if (rc == ZS_OK && chance(p, 4) == 0)
        rc = stub_writer_seal(r->writer, &e);
    if (rc != ZS_OK || chance(p, 6) == 0)
        writer_crash(r);
    return rc;
}

static int write_some(struct play *p, struct recorded *r)
{
    static struct batch b;
    zs_lsn last = last_lsn(r->side, "main"), upto = last + 1 + chance(p, 64);
    uint32_t how = chance(p, 8);
    if (how < 3)
        return write_own(p, r, &b);
    fill(p, &b, last, upto);
    if (how == 3) /* told to nobody: so no writer may say that it knows all */
        writer_crash(r);
    return commit_through(how == 3 ? &r->host : &r->recording.table, &b, last, upto);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

static struct zs_digest select_sum(const struct snapshot *s, zs_lsn after, zs_lsn upto,
                                   struct change_map *map, uint64_t *count)
{
    struct zs_error e = {0};
    struct selection sel = {.map = map, .walk = {.map = map}};
    struct zs_digest sum = {0};
    struct zs_record records[32];
    uint8_t buf[512];
    *count = 0;
    must(iter_open(s, after, upto, &sel.iter, &e), &e);
    for (bool more = true; more;) {
        uint64_t n = 0;
        must(selection_next(&sel, records, 32, buf, sizeof buf, &n, &more, &e), &e);
        digest_add_records(&sum, records, n);
        *count += n;
    }
    selection_close(&sel); /* the map, too */
    return sum;
}

/* Some ranges (X, Y] between history points, X from the collection's cutoff on. */
static void check_maps(struct play *p, struct recorded *r)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct zs_point points[400];
    uint64_t n = 0;
    if (snapshot_open(&r->recording.table, "main", &s, &e) != ZS_OK)
        return;
    must(snapshot_history(&s, s.info.last_valid_lsn, points, 400, &n, &e), &e);
    for (int i = 0; i < 4 && n > 0; i++) {
        uint64_t y = chance(p, 2) == 0 ? 0 : chance(p, (uint32_t)n);
        uint64_t k = y + 1 + chance(p, (uint32_t)(n - y));
        zs_lsn after = k < n ? points[k].lsn : 0, upto = points[y].lsn;
        struct change_map *map = NULL;
        char why[128];
        uint64_t by_map = 0, by_scan = 0;
        if (after < s.info.gc_cutoff_lsn)
            continue;
        must(epochs_changed(&s, after, upto, &map, why, sizeof why, &e), &e);
        p->mapped += map != NULL;
        p->scanned += map == NULL;
        if (map == NULL)
            continue;
        struct zs_digest got = select_sum(&s, after, upto, map, &by_map);
        struct zs_digest want = select_sum(&s, after, upto, NULL, &by_scan);
        CU_ASSERT(by_map == by_scan && digest_equal(got, want));
    }
}

/* ---- steps --------------------------------------------------------------------------------------
 */

static bool exists(const struct recorded *r)
{
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    const struct zs_store *t = stub_store_table(r->side->store);
    return t->branch_find(t->self, "main", &info, &e) == ZS_OK;
}

static int run(struct recorded *r, const char *line)
{
    struct client c;
    client_open(&c);
    client_run(&c, r->side, line);
    int rc = c.rc;
    /* Whatever failed: never that the histories do not fit, nor what the sums say. */
    CU_ASSERT(rc == ZS_OK || (strncmp(c.e.sqlstate, "ZS", 2) != 0 && !error_is(&c.e, ZS_CORRUPT)));
    for (uint64_t i = 0; i < c.s.notice_count; i++)
        CU_ASSERT(strstr(c.s.notices[i].message, "missed something") == NULL);
    /* A cut transfer may have been kept or not, as the threads ran: a rebuild waits for it. */
    bool waits = error_is(&c.e, ZS_BUSY) && strstr(c.e.message, "interrupted transfer") != NULL;
    client_close(&c);
    return waits ? ZS_OK : rc;
}

/* Whoever is ahead leads: alone it writes, and it is what the other one gets. */
static struct recorded *leader_of(struct play *p)
{
    zs_lsn a = last_lsn(&p->w.a, "main");
    zs_lsn b = last_lsn(&p->w.b, "main");
    if (!exists(&p->b) || a > b)
        return &p->a;
    if (!exists(&p->a) || b > a)
        return &p->b;
    return chance(p, 2) == 0 ? &p->a : &p->b;
}

static int transfer(struct play *p, struct recorded *leader)
{
    bool a = leader == &p->a;
    if (chance(p, 2) == 0)
        return run(leader, a ? "perform_push main stub://b" : "perform_push main stub://a");
    return run(a ? &p->b : &p->a, a ? "perform_pull main stub://a" : "perform_pull main stub://b");
}

static int step(struct play *p)
{
    struct zs_error e = {0};
    struct recorded *leader = leader_of(p), *other = leader == &p->a ? &p->b : &p->a;
    switch (chance(p, 12)) {
    case 0:
        return run(chance(p, 2) == 0 ? leader : other, "change_map_rebuild main") == ZS_OK ||
                       !exists(other)
                   ? ZS_OK
                   : ZS_FAIL;
    case 1: /* what the other one lacks is not collected */
        if (!exists(other) || chance(p, 3) != 0)
            return ZS_OK;
        (void)stub_store_gc(leader->side->store, "main", last_lsn(other->side, "main"), NULL, &e);
        return ZS_OK;
    case 2:
        if (chance(p, 3) != 0 || !exists(leader) || !exists(other))
            return ZS_OK;
        (void)stub_store_branch_delete(other->side->store, "main", &e);
        lease_drop(other->side->module.leases, "main");
        writer_crash(other);
        return ZS_OK;
    case 3:
    case 4:
    case 5:
    case 6:
        return transfer(p, leader);
    default:
        return write_some(p, leader);
    }
}

/* A step in which some call of some store may fail: as a crash there leaves things. */
static void stumble(struct play *p)
{
    struct recorded *r = chance(p, 2) == 0 ? &p->a : &p->b;
    if (chance(p, 2) == 0)
        stub_faults_arm(&r->side->faults,
                        &(struct stub_fault){
                            .nth = 1 + chance(p, chance(p, 2) == 0 ? 6 : 40),
                            .kind = chance(p, 2) == 0 ? STUB_FAULT_FAIL : STUB_FAULT_FAIL_AFTER,
                            .sqlstate = chance(p, 2) == 0 ? ZS_IO_ERROR : ZS_CONNECTION_LOST});
    int rc = step(p);
    bool fired = stub_faults_fired(&r->side->faults);
    stub_faults_arm(&r->side->faults, &(struct stub_fault){.nth = 0});
    p->stumbled += fired;
    CU_ASSERT(rc == ZS_OK || fired);
    check_maps(p, &p->a);
    check_maps(p, &p->b);
}

static void test_random_histories(void)
{
    unsigned mapped = 0, scanned = 0, stumbled = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct play p = {.x = seed};
        world_open(&p.w);
        recorded_open(&p.a, &p.w.a);
        recorded_open(&p.b, &p.w.b);
        branch_make(&p.w.a, "main");
        for (int i = 0; i < (seed % 20 == 0 ? LONG : STEPS); i++)
            stumble(&p);
        CU_ASSERT(transfer(&p, leader_of(&p)) == ZS_OK);
        struct zs_branch_info x, y;
        struct zs_error e = {0};
        must(store_branch_find(&p.a.host, "main", &x, &e), &e);
        must(store_branch_find(&p.b.host, "main", &y, &e), &e);
        CU_ASSERT(x.last_valid_lsn == y.last_valid_lsn && digest_equal(x.digest, y.digest));
        check_maps(&p, &p.a);
        check_maps(&p, &p.b);
        mapped += p.mapped;
        scanned += p.scanned;
        stumbled += p.stumbled;
        writer_crash(&p.a);
        writer_crash(&p.b);
        world_close(&p.w);
        notes_close(p.a.notes);
        notes_close(p.b.notes);
    }
    (void)printf("%u ranges by the map, %u without one, %u steps failed\n", mapped, scanned,
                 stumbled);
    CU_ASSERT(mapped > HISTORIES * STEPS && stumbled > HISTORIES * 4);
}

SUITE("command/push_pull_histories",
      {"over random histories with failures no map lies", test_random_histories})
