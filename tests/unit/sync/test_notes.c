/* test_notes.c - a host's own writer: what it notes is found by an increment between two
 * seals, after them, over a crash, and beside ingests of the plugin. */
#include "map_fixture.h"

#include "stub/stub_writer.h"
#include "sync/coverage.h"
#include "sync/notes.h"

#include <pthread.h>

/* The part of the module that a writer uses; plugin.c has the whole. */
static int32_t module_writer_open(void *self, const struct zs_timeline_id *timeline,
                                  zs_lsn from_lsn, struct zs_writer **out, struct zs_error *fault)
{
    return writer_open(self, timeline, from_lsn, out, fault);
}

static const struct zs_module module = {.struct_size = sizeof module,
                                        .writer_open = module_writer_open,
                                        .writer_note = writer_note,
                                        .writer_seal = writer_seal,
                                        .writer_sealed = writer_sealed,
                                        .writer_close = writer_close};

struct scene {
    struct world w;
    struct notes_list *notes;
    struct stub_writer *writer;
    uint32_t seed;
};

static void writer_start(struct scene *s, uint64_t seal_bytes)
{
    ASSERT_OK(stub_writer_open(s->w.stub, &module, s->notes, "main", seal_bytes, &s->writer, &e));
}

static void scene_open(struct scene *s, uint64_t seal_bytes, uint32_t seed)
{
    memset(s, 0, sizeof *s);
    s->seed = seed;
    world_open(&s->w, seed % 2 == 0 ? STUB_STORE_COPIES : 0);
    ASSERT_OK(notes_open(&s->w.host, &s->notes, &e));
    s->w.recording.notes = s->notes;
    commit_some(s->w.store, &s->seed, 50, 0x100);
    writer_start(s, seal_bytes);
}

static void scene_close(struct scene *s)
{
    stub_writer_close(s->writer);
    notes_close(s->notes);
    world_close(&s->w);
}

/* Some WAL of the host's own, at one LSN. */
static zs_lsn write_some(struct scene *s, uint32_t n)
{
    struct zs_record records[64] = {{.lsn = 0}};
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(s->w.store, "main", &info, &e));
    zs_lsn upto = info.last_valid_lsn + 0x10;
    for (uint32_t i = 0; i < n; i++) {
        records[i] = (struct zs_record){.kind = ZS_KIND_WAL,
                                        .len = 32,
                                        .value = "a WAL record of thirty-two bytes",
                                        .lsn = upto};
        records[i].key[13] = (uint8_t)(next_random(&s->seed) % 4);
        put_u32be(records[i].key + 14, i * 16 + next_random(&s->seed) % 16);
    }
    ASSERT_OK(stub_writer_write(s->writer, records, n, upto, &e));
    return upto;
}

static struct coverage covers(const struct scene *s)
{
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    struct coverage c;
    ASSERT_OK(snapshot_open(s->w.store, "main", &snapshot, &e));
    ASSERT_OK(coverage_read(&snapshot, &c, &e));
    return c;
}

/* The first commit of the branch is in no map; every later range is. */
static void check_all_is_known(const struct scene *s, unsigned points)
{
    struct coverage c = covers(s);
    CU_ASSERT(c.ngaps == 0 && c.from_lsn == 0x100);
    CU_ASSERT(check_every_range(&s->w) == points - 1);
}

static void test_every_range_is_known_between_and_after_seals(void)
{
    for (uint32_t seed = 1; seed <= 8; seed++) {
        struct scene s;
        scene_open(&s, 3000, seed);
        for (unsigned i = 2; i <= 30; i++) {
            write_some(&s, 1 + next_random(&s.seed) % 60); /* a seal every other time or so */
            check_all_is_known(&s, i);
        }
        CU_ASSERT(covers(&s).epochs > 5 && covers(&s).epochs < 30);
        ASSERT_OK(stub_writer_seal(s.writer, &e));
        stub_writer_close(s.writer);
        s.writer = NULL;
        check_all_is_known(&s, 30); /* now from the disk alone */
        scene_close(&s);
    }
}

static void test_a_crash_leaves_a_gap_and_no_lie(void)
{
    struct scene s;
    scene_open(&s, 1000000, 5);
    write_some(&s, 20);
    ASSERT_OK(stub_writer_seal(s.writer, &e));
    zs_lsn sealed = write_some(&s, 1) - 0x10;
    zs_lsn last = write_some(&s, 20);
    CU_ASSERT(covers(&s).ngaps == 0);
    stub_writer_close(s.writer); /* as if the process were gone */
    struct coverage c = covers(&s);
    CU_ASSERT(c.ngaps == 1 && c.gaps[0].from_lsn == sealed && c.gaps[0].to_lsn == last);
    writer_start(&s, 1000000);
    write_some(&s, 20);
    c = covers(&s);
    CU_ASSERT(c.ngaps == 1 && c.gaps[0].from_lsn == sealed && c.gaps[0].to_lsn == last);
    CU_ASSERT(check_every_range(&s.w) == 1);
    scene_close(&s);
}

