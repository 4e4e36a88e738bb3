#!/usr/bin/env bash
# bench.sh [MEGABYTES] - zenith push and pull beside what people would use instead, in one
# run and in turns, each durable at its end.  Prints a table; writes BUILD/bench/bench.json,
# and plots where gnuplot is installed.  Run by `make -f plugin.mk bench [BENCH_MB=1500]`.
#
#   BENCH_ROUNDS  rounds of each (5); medians are told     BENCH_DIR  where the data goes (/var/tmp)
#
# Rivals get the best case: their source is in the page cache, the same disk takes all copies,
# nothing is compressed, and no network is between.  A zenith command is timed whole: process
# start, login with SCRAM-SHA-256, transfer, commit.
set -u
MB=${1:-1500} ROUNDS=${BENCH_ROUNDS:-5}
TMPDIR=${BENCH_DIR:-/var/tmp}
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
suite bench
RESULTS=$BUILD/bench
rm -rf "$RESULTS" && mkdir -p "$RESULTS" "$WORK/times" "$WORK/there" || exit 1

# ---- measuring -------------------------------------------------------------------------

# timed METRIC COMMAND...: its milliseconds go to times/METRIC.  What earlier steps left to be
# written is written before.
timed() {
    local metric=$1 begin end
    shift
    sync -f "$WORK"
    begin=${EPOCHREALTIME/./}
    "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || {
        cat "$WORK/.out" "$WORK/.err"
        echo "bench: $* failed" >&2
        exit 1
    }
    end=${EPOCHREALTIME/./}
    awk -v us=$((end - begin)) 'BEGIN {printf "%.1f\n", us / 1000}' >>"$WORK/times/$metric"
}
# median METRIC: in milliseconds.
median() {
    [ -e "$WORK/times/$1" ] || return
    sort -n "$WORK/times/$1" | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
quotient() { awk -v a="$1" -v b="$2" 'BEGIN {if (b > 0) printf "%.2f", a / b; else print "-"}'; }
field() { grep -oE "\"$1\": *\"?[0-9]+" "$WORK/.out" | grep -oE '[0-9]+$' | head -n 1; }

# ---- rivals: a copy of the cluster in there/NAME, durable --------------------------------

basebackup() {
    "$PG_BIN/pg_basebackup" -h "$PG_ROOT/src" -U postgres -X none -c fast -D "$WORK/there/basebackup"
}
copy_rsync() { rsync -a --delete "$PG_ROOT/src/" "$WORK/there/rsync" && sync -f "$WORK/there"; }
copy_cp() { cp -r "$PG_ROOT/src" "$WORK/there/cp" && sync -f "$WORK/there"; }
one_write() { dd if="$WORK/bytes" of="$WORK/there/write" bs=1M conv=fsync status=none; }
gone() { (cd "$WORK/there" && rm -rf "$@") && sync -f "$WORK"; }
# with_server COMMAND...: while PostgreSQL serves the cluster; it changes little by that.
with_server() {
    pg_start src autovacuum=off && "$@"
    pg_stop src
}

# ---- the cluster and the servers -----------------------------------------------------------

echo "making a cluster of about $MB MB ..."
pg_init src -k
pg_start src wal_level=minimal max_wal_senders=0 max_wal_size=8GB autovacuum=off
"$PG_BIN/pgbench" -h "$PG_ROOT/src" -U postgres -i -q -F 90 -s $(((MB + 14) / 16)) postgres \
    >"$WORK/.out" 2>&1 || { cat "$WORK/.out"; exit 1; }
pg_sql src postgres "VACUUM (FREEZE, ANALYZE)"
pg_stop src
server A && server B && server C
peer A B && peer C B reader
timed import z A import main "$PG_ROOT/src"
bytes=$(sql A branch_list | awk '$1 == "main" {print $7}')
head -c "$bytes" /dev/urandom >"$WORK/bytes"

# ---- the first transfer ----------------------------------------------------------------------

# Memory: the most that it adds to either server, sampled while it runs.
sample_memory() { # NAME: highest RssAnon in KiB, until stopped
    local now max=0
    while now=$(anon_kib "$1" 2>/dev/null); do
        [ "$now" -gt "$max" ] && max=$now && echo "$max" >"$WORK/memory.$1"
        sleep 0.02
    done
}
declare -A MEMORY
watched() { # METRIC NEAR FAR COMMAND...
    local metric=$1 near=$2 far=$3 name base pids=()
    shift 3
    declare -A base
    for name in "$near" "$far"; do
        base[$name]=$(anon_kib "$name")
        echo "${base[$name]}" >"$WORK/memory.$name"
        sample_memory "$name" &
        pids+=($!)
    done
    timed "$metric" "$@"
    { kill "${pids[@]}" && wait "${pids[@]}"; } 2>/dev/null
    MEMORY[$metric]=0
    for name in "$near" "$far"; do
        local added=$((($(cat "$WORK/memory.$name") - base[$name]) / 1024))
        [ "$added" -le "${MEMORY[$metric]}" ] || MEMORY[$metric]=$added
    done
}

echo "first transfers, $ROUNDS rounds ..."
for round in $(seq "$ROUNDS"); do
    timed first_push z A push main "B:round-$round"
    timed first_pull z C pull main "B:round-$round"
    z B branch delete "round-$round" >/dev/null
    z C branch delete main >/dev/null
    with_server timed first_basebackup basebackup
    gone basebackup
    timed first_rsync copy_rsync
    gone rsync
    timed first_cp copy_cp
    gone cp
    timed first_write one_write
    gone write
done
watched memory_push A B z A push main B
watched memory_pull C B z C pull main B
for round in $(seq $((ROUNDS * 3))); do timed nothing_push z A push main B; done
for round in $(seq $((ROUNDS * 3))); do timed nothing_pull z C pull main B; done

# ---- increments: that share of the pages changes, in place, between two pushes -------------

copy_rsync
pages=$((bytes / 8192))
declare -A SENT WIRE
for percent in 0.1 1 10; do
    echo "increments of $percent %, $ROUNDS rounds ..."
    rows=$(awk -v p="$percent" -v n="$pages" 'BEGIN {printf "%d", p * n / 100}')
    for round in $(seq "$ROUNDS"); do
        pg_start src autovacuum=off
        pg_sql src postgres "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid IN (
            SELECT 1 + (random() * ((SELECT max(aid) FROM pgbench_accounts) - 1))::int
            FROM generate_series(1, $rows))"
        [ "$percent" = 10 ] || timed "basebackup_$percent" basebackup
        pg_stop src
        gone basebackup
        z A import main "$PG_ROOT/src" >/dev/null 2>"$WORK/.err" || { cat "$WORK/.err"; exit 1; }
        timed "push_$percent" z A push main B --json
        SENT[$percent]=$(field raw_bytes) WIRE[$percent]=$(field wire_bytes)
        timed "pull_$percent" z C pull main B
        timed "rsync_$percent" copy_rsync
    done
