#!/usr/bin/env bash
# A full disk where records arrive: on the far side of a push, on the near side of a pull, under
# an import.  53100, in words that say whose disk it is; nothing visible, the space given back,
# the server alive; and with room again the same command succeeds.  Needs root for a small
# tmpfs; skipped without it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite disk_full
mkdir -p "$WORK/B"
if ! mount -t tmpfs -o size=144m tmpfs "$WORK/B" 2>/dev/null; then
    skip "no tmpfs can be mounted here: a full disk was not tried"
    finish
fi
trap 'umount -l "$WORK/B"; cleanup' EXIT
LARGE_MB=160
clusters large
server A && server B
peer A B
peer B A reader
run A import main "$BASE"
run A push main B
must "the small branch fits" exits 0
run B pull pulled A:main
run B import imported "$BASE"
small=$(history_of B main)
pid=$(pid_of B)
left() { df --output=avail -k "$WORK/B" | tail -n 1; }
fill() { dd if=/dev/zero of="$WORK/B/filler" bs=64k status=none 2>/dev/null; }
alive() { [ "$(pid_of B)" = "$pid" ] && is_pageserver "$pid"; }
roomy() { [ "$(left)" -ge "$1" ]; }

# full WHAT COMMAND...: fails as it should; a push's far disk is not taken for the near one.
full() {
    local what=$1
    shift
    run "$@" --json
    must "$what fails with 53100" fails_with 53100
    must "$what: it has a hint" has_hint
    must "$what: it says that a disk is full" says '"message": *"[^"]*the disk is full'
    must "$what: it says where" says "$WORK/B/"
    if [ "$1" = A ]; then
        must "$what: the far server is named" says "\"the far server 127.0.0.1:${PORT[B]}: could"
        must "$what: the hint is for there" says '"hint": *"On the far server: Free space'
    else
        must "$what: no far server is spoken of" not says 'far server'
    fi
    must "$what: B's server lives" alive
}

# Bulk transfers that outgrow the disk.
run A import large "$LARGE"
outgrows() { # WHAT BRANCH COMMAND...
    local before
    before=$(left)
    full "$1 that outgrows the disk" "${@:3}"
    must "$1: nothing of it is visible" same "$(state B "$2")" none
    must "$1: its space comes back" poll 60 roomy $((before - 4096))
}
outgrows "a push" large-pushed A push large B:large-pushed
outgrows "a pull" large-pulled B pull large-pulled A:large
outgrows "an import" large-imported B import large-imported "$LARGE"

# Small commits on a disk that is full already, then room again: several commits after
# another, as the first ones after a failed write are those that can hurt.
run A import main "$NEXT"
next=$(history_of A main)
imported=$(history_of B imported)
fill
full "an increment pushed onto a full disk" A push main B
full "an increment pulled onto a full disk" B pull pulled A:main
full "an increment imported onto a full disk" B import imported "$NEXT"
must "the branch pushed to is as before" same "$(history_of B main)" "$small"
must "the branch pulled to is as before" same "$(history_of B pulled)" "$small"
must "the branch imported to is as before" same "$(history_of B imported)" "$imported"
full "a new branch on a full disk" B branch create empty
rm -f "$WORK/B/filler"
run A push main B
must "with room again the same push succeeds" exits 0
must "and both sides are equal" same "$(history_of B main)" "$next"
run B pull pulled A:main
must "with room again the same pull succeeds" exits 0
must "and both sides are equal" same "$(history_of B pulled)" "$next"
run B import imported "$NEXT"
must "with room again the same import succeeds" exits 0
must "and the branch has gone on" not same "$(history_of B imported)" "$imported" >/dev/null
for name in one two three; do
    run B branch create "$name"
    must "branch $name can be made" exits 0
done
must "the server lived through all of it" alive

# On a disk with too little for a commit a branch can still be removed: that makes room.
fill
truncate -s -1M "$WORK/B/filler"
run B branch delete one
must "a branch can be removed from a full disk" exits 0
rm -f "$WORK/B/filler"

# What did not fit, on a larger disk.
mount -o remount,size=1g "$WORK/B"
large=$(history_of A large)
run A push large B:large-pushed
must "on a larger disk the large push succeeds" exits 0
must "and is equal" same "$(history_of B large-pushed)" "$large"
run B pull large-pulled A:large
must "on a larger disk the large pull succeeds" exits 0
must "and is equal" same "$(history_of B large-pulled)" "$large"
run B import large-imported "$LARGE"
must "on a larger disk the large import succeeds" exits 0
must "and has the same records" same "$(history_of B large-imported | cut -d ' ' -f 3)" \
    "$(cut -d ' ' -f 3 <<<"$large")"
finish
