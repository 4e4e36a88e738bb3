/* test_pgexport.c - a branch back into a directory: the same files, or none. */
#include "../../support/suite.h"

#include "crafted.h"
#include "model/lsn.h"
#include "pgdata/pgdata.h"
#include "pgdata/pgkey.h"
#include "stub/stub_cancel.h"
#include "stub/stub_fault.h"
#include "stub/stub_store.h"

enum { FIRST = 0x102018, SECOND = 0x1FFFC0 /* its record lies in two WAL files */ };

struct world {
    struct crafted cluster;
    struct stub_store *store;
    const struct zs_store *table;
    char out[96]; /* where exports go */
};

static void add_more(struct world *w)
{
    char target[96], link[256];
    crafted_pages(&w->cluster, "base/5/16384", "abcd");
    crafted_pages(&w->cluster, "base/5/16384.1", "efgh");
    crafted_pages(&w->cluster, "base/5/16384.2", "i");
    crafted_text(&w->cluster, "pg_twophase/000002BC", "prepared");
    crafted_text(&w->cluster, "pg_hba.conf", "");
    crafted_text(&w->cluster, "pg_ident.conf", "# nobody\n");
    crafted_text(&w->cluster, "pg_logical/replorigin_checkpoint", "origins");
    crafted_folder(&w->cluster, "conf.d");
    crafted_text(&w->cluster, "conf.d/10-memory.conf", "work_mem = 5MB\n");
    crafted_text(&w->cluster, "conf.d/20-none.conf", "");
    (void)snprintf(target, sizeof target, "%s/elsewhere", w->cluster.dir);
    CU_ASSERT(mkdir(target, 0700) == 0);
    crafted_path(&w->cluster, "pg_tblspc/16400", link);
    CU_ASSERT(symlink(target, link) == 0);
    crafted_folder(&w->cluster, "pg_tblspc/16400/PG_15_202209061");
    crafted_folder(&w->cluster, "pg_tblspc/16400/PG_15_202209061/5");
    crafted_text(&w->cluster, "pg_tblspc/16400/PG_15_202209061/5/PG_VERSION", "15\n");
    crafted_pages(&w->cluster, "pg_tblspc/16400/PG_15_202209061/5/16401", "t");
}

static void world_open(struct world *w)
{
    struct zs_error e = {0};
    struct pgdata_result r;
    crafted_open(&w->cluster, FIRST);
    add_more(w);
    ASSERT_OK(stub_store_open(STUB_STORE_COPIES, &w->store, &e));
    w->table = stub_store_table(w->store);
    (void)snprintf(w->out, sizeof w->out, "%s/out", w->cluster.dir);
    ASSERT_OK(pgdata_import(w->table, "main", w->cluster.data, NULL, &r, &e));
}

static void world_close(struct world *w)
{
    CU_ASSERT(stub_store_open_handles(w->store) == 0);
    stub_store_close(w->store);
    crafted_close(&w->cluster);
}

static int run(const char *format, const char *a, const char *b)
{
    char command[512];
    (void)snprintf(command, sizeof command, format, a, b);
    return system(command); /* NOLINT(concurrency-mt-unsafe): paths of our own */
}

/* Same files, same bytes, but for the WAL, which is compared where the record lies. */
static void assert_same(const char *a, const char *b)
{
    CU_ASSERT(run("diff -r -x pg_wal -x 'pg_[dnrs]*' '%s' '%s'", a, b) == 0);
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void test_export_is_the_import(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r = {0};
    char path[256];
    struct stat st;
    world_open(&w);
    ASSERT_OK(pgdata_export(w.table, "main", 0, w.out, NULL, &r, &e));
    assert_same(w.cluster.data, w.out);
    CU_ASSERT(r.to_lsn == FIRST && r.records > 15 && r.bytes > (uint64_t)15 * CRAFTED_BLOCK);
    static const char *const folders[] = {"pg_wal/archive_status",
                                          "pg_notify",
                                          "pg_serial",
                                          "pg_snapshots",
                                          "pg_stat",
                                          "pg_stat_tmp",
                                          "pg_subtrans",
                                          "pg_replslot",
                                          "pg_dynshmem",
                                          "pg_logical/mappings",
                                          "pg_logical/snapshots"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w.out, folders[i]);
        CU_ASSERT(stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0700);
    }
    CU_ASSERT(stat(w.out, &st) == 0 && (st.st_mode & 0777) == 0700);
    (void)snprintf(path, sizeof path, "%s/global/pg_control", w.out);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    (void)snprintf(path, sizeof path, "%s/conf.d", w.out);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700);
    (void)snprintf(path, sizeof path, "%s/conf.d/10-memory.conf", w.out);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    world_close(&w);
}