done

# ---- the table ---------------------------------------------------------------------------------

processor=$(sed -nE 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
memory=$(awk '$1 == "MemTotal:" {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)
machine="$(nproc) x ${processor:-$(uname -m)}, $memory, Linux $(uname -r | cut -d - -f 1)"
machine+=", $(stat -f -c %T "$WORK")"
megabytes=$(awk -v b="$bytes" 'BEGIN {printf "%.0f", b / 1000000}')

# line TEXT METRIC [OURS]: milliseconds, and how many times as long as ours it takes.
line() {
    local ms ratio=''
    ms=$(median "$2")
    [ $# -lt 3 ] || ratio=$(quotient "$ms" "$(median "$3")")
    printf '| %-34s | %9s | %10s |\n' "$1" "$ms" "$ratio"
}
table() {
    printf '| %-34s | %9s | %10s |\n' "$megabytes MB" ms "times ours"
    printf '|%s|%s|%s|\n' ------------------------------------ ----------: -----------:
    line "**first push**" first_push
    line "pg_basebackup -X none" first_basebackup first_push
    line "rsync -a, sync" first_rsync first_push
    line "cp -r, sync" first_cp first_push
    line "one durable sequential write" first_write first_push
    line "**first pull**" first_pull
    local percent
    for percent in 0.1 1 10; do
        line "**push of $percent % changed**" "push_$percent"
        line "pull of $percent % changed" "pull_$percent" "push_$percent"
        line "rsync -a, sync" "rsync_$percent" "push_$percent"
        [ "$percent" = 10 ] || line "pg_basebackup -X none" "basebackup_$percent" "push_$percent"
    done
    line "**push with nothing to do**" nothing_push
    line "pull with nothing to do" nothing_pull nothing_push
}
echo
echo "$machine; medians of $ROUNDS rounds"
echo
table | tee "$RESULTS/table.md"
echo
for percent in 0.1 1 10; do
    echo "$percent %: ${SENT[$percent]} bytes of records, ${WIRE[$percent]} on the wire" \
        "($(quotient "${WIRE[$percent]}" "${SENT[$percent]}") of them)"
done
echo "anonymous memory added to a server: push ${MEMORY[memory_push]} MiB," \
    "pull ${MEMORY[memory_pull]} MiB"

# ---- the same for programs: JSON, plots -------------------------------------------------------

{
    printf '{"machine": "%s", "bytes": %s, "rounds": %s,\n' "$machine" "$bytes" "$ROUNDS"
    printf ' "memory_mib": {"push": %s, "pull": %s},\n' "${MEMORY[memory_push]}" "${MEMORY[memory_pull]}"
    printf ' "increment_bytes": {'
    separator=
    for percent in 0.1 1 10; do
        printf '%s"%s": {"records": %s, "wire": %s}' "$separator" "$percent" "${SENT[$percent]}" \
            "${WIRE[$percent]}"
        separator=', '
    done
    printf '},\n "milliseconds": {'
    separator=
    for file in "$WORK"/times/*; do
        printf '%s\n  "%s": {"median": %s, "rounds": [%s]}' "$separator" "$(basename "$file")" \
            "$(median "$(basename "$file")")" "$(paste -sd , "$file")"
        separator=,
    done
    printf '}}\n'
} >"$RESULTS/bench.json"

plots() {
    local metric percent
    for metric in push basebackup rsync cp write pull; do
        echo "$metric $(median first_$metric)"
    done >"$WORK/first.data"
    for percent in 0.1 1 10; do
        echo "$percent $(median "push_$percent") $(median "rsync_$percent") $(median first_basebackup)"
    done >"$WORK/increments.data"
    gnuplot <<PLOT
set terminal svg size 640,400 dynamic background rgb 'white'
set style fill solid 0.7
set boxwidth 0.6
set output "$RESULTS/first.svg"
set title "A first transfer of $megabytes MB, durable at the end"
set ylabel "milliseconds"
set yrange [0:*]
plot "$WORK/first.data" using 0:2:xtic(1) with boxes notitle
set output "$RESULTS/increments.svg"
set title "An increment of $megabytes MB"
set xlabel "changed pages, percent"
set logscale xy
set yrange [*:*]
plot "$WORK/increments.data" using 1:2 with linespoints title "zenith push", \
    "" using 1:3 with linespoints title "rsync -a, sync", \
    "" using 1:4 with linespoints title "pg_basebackup"
PLOT
}
! command -v gnuplot >/dev/null || plots
echo "written: $RESULTS/bench.json, table.md$(command -v gnuplot >/dev/null && echo ', first.svg, increments.svg')"
