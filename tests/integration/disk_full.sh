#!/usr/bin/env bash
# A full disk on the far side: 53100 with a hint, nothing visible, the space given back, the
# server alive; and with room again the same command succeeds.  Needs root for a small tmpfs;
# without it, the one check is that this was said.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite disk_full
mkdir -p "$WORK/B"
if ! mount -t tmpfs -o size=96m tmpfs "$WORK/B" 2>/dev/null; then
    echo "no tmpfs can be mounted here: a full disk was not tried"
    must "without a tmpfs nothing is tried" true
    finish
fi
trap 'umount -l "$WORK/B"; cleanup' EXIT
LARGE_MB=160
clusters large
server A && server B
peer A B
run A import main "$BASE"
run A push main B
must "the small branch fits" exits 0
small=$(history_of B main)
pid=$(pid_of B)
left() { df --output=avail -k "$WORK/B" | tail -n 1; }
fill() { dd if=/dev/zero of="$WORK/B/filler" bs=64k status=none 2>/dev/null; }
alive() { [ "$(pid_of B)" = "$pid" ] && is_pageserver "$pid"; }
roomy() { [ "$(left)" -ge "$1" ]; }

# A bulk transfer that outgrows the disk.
run A import large "$LARGE"
before=$(left)
run A push large B --json
must "a push that outgrows the far disk fails with 53100" fails_with 53100
must "and has a hint" has_hint
must "nothing of it is visible" same "$(state B large)" none
must "its space comes back" poll 20 roomy $((before - 4096))
must "the far server lives" alive

# A small commit on a disk that is full already, then room again: several commits after
# another, as the first ones after a failed write are those that can hurt.
run A import main "$NEXT"
next=$(history_of A main)
fill
run A push main B --json
must "an increment onto a full disk fails with 53100" fails_with 53100
must "and the branch is as before" same "$(history_of B main)" "$small"
run B branch create empty --json
must "a new branch on a full disk is refused, too" fails_with 53100
rm -f "$WORK/B/filler"
run A push main B
must "with room again the same push succeeds" exits 0
must "and both sides are equal" same "$(history_of B main)" "$next"
for name in one two three; do
    run B branch create "$name"
    must "branch $name can be made" exits 0
done
must "the far server lived through all of it" alive

# On a disk with too little for a commit a branch can still be removed: that makes room.
fill
truncate -s -1M "$WORK/B/filler"
run B branch delete one
must "a branch can be removed from a full disk" exits 0
finish
