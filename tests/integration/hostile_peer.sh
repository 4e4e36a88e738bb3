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

# One that never goes on, and says that it is alive.
STALL=("$BUILD/tests/fuzz/peer/peer" "$WORK/A/.zenith/.s.PGSQL.5432" stall 300)
stalled() { sql A sync_status | grep -q "branch_push.*stalled.*negotiate"; }
released() { ! stalled && sql A "verify main" >/dev/null 2>&1; }
restart_with() {
    z A stop >/dev/null
    sed -i -E "s/^#? *$1 *=.*/$1 = $2/" "$WORK/A/.zenith/pageserver.toml"
    z A start >/dev/null
}
restart_with max_transfers 1
in_background "${STALL[@]}"
must "it holds a session" poll 60 stalled
sql A "verify main" >"$WORK/.out" 2>"$WORK/.err"
collect
must "and of another transfer the user is told that there are so many" says \
    "has 1 transfers under way here already"
kill "$SLOW"
ended
must "which goes as soon as the first has gone" poll 60 released
restart_with progress_timeout 1
STATUS=0
"${STALL[@]}" >"$WORK/.out" 2>"$WORK/.err" || STATUS=$?
collect
must "it is given up after progress_timeout" exits 0
must "with a sentence that names what is due" says \
    "nothing but KEEPALIVE for 1 seconds, and OFFER is due"
must "and a hint" says "progress_timeout here says how long"
must "and holds nothing any more" poll 60 released
finish
