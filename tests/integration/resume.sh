#!/usr/bin/env bash
# A push or a pull is killed in the middle: the receiver keeps what came, over its restart,
# and the same command sends less.  What was kept and is damaged is never served.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite resume
clusters large
server A && server B
peer A B && peer B A
run A import main "$LARGE"
must "the large branch is there" exits 0
big=$(history_of A main)
total=$(awk '{print $3}' <<<"$big")

stage_of() { find "$WORK/$1/.zenith/data/stage" -name "$2" | sort | head -n 1; }
has_stage() { nonempty "$(stage_of "$1" manifest)"; }
# The second sync: by then the sender has heard of the first.
manifest_is_newer() { [ "$(stat -c %y "$(stage_of B manifest)" 2>/dev/null)" != "$1" ]; }
kept_twice() {
    local first
    poll 60 has_stage B || return 1
    first=$(stat -c %y "$(stage_of B manifest)")
    poll 60 manifest_is_newer "$first"
}
no_stages() { [ -z "$(ls -A "$WORK/$1/.zenith/data/stage")" ]; }
records() { sed -n 's/.*"records": *\([0-9]*\).*/\1/p' <<<"$OUT"; }
less() { [ "$1" -lt "$2" ] && [ "$1" -gt 0 ]; }

# The newest transfer of main that a server knows of: bytes, total bytes.
bytes_of() { sql "$1" sync_status -F '|' | awk -F '|' '$3 == "main" {print $12, $13; exit}'; }
number() { # of the last run's JSON
    sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" <<<"$OUT"
}
# went_on WHAT: the last run went on, and what it sent again of what had been sent before,
# SENT of the TOTAL_BYTES that interrupted left, is bounded.
went_on() {
    local again=$((SENT + $(number raw_bytes) - TOTAL_BYTES))
    echo "$1: from $(number resumed_percent) %, $((again >> 10)) KiB sent again"
    must "$1: it succeeds" exits 0
    must "$1: it went on" outputs '"resumed": *true'
    must "$1: from what was kept" test "$(number resumed_percent)" -gt 0
    must "$1: at most 64 MiB are sent again, not $((again >> 20))" test "$again" -le $((64 << 20))
    must "$1: nothing is left out" test "$again" -ge 0
}

# interrupted VICTIM NEAR COMMAND...: SIGKILL of the victim, a server or zenith, when B has a
# stage and has got some more.
interrupted() {
    local victim=$1 name
    shift
    in_background "$BUILD/zenith" -D "$WORK/$1" "${@:2}" --max-rate 24M --compression none
    must "something is kept before the end" kept_twice
    sleep 0.6
    for name in A B; do # of both, as the victim tells no more
        read -r SENT TOTAL_BYTES <<<"$(bytes_of "$name")"
    done
    if [ "$victim" = zenith ]; then kill -KILL "$SLOW"; else kill_server "$victim"; fi
    ended
    must "the command says that it failed" not exits 0
    [ "$victim" = "$1" ] || [ "$victim" = zenith ] || # then nobody is left to say it
        must "its hint says from where it goes on" says 'goes on from [0-9]+ %|sends what is missing'
    if [ "$victim" = zenith ]; then
        for name in A B; do must "$name comes to rest" poll 20 idle "$name" '[a-z_]*(push|pull)'; done
    else
        run "$victim" start
        must "$victim starts after SIGKILL" exits 0
    fi
    for name in A B; do # who lives knows how much it was in the end
        [ "$name" = "$victim" ] || read -r SENT TOTAL_BYTES <<<"$(bytes_of "$name")"
    done
    must "nothing of it is served" same "$(state B main)" none
}

for victim in B A zenith; do # the far server, the near one, and the command alone
    interrupted "$victim" A push main B
    must "B comes to rest" poll 20 idle B branch_push
    run B status
    must "status shows what waits ($victim)" outputs '^waiting +main +0/0\.\..*branch drop-stage main'
    run A status
    [ "$victim" = A ] || # what A kept went with it
        must "the source keeps what is missing" outputs '^leased +main +0/0\.\.'
    run A push main B --json
    went_on "the second push ($victim)"
    must "it sent less ($victim)" less "$(records)" "$total"
    must "both sides are equal ($victim)" same "$(history_of B main)" "$big"
    must "no stage is left ($victim)" no_stages B
    run A status
    must "nothing is kept any more ($victim)" not outputs '^leased'
    run B branch delete main