/* What was exported can be imported: pg_control, WAL and all. */
static void test_export_imports_again(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r = {0};
    world_open(&w);
    crafted_checkpoint(&w.cluster, SECOND);
    crafted_remove(&w.cluster, "base/5/16384.2");
    crafted_pages(&w.cluster, "base/5/16384.1", "e");
    ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, NULL, &r, &e));
    ASSERT_OK(pgdata_export(w.table, "main", 0, w.out, NULL, &r, &e));
    CU_ASSERT(r.to_lsn == SECOND);
    assert_same(w.cluster.data, w.out);
    ASSERT_OK(pgdata_import(w.table, "main", w.out, NULL, &r, &e));
    CU_ASSERT(r.changed == 0);
    ASSERT_OK(pgdata_import(w.table, "other", w.out, NULL, &r, &e));
    world_close(&w);
}

static void note(void *context, const char *sentence)
{
    char *all = context;
    strncat(all, sentence, 4000 - strlen(all));
}

static void test_earlier_states(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r = {0};
    char before[160], said[4096] = "";
    struct pgdata_watch watch = {.context = said, .note = note};
    world_open(&w);
    (void)snprintf(before, sizeof before, "%s/before", w.cluster.dir);
    CU_ASSERT(run("cp -r '%s' '%s'", w.cluster.data, before) == 0);
    crafted_checkpoint(&w.cluster, SECOND);
    crafted_remove(&w.cluster, "base/5/16384_fsm");
    crafted_text(&w.cluster, "postgresql.conf", "port = 2\n");
    ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, NULL, &r, &e));

    ASSERT_OK(pgdata_export(w.table, "main", FIRST, w.out, &watch, &r, &e));
    CU_ASSERT(r.to_lsn == FIRST && strstr(said, "0/102018") == NULL);
    assert_same(before, w.out);
    CU_ASSERT(run("rm -r '%s'%s", w.out, "") == 0);
    ASSERT_OK(pgdata_export(w.table, "main", SECOND - 1, w.out, &watch, &r, &e));
    CU_ASSERT(r.to_lsn == FIRST && strstr(said, "0/102018") != NULL);
    assert_same(before, w.out);

    CU_ASSERT(run("rm -r '%s'%s", w.out, "") == 0);
    ASSERT_FAILS(pgdata_export(w.table, "main", FIRST - 1, w.out, NULL, &r, &e), ZS_BAD_VALUE);
    CU_ASSERT(e.hint[0] != '\0');
    ASSERT_FAILS(pgdata_export(w.table, "main", SECOND + 1, w.out, NULL, &r, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.hint, lsn_text(SECOND).s) != NULL);
    ASSERT_OK(stub_store_gc(w.store, "main", SECOND, NULL, &e));
    ASSERT_FAILS(pgdata_export(w.table, "main", FIRST, w.out, NULL, &r, &e), ZS_BAD_VALUE);
    CU_ASSERT(!is_there(w.out));
    ASSERT_OK(pgdata_export(w.table, "main", 0, w.out, NULL, &r, &e));
    assert_same(w.cluster.data, w.out);
    world_close(&w);
}

static void test_where_an_export_may_go(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r = {0};
    char path[160];
    world_open(&w);
    ASSERT_FAILS(pgdata_export(w.table, "main", 0, w.cluster.data, NULL, &r, &e),
                 ZS_ALREADY_EXISTS);
    (void)snprintf(path, sizeof path, "%s/postgresql.conf", w.cluster.data);
    CU_ASSERT(is_there(path));
    ASSERT_FAILS(pgdata_export(w.table, "main", 0, path, NULL, &r, &e), ZS_IO_ERROR);
    (void)snprintf(path, sizeof path, "%s/no/such", w.cluster.dir);
    ASSERT_FAILS(pgdata_export(w.table, "main", 0, path, NULL, &r, &e), ZS_BAD_VALUE);
    ASSERT_FAILS(pgdata_export(w.table, "nobody", 0, w.out, NULL, &r, &e), ZS_NO_SUCH_BRANCH);
    ASSERT_OK(stub_store_branch_create(w.store, "empty", NULL, NULL, &e));
    ASSERT_FAILS(pgdata_export(w.table, "empty", 0, w.out, NULL, &r, &e), ZS_BAD_VALUE);
    CU_ASSERT(!is_there(w.out));
    CU_ASSERT(mkdir(w.out, 0755) == 0);
    ASSERT_OK(pgdata_export(w.table, "main", 0, w.out, NULL, &r, &e));
    assert_same(w.cluster.data, w.out);
    world_close(&w);
}