/* A snapshot from before a seal still knows what was noted, until the next one. */
static void test_a_snapshot_over_a_seal(void)
{
    struct scene s;
    scene_open(&s, 1000000, 6);
    write_some(&s, 20);
    for (int seals = 1; seals <= 2; seals++) {
        CLEANUP(snapshot_close) struct snapshot snapshot = {0};
        struct coverage c;
        ASSERT_OK(snapshot_open(s.w.store, "main", &snapshot, &e));
        for (int i = 0; i < seals; i++) {
            write_some(&s, 20);
            ASSERT_OK(stub_writer_seal(s.writer, &e));
        }
        ASSERT_OK(coverage_read(&snapshot, &c, &e));
        CU_ASSERT(c.ngaps == 0 || seals == 2);
        snapshot_close(&snapshot);
        write_some(&s, 5);
    }
    CU_ASSERT(check_every_range(&s.w) > 4);
    scene_close(&s);
}

/* The names that a visitor sees who stops at the n-th; "changes/" is left out. */
struct visit {
    unsigned seen, stop_at;
    char names[64];
};

static int32_t visit_one(void *context, const char *name, uint64_t len)
{
    struct visit *v = context;
    size_t used = strlen(v->names);
    (void)len;
    (void)snprintf(v->names + used, sizeof v->names - used, "%s ",
                   strncmp(name, "changes/", 8) == 0 ? name + 20 : name);
    return ++v->seen == v->stop_at;
}

/* What is noted and not sealed stands in its place; who has seen enough is asked no more. */
static void test_what_is_not_sealed_is_listed_in_order(void)
{
    static const struct {
        unsigned stop_at;
        const char *names;
    } cases[] = {{0, "0110 0130 other "}, {1, "0110 "}, {2, "0110 0130 "}};
    struct zs_blob other = {.name = "other", .data = "x", .len = 1};
    struct scene s;
    scene_open(&s, 1000000, 6);
    write_some(&s, 20);
    ASSERT_OK(stub_writer_seal(s.writer, &e));
    zs_lsn last = write_some(&s, 20);
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = last + 1};
    struct stub_write write = {
        .records = &r, .n = 1, .upto_lsn = last + 0x10, .blobs = &other, .nblobs = 1};
    ASSERT_OK(stub_store_write_with(s.w.stub, "main", &write, &e));
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    ASSERT_OK(snapshot_open(s.w.store, "main", &snapshot, &e));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct visit v = {.stop_at = cases[i].stop_at};
        ASSERT_OK(snapshot_blobs(&snapshot, visit_one, &v, &e));
        ASSERT_TEXT(v.names, cases[i].names);
    }
    snapshot_close(&snapshot);
    scene_close(&s);
}

/* What the plugin ingests into the timeline meanwhile is in the writer's epoch, too. */
static void test_an_ingest_beside_the_writer(void)
{
    struct scene s;
    unsigned points = 1;
    scene_open(&s, 2500, 9);
    for (int i = 0; i < 12; i++) {
        write_some(&s, 30);
        if (i % 3 == 1) {
            commit_some(s.w.store, &s.seed, 20, 0x10);
            points++;
        }
        check_all_is_known(&s, ++points);
    }
    ASSERT_OK(stub_writer_seal(s.writer, &e));
    check_all_is_known(&s, points);
    scene_close(&s);
}

static struct zs_writer *bare_writer(struct scene *s)
{
    struct zs_branch_info info;
    struct zs_writer *w = NULL;
    stub_writer_close(s->writer);
    s->writer = NULL;
    ASSERT_OK(store_branch_find(&s->w.host, "main", &info, &e));
    ASSERT_OK(writer_open(s->notes, &info.timeline, info.last_valid_lsn, &w, &e));
    return w;
}

