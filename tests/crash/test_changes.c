/* test_changes.c - the n-th allocation, or the n-th call of the store, fails while the change
 * map is kept: a commit, a writer's life, a rebuild, for every n until it makes fewer.  What a
 * map then says is never wrong: it may know less, and the range is scanned.
 * Threads: none. */
#include "../unit/sync/map_fixture.h"

#include "alloc.h"
#include "stub/stub_fault.h"
#include "sync/coverage.h"
#include "sync/notes.h"
#include "sync/rebuild.h"

struct scene {
    struct world w;
    struct zs_store host; /* the world's, behind the faults */
    struct stub_faults faults;
    struct stub_fault_store *faulty;
    struct notes_list *notes;
    struct zs_writer *writer;
    uint32_t seed;
};

/* As many epochs as are kept, and a gap. */
static void scene_open(struct scene *s)
{
    memset(s, 0, sizeof *s);
    s->seed = 7;
    world_open(&s->w, STUB_STORE_COPIES);
    for (uint32_t i = 0; i < EPOCHS_MAX + 2; i++)
        commit_some(i == 60 ? &s->w.host : s->w.store, &s->seed, 3, 0x100);
    ASSERT_OK(stub_faults_init(&s->faults, &e));
    ASSERT_OK(stub_fault_store_open(&s->w.host, &s->faults, &s->faulty, &e));
    ASSERT_OK(store_import(stub_fault_store_table(s->faulty), &s->host, &e));
    ASSERT_OK(notes_open(&s->host, &s->notes, &e));
    recording_init(&s->w.recording, &s->host);
    s->w.recording.notes = s->notes;
}

static void scene_close(struct scene *s)
{
    writer_close(s->writer);
    notes_close(s->notes);
    stub_fault_store_close(s->faulty);
    stub_faults_fini(&s->faults);
    world_close(&s->w);
}

static struct zs_branch_info info_of(const struct scene *s)
{
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(&s->w.host, "main", &info, &e));
    return info;
}

/* ---- what is done --------------------------------------------------------------------------- */

static int commit(struct scene *s, struct zs_error *fault)
{
    CLEANUP(ingest_close) struct ingest in = {0};
    zs_lsn base = info_of(s).last_valid_lsn;
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = base, .target_lsn = base + 0x10};
    struct zs_ingest_state state;
    uint8_t keys[2] = {1, 2};
    TRY(ingest_begin(s->w.store, &spec, &in, fault));
    for (size_t i = 0; i < sizeof keys; i++) {
        struct zs_record r = {
            .key = {keys[i]}, .kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = base + 0x10};
        TRY(ingest_put(&in, &r, 1, fault));
    }
    TRY(ingest_state(&in, &state, fault));
    struct zs_commit c = {.struct_size = sizeof c,
                          .upto_lsn = base + 0x10,
                          .sum = state.sum,
                          .end = {.lsn = base + 0x10,
                                  .digest = digest_plus(state.base.digest, state.sum),
                                  .records = state.base.records + state.records,
                                  .bytes = state.base.bytes + state.bytes}};
    return ingest_commit(&in, &c, fault);
}

/* The host writes a record of its own, noted before. */
static int write_noted(struct scene *s, uint8_t first, struct zs_error *fault)
{
    zs_lsn lsn = info_of(s).last_valid_lsn + 0x10;
    struct zs_record r = {
        .key = {first}, .kind = ZS_KIND_IMAGE, .len = 1, .value = "y", .lsn = lsn};
    writer_note(s->writer, r.key, 1, lsn);
    return stub_store_write(s->w.stub, "main", &r, 1, lsn, fault);
}

