/* test_pgdata_roundtrip.c - a real PostgreSQL cluster in, changed, in again, and out.
 * The shell's part (tests/support/postgres.sh) makes the cluster and starts PostgreSQL on
 * the exports; import and export are called here, on the stub store.  Skipped, and said,
 * where no PostgreSQL 15 is installed. */
#include "../../support/suite.h"

#include "model/lsn.h"
#include "pgdata/pgdata.h"
#include "stub/stub_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Shell functions that every step has.  dump NAME: all of a cluster as text, but for
 * where a tablespace lies.  A step ends with every server of its own stopped. */
static const char prelude[] =
    "set -eu; . tests/support/postgres.sh; pg_find; PG_ROOT=$1; trap pg_stop_all EXIT\n"
    "dump() { pg_dump_text $1 | sed \"s|LOCATION '.*'|LOCATION|\"; }\n";

static int shell(const char *dir, const char *script)
{
    char path[128], command[256];
    (void)snprintf(path, sizeof path, "%s/step.sh", dir);
    FILE *f = fopen(path, "we");
    CU_ASSERT_FATAL(f != NULL);
    (void)fprintf(f, "%s%s\n", prelude, script);
    CU_ASSERT(fclose(f) == 0);
    (void)snprintf(command, sizeof command, "bash '%s' '%s' 2>&1", path, dir);
    return system(command); /* NOLINT(concurrency-mt-unsafe): a script of our own */
}

static const char make_cluster[] =
    "pg_root $PG_ROOT; mkdir $PG_ROOT/space; pg_own $PG_ROOT/space\n"
    "pg_init source $INITDB\n"
    "echo 'max_prepared_transactions = 5' >>$PG_ROOT/source/postgresql.conf\n"
    "echo 'track_commit_timestamp = on' >>$PG_ROOT/source/postgresql.conf\n"
    "mkdir $PG_ROOT/source/conf.d; pg_own $PG_ROOT/source/conf.d\n"
    "echo \"work_mem = '5MB'\" >$PG_ROOT/source/conf.d/10-memory.conf\n"
    "echo \"include_dir 'conf.d'\" >>$PG_ROOT/source/postgresql.conf\n"
    "pg_start source autovacuum=off\n"
    "pg_sql source postgres \"create database two\"\n"
    "pg_sql source postgres \"create tablespace elsewhere location '$PG_ROOT/space'\"\n"
    "pg_sql source postgres - <<'SQL'\n"
    "create table rows as select g as id, md5(g::text) as text from generate_series(1, 20000) g;\n"
    "create index on rows (id);\n"
    "create table dropped as select * from rows;\n"
    "create table cut as select * from rows;\n"
    "create unlogged table unlogged as select * from rows where id <= 500;\n"
    "create index on unlogged (id);\n"
    "create table apart tablespace elsewhere as select * from rows where id <= 500;\n"
    "create table toasted as select string_agg(md5(g::text), '') as long\n"
    "  from generate_series(1, 3000) g;\n"
    "\\o /dev/null\n"
    "select lo_from_bytea(4711, 'a large object');\n"
    "SQL\n"
    "pg_sql source two 'create table rows as select g as id from generate_series(1, 100) g'\n"
    "pg_sql source two - <<'SQL'\n"
    "begin; insert into rows values (4711); prepare transaction 'kept';\n"
    "SQL\n"
    "dump source >$PG_ROOT/first.sql; pg_stop source\n";

static const char change_cluster[] =
    "pg_start source autovacuum=off\n"
    "pg_sql source postgres 'create database three'\n"
    "pg_sql source postgres - <<'SQL'\n"
    "drop table dropped; truncate cut; delete from rows where id > 15000; vacuum rows;\n"
    "update rows set text = 'changed' where id % 100 = 0;\n"
    "insert into unlogged values (501, 'more');\n"
    "SQL\n"
    "pg_sql source two \"commit prepared 'kept'\"\n"
    "pg_sql source three 'create table rows as select 1 as id'\n"
    "dump source >$PG_ROOT/second.sql; pg_stop source\n";

static const char drop_database[] =
    "pg_start source; pg_sql source postgres 'drop database two'; dump source >$PG_ROOT/third.sql\n"
    "pg_stop source\n";

