#!/usr/bin/env bash
# What is sound is said to be; what is damaged, in a file, a log or a stage, is found and
# named, and never passed on; two sides are compared without moving the data.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite verify
clusters
server A && server B && server C
peer A B && peer B C && peer C B reader && peer A C reader

# flip FILE OFFSET: change one byte, OFFSET from the start or, if negative, from the end.
flip() {
    local size at byte
    size=$(stat -c %s "$1")
    at=$(($2 < 0 ? size + $2 : $2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    # shellcheck disable=SC2059  # the format is what is to be written
    printf "\\x$(printf %02x $((byte ^ 16)))" |
        dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
largest() { find "$1" -name "$2" -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-; }
again() { z "$1" stop >/dev/null 2>&1; run "$1" start; }

# ---- sound ----------------------------------------------------------------------------

run A import main "$BASE"
must "a cluster is imported" exits 0
run A verify main
must "what was just imported is sound" exits 0
must "a sound branch is said to be so, in a sentence" outputs 'main is sound up to .*records'
run A push main B
run A import main "$NEXT"
run A push main B
must "an increment is pushed" exits 0
run B verify main --json
must "the far side is sound, its change map too" outputs '"result": "sound"'
must "its change map was looked at" outputs '"change_maps": 1'
must "the digest that it computes is the branch's" outputs "$(history_of B main | cut -d ' ' -f 2)"
must "psql gets one row" same "$(sql A "verify main (progress off)" | cut -d ' ' -f 1,2)" "sound main"
run A verify absent
must "a branch that is not there is named" says 'there is no branch "absent"'

run A verify main postgresql://nobody@127.0.0.1:1
must "a far side that is not there is told" exits 5

# ---- near and far ------------------------------------------------------------------------

run A verify main B:main --quiet
must "two sides that hold the same are told so" exits 0
must "in a sentence" outputs 'main and B:main hold the same up to'
run A verify main B --json
must "their comparison moves next to nothing" outputs '"wire_bytes": [0-9]{1,5},'
run A import main "$LATER"
run A verify main B
must "a side that is further is compared as far as the other is" exits 0
must "and that is said" outputs 'this side goes on to'
run A verify main "$(uri B)"
must "a URI may be typed" exits 0
run B verify main C
must "the far side must have the branch, and it is said on which side it is missing" \
    says 'the far side has no branch "main"'
run C pull main B:absent
must "so it is in a pull" says 'the far side has no branch "absent"'
must "and the hint says how to see what there is" says 'branch_list$'
run C pull main B
run C import main "$OTHER"
run A verify main C --json
must "a reader may be asked, and histories that have parted are told" exits 4
must "histories that have parted are ZS002" fails_with ZS002
must "the far side has done what it was asked for" \
    same "$(sql C sync_status | grep -c ' branch_verify main .* done done ')" 1
run A verify main NOWHERE
must "an unknown origin is named" says 'NOWHERE'

# ---- damage ----------------------------------------------------------------------------------

before=$(state C main)
file=$(largest "$WORK/B/.zenith/data/db" '*.sst')
cp "$file" "$WORK/saved"
flip "$file" 1000000
again B
run B verify main
must "a damaged file fails the verification" exits 1
must "the file is named" says "$(basename "$file")"
must "the keys that cannot be read are named" says 'cannot be read: behind .* block [0-9]+'
must "what to do is said" says 'hint: Check the disk'
run B verify main --json
must "a program is told XX001" fails_with XX001
must "and every fault" outputs '"kind": "read"'
run B push main C:copy --json
must "a push does not pass it on" exits 1
must "a push of damaged data is XX001" fails_with XX001
must "a push of damaged data names the branch" says 'branch \\?"main'
run C pull copy B:main
must "a pull does not take it" exits 1
must "the puller has no such branch" same "$(state C copy)" none
must "other branches are as they were" same "$(state C main)" "$before"
run A verify main B
must "the other side cannot compare, and is told why" exits 1
must "by the far side" says 'main'
run B export main "$WORK/out"
must "nor is it exported" exits 1
cp "$WORK/saved" "$file"
again B
run B verify main
must "mended, it is sound again" exits 0

# A byte of the log of committed data, which only a start reads.
z B stop >/dev/null 2>&1
cp -r "$WORK/B/.zenith/data" "$WORK/data"
log=$(largest "$WORK/B/.zenith/data/db" '*.log')
manifest=$(largest "$WORK/B/.zenith/data/db" 'MANIFEST-*')
for file in "$manifest" $([ -s "$log" ] && echo "$log"); do
    flip "$file" 4
    run B start
    must "a server does not start on a damaged $(basename "$file" | tr -d 0-9)" not exits 0
    must "the file is named" says "$(basename "$file")"
    flip "$file" 4
done
run B start
must "and starts when it is whole" exits 0
run B verify main
must "with everything" exits 0

# A record that was changed with its checksums right: only the digest shows it, and only the
# other side can name it.  The store's files cannot be made so from here; unit tests do it.

# ---- a stage --------------------------------------------------------------------------------

clusters large
run A import big "$LARGE"
slowly A push big B
stage_waits() { [ -n "$(find "$WORK/B/.zenith/data/stage" -name manifest 2>/dev/null)" ]; }
must "a slow push leaves a stage" poll 60 stage_waits
kill -INT "$SLOW"
ended
must "the near server is done with it" poll 60 idle A perform_push
must "the far server has put it aside" poll 60 idle B branch_push
run B verify big
must "a stage that waits is sound" exits 0
flip "$(largest "$WORK/B/.zenith/data/stage" '*.sst')" 5000
run B verify big
must "a damaged stage fails the verification" exits 1
must "the stage is named" says 'stage of branch "big" is damaged'
must "the next step is said" says 'drop-stage big'
run A push big B
must "a push does not go on from it" not says 'resumed'
run A push big B
must "and the next one arrives" exits 0
run B verify big
must "whole" exits 0
run A verify big B
must "and the same" exits 0
finish