/* Seal what was noted; `durable` as the host would say. */
static int seal(struct scene *s, bool durable, struct zs_error *fault)
{
    const struct zs_blob *blobs = NULL;
    uint64_t n = 0;
    zs_lsn upto = info_of(s).last_valid_lsn;
    TRY(writer_seal(s->writer, "main", upto, &blobs, &n, fault));
    struct zs_record r = {
        .key = {9}, .kind = ZS_KIND_IMAGE, .len = 1, .value = "z", .lsn = upto + 0x10};
    struct stub_write write = {
        .records = &r, .n = 1, .upto_lsn = upto + 0x10, .blobs = blobs, .nblobs = n};
    writer_note(s->writer, r.key, 1, upto + 0x10);
    int rc = durable ? stub_store_write_with(s->w.stub, "main", &write, fault) : ZS_OK;
    writer_sealed(s->writer, durable && rc == ZS_OK);
    return rc;
}

/* What a transfer would ask for. */
static int look(struct scene *s, struct zs_error *fault)
{
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
    struct coverage c;
    char why[128];
    TRY(snapshot_open(s->w.store, "main", &snapshot, fault));
    TRY(coverage_read(&snapshot, &c, fault));
    return epochs_changed(&snapshot, snapshot.info.last_valid_lsn - 0x180,
                          snapshot.info.last_valid_lsn, &map, why, sizeof why, fault);
}

static int write_for_a_while(struct scene *s, struct zs_error *fault)
{
    struct zs_branch_info info = info_of(s);
    TRY(writer_open(s->notes, &info.timeline, info.last_valid_lsn, &s->writer, fault));
    TRY(write_noted(s, 4, fault));
    TRY(look(s, fault));
    TRY(commit(s, fault));
    TRY(seal(s, false, fault));
    TRY(write_noted(s, 5, fault));
    TRY(seal(s, true, fault));
    TRY(look(s, fault));
    TRY(write_noted(s, 6, fault));
    return look(s, fault);
}

static int rebuild(struct scene *s, struct zs_error *fault)
{
    struct rebuild r = {.store = s->w.store, .branch = "main"};
    return rebuild_run(&r, fault);
}

/* ---- what fails ------------------------------------------------------------------------------ */

static const struct operation {
    const char *name;
    int (*run)(struct scene *s, struct zs_error *fault);
} operations[] = {{"a commit", commit},
                  {"a writer", write_for_a_while},
                  {"a look", look},
                  {"a rebuild", rebuild}};

enum { OPERATIONS = sizeof operations / sizeof *operations };

/* The n-th fails.  False: there are fewer. */
static bool try_nth(const struct operation *o, bool memory, uint64_t n)
{
    struct scene s;
    struct zs_error fault = {0};
    scene_open(&s);
    if (memory)
        alloc_fail_here(n);
    else
        stub_faults_arm(&s.faults, &(struct stub_fault){.nth = n});
    int rc = o->run(&s, &fault);
    bool fired = memory ? alloc_failed() : stub_faults_fired(&s.faults);
    stub_faults_arm(&s.faults, &(struct stub_fault){.nth = 0});
    CU_ASSERT(fired || rc == ZS_OK);
    if (rc != ZS_OK)
        CU_ASSERT(error_is(&fault, memory ? ZS_OUT_OF_MEMORY : ZS_IO_ERROR) &&
                  fault.message[0] != '\0');
    (void)check_every_range(&s.w); /* what is known is right */
    writer_close(s.writer);
    s.writer = NULL;
    (void)check_every_range(&s.w);
    ASSERT_OK(o->run(&s, &e)); /* and the same again is done */
    (void)check_every_range(&s.w);
    scene_close(&s);
    return fired;
}

static void disturb(bool memory)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        uint64_t n = 1;
        while (try_nth(&operations[i], memory, n))
            n++;
        CU_ASSERT(n > 3); /* it did come to pass */
        (void)printf("%s: each of %llu %s failed in turn\n", operations[i].name,
                     (unsigned long long)n - 1, memory ? "allocations" : "calls of the store");
    }
}

static void test_each_allocation_may_fail(void)
{
    disturb(true);
}

static void test_each_call_of_the_store_may_fail(void)
{
    disturb(false);
}

SUITE("crash/changes", {"each allocation may fail", test_each_allocation_may_fail},
      {"each call of the store may fail", test_each_call_of_the_store_may_fail})
