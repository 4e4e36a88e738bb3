#!/usr/bin/env bash
# Every allocation, file operation and socket operation of a push, a pull, an import and a load
# of a module fails once, in servers that run: see faults.c (what is checked) and fault.h (what
# is failed).
#
#   FAULTS_BUDGET   how many of each sweep, 2; 0: all
#   FAULTS_N        this one alone, with a part of a test's name as the argument:
#                     FAULTS_N=17 tests/crash/faults.sh "far server"
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
suite faults
clusters
PORT[A]=$(free_port) PORT[B]=$(free_port)
for name in A B; do
    mkdir -p "$WORK/$name"
    run "$name" init --port "${PORT[$name]}"
    must "init makes the repository $name" exits 0
    truncate -s 4096 "$WORK/$name/.zenith/fault"
done
cat >"$WORK/restart" <<END
#!/bin/sh
"$BUILD/zenith" -D "$WORK/\$1" stop >/dev/null 2>&1
ZENITH_FAULT="$WORK/\$1/.zenith/fault" LD_PRELOAD="$BUILD/tests/crash/fault.so" \\
    "$BUILD/zenith" -D "$WORK/\$1" start >/dev/null
END
chmod +x "$WORK/restart"
for name in A B; do
    must "$name starts" "$WORK/restart" "$name" || exit 1
    z "$name" user add writer --role write --password-stdin <<<"$PASSWORD" >/dev/null 2>&1
done
# Modules are loaded from here, with the transports next to them.
mkdir "$WORK/modules"
ln -s "$BUILD/transports" "$BUILD/zenith_sync.so" "$WORK/modules"
# The tests' names as arguments: the first and the last one prepare and clean up.
[ $# -eq 0 ] || set -- "the sources are there" "$@" "the end"
FAULTS_A=$WORK/A/.zenith FAULTS_B=$WORK/B/.zenith FAULTS_URI_A=$(uri A) FAULTS_URI_B=$(uri B) \
    FAULTS_BASE=$BASE FAULTS_MODULES=$WORK/modules FAULTS_RESTART=$WORK/restart \
    FAULTS_BUDGET=${FAULTS_BUDGET-2} "$BUILD/tests/crash/faults" "$@" | tee "$WORK/.out"
must "all of it holds" [ "${PIPESTATUS[0]}" -eq 0 ]
for name in A B; do
    must "$name still answers" sql "$name" status >/dev/null
done
finish
