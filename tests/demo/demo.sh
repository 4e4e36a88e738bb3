#!/usr/bin/env bash
# demo.sh - a real PostgreSQL database goes from one pageserver to another and back, on
# screen: each step with the command that one would type, its output and its time.
# Run by `make -f plugin.mk demo`.  Everything is in one temporary folder and gone afterwards.
set -u
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
suite demo
export PATH=$BUILD:$PATH
SCALE=${DEMO_SCALE:-10} # pgbench's: 15 MB each

bold='' plain='' dim=''
[ ! -t 1 ] || bold=$'\e[1m' plain=$'\e[0m' dim=$'\e[2m'

step_no=0
step() {
    step_no=$((step_no + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step_no" "$1" "$plain"
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
# typed [-x STATUS] COMMAND...: shown, run, timed; ends the demo if the status is another.
typed() {
    local wanted=0 status=0 begin
    if [ "$1" = -x ]; then
        wanted=$2
        shift 2
    fi
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    begin=$(now_ms)
    "$@" || status=$?
    LAST_MS=$(($(now_ms) - begin))
    printf '%s  [%d.%03d s' "$dim" $((LAST_MS / 1000)) $((LAST_MS % 1000))
    [ "$status" -eq 0 ] || printf ', exit status %d' "$status"
    printf ']%s\n' "$plain"
    [ "$status" -eq "$wanted" ] || failed "that should have ended with status $wanted"
}
failed() {
    printf '\ndemo: %s\n' "$1" >&2
    for name in A B C; do tail -n 5 "$WORK/$name/.zenith/pageserver.log" 2>/dev/null; done >&2
    exit 1
}
quietly() { "$@" >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; failed "$1 failed"; }; }
bench() { quietly "$PG_BIN/pgbench" -h "$PG_ROOT/src" -U postgres "$@" postgres; }
rows() { pg_sql "$1" postgres "SELECT count(*) || ' accounts, ' || (SELECT count(*) FROM pgbench_history) ||
    ' history rows, sum of balances ' || sum(abalance) FROM pgbench_accounts"; }

for name in A B C; do
    PORT[$name]=$(free_port)
    mkdir $name
done
begin_all=$(now_ms)

echo "zenith-sync: a branch travels.  Everything happens in $WORK."

step "A PostgreSQL database (pgbench's, scale $SCALE), cleanly stopped."
quietly pg_init src -k
quietly pg_start src max_wal_size=2GB
bench -i -q -s "$SCALE"
rows src
quietly pg_stop src
echo "pg/src: $(du -sm pg/src/base | cut -f 1) MB of tables and indexes"

step "Three pageservers, each with a repository of its own: A, B and C."
for name in A B C; do
    typed zenith init -D $name --port "${PORT[$name]}"
    typed zenith -D $name start
done

step "Server A takes the database in, as its branch main."
typed zenith -D A import main pg/src

step "B gives a user the right to push; A gets to know B as an origin."
echo "$ echo s3cret | zenith -D B user add alice --role write --password-stdin"
echo s3cret | zenith -D B user add alice --role write --password-stdin || failed "user add failed"
typed zenith -D A origin add B "postgresql://alice:s3cret@127.0.0.1:${PORT[B]}"

step "The first push sends all of it."
typed zenith -D A push main B
first_ms=$LAST_MS

step "PostgreSQL changes some rows; A imports what changed; the second push sends only that."
quietly pg_start src
bench -n -t 500 -c 2
rows src
pg_dump_text src >source.sql
quietly pg_stop src
typed zenith -D A import main pg/src
typed zenith -D A push main B
second_ms=$LAST_MS

step "A third server pulls the branch from B."
typed zenith -D C origin add B "postgresql://alice:s3cret@127.0.0.1:${PORT[B]}"
typed zenith -D C pull main B

step "Nothing new: nothing is sent."
typed zenith -D A push main B

step "Nothing is overwritten: the far side has gone on, so a push is refused."
quietly pg_start src
bench -n -t 100
pg_dump_text src >source.sql
rows src >source.rows
quietly pg_stop src
typed zenith -D B import main pg/src
typed -x 3 zenith -D A push main B
echo "It is A that has to catch up:"
typed zenith -D A pull main B
typed zenith -D B branch list

step "What arrived is a database: B exports it, PostgreSQL starts on it."
typed zenith -D B export main pg/copy
pg_own pg/copy
quietly pg_start copy
rows copy
pg_dump_text copy >copy.sql
cmp source.sql copy.sql || failed "the dumps of source and copy differ"
[ "$(rows copy)" = "$(cat source.rows)" ] || failed "the rows of source and copy differ"
quietly "$PG_BIN/pg_amcheck" -h "$PG_ROOT/copy" -U postgres -d postgres --install-missing --heapallindexed
quietly pg_stop copy
quietly as_pg "$PG_BIN/pg_checksums" --check -D "$PG_ROOT/copy"
echo "pg_dumpall of source and copy are equal ($(wc -l <copy.sql) lines); pg_amcheck and"
echo "pg_checksums find nothing wrong."

for name in A B C; do quietly zenith -D $name stop; done
printf '\n%sdemo: %d steps in %d s.%s  First push %d ms, the increment %d ms.\n' "$bold" \
    "$step_no" $((($(now_ms) - begin_all) / 1000)) "$plain" "$first_ms" "$second_ms"