/* PostgreSQL's own judgement of an export, named as its dump is. */
static const char judge[] =
    "pg_own $PG_ROOT/$COPY; cd $PG_ROOT\n"
    "[ -z \"$CHECKSUMS\" ] || as_pg $PG_BIN/pg_checksums --check -D $PG_ROOT/$COPY\n"
    "pg_start $COPY autovacuum=off\n"
    "[ \"$(pg_sql $COPY postgres 'show work_mem')\" = 5MB ]\n"
    "dump $COPY >$COPY.copy.sql; diff $COPY.sql $COPY.copy.sql\n"
    "[ \"$(pg_sql $COPY postgres 'select count(*) >= 500 from unlogged')\" = t ]\n"
    "[ $COPY != first ] || [ \"$(pg_sql $COPY two 'select gid from pg_prepared_xacts')\" = kept ]\n"
    "as_pg $PG_BIN/pg_amcheck --heapallindexed --install-missing -a -h $PG_ROOT/$COPY "
    "-U postgres\n"
    "pg_sql $COPY postgres 'create table new as select 1; checkpoint'; pg_stop $COPY\n"
    "pg_start $COPY; [ \"$(pg_sql $COPY postgres 'table new')\" = 1 ]; pg_stop $COPY\n";

static void set(const char *name, const char *value)
{
    CU_ASSERT(setenv(name, value, 1) == 0); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static bool installed(void)
{
    return access("/usr/lib/postgresql/15/bin/initdb", X_OK) == 0 &&
           access("tests/support/postgres.sh", R_OK) == 0;
}

static void export_and_judge(const struct zs_store *store, zs_lsn lsn, const char *root,
                             const char *name)
{
    struct zs_error e = {0};
    struct pgdata_result r = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    ASSERT_OK(pgdata_export(store, "main", lsn, path, NULL, &r, &e));
    CU_ASSERT(r.to_lsn == lsn);
    set("COPY", name);
    CU_ASSERT(shell(root, judge) == 0);
}

/* Exports the newest state, and with `all` the two before it. */
static void round_trip(const char *initdb, const char *checksums, bool all)
{
    struct zs_error e = {0};
    struct stub_store *s = NULL;
    struct pgdata_result first, second, third, again;
    char root[] = "/tmp/zenith-pgdata-XXXXXX", source[64], command[64];
    CU_ASSERT_FATAL(mkdtemp(root) != NULL && chmod(root, 0755) == 0);
    set("INITDB", initdb);
    set("CHECKSUMS", checksums);
    ASSERT_OK(stub_store_open(STUB_STORE_COPIES, &s, &e));
    const struct zs_store *store = stub_store_table(s);
    (void)snprintf(source, sizeof source, "%s/source", root);

    CU_ASSERT_FATAL(shell(root, make_cluster) == 0);
    ASSERT_OK(pgdata_import(store, "main", source, NULL, &first, &e));
    CU_ASSERT(first.created == 1);
    ASSERT_OK(pgdata_import(store, "main", source, NULL, &again, &e));
    CU_ASSERT(again.changed == 0);
    CU_ASSERT_FATAL(shell(root, change_cluster) == 0);
    ASSERT_OK(pgdata_import(store, "main", source, NULL, &second, &e));
    CU_ASSERT(second.from_lsn == first.to_lsn && second.records < first.records / 2);
    CU_ASSERT_FATAL(shell(root, drop_database) == 0);
    ASSERT_OK(pgdata_import(store, "main", source, NULL, &third, &e));
    CU_ASSERT(third.from_lsn == second.to_lsn);

    if (all) {
        export_and_judge(store, first.to_lsn, root, "first");
        export_and_judge(store, second.to_lsn, root, "second");
    }
    export_and_judge(store, third.to_lsn, root, "third");

    CU_ASSERT(stub_store_open_handles(s) == 0);
    stub_store_close(s);
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    CU_ASSERT(system(command) == 0); /* NOLINT(concurrency-mt-unsafe): a path of our own */
}

static void test_with_checksums(void)
{
    if (installed())
        round_trip("--data-checksums", "on", true);
    else
        printf("skipped: no PostgreSQL 15 under /usr/lib/postgresql\n");
}

static void test_without_checksums(void)
{
    if (installed())
        round_trip("--wal-segsize=4", "", false);
}

SUITE("pgdata/roundtrip",
      {"with page checksums, PostgreSQL finds every state as it was", test_with_checksums},
      {"so it does without, and with small WAL files", test_without_checksums})