static void test_missing_configuration_is_written(void)
{
    static const char *const names[] = {"postgresql.conf", "pg_hba.conf", "pg_ident.conf"};
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r = {0};
    char said[4096] = "", path[160];
    struct pgdata_watch watch = {.context = said, .note = note};
    world_open(&w);
    for (size_t i = 0; i < 3; i++)
        crafted_remove(&w.cluster, names[i]);
    crafted_checkpoint(&w.cluster, SECOND);
    ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, NULL, &r, &e));
    ASSERT_OK(pgdata_export(w.table, "main", 0, w.out, &watch, &r, &e));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w.out, names[i]);
        CU_ASSERT(is_there(path) && strstr(said, names[i]) != NULL);
    }
    CU_ASSERT(run("grep -qx 'max_prepared_transactions = 7' '%s/postgresql.conf'%s", w.out, "") ==
              0);
    CU_ASSERT(run("grep -qx 'min_wal_size = 5MB' '%s/postgresql.conf'%s", w.out, "") == 0);
    CU_ASSERT(run("grep -qx 'max_wal_size = 64MB' '%s/postgresql.conf'%s", w.out, "") == 0);
    CU_ASSERT(strstr(said, "two-phase commit: 1.") != NULL);
    CU_ASSERT(strstr(said, "max_prepared_transactions is 7,") != NULL);
    world_close(&w);
}

