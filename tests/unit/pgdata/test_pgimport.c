/* test_pgimport.c - crafted clusters into the stub store: what is written, what refused. */
#include "../../support/suite.h"

#include "crafted.h"
#include "pgdata/pgdata.h"
#include "stub/stub_cancel.h"
#include "stub/stub_fault.h"
#include "stub/stub_store.h"

enum { FIRST = 0x102018, SECOND = 0x104018, THIRD = 0x106018 };

struct world {
    struct crafted cluster;
    struct stub_store *store;
    const struct zs_store *table;
};

static void world_open(struct world *w)
{
    struct zs_error e = {0};
    crafted_open(&w->cluster, FIRST);
    ASSERT_OK(stub_store_open(STUB_STORE_COPIES, &w->store, &e));
    w->table = stub_store_table(w->store);
}

static void world_close(struct world *w)
{
    CU_ASSERT(stub_store_open_handles(w->store) == 0);
    stub_store_close(w->store);
    crafted_close(&w->cluster);
}

static int import(struct world *w, struct pgdata_result *r, struct zs_error *e)
{
    memset(r, 0, sizeof *r);
    return pgdata_import(w->table, "main", w->cluster.data, NULL, r, e);
}

static struct zs_branch_info info_of(struct world *w)
{
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    if (w->table->branch_find(w->table->self, "main", &info, &e) != ZS_OK)
        memset(&info, 0, sizeof info);
    return info;
}

static void test_first_import_creates(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    world_open(&w);
    ASSERT_OK(import(&w, &r, &e));
    CU_ASSERT(r.created == 1 && r.changed == 1 && r.from_lsn == 0 && r.to_lsn == FIRST);
    CU_ASSERT(r.records == 24);
    struct zs_branch_info info = info_of(&w);
    CU_ASSERT(info.last_valid_lsn == FIRST && info.records == r.records && info.bytes == r.bytes);
    world_close(&w);
}

static void test_empty_branch_is_filled(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    world_open(&w);
    ASSERT_OK(stub_store_branch_create(w.store, "main", NULL, NULL, &e));
    ASSERT_OK(import(&w, &r, &e));
    CU_ASSERT(r.created == 0 && r.changed == 1 && r.records == 24);
    CU_ASSERT(info_of(&w).last_valid_lsn == FIRST);
    world_close(&w);
}

static void test_nothing_changed(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    world_open(&w);
    ASSERT_OK(import(&w, &r, &e));
    struct zs_branch_info before = info_of(&w);
    ASSERT_OK(import(&w, &r, &e));
    CU_ASSERT(r.changed == 0 && r.records == 0 && r.from_lsn == FIRST && r.to_lsn == FIRST);
    struct zs_branch_info after = info_of(&w);
    CU_ASSERT(memcmp(&before, &after, sizeof before) == 0);
    world_close(&w);
}

/* Each change, made alone, writes just its records, and pg_control and the checkpoint. */
static void change_page(const struct crafted *c)
{
    crafted_pages(c, "base/5/16384", "aB");
}
static void change_append(const struct crafted *c)
{
    crafted_pages(c, "base/5/16384", "abc");
}
static void change_zero_page(const struct crafted *c)
{
    char zeros[2 * CRAFTED_BLOCK] = {0};
    crafted_write(c, "base/5/2619", zeros, sizeof zeros);
}
static void change_truncate(const struct crafted *c)
{
    crafted_pages(c, "base/5/16384", "");
}
static void change_drop(const struct crafted *c)
{
    crafted_remove(c, "base/5/16384");
    crafted_remove(c, "base/5/16384_fsm");
}
static void change_slru(const struct crafted *c)
{
    crafted_remove(c, "pg_multixact/members/0000");
    crafted_pages(c, "pg_multixact/members/0001", "m");
}
static void change_file(const struct crafted *c)
{
    crafted_text(c, "postgresql.conf", "port = 2\n");
}
static void change_file_gone(const struct crafted *c)
{
    crafted_remove(c, "postgresql.conf");
}
static void change_prepared(const struct crafted *c)
{
    crafted_text(c, "pg_twophase/000002BC", "state");
}
static void change_drop_database(const struct crafted *c)
{
    static const char *const names[] = {"16384", "16384_fsm", "2619", "pg_filenode.map",
                                        "PG_VERSION"};
    char name[64];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "base/5/%s", names[i]);
        crafted_remove(c, name);
    }
    crafted_remove(c, "base/5");
}
static void change_nothing(const struct crafted *c)
{
    (void)c;
}

