#!/usr/bin/env bash
# readme.sh - what the last benchmark measured goes into the README: BUILD/bench/table.md
# between its two markers, the plots beside it into tests/bench/plots.
set -eu
cd "$(dirname "$0")/../.."
results=${BUILD:-build}/bench
[ -s "$results/table.md" ] || {
    echo "readme.sh: no $results/table.md: first run make -f plugin.mk bench" >&2
    exit 1
}
[ "$(grep -cE '^<!-- bench: (begin|end)' README.md)" = 2 ] || {
    echo "readme.sh: README.md has no lines <!-- bench: begin --> and <!-- bench: end -->" >&2
    exit 1
}
mkdir -p tests/bench/plots
new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
    sed '/^<!-- bench: begin/q' README.md
    echo
    cat "$results/table.md"
    for plot in "first|first transfers" "size|increments by size" "change|increments by change"; do
        [ -e "$results/${plot%|*}.svg" ] || continue
        cp "$results/${plot%|*}.svg" tests/bench/plots/
        echo "![${plot#*|}](tests/bench/plots/${plot%|*}.svg)"
    done
    echo
    sed -n '/^<!-- bench: end/,$p' README.md
} >"$new"
cat "$new" >README.md
echo "README.md: the figures of $results/table.md"