/* The store's own write failed, or the host gave up: the next seal has all of it. */
static void test_a_seal_that_failed_is_in_the_next(void)
{
    struct scene s;
    const struct zs_blob *blobs = NULL;
    uint64_t n = 0;
    uint8_t keys[2][ZS_KEY_BYTES] = {{1}, {2}};
    scene_open(&s, 1000000, 4);
    struct zs_writer *w = bare_writer(&s);
    writer_note(w, keys[0], 1, 0x200);
    ASSERT_FAILS(writer_seal(w, "none", 0x200, &blobs, &n, &e), ZS_NO_SUCH_BRANCH);
    ASSERT_OK(writer_seal(w, "main", 0x200, &blobs, &n, &e));
    ASSERT_FAILS(writer_seal(w, "main", 0x300, &blobs, &n, &e), ZS_BAD_VALUE);
    writer_sealed(w, 0);
    writer_note(w, keys[1], 1, 0x400); /* above what is sealed next: kept for the one after */
    ASSERT_OK(writer_seal(w, "main", 0x300, &blobs, &n, &e));
    for (int i = 0; i < 2; i++) {
        CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
        struct change_epoch epoch;
        CU_ASSERT_FATAL(n == 1);
        ASSERT_OK(change_map_decode(blobs[0].data, blobs[0].len, &epoch, &map, &e));
        CU_ASSERT(epoch.from_lsn == (i == 0 ? 0x100 : 0x300) &&
                  epoch.to_lsn == (i == 0 ? 0x300 : 0x400));
        CU_ASSERT(change_map_has(map, keys[0]) && change_map_has(map, keys[1]));
        writer_sealed(w, 1);
        if (i == 0)
            ASSERT_OK(writer_seal(w, "main", 0x400, &blobs, &n, &e));
    }
    ASSERT_FAILS(writer_seal(w, "main", 0x400, &blobs, &n, &e), ZS_BAD_VALUE);
    writer_close(w);
    scene_close(&s);
}

/* An ingest is noted and not yet committed when the writer seals below it, or is opened. */
static void test_an_ingest_that_is_about_to_commit(void)
{
    static const uint8_t key[ZS_KEY_BYTES] = {7};
    for (int opened_late = 0; opened_late < 2; opened_late++) {
        CLEANUP(change_map_close_ptr) struct change_map *added = NULL, *tail = NULL;
        struct zs_branch_info info;
        const struct zs_blob *blobs = NULL;
        struct notes_commit commit;
        struct change_epoch epoch;
        struct scene s;
        struct zs_writer *w = NULL;
        uint8_t *data = NULL;
        uint64_t n = 0;
        size_t len = 0;
        scene_open(&s, 1000000, 4);
        w = bare_writer(&s);
        ASSERT_OK(store_branch_find(&s.w.host, "main", &info, &e));
        ASSERT_OK(change_map_open(&added, &e));
        ASSERT_OK(change_map_add(added, key, &e));
        if (opened_late == 1)
            writer_close(w);
        notes_begin(s.notes, &commit, info.timeline, added, 0x300);
        if (opened_late == 1)
            ASSERT_OK(writer_open(s.notes, &info.timeline, info.last_valid_lsn, &w, &e));
        ASSERT_OK(writer_seal(w, "main", 0x200, &blobs, &n, &e));
        writer_sealed(w, 1);
        notes_end(s.notes, &commit);
        ASSERT_OK(notes_tail(s.notes, info.timeline, 0x300, &data, &len, &e));
        if (data != NULL) { /* else nothing is known, and the range is scanned */
            ASSERT_OK(change_map_decode(data, len, &epoch, &tail, &e));
            CU_ASSERT(change_map_has(tail, key));
        }
        CU_ASSERT((data == NULL) == (opened_late == 1));
        free(data);
        writer_close(w);
        scene_close(&s);
    }
}

static void test_one_writer_per_timeline(void)
{
    struct scene s;
    struct zs_branch_info info;
    struct zs_writer *w = NULL;
    scene_open(&s, 1000, 3);
    ASSERT_OK(store_branch_find(&s.w.host, "main", &info, &e));
    ASSERT_FAILS(writer_open(s.notes, &info.timeline, 0x100, &w, &e), ZS_BUSY);
    info.timeline.bytes[0] ^= 1;
    ASSERT_OK(writer_open(s.notes, &info.timeline, 0x100, &w, &e));
    writer_sealed(w, 1);         /* where no seal was made, nothing comes of it */
    stub_writer_close(s.writer); /* the older one goes first */
    s.writer = NULL;
    ASSERT_FAILS(writer_open(s.notes, &info.timeline, 0x100, &(struct zs_writer *){NULL}, &e),
                 ZS_BUSY);
    writer_close(w);
    s.w.host.features &= ~ZS_STORE_BLOBS;
    ASSERT_FAILS(writer_open(s.notes, &info.timeline, 0x100, &w, &e), ZS_NOT_SUPPORTED);
    s.w.host.features |= ZS_STORE_BLOBS;
    scene_close(&s);
}