static void test_changes_alone_are_written(void)
{
    static const struct {
        void (*change)(const struct crafted *);
        uint64_t records;
    } cases[] = {
        {change_nothing, 0},        {change_page, 1},      {change_append, 2}, /* block, size */
        {change_zero_page, 3},                                                 /* 2 blocks, size */
        {change_truncate, 3}, /* 2 tombstones, size */
        {change_drop, 6},     /* 3 + 2 tombstones, the list of relations */
        {change_slru, 4},     /* 2 tombstones, block, size */
        {change_file, 1},           {change_file_gone, 1}, {change_prepared, 1},
        {change_drop_database, 10}, /* map, list, 6 of relations, PG_VERSION; databases */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct world w;
        struct pgdata_result r;
        world_open(&w);
        ASSERT_OK(import(&w, &r, &e));
        cases[i].change(&w.cluster);
        crafted_checkpoint(&w.cluster, SECOND);
        ASSERT_OK(import(&w, &r, &e));
        CU_ASSERT(r.changed == 1 && r.from_lsn == FIRST && r.to_lsn == SECOND);
        CU_ASSERT(r.records == cases[i].records + 2);
        crafted_checkpoint(&w.cluster, THIRD); /* what is gone stays gone */
        ASSERT_OK(import(&w, &r, &e));
        CU_ASSERT(r.records == 2);
        world_close(&w);
    }
}

static void refuse_running(const struct crafted *c)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%d\n%s\n", (int)getpid(), c->data);
    crafted_text(c, "postmaster.pid", text);
}
static void refuse_no_version(const struct crafted *c)
{
    crafted_remove(c, "PG_VERSION");
}
static void refuse_other_version(const struct crafted *c)
{
    crafted_text(c, "PG_VERSION", "14\n");
}
static void refuse_no_control(const struct crafted *c)
{
    crafted_remove(c, "global/pg_control");
}
static void set_state(const struct crafted *c, uint32_t state)
{
    uint8_t bytes[PGCONTROL_FILE_BYTES];
    crafted_write(c, "global/pg_control", bytes, crafted_control(bytes, FIRST, state));
}
static void refuse_crashed(const struct crafted *c)
{
    set_state(c, 6);
}
static void refuse_standby(const struct crafted *c)
{
    set_state(c, PGCONTROL_SHUT_DOWN_IN_RECOVERY);
}
static void refuse_backup_label(const struct crafted *c)
{
    crafted_text(c, "backup_label", "START WAL LOCATION: 0/2000028\n");
}
static void refuse_damaged_control(const struct crafted *c)
{
    crafted_text(c, "global/pg_control", "short");
}
static void refuse_no_wal(const struct crafted *c)
{
    crafted_remove(c, "pg_wal/000000010000000000000001");
}
static void refuse_missing_folder(const struct crafted *c)
{
    crafted_remove(c, "pg_twophase");
}
static void refuse_fifo(const struct crafted *c)
{
    char path[256];
    crafted_remove(c, "base/5/pg_filenode.map");
    crafted_path(c, "base/5/pg_filenode.map", path);
    CU_ASSERT(mkfifo(path, 0600) == 0);
}

