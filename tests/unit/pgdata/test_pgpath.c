/* test_pgpath.c - which names are carried, and where keys belong. */
#include "../../support/suite.h"

#include "pgdata/pgpath.h"

static void test_relation_names(void)
{
    static const struct {
        const char *name;
        uint32_t relation, fork, segment; /* relation 0: no relation's file */
    } cases[] = {
        {"1262", 1262, 0, 0},
        {"16384_fsm", 16384, 1, 0},
        {"16384_vm", 16384, 2, 0},
        {"16384_init", 16384, 3, 0},
        {"16384.1", 16384, 0, 1},
        {"16384_vm.12", 16384, 2, 12},
        {"4294967295.4294967295", UINT32_MAX, 0, UINT32_MAX},
        {"4294967296", 0, 0, 0},
        {"0", 0, 0, 0},
        {"01", 0, 0, 0},
        {"", 0, 0, 0},
        {"16384.", 0, 0, 0},
        {"16384.0", 0, 0, 0},
        {"16384.01", 0, 0, 0},
        {"16384_main", 0, 0, 0},
        {"16384_fsm_vm", 0, 0, 0},
        {"16384_fs", 0, 0, 0},
        {"16384.1_fsm", 0, 0, 0},
        {"16384 ", 0, 0, 0},
        {"t3_16384", 0, 0, 0},
        {"+5", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t relation = 0, fork = 0, segment = 0;
        bool is = pgpath_relation(cases[i].name, &relation, &fork, &segment);
        CU_ASSERT(is == (cases[i].relation != 0));
        CU_ASSERT(relation == cases[i].relation && fork == cases[i].fork &&
                  segment == cases[i].segment);
    }
}

static void test_segment_names(void)
{
    static const struct {
        const char *name;
        size_t least;
        uint32_t number;
        bool is;
    } cases[] = {
        {"0000", 4, 0, true},       {"00FF", 4, 255, true},     {"10000", 4, 65536, true},
        {"00000", 4, 0, false},     {"00ff", 4, 0, false},      {"FFF", 4, 0, false},
        {"0000.tmp", 4, 0, false},  {"000002BC", 8, 700, true}, {"FFFFFFFF", 8, UINT32_MAX, true},
        {"123456789", 4, 0, false}, {"2BC", 8, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t number = 0;
        CU_ASSERT(pgpath_hex(cases[i].name, cases[i].least, &number) == cases[i].is);
        CU_ASSERT(number == cases[i].number);
    }
}

static void test_what_becomes_of_the_top(void)
{
    static const struct {
        const char *name;
        enum pgpath_fate fate;
    } cases[] = {
        {"base", PGPATH_CARRIED},
        {"PG_VERSION", PGPATH_CARRIED},
        {"postgresql.auto.conf", PGPATH_CARRIED},
        {"pg_hba.conf", PGPATH_CARRIED},
        {"pg_commit_ts", PGPATH_CARRIED},
        {"pg_wal", PGPATH_LEFT_OUT},
        {"pg_stat", PGPATH_LEFT_OUT},
        {"pg_stat_tmp", PGPATH_LEFT_OUT},
        {"pg_replslot", PGPATH_LEFT_OUT},
        {"postmaster.opts", PGPATH_LEFT_OUT},
        {"standby.signal", PGPATH_LEFT_OUT},
        {"current_logfiles", PGPATH_LEFT_OUT},
        {"log", PGPATH_LEFT_OUT},
        {".conf", PGPATH_UNKNOWN},
        {"server.key", PGPATH_UNKNOWN},
        {"backup_label.old", PGPATH_UNKNOWN},
        {"postgresql.conf~", PGPATH_UNKNOWN},
        {"basement", PGPATH_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(pgpath_top_fate(cases[i].name) == cases[i].fate);
}

static void test_what_becomes_of_a_database(void)
{
    static const struct {
        const char *name;
        bool global;
        enum pgpath_fate fate;
    } cases[] = {
        {"2619_fsm", false, PGPATH_CARRIED},
        {"PG_VERSION", false, PGPATH_CARRIED},
        {"PG_VERSION", true, PGPATH_UNKNOWN},
        {"pg_control", true, PGPATH_CARRIED},
        {"pg_control", false, PGPATH_UNKNOWN},
        {"pg_filenode.map", false, PGPATH_CARRIED},
        {"pg_internal.init", false, PGPATH_LEFT_OUT},
        {"pg_internal.init.4711", false, PGPATH_LEFT_OUT},
        {"pgsql_tmp", false, PGPATH_LEFT_OUT},
        {"t3_16384", false, PGPATH_LEFT_OUT},
        {"t3_16384_fsm.1", false, PGPATH_LEFT_OUT},
        {"t_16384", false, PGPATH_UNKNOWN},
        {"t3_x", false, PGPATH_UNKNOWN},
        {"16384.bak", false, PGPATH_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(pgpath_database_fate(cases[i].name, cases[i].global) == cases[i].fate);
}

static void test_paths_of_keys(void)
{
    struct pgkey relation = {.type = PGKEY_BLOCK, .space = 1663, .database = 5, .relation = 9};
    struct pgkey longest = {.type = PGKEY_BLOCK,
                            .space = UINT32_MAX,
                            .database = UINT32_MAX,
                            .relation = UINT32_MAX,
                            .fork = 3};
    struct pgkey slru = {.type = PGKEY_SLRU_BLOCK, .slru = 1, .segment = 0x1A2B3};
    ASSERT_TEXT(pgpath_relation_file(&relation, 0).s, "base/5/9");
    relation.fork = 1;
    ASSERT_TEXT(pgpath_relation_file(&relation, 3).s, "base/5/9_fsm.3");
    relation.space = 1664;
    ASSERT_TEXT(pgpath_relation_file(&relation, 0).s, "global/9_fsm");
    ASSERT_TEXT(pgpath_relation_file(&longest, UINT32_MAX).s,
                "pg_tblspc/4294967295/PG_15_202209061/4294967295/4294967295_init.4294967295");
    ASSERT_TEXT(pgpath_slru_file(&slru).s, "pg_multixact/members/1A2B3");
    slru.slru = 3;
    slru.segment = 7;
    ASSERT_TEXT(pgpath_slru_file(&slru).s, "pg_commit_ts/0007");
    ASSERT_TEXT(pgpath_twophase_file(700).s, "pg_twophase/000002BC");
    ASSERT_TEXT(pgpath_tablespace(16384).s, "pg_tblspc/16384/PG_15_202209061");
}

/* An export writes what a peer sent: nothing but these may be a path. */
static void test_only_known_files_are_written(void)
{
    static const char *const good[] = {"PG_VERSION",
                                       "postgresql.conf",
                                       "x.conf",
                                       "conf.d/10-memory.conf",
                                       "My_settings/a.b.conf",
                                       "base/5/PG_VERSION",
                                       "pg_logical/replorigin_checkpoint",
                                       "pg_tblspc/16384/PG_15_202209061/5/PG_VERSION"};
    static const char *const bad[] = {"",
                                      "/etc/passwd",
                                      "/x.conf",
                                      "../x.conf",
                                      "..",
                                      "base/../x.conf",
                                      "base/5/../PG_VERSION",
                                      "base/05/PG_VERSION",
                                      "base/5/16384",
                                      "base/5/PG_VERSION/x",
                                      "base//PG_VERSION",
                                      "base/PG_VERSION",
                                      "global/pg_control",
                                      "pg_wal/000000010000000000000001",
                                      "postmaster.pid",
                                      "recovery.signal",
                                      ".conf",
                                      "pg_tblspc/16384/PG_14_1/5/PG_VERSION",
                                      "pg_tblspc/1663/PG_15_202209061/5/PG_VERSION",
                                      "pg_logical/x",
                                      "conf.d/x",
                                      "conf.d/.conf",
                                      "conf.d/.x.conf",
                                      "conf.d/-x.conf",
                                      "conf.d//x.conf",
                                      "conf.d/../x.conf",
                                      "conf.d/sub/x.conf",
                                      "conf.d/x y.conf",
                                      "conf.d/x\n.conf",
                                      "conf.d/",
                                      "conf d/x.conf",
                                      "./x.conf",
                                      ".d/x.conf",
                                      "-d/x.conf",
                                      "x.conf/y.conf",
                                      "base/x.conf",
                                      "global/x.conf",
                                      "log/x.conf",
                                      "pg_wal/x.conf",
                                      "pg_new/x.conf",
                                      "PG_VERSION/x.conf",
                                      "postmaster.pid/x.conf",
                                      "standby.signal/x.conf",
                                      "backup_label/x.conf",
                                      "tablespace_map/x.conf"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CU_ASSERT(pgpath_other_allowed(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(!pgpath_other_allowed(bad[i]));
}

static void test_names_of_configuration_are_bounded(void)
{
    static const struct {
        size_t folder, file; /* bytes, ".conf" among them */
        bool is;
    } cases[] = {{127, 127, true}, {128, 126, false}, {100, 154, true}, {100, 155, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        size_t n = cases[i].folder, len = n + 1 + cases[i].file;
        struct pgpath folder;
        memset(path, 'x', sizeof path);
        path[n] = '/';
        memcpy(path + len - 5, ".conf", sizeof ".conf");
        CU_ASSERT(pgpath_other_allowed(path) == cases[i].is);
        CU_ASSERT(pgpath_configuration(path, &folder) == cases[i].is);
        CU_ASSERT(!cases[i].is || strlen(folder.s) == n);
    }
}

SUITE("pgdata/pgpath", {"a relation's file is told by its name", test_relation_names},
      {"SLRU segments and prepared transactions are hex", test_segment_names},
      {"the top of a data directory is carried, left out or named", test_what_becomes_of_the_top},
      {"so is a database's folder", test_what_becomes_of_a_database},
      {"keys know their files, whatever their numbers", test_paths_of_keys},
      {"no other path can be written by an export", test_only_known_files_are_written},
      {"a path of configuration fits into a value", test_names_of_configuration_are_bounded})