/* A record more, as a peer might send it, and the export finds it out. */
static void test_damaged_branches_are_refused(void)
{
    static const char evil[] = "\x0f\0../../evil.conf!";
    static const struct {
        struct pgkey key;
        size_t kind; /* ZS_KIND_* */
        const char *value;
        size_t len;
        const char *sqlstate;
    } cases[] = {
        {{.type = PGKEY_SIZE, .space = 1663, .database = 5, .relation = 16384},
         ZS_KIND_IMAGE,
         "\5\0\0\0",
         4,
         ZS_CORRUPT},
        {{.type = PGKEY_SIZE, .space = 1663, .database = 5, .relation = 16384},
         ZS_KIND_TOMBSTONE,
         "",
         0,
         ZS_CORRUPT},
        {{.type = PGKEY_BLOCK, .space = 1663, .database = 5, .relation = 16384, .block = 2},
         ZS_KIND_TOMBSTONE,
         "",
         0,
         ZS_CORRUPT},
        {{.type = PGKEY_BLOCK, .space = 1663, .database = 5, .relation = 16384, .block = 2},
         ZS_KIND_IMAGE,
         "short",
         5,
         ZS_CORRUPT},
        {{.type = PGKEY_BLOCK, .space = 1663, .database = 5, .relation = 16384, .block = 2},
         ZS_KIND_WAL,
         "wal",
         3,
         ZS_NOT_SUPPORTED},
        {{.type = PGKEY_SLRU_SIZE}, ZS_KIND_TOMBSTONE, "", 0, ZS_CORRUPT},
        {{.type = PGKEY_DATABASES}, ZS_KIND_IMAGE, "1234567", 7, ZS_CORRUPT},
        {{.type = PGKEY_DATABASES}, ZS_KIND_IMAGE, "\0\0\0\1\0\0\0\1", 8, ZS_CORRUPT},
        {{.type = PGKEY_DATABASES}, ZS_KIND_TOMBSTONE, "", 0, ZS_IO_ERROR},
        {{.type = PGKEY_CONTROL}, ZS_KIND_IMAGE, "no control", 10, ZS_CORRUPT},
        {{.type = PGKEY_CONTROL}, ZS_KIND_TOMBSTONE, "", 0, ZS_BAD_VALUE},
        {{.type = PGKEY_CHECKPOINT}, ZS_KIND_TOMBSTONE, "", 0, ZS_CORRUPT},
        {{.type = PGKEY_CHECKPOINT}, ZS_KIND_IMAGE, "no record", 9, ZS_CORRUPT},
        {{.type = PGKEY_FILE, .hash = 77}, ZS_KIND_IMAGE, evil, sizeof evil - 1, ZS_CORRUPT},
        {{.type = PGKEY_FILE, .hash = 0, .piece = 3},
         ZS_KIND_IMAGE,
         evil,
         sizeof evil - 1,
         ZS_CORRUPT},
        {{.type = PGKEY_TWOPHASE, .piece = 1, .xid = 9}, ZS_KIND_IMAGE, "x", 1, ZS_IO_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct world w;
        struct pgdata_result r = {0};
        struct zs_record record = {.kind = (uint8_t)cases[i].kind,
                                   .lsn = FIRST + 1,
                                   .len = (uint32_t)cases[i].len,
                                   .value = cases[i].value};
        struct pgkey key = cases[i].key;
        if (key.hash == 77)
            key.hash = pgkey_name_hash("../../evil.conf");
        world_open(&w);
        /* A state is that of an import: the newest pg_control decides which records show. */
        uint8_t control[PGCONTROL_FILE_BYTES], checkpoint[PGWAL_RECORD_MAX];
        struct zs_record state[2] = {
            {.kind = ZS_KIND_IMAGE, .lsn = FIRST + 1, .value = control},
            {.kind = ZS_KIND_IMAGE, .lsn = FIRST + 1, .value = checkpoint}};
        state[0].len = (uint32_t)crafted_control(control, FIRST, PGCONTROL_SHUT_DOWN);
        state[1].len = crafted_record(checkpoint, FIRST);
        pgkey_encode(&(struct pgkey){.type = PGKEY_CONTROL}, state[0].key);
        pgkey_encode(&(struct pgkey){.type = PGKEY_CHECKPOINT}, state[1].key);
        pgkey_encode(&key, record.key);
        if (key.type != PGKEY_CONTROL)
            ASSERT_OK(stub_store_write(w.store, "main", &state[0], 1, FIRST + 1, &e));
        record.lsn = state[1].lsn = FIRST + (key.type != PGKEY_CONTROL ? 2 : 1);
        ASSERT_OK(stub_store_write(w.store, "main", &record, 1, record.lsn, &e));
        if (key.type != PGKEY_CONTROL) {
            state[0].lsn = record.lsn + 1;
            ASSERT_OK(stub_store_write(w.store, "main", &state[0], 1, state[0].lsn, &e));
        }
        ASSERT_FAILS(pgdata_export(w.table, "main", 0, w.out, NULL, &r, &e), cases[i].sqlstate);
        CU_ASSERT(!is_there(w.out));
        world_close(&w);
    }
}

static void test_cancel_anywhere_leaves_nothing(void)
{
    bool cancelled = true;
    struct world w;
    struct zs_error e = {0};
    world_open(&w);
    for (unsigned long n = 1; cancelled; n++) {
        struct pgdata_result r;
        struct stub_cancel cancel;
        ASSERT_OK(stub_cancel_init(&cancel, &e));
        stub_cancel_at_poll(&cancel, n);
        struct pgdata_watch watch = {.cancel = &cancel.token};
        cancelled = pgdata_export(w.table, "main", 0, w.out, &watch, &r, &e) != ZS_OK;
        if (cancelled)
            ASSERT_TEXT(e.sqlstate, ZS_CANCELLED);
        CU_ASSERT(is_there(w.out) == !cancelled);
        stub_cancel_fini(&cancel);
    }
    world_close(&w);
}

static void test_any_failing_call_leaves_nothing(void)
{
    struct zs_error e = {0};
    struct stub_faults faults;
    struct world w;
    bool fired = true;
    world_open(&w);
    ASSERT_OK(stub_faults_init(&faults, &e));
    for (uint64_t n = 1; fired; n++) {
        struct pgdata_result r;
        struct stub_fault_store *faulty = NULL;
        ASSERT_OK(stub_fault_store_open(w.table, &faults, &faulty, &e));
        stub_faults_arm(&faults, &(struct stub_fault){.nth = n});
        int rc = pgdata_export(stub_fault_store_table(faulty), "main", 0, w.out, NULL, &r, &e);
        fired = stub_faults_fired(&faults);
        CU_ASSERT((rc != ZS_OK) == fired && is_there(w.out) == !fired);
        stub_fault_store_close(faulty);
    }
    stub_faults_fini(&faults);
    world_close(&w);
}

SUITE("pgdata/pgexport", {"an export has the files that were imported", test_export_is_the_import},
      {"an export imports again as unchanged", test_export_imports_again},
      {"every import that is kept can be exported, and no other LSN", test_earlier_states},
      {"an export goes where nothing is", test_where_an_export_may_go},
      {"configuration that was not imported is written", test_missing_configuration_is_written},
      {"a branch that is no whole cluster is refused", test_damaged_branches_are_refused},
      {"a cancel anywhere leaves no directory", test_cancel_anywhere_leaves_nothing},
      {"any failing call of the store leaves no directory", test_any_failing_call_leaves_nothing})
