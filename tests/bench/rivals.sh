# shellcheck shell=bash
# rivals.sh - what people would use instead, for bench.sh.  Sourced, not run.
#
# Each makes a copy of the cluster PG_ROOT/src in WORK/there, durable at its end but for
# basebackup_plain.  They get the best case: the source is in the page cache, the same disk
# takes all copies, nothing is compressed, and no network is between.  None copies pg_wal but
# cp, while there is little in it.

# make_cluster MB: about that size, as PostgreSQL leaves it; some room in each page.
make_cluster() {
    local scale=$((($1 - 23) * 10 / 171))
    pg_init src -k
    pg_start src wal_level=minimal max_wal_senders=0 max_wal_size=8GB autovacuum=off
    quietly "$PG_BIN/pgbench" -h "$PG_ROOT/src" -U postgres -i -q -F 90 \
        -s $((scale > 0 ? scale : 1)) postgres
    pg_sql src postgres "VACUUM (FREEZE, ANALYZE)"
    pg_stop src
}
# change PERCENT BYTES [COMMAND...]: that share of the pages, each in one row at random; the
# command runs while PostgreSQL still serves.
change() {
    local rows
    rows=$(awk -v percent="$1" -v bytes="$2" 'BEGIN {printf "%d", percent * bytes / 8192 / 100}')
    pg_start src autovacuum=off
    quietly pg_sql src postgres "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid IN (
        SELECT 1 + (random() * ((SELECT max(aid) FROM pgbench_accounts) - 1))::int
        FROM generate_series(1, $rows))"
    shift 2
    [ $# -eq 0 ] || "$@"
    pg_stop src
}
# with_server COMMAND...: while PostgreSQL serves the cluster; it changes little by that.
with_server() {
    pg_start src autovacuum=off
    "$@"
    pg_stop src
}

basebackup_into() {
    "$PG_BIN/pg_basebackup" -h "$PG_ROOT/src" -U postgres -X none -c fast -D "$WORK/there/$1" \
        "${@:2}"
}
basebackup() { basebackup_into basebackup; }
basebackup_plain() { basebackup_into plain --no-sync; }
copy_rsync() {
    rsync -a --delete --exclude='/pg_wal/*' "$PG_ROOT/src/" "$WORK/there/rsync" &&
        sync -f "$WORK/there"
}
copy_cp() { cp -r "$PG_ROOT/src" "$WORK/there/cp" && sync -f "$WORK/there"; }
# one_write [oflag=direct]: past the page cache it is the disk alone, for which no copy is made.
one_write() { dd if="$WORK/bytes" of="$WORK/there/write" bs=1M conv=fsync status=none "$@"; }
gone() { (cd "$WORK/there" && rm -rf "$@") && sync -f "$WORK"; }