static void *look_all_the_time(void *context)
{
    struct scene *s = context;
    for (int i = 0; i < 100; i++) {
        struct zs_error fault = {0};
        struct snapshot snapshot = {0};
        struct coverage c;
        if (snapshot_open(s->w.store, "main", &snapshot, &fault) == ZS_OK)
            (void)coverage_read(&snapshot, &c, &fault);
        snapshot_close(&snapshot);
    }
    return NULL;
}

static void test_transfers_look_while_it_is_written(void)
{
    struct scene s;
    pthread_t thread;
    scene_open(&s, 2000, 2);
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, look_all_the_time, &s) == 0);
    for (int i = 0; i < 100; i++)
        write_some(&s, 20);
    (void)pthread_join(thread, NULL);
    check_all_is_known(&s, 101);
    scene_close(&s);
}

/* Two transfers commit at a time: a writer that is opened meanwhile takes everything as
 * changed if one is of its timeline, and heeds no other.  They may end in any order. */
static void test_a_writer_opened_beside_commits(void)
{
    for (int own = 0; own < 2; own++) {
        struct zs_branch_info info;
        struct notes_commit first, second;
        struct scene s;
        uint8_t *data = NULL;
        size_t len = 0;
        scene_open(&s, 1000000, 4);
        struct zs_writer *w = bare_writer(&s);
        writer_close(w);
        ASSERT_OK(store_branch_find(&s.w.host, "main", &info, &e));
        const zs_lsn last = info.last_valid_lsn;
        struct zs_timeline_id other = info.timeline;
        other.bytes[0] ^= 1;
        notes_begin(s.notes, &first, own != 0 ? info.timeline : other, NULL, last);
        notes_begin(s.notes, &second, other, NULL, last + 0x100);
        ASSERT_OK(writer_open(s.notes, &info.timeline, last, &w, &e));
        notes_end(s.notes, &first);
        notes_end(s.notes, &second);
        ASSERT_OK(notes_tail(s.notes, info.timeline, last + 0x100, &data, &len, &e));
        CU_ASSERT((data == NULL) == (own != 0)); /* what is not known is not told */
        free(data);
        writer_close(w);
        scene_close(&s);
    }
}

/* It begins behind what was committed before it, whatever its host believes: nobody told it. */
static void test_a_writer_begins_behind_what_is_there(void)
{
    for (int past = 0; past < 2; past++) { /* through the map, and past it */
        struct scene s;
        struct zs_writer *w = NULL;
        struct zs_branch_info info;
        const struct zs_blob *blobs = NULL;
        uint64_t nblobs = 0;
        scene_open(&s, 1000000, 7);
        stub_writer_close(s.writer);
        s.writer = NULL;
        zs_lsn last = commit_some(past ? &s.w.host : s.w.store, &s.seed, 20, 0x100);
        ASSERT_OK(store_branch_find(s.w.store, "main", &info, &e));
        ASSERT_OK(writer_open(s.notes, &info.timeline, last - 0x100, &w, &e));
        struct coverage c = covers(&s);
        CU_ASSERT(past ? c.epochs == 0 : c.epochs == 1 && c.from_lsn == last - 0x100);
        CU_ASSERT(check_every_range(&s.w) == (past ? 0 : 1));
        ASSERT_FAILS(writer_seal(w, "main", last, &blobs, &nblobs, &e), ZS_BAD_VALUE);
        ASSERT_OK(writer_seal(w, "main", last + 1, &blobs, &nblobs, &e));
        writer_sealed(w, 0);
        writer_close(w);
        scene_close(&s);
    }
}

SUITE("sync/notes",
      {"a writer begins behind what is there", test_a_writer_begins_behind_what_is_there},
      {"every range is known between seals and after them",
       test_every_range_is_known_between_and_after_seals},
      {"a crash leaves a gap, and no lie", test_a_crash_leaves_a_gap_and_no_lie},
      {"a snapshot from before a seal still knows", test_a_snapshot_over_a_seal},
      {"what is not sealed is listed in order", test_what_is_not_sealed_is_listed_in_order},
      {"what is ingested beside the writer is in its epoch", test_an_ingest_beside_the_writer},
      {"a seal that failed is in the next one", test_a_seal_that_failed_is_in_the_next},
      {"an ingest that is about to commit is known, whatever the writer does meanwhile",
       test_an_ingest_that_is_about_to_commit},
      {"a writer that is opened beside commits heeds its own timeline's",
       test_a_writer_opened_beside_commits},
      {"a timeline has one writer at a time", test_one_writer_per_timeline},
      {"transfers look while it is written", test_transfers_look_while_it_is_written})
