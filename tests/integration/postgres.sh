#!/usr/bin/env bash
# A PostgreSQL cluster with everything in it that is awkward comes through import, push and
# export unharmed, at the newest LSN and at the one before.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite postgres
server A && server B
peer A B

pg_init src -k
pg_start src max_prepared_transactions=5
pg_sql src template1 "CREATE EXTENSION amcheck"
pg_sql src postgres "CREATE DATABASE second"
pg_sql src postgres - >/dev/null <<'SQL'
CREATE EXTENSION amcheck;
CREATE TABLE wide (id int PRIMARY KEY, body text);
ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
INSERT INTO wide SELECT i, (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 300) j)
    FROM generate_series(1, 200) i;
CREATE TABLE many (id int PRIMARY KEY, n int, t text);
CREATE INDEX many_n ON many (n);
INSERT INTO many SELECT i, i % 97, 'row ' || i FROM generate_series(1, 20000) i;
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
INSERT INTO scratch SELECT generate_series(1, 500);
CREATE TABLE gone AS SELECT * FROM many;
CREATE TABLE emptied AS SELECT * FROM many;
SELECT lo_from_bytea(4711, decode(repeat('00ff10', 20000), 'hex'));
CREATE SEQUENCE counter; SELECT nextval('counter') FROM generate_series(1, 7);
BEGIN; INSERT INTO many VALUES (99999, 1, 'prepared'); PREPARE TRANSACTION 'waiting';
SQL
pg_sql src second "CREATE TABLE elsewhere (id int PRIMARY KEY, at timestamptz);
    INSERT INTO elsewhere SELECT i, '2024-02-29' FROM generate_series(1, 3000) i"
pg_dump_text src >"$WORK/first.sql"
pg_stop src
run A import main "$PG_ROOT/src"
must "the cluster is imported" exits 0
first=$(state A main | cut -d ' ' -f 2)
run A push main B
must "the cluster is pushed" exits 0

pg_start src max_prepared_transactions=5
pg_sql src postgres - >/dev/null <<'SQL'
DROP TABLE gone;
TRUNCATE emptied;
UPDATE many SET t = 'changed' WHERE id % 50 = 0;
DELETE FROM many WHERE id > 15000;
UPDATE wide SET body = repeat('short', 500) WHERE id < 10;
INSERT INTO scratch SELECT generate_series(1000, 1200);
SELECT lo_put(4711, 100, '\xdeadbeef');
CREATE TABLE new AS SELECT * FROM many;
SQL
pg_sql src postgres "VACUUM many"
pg_sql src postgres "BEGIN; SELECT * FROM many WHERE id < 100 FOR SHARE; COMMIT" >/dev/null
pg_dump_text src >"$WORK/second.sql"
pg_stop src
run A import main "$PG_ROOT/src"
must "the changed cluster is imported" exits 0
run A push main B
must "the change is pushed" exits 0
must "both servers hold the same" same "$(state B main)" "$(state A main)"

# comes_out NAME DUMP [--lsn LSN]: exported from B, started, checked, compared.
comes_out() {
    local name=$1 dump=$2 at="at the newest LSN"
    shift 2
    [ $# -eq 0 ] || at="at the LSN before"
    run B export main "$PG_ROOT/$name" "$@"
    must "the export $at succeeds" exits 0
    pg_own "$PG_ROOT/$name"
    as_pg "$PG_BIN/pg_checksums" --check -D "$PG_ROOT/$name" >"$WORK/.out" 2>&1
    must "pg_checksums finds no bad page $at" same $? 0
    must "PostgreSQL starts on the export $at" pg_start "$name" max_prepared_transactions=5 || return
    "$PG_BIN/pg_amcheck" -h "$PG_ROOT/$name" -U postgres --all --heapallindexed >"$WORK/.out" 2>&1
    STATUS=$? OUT=$(<"$WORK/.out")
    must "pg_amcheck --heapallindexed is clean $at" exits 0
    pg_dump_text "$name" >"$WORK/$name.sql"
    must "pg_dumpall of source and export are equal $at" cmp "$WORK/$name.sql" "$dump"
    must "the prepared transaction is there $at" \
        same "$(pg_sql "$name" postgres "SELECT gid FROM pg_prepared_xacts")" waiting
    must "and can be committed $at" pg_sql "$name" postgres "COMMIT PREPARED 'waiting'"
    must "the unlogged table has its rows $at" \
        test "$(pg_sql "$name" postgres "SELECT count(*) FROM scratch")" -gt 0
    must "the export can be written to $at" \
        pg_sql "$name" postgres "INSERT INTO many VALUES (-1, 0, 'new'); CHECKPOINT"
    pg_stop "$name"
}
comes_out newest "$WORK/second.sql"
comes_out before "$WORK/first.sql" --lsn "$first"

# An LSN between two imports means the one before it, and that is said.
between=$(printf '%s/%X' "${first%/*}" $((0x${first#*/} + 8)))
run B export main "$WORK/between" --lsn "$between"
must "an LSN between two imports exports the one before" exits 0
must "and says which one it took" says "$first"
run B export main "$WORK/never" --lsn FFFF/0
must "an LSN that is not there yet is refused" not exits 0
run B export main "$PG_ROOT/newest"
must "an export into a folder that is not empty is refused" exits 1

# What may not be imported is refused, each in a sentence, and changes nothing.
before=$(state A main)
port=$(free_port)
pg_start src max_prepared_transactions=5 listen_addresses=127.0.0.1 port="$port"
run A import main "$PG_ROOT/src"
must "a running cluster is refused" exits 1
run A push main "postgresql://postgres@127.0.0.1:$port/postgres"
must "a push to PostgreSQL itself fails" exits 1
must "and the hint says that no pageserver may be there" says 'no pageserver'
pg_stop src immediate
rm -f "$PG_ROOT/src/postmaster.pid"
run A import main "$PG_ROOT/src"
must "a crashed cluster is refused" exits 1
must "and it is said how to stop it cleanly" says 'shut|stop'
pg_init foreign
run A import main "$PG_ROOT/foreign"
must "another cluster is refused as unrelated" exits 4
must "and its system identifier is named as the reason" says 'system identifier'
run A import main "$WORK"
must "a folder that is no data directory is refused" exits 1
touch "$PG_ROOT/foreign/backup_label"
run A import other "$PG_ROOT/foreign"
must "a folder with a backup_label is refused" exits 1
must "and backup_label is named" says 'backup_label'
must "refused imports leave no branch" same "$(state A other)" none
must "refused imports leave the branch as it was" same "$(state A main)" "$before"
finish
