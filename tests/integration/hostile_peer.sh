#!/usr/bin/env bash
# Peers that lie, cut off and mangle, against a running server (tests/fuzz/peer/peer.c): a
# short run that is the same each time.  `make -f plugin.mk fuzz-peer` runs on for
# PEER_SECONDS, from another seed each time.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite hostile_peer
server A
run A branch create main
sessions=${PEER_SECONDS:+1000000000}
LAST="$BUILD/tests/fuzz/peer/peer" STATUS=0
"$LAST" "$WORK/A/.zenith" "${sessions:-250}" "${PEER_SECONDS:-120}" "${PEER_SEED:-1}" \
    >"$WORK/.out" 2>"$WORK/.err" || STATUS=$?
collect
must "hostile sessions change nothing that does not verify" exits 0
[ -z "${PEER_SECONDS-}" ] || printf '%s\n' "$OUT"
after=$(z A branch list --json)
run A stop
must "it stops in good order" exits 0
run A start
must "and has the same branches when it starts again" same "$(z A branch list --json)" "$after"
finish
