#!/usr/bin/env bash
# Runs libFuzzer targets for a while each, one after the other, and says how each went.
# Usage: tests/fuzz/fuzz.sh SECONDS PROGRAM...     from the repository's top folder.
# Inputs begin with tests/fuzz/corpus/NAME; what is found besides stays next to the
# program, in NAME.corpus, and is used again.  An input that breaks a target is kept in
# NAME.found; `replay_NAME FILE` runs it.  The last line is "fuzz: N passed, N failed".
set -u
seconds=$1
shift
passed=0 failed=0
for program in "$@"; do
    name=${program##*/fuzz_}
    base=${program%/*}/$name
    mkdir -p "$base.corpus" "$base.found"
    status=0
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
        -print_final_stats=1 -artifact_prefix="$base.found/" \
        "$base.corpus" "tests/fuzz/corpus/$name" >"$base.log" 2>&1 </dev/null || status=$?
    runs=$(sed -nE 's/^stat::number_of_executed_units: *//p' "$base.log")
    reached=$(sed -nE 's/.* cov: ([0-9]+).*/\1/p' "$base.log" | tail -n 1)
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        echo "fuzz/$name: ok, ${runs:-0} runs, ${reached:-0} edges"
    else
        failed=$((failed + 1))
        what=$(grep -aE 'does not hold|^SUMMARY|^==[0-9]+== ?ERROR|runtime error' "$base.log" | head -n 1)
        input=$(sed -nE 's/.*Test unit written to //p' "$base.log" | tail -n 1)
        echo "fuzz/$name: FAILED by ${input:-nothing kept}: ${what:-see $base.log}"
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