done

for victim in B A zenith; do # now B is the near one
    interrupted "$victim" B pull main A
    must "A comes to rest" poll 20 idle A branch_pull
    run B pull main A --json
    went_on "the second pull ($victim)"
    must "both sides are equal after the pull ($victim)" same "$(history_of B main)" "$big"
    must "no stage is left ($victim)" no_stages B
    [ "$victim" = zenith ] || run B branch delete main
done
run B export main "$PG_ROOT/export"
pg_own "$PG_ROOT/export"
must "every page of what arrived in two parts is whole" \
    as_pg "$PG_BIN/pg_checksums" --check -D "$PG_ROOT/export"
run B branch delete main

# Ctrl-C, a restart of both in good order.
in_background "$BUILD/zenith" -D "$WORK/A" push main B --max-rate 24M --compression none
must "something is kept before Ctrl-C" kept_twice
kill -INT "$SLOW"
ended
must "Ctrl-C is exit status 6" exits 6
must "its hint says from where it goes on" says 'goes on from [0-9]+ %'
for name in A B; do
    run "$name" stop
    run "$name" start
    must "$name starts again" exits 0
done
run B status --json
must "the stage outlives the restart" outputs '"percent": *[0-9]+'
run B branch drop-stage main
must "a command drops it" exits 0
must "and its space comes back" no_stages B
run B branch drop-stage main
must "there is nothing more to drop" exits 1

# Nobody goes on with it.
interrupted B A push main B
run B stop
echo 'stage_timeout = 1' >>"$WORK/B/.zenith/pageserver.toml"
run B start
must "what nobody goes on with goes by itself" poll 20 no_stages B
run B stop
sed -i '/^stage_timeout/d' "$WORK/B/.zenith/pageserver.toml"
run B start

# Damage.
flip() { # FILE: change one byte in its middle
    local at=$(($(stat -c %s "$1") / 2)) byte
    byte=$(printf %02x $((0x$(xxd -p -s "$at" -l 1 "$1") ^ 1)))
    printf '%b' "\\x$byte" |
        dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
interrupted B A push main B
run B stop
flip "$(stage_of B '*.sst')"
run B start
run A push main B --json
must "a damaged stage is found" fails_with XX001
must "nothing of it is served" same "$(state B main)" none
must "and it is gone" no_stages B
interrupted B A push main B
run B stop
flip "$(stage_of B manifest)"
run B start
must "a damaged manifest is no stage" no_stages B
run A push main B --json
must "the push starts again" outputs '"resumed": *false'
must "both sides are equal at the end" same "$(history_of B main)" "$big"
run B branch delete main

# A restart of both, and a source that has moved on: the range that was interrupted is finished,
# a commit of its own, and what is new is sent behind it, in one command.
cp -a "$LARGE" "$PG_ROOT/moved"
with_cluster moved "CREATE TABLE moved AS
    SELECT i, repeat('moved ' || i, 20) FROM generate_series(1, 5000) i"
interrupted zenith A push main B
for name in A B; do
    run "$name" stop
    run "$name" start
    must "$name starts again" exits 0
done
was=$(state A main | cut -d ' ' -f 2)
run A import main "$PG_ROOT/moved"
must "the source moves on" not same "$(state A main | cut -d ' ' -f 2)" "$was" >/dev/null
run A push main B --json
went_on "a push after a restart and a move"
must "both sides are equal after it" same "$(history_of B main)" "$(history_of A main)"
must "the interrupted range was a commit, and what is new another" \
    same "$(sql B change_maps | awk '$1 == "main" {print $2, $3}')" \
    "$(state A main | cut -d ' ' -f 2) $was"
must "no stage is left" no_stages B
run B verify main
must "and all of it is sound" exits 0
finish
