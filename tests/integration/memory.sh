#!/usr/bin/env bash
# A transfer adds at most 64 MiB of anonymous memory to either server, whatever its size.
# The branch is MEMORY_MB large (400; `bench` measures the full size).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite memory
LARGE_MB=${MEMORY_MB:-${SHORT:+64}}
LARGE_MB=${LARGE_MB:-400}
clusters large
server A && server B && server C
peer A B && peer C A reader
run A import main "$LARGE"
must "the branch of $LARGE_MB MB is imported" exits 0
LIMIT_KIB=65536

# added WHAT NEAR FAR ARGUMENT...: the most that zenith's work adds to each server, both
# fresh, so that no memory which an earlier transfer left behind serves this one.
added() {
    local what=$1 near=$2 far=$3 near_base far_base near_max=0 far_max=0 now name
    shift 3
    for name in "$near" "$far"; do z "$name" stop && z "$name" start; done >/dev/null
    near_base=$(anon_kib "$near") far_base=$(anon_kib "$far")
    z "$near" "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null &
    local work=$!
    LAST="zenith -D $near $*"
    while kill -0 "$work" 2>/dev/null; do
        now=$(anon_kib "$near") && [ "$now" -gt "$near_max" ] && near_max=$now
        now=$(anon_kib "$far") && [ "$now" -gt "$far_max" ] && far_max=$now
        sleep 0.02
    done
    STATUS=0
    wait "$work" || STATUS=$?
    collect
    must "$what succeeds" exits 0
    echo "$what: near server +$(((near_max - near_base) / 1024)) MiB," \
        "far server +$(((far_max - far_base) / 1024)) MiB of anonymous memory"
    must "$what adds at most 64 MiB to the near server" \
        test $((near_max - near_base)) -le $LIMIT_KIB
    must "$what adds at most 64 MiB to the far server" test $((far_max - far_base)) -le $LIMIT_KIB
}
added "a push of $LARGE_MB MB" A B push main B
must "the push arrived whole" same "$(state B main)" "$(state A main)"
added "a pull of $LARGE_MB MB" C A pull main A
must "the pull arrived whole" same "$(state C main)" "$(state A main)"
finish