static void test_unfit_directories_are_refused(void)
{
    static const struct {
        void (*spoil)(const struct crafted *);
        const char *sqlstate;
        const char *says;
    } cases[] = {
        {refuse_running, ZS_BUSY, "is running"},
        {refuse_no_version, ZS_BAD_VALUE, "not a PostgreSQL data directory"},
        {refuse_other_version, ZS_NOT_SUPPORTED, "PostgreSQL 14"},
        {refuse_no_control, ZS_BAD_VALUE, "not a PostgreSQL data directory"},
        {refuse_crashed, ZS_BAD_VALUE, "in production"},
        {refuse_standby, ZS_BAD_VALUE, "standby"},
        {refuse_backup_label, ZS_BAD_VALUE, "backup_label"},
        {refuse_damaged_control, ZS_CORRUPT, "pg_control"},
        {refuse_no_wal, ZS_IO_ERROR, "checkpoint"},
        {refuse_missing_folder, ZS_IO_ERROR, "pg_twophase"},
        {refuse_fifo, ZS_BAD_VALUE, "is not a file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct world w;
        struct pgdata_result r;
        world_open(&w);
        cases[i].spoil(&w.cluster);
        ASSERT_FAILS(import(&w, &r, &e), cases[i].sqlstate);
        CU_ASSERT(strstr(e.message, cases[i].says) != NULL && e.hint[0] != '\0');
        CU_ASSERT(info_of(&w).struct_size == 0); /* there is no branch */
        world_close(&w);
    }
}

static void test_no_directory(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r = {0};
    world_open(&w);
    ASSERT_FAILS(pgdata_import(w.table, "main", "/nonexistent/x", NULL, &r, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(pgdata_import(w.table, "main", "/etc/passwd", NULL, &r, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(pgdata_import(w.table, "-main", w.cluster.data, NULL, &r, &e), ZS_BAD_VALUE);
    world_close(&w);
}

static void test_stale_pid_file_is_no_server(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    world_open(&w);
    crafted_text(&w.cluster, "postmaster.pid", "999999999\n");
    ASSERT_OK(import(&w, &r, &e));
    world_close(&w);
}

static void test_unfit_branches_are_refused(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    uint8_t control[PGCONTROL_FILE_BYTES];
    const struct zs_record alien = {
        .key = {9}, .kind = ZS_KIND_IMAGE, .lsn = 5, .len = 1, .value = "x"};
    world_open(&w);
    ASSERT_OK(stub_store_branch_create(w.store, "main", NULL, NULL, &e));
    ASSERT_OK(stub_store_write(w.store, "main", &alien, 1, 5, &e));
    ASSERT_FAILS(import(&w, &r, &e), ZS_BAD_VALUE);
    ASSERT_OK(stub_store_branch_delete(w.store, "main", &e));

    ASSERT_OK(import(&w, &r, &e));
    crafted_checkpoint(&w.cluster, FIRST - 0x1000);
    ASSERT_FAILS(import(&w, &r, &e), ZS_NOT_FAST_FORWARD);
    CU_ASSERT(e.hint[0] != '\0');

    crafted_checkpoint(&w.cluster, SECOND);
    size_t len = crafted_control(control, SECOND, PGCONTROL_SHUT_DOWN);
    crafted_control_set(control, 0, 42);
    crafted_write(&w.cluster, "global/pg_control", control, len);
    ASSERT_FAILS(import(&w, &r, &e), ZS_UNRELATED);

    (void)crafted_control(control, SECOND, PGCONTROL_SHUT_DOWN);
    crafted_control_set(control, 216, 2048);
    crafted_write(&w.cluster, "global/pg_control", control, len);
    ASSERT_FAILS(import(&w, &r, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(info_of(&w).last_valid_lsn == FIRST);
    world_close(&w);
}

/* Two versions cannot stand at one LSN: neither silently kept nor silently lost. */
static void test_same_lsn_and_other_bytes_is_refused(void)
{
    static void (*const changes[])(const struct crafted *) = {change_page, change_file, change_drop,
                                                              change_prepared};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct zs_error e = {0};
        struct world w;
        struct pgdata_result r;
        world_open(&w);
        ASSERT_OK(import(&w, &r, &e));
        struct zs_branch_info before = info_of(&w);
        changes[i](&w.cluster);
        ASSERT_FAILS(import(&w, &r, &e), ZS_BAD_VALUE);
        struct zs_branch_info after = info_of(&w);
        CU_ASSERT(memcmp(&before, &after, sizeof before) == 0);
        world_close(&w);
    }
}

static void note(void *context, const char *sentence)
{
    char *all = context;
    strncat(all, sentence, 4000 - strlen(all));
}

static void test_what_is_skipped_is_named(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    char said[4096] = "";
    struct pgdata_watch watch = {.context = said, .note = note};
    world_open(&w);
    crafted_text(&w.cluster, "server.key", "secret");
    crafted_text(&w.cluster, "base/5/16384.orig", "x");
    crafted_text(&w.cluster, "postmaster.opts", "x");
    crafted_folder(&w.cluster, "pg_stat");
    ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, &watch, &r, &e));
    CU_ASSERT(strstr(said, "server.key") != NULL && strstr(said, "base/5/16384.orig") != NULL);
    CU_ASSERT(strstr(said, "postmaster.opts") == NULL && strstr(said, "pg_stat") == NULL);
    world_close(&w);
}

struct told {
    uint64_t done, total;
    bool fell;
};

static void progress(void *context, uint64_t done, uint64_t total)
{
    struct told *t = context;
    t->fell |= done < t->done || done > total || (t->total != 0 && t->total != total);
    *t = (struct told){done, total, t->fell};
}

static void test_progress_reaches_the_end(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    struct told told = {0};
    struct pgdata_watch watch = {.context = &told, .progress = progress};
    world_open(&w);
    ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, &watch, &r, &e));
    CU_ASSERT(!told.fell && told.done == told.total && told.total > (uint64_t)8 * CRAFTED_BLOCK);
    world_close(&w);
}

/* The first word of progress comes when nothing was read yet. */
static void start_it(void *context, uint64_t done, uint64_t total)
{
    struct world *w = context;
    if (done == 0 && total > 0)
        set_state(&w->cluster, 6);
}

static void test_started_meanwhile_is_refused(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    struct pgdata_watch watch = {.context = &w, .progress = start_it};
    world_open(&w);
    ASSERT_FAILS(pgdata_import(w.table, "main", w.cluster.data, &watch, &r, &e),
                 ZS_MOVED_MEANWHILE);
    CU_ASSERT(info_of(&w).struct_size == 0);
    world_close(&w);
}

static void test_cancel_anywhere_leaves_nothing(void)
{
    bool cancelled = true;
    for (unsigned long n = 1; cancelled; n++) {
        struct zs_error e = {0};
        struct world w;
        struct pgdata_result r;
        struct stub_cancel cancel;
        world_open(&w);
        ASSERT_OK(stub_cancel_init(&cancel, &e));
        stub_cancel_at_poll(&cancel, n);
        struct pgdata_watch watch = {.cancel = &cancel.token};
        cancelled = pgdata_import(w.table, "main", w.cluster.data, &watch, &r, &e) != ZS_OK;
        if (cancelled) {
            ASSERT_TEXT(e.sqlstate, ZS_CANCELLED);
            CU_ASSERT(info_of(&w).struct_size == 0);
        } else {
            CU_ASSERT(n > 4);
        }
        stub_cancel_fini(&cancel);
        world_close(&w);
    }
}

static void test_any_failing_call_leaves_nothing(void)
{
    struct zs_error e = {0};
    struct stub_faults faults;
    bool fired = true;
    ASSERT_OK(stub_faults_init(&faults, &e));
    for (uint64_t n = 1; fired; n++) {
        struct world w;
        struct pgdata_result r;
        struct stub_fault_store *faulty = NULL;
        world_open(&w);
        ASSERT_OK(import(&w, &r, &e));
        change_page(&w.cluster);
        change_drop_database(&w.cluster);
        crafted_checkpoint(&w.cluster, SECOND);
        ASSERT_OK(stub_fault_store_open(w.table, &faults, &faulty, &e));
        stub_faults_arm(&faults, &(struct stub_fault){.nth = n});
        int rc =
            pgdata_import(stub_fault_store_table(faulty), "main", w.cluster.data, NULL, &r, &e);
        fired = stub_faults_fired(&faults);
        CU_ASSERT((rc != ZS_OK) == fired);
        CU_ASSERT(info_of(&w).last_valid_lsn == (fired ? FIRST : SECOND));
        stub_fault_store_close(faulty);
        world_close(&w);
    }
    stub_faults_fini(&faults);
}

SUITE("pgdata/pgimport", {"a first import makes the branch", test_first_import_creates},
      {"an empty branch is filled", test_empty_branch_is_filled},
      {"a cluster that did not move writes nothing", test_nothing_changed},
      {"a later import writes what changed and no more", test_changes_alone_are_written},
      {"directories that are no stopped cluster are refused", test_unfit_directories_are_refused},
      {"so is what is no directory, or no name", test_no_directory},
      {"a pid file that names nobody is no server", test_stale_pid_file_is_no_server},
      {"branches that hold something else or newer are refused", test_unfit_branches_are_refused},
      {"other bytes at the same LSN are refused", test_same_lsn_and_other_bytes_is_refused},
      {"what is skipped is named, what needs no copy is not", test_what_is_skipped_is_named},
      {"a cluster started during the import is refused", test_started_meanwhile_is_refused},
      {"progress never falls and ends at its total", test_progress_reaches_the_end},
      {"a cancel anywhere leaves no branch", test_cancel_anywhere_leaves_nothing},
      {"any failing call of the store leaves the branch as it was",
       test_any_failing_call_leaves_nothing})
