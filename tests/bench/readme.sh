#!/usr/bin/env bash
# readme.sh - what was measured last goes between the markers: bench.sh's table.md and plots
# into README.md, profile.sh's profile.md into README.md of this folder.
set -eu
cd "$(dirname "$0")/../.."
results=${BUILD:-build}/bench
new=$(mktemp)
trap 'rm -f "$new"' EXIT

# splice FILE NAME: standard input between <!-- NAME: begin ... --> and <!-- NAME: end -->.
splice() {
    [ "$(grep -cE "^<!-- $2: (begin|end)" "$1")" = 2 ] || {
        echo "readme.sh: $1 has no lines <!-- $2: begin --> and <!-- $2: end -->" >&2
        exit 1
    }
    {
        sed "/^<!-- $2: begin/q" "$1"
        echo
        cat
        echo
        sed -n "/^<!-- $2: end/,\$p" "$1"
    } >"$new"
    cat "$new" >"$1"
    echo "$1: the figures of $results"
}

[ -s "$results/table.md" ] || {
    echo "readme.sh: no $results/table.md: first run make -f plugin.mk bench" >&2
    exit 1
}
mkdir -p tests/bench/plots
{
    cat "$results/table.md"
    for plot in "first|first transfers" "size|increments by size" "change|increments by change"; do
        [ -e "$results/${plot%|*}.svg" ] || continue
        cp "$results/${plot%|*}.svg" tests/bench/plots/
        echo "![${plot#*|}](tests/bench/plots/${plot%|*}.svg)"
    done
} | splice README.md bench
[ ! -s "$results/profile.md" ] || splice tests/bench/README.md profile <"$results/profile.md"
