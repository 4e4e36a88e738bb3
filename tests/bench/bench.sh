#!/usr/bin/env bash
# shellcheck disable=SC2030,SC2031  # WORK is another folder in each part's subshell
# bench.sh - zenith push and pull beside what people would use instead, in one run and in
# turns.  Prints tables; writes table.md, bench.json and plots to BUILD/bench.  Run by
# `make -f plugin.mk bench`; `tests/bench/readme.sh` puts the result into the README.
#
#   BENCH_SIZES   database sizes in MB ("170 500 1500")
#   BENCH_ROUNDS  rounds of each (5); medians are told
#   BENCH_ONLY    some of: first nothing increments several link compression tripled rate
#                 memory (all)
#   BENCH_MEMORY_MB, BENCH_MEMORY_RECORDS   the branches of `memory` (10240, 10000000)
#   BENCH_DIR     where the data goes (/var/tmp): about 10 times the largest size, or 4 times
#                 BENCH_MEMORY_MB
#
# A part that is not run keeps the figures of its last run.  A zenith command is timed whole:
# process start, login with SCRAM-SHA-256, transfer, commit.  Servers: A pushes to B; C pulls
# from B, increments from A.
set -u
ALL_PARTS="first nothing increments several link compression tripled rate memory"
ONLY=${BENCH_ONLY:-$ALL_PARTS} SIZES=${BENCH_SIZES:-170 500 1500} ROUNDS=${BENCH_ROUNDS:-5}
TMPDIR=${BENCH_DIR:-/var/tmp}
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../integration/lib.sh
. "$HERE/../integration/lib.sh"
# shellcheck source=measure.sh
. "$HERE/measure.sh"
# shellcheck source=rivals.sh
. "$HERE/rivals.sh"
# shellcheck source=parts.sh
. "$HERE/parts.sh"
# shellcheck source=rate.sh
. "$HERE/rate.sh"
# shellcheck source=memory.sh
. "$HERE/memory.sh"
suite bench
RESULTS=$BUILD/bench TOOLS=$BUILD/tests/bench
LARGEST=$(tr " " "\n" <<<"$SIZES" | sort -n | tail -n 1)
# Several at once, compression and the long link are measured at one size, the middle one.
MIDDLE=$(tr " " "\n" <<<"$SIZES" | sort -n | awk "{v[NR] = \$1} END {print v[int(NR / 2) + 1]}")
[ -n "${BENCH_ONLY-}" ] || rm -rf "$RESULTS/samples"
mkdir -p "$RESULTS/samples" || exit 1
for part in $ONLY; do
    [[ " $ALL_PARTS " == *" $part "* ]] || {
        echo "bench: BENCH_ONLY: there is no part \"$part\"; there are: $ALL_PARTS" >&2
        exit 2
    }
done
BROKEN=()

# Rather at once than after 20 minutes.
room() {
    local need free
    need=$((7 * LARGEST + 500))
    wanted tripled && need=$((10 * LARGEST + 500))
    wanted memory && [ $((4 * MEMORY_MB + 500)) -gt $need ] && need=$((4 * MEMORY_MB + 500))
    free=$(df --output=avail -m "$WORK" | tail -n 1)
    [ "$free" -ge "$need" ] && return
    echo "bench: $need MB of disk are needed in $TMPDIR, and $((free)) are free" >&2
    echo "  hint: set BENCH_DIR to another place, or smaller BENCH_SIZES and BENCH_MEMORY_MB" >&2
    exit 1
}

machine >"$RESULTS/machine"
echo "$ROUNDS" >"$RESULTS/rounds"

wanted() {
    local part
    for part; do [[ " $ONLY " == *" $part "* ]] && return; done
    return 1
}

# inside NAME COMMAND...: in a folder of its own, which is gone afterwards with all that ran
# there; what fails in there ends there, and is told at the end.
inside() {
    local name=$1 begin=$SECONDS
    shift
    (
        trap cleanup EXIT
        trap 'exit 130' INT TERM
        unset OWN_SESSION
        WORK=$WORK/$name
        mkdir -p "$WORK/there" && cd "$WORK" || exit 1
        pg_root "$WORK/pg"
        "$@"
    ) || BROKEN+=("$name")
    echo "$name: $((SECONDS - begin)) s"
}

# part NAME MB: if wanted; a part that fails does not keep the next from its turn.
part() {
    wanted "$1" || return 0
    local begin=$SECONDS
    forget "$1.$2"
    ("part_$1" "$2") || {
        FAILED=$((FAILED + 1))
        pg_stop_all
    }
    echo "  $1, $2 MB: $((SECONDS - begin)) s"
}

# One cluster, and A, which has it.
source_of() {
    echo "making a cluster of about $1 MB ..."
    make_cluster "$1"
    server A && server B
    peer A B
    quietly z A import main "$PG_ROOT/src"
    BYTES=$(sql A branch_list | awk '$1 == "main" {print $7}')
}
# One cluster, its servers, and the parts that run on it.
at_size() {
    local mb=$1
    source_of "$mb"
    server C
    peer C A reader && peer C B reader
    rm -f "$RESULTS/samples/size.$mb.bytes"
    sample "size.$mb.bytes" "$BYTES"
    head -c "$BYTES" /dev/urandom >"$WORK/bytes"
    part first "$mb"
    if [ "$mb" = "$MIDDLE" ]; then
        part several "$mb"
        part compression "$mb"
    fi
    quietly z A push main B
    quietly z C pull main B
    part nothing "$mb"
    part increments "$mb"
    [ "$mb" != "$MIDDLE" ] || part link "$mb"
    [ "$mb" != "$LARGEST" ] || part tripled "$mb"
    [ "$FAILED" -eq 0 ]
}
at_three_times() {
    source_of "$1"
    quietly z A push main B
    part tripled "$1"
    [ "$FAILED" -eq 0 ]
}

room
wanted tripled && forget tripled
if wanted first nothing increments several link compression; then
    for mb in $SIZES; do inside "$mb-MB" at_size "$mb"; done
elif wanted tripled; then
    inside "$LARGEST-MB" at_size "$LARGEST"
fi
if wanted tripled; then inside "$((3 * LARGEST))-MB" at_three_times $((3 * LARGEST)); fi
if wanted rate; then
    forget rate
    inside rate part_rate
fi
if wanted memory; then
    forget memory
    inside memory part_memory
fi
"$HERE/report.sh" || BROKEN+=(report)
[ ${#BROKEN[@]} -eq 0 ] || echo "bench: failed: ${BROKEN[*]}" >&2
[ ${#BROKEN[@]} -eq 0 ]
