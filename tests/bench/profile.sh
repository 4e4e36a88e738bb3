#!/usr/bin/env bash
# profile.sh - where a push spends its time: CPU of each stage on both servers (perf), and what
# their threads wait for in system calls (strace), of a first push and of an increment.  Prints
# it, and writes BUILD/bench/profile.md, which readme.sh puts into the README here.  Run by
# `make -f plugin.mk profile`.  stages.txt says which functions make up a stage.
#
#   BENCH_PROFILE_MB      size of the database (500)
#   BENCH_PROFILE_ROUNDS  increments of 0.1 % that are added up (10)
#
# A pull is the same two halves with the servers exchanged.
set -u
MB=${BENCH_PROFILE_MB:-500} ROUNDS=${BENCH_PROFILE_ROUNDS:-10}
TMPDIR=${BENCH_DIR:-/var/tmp}
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../integration/lib.sh
. "$HERE/../integration/lib.sh"
# shellcheck source=measure.sh
. "$HERE/measure.sh"
# shellcheck source=rivals.sh
. "$HERE/rivals.sh"
suite profile
RESULTS=$WORK/results REPORT=$BUILD/bench/profile.md
mkdir -p "$RESULTS/samples" "$(dirname "$REPORT")"

# profiled KIND HZ ARGUMENT...: zenith of A with both servers' CPU sampled.  Adds to
# KIND.stacks: one line per sample, the server, then the functions of its stack, inside out.
profiled() {
    local kind=$1 hz=$2
    shift 2
    timed "$kind.looked_on" perf record -q -e cpu-clock -F "$hz" --call-graph dwarf,8192 \
        -p "$(pid_of A),$(pid_of B)" -o "$WORK/perf.data" -- "$BUILD/zenith" -D "$WORK/A" "$@"
    perf script -i "$WORK/perf.data" --no-inline -F pid,ip,sym 2>/dev/null |
        awk -v near="$(pid_of A)" '
            NF == 1 && $1 ~ /^[0-9]+$/ {who = $1 == near ? "near" : "far"; stack = ""; next}
            NF >= 2 {sub(/^[ \t]*[0-9a-f]+ /, ""); gsub(/ /, ""); stack = stack " " $0; next}
            who != "" {print who stack; who = ""}
            END {if (who != "") print who stack}' >>"$WORK/$kind.stacks"
}

# measured KIND ARGUMENT...: the same push with nobody looking on: time, and both servers' CPU.
measured() {
    local kind=$1 side
    local -A before
    shift
    for side in A B; do before[$side]=$(cpu $side); done
    timed "$kind" z A "$@"
    for side in A B; do sample "$kind.cpu.$side" $(($(cpu $side) - before[$side])); done
}
# cpu NAME: milliseconds of CPU that the server has used; it is told in steps of 10.
cpu() { awk '{print ($14 + $15) * 10}' "/proc/$(pid_of "$1")/stat"; }

# stages KIND HZ PUSHES: a table of CPU milliseconds per push, as sampled.
stages() {
    awk -v hz="$2" -v pushes="$3" '
        /^#/ || FNR == NR && NF == 0 {next}
        FNR == NR {
            stage = substr($0, 1, 16)
            sub(/ +$/, "", stage)
            rule[++rules] = "^(" substr($0, 18) ")"
            of[rules] = stage
            if (!(stage in known)) {known[stage] = 1; order[++stages] = stage}
            next
        }
        {
            found = "other"
            for (i = 2; i <= NF && found == "other"; i++) {
                if (!($i in cache)) {
                    cache[$i] = ""
                    for (r = 1; r <= rules; r++)
                        if ($i ~ rule[r]) {cache[$i] = of[r]; break}
                }
                if (cache[$i] != "") found = cache[$i]
            }
            count[$1, found]++
            total[$1]++
        }
        function ms(n) {return sprintf("%8.2f", n * 1000 / hz / pushes)}
        END {
            order[++stages] = "other"
            print "| CPU ms of one push | near | far |"
            print "| --- | ---: | ---: |"
            for (i = 1; i <= stages; i++)
                if (count["near", order[i]] + count["far", order[i]] > 0)
                    printf("| %-16s | %s | %s |\n", order[i], ms(count["near", order[i]]),
                           ms(count["far", order[i]]))
            printf("| %-16s | %s | %s |\n", "all", ms(total["near"]), ms(total["far"]))
        }' "$HERE/stages.txt" "$WORK/$1.stacks"
}

# waits ARGUMENT...: zenith of A, and the time that each server spent in system calls.  Slower
# than without: only shares count.
waits() {
    local side tracers=()
    for side in A B; do
        strace -f -c -w -S time -p "$(pid_of $side)" -o "$WORK/waits.$side" 2>"$WORK/strace.$side" &
        tracers+=($!)
        poll 10 grep -qs attached "$WORK/strace.$side"
    done
    quietly z A "$@"
    kill -INT "${tracers[@]}"
    wait "${tracers[@]}"
    for side in A B; do
        awk -v side="$([ $side = A ] && echo near || echo far)" '
            $2 ~ /^[0-9.]+$/ && $NF != "total" && $NF != "restart_syscall" && shown++ < 6 {
                text = text sprintf("%s`%s` %.1f ms (%s)", (text == "" ? "" : ", "), $NF, $2 * 1000, $4)}
            END {print "- System calls of the " side " server, longest first: " text "."}' \
            "$WORK/waits.$side"
    done
}

average() { awk '{n += $1} END {printf "%.1f", n / NR}' "$RESULTS/samples/$1"; }
middle() { sort -n "$RESULTS/samples/$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
tell() { # WHAT KIND HZ PUSHES
    echo "**$1**: $(middle "$2") ms; CPU: near $(average "$2.cpu.A") ms, far $(average "$2.cpu.B") ms"
    echo
    stages "$2" "$3" "$4"
}

echo "making a cluster of about $MB MB ..."
make_cluster "$MB"
server A && server B
peer A B
quietly z A import main "$PG_ROOT/src"
BYTES=$(sql A branch_list | awk '$1 == "main" {print $7}')
head -c "$BYTES" /dev/urandom >"$WORK/bytes"

first() {
    local round
    for round in 1 2 3 4 5; do
        touch_disk "$WORK/B/.zenith"
        measured first push main B
        quietly z B branch delete main
        touch_disk "$WORK/B/.zenith"
        profiled first 997 push main B
        quietly z B branch delete main
    done
    tell "First push of $((BYTES / 1000000)) MB" first 997 5
    echo
    waits push main B
}
increment() {
    local round
    for round in $(seq $((2 * ROUNDS))); do
        change 0.1 "$BYTES"
        quietly z A import main "$PG_ROOT/src"
        if [ $((round % 2)) = 0 ]; then
            profiled increment 9973 push main B
        else
            measured increment push main B
        fi
    done
    tell "Push of 0.1 % changed" increment 9973 "$ROUNDS"
    echo
    change 0.1 "$BYTES"
    quietly z A import main "$PG_ROOT/src"
    waits push main B
}
nothing() {
    local round
    for round in $(seq $((2 * ROUNDS))); do
        measured nothing push main B
        profiled nothing 9973 push main B
    done
    tell "Push with nothing to do" nothing 9973 $((2 * ROUNDS))
}
{
    machine
    echo
    first
    echo
    increment
    echo
    nothing
} | tee "$WORK/profile.md"
# In a pipe, what fails ends its half only.
[ -s "$RESULTS/samples/nothing" ] || exit 1
cp "$WORK/profile.md" "$REPORT"
