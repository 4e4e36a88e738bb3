#!/usr/bin/env bash
# SIGKILL of each process at random moments: zenith, the near and the far server, in a push,
# a pull, an import and a start.  Afterwards both servers start, no branch is anything but as
# before or complete, both repositories pass a full verification, and the same command again
# ends with both sides equal.  Nothing is left behind at the end.
#
#   TORTURE_KILLS   how many rounds, 25
#   TORTURE_SEED    what is drawn: operation, victim, moment; printed.  The same seed draws the
#                   same rounds; what a moment hits is up to the machine.
#   TORTURE_ROUND   only this round of that seed
#
# A moment is drawn over the time that the operation takes when nobody kills it, and a little
# more.  Where it hit is read from what was left: nothing, a stage, or the whole commit.
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
suite kill
kills=${TORTURE_KILLS:-25}
seed=${TORTURE_SEED:-$$}
only=${TORTURE_ROUND-}
LARGE_MB=${SHORT:+16}
LARGE_MB=${LARGE_MB:-48}
clusters large
server A && server B
peer A B && peer B A reader
run A import small "$BASE"
run A import big "$BASE"
run A import big "$LARGE"
must "both source branches are there" exits 0
small=$(history_of A small) big=$(history_of A big)
run A import round "$LARGE"
at_once=$(history_of A round)
z A branch delete round >/dev/null
run A push small B:kept
must "a branch that nobody touches is on the other side" same "$(history_of B kept)" "$small"

now_ms() { date +%s%3N; }
verifies() { quietly z "$@"; }
no_stages() { [ -z "$(ls -A "$WORK/$1/.zenith/data/stage")" ]; }
has_stage() { [ -n "$(find "$WORK/$1/.zenith/data/stage" -name manifest 2>/dev/null)" ]; }
listed() { nonempty "$(state "$1" "$2")" && [ "$(state "$1" "$2")" != none ]; }
# Processes of a repository's server: the one that runs, and one that is only starting.
servers_of() { pgrep -f -- "pageserver run.*$WORK/$1( |\$)"; }

# ---- operations ------------------------------------------------------------------------
# Each writes the branch "round" in the repository of `receiver`; `command` is the CLI's.

prepare() { # OPERATION: what has to be there before it; sets command, near, far, receiver
    near=A far=B receiver=B
    case $1 in
    push) command=(push big B:round) ;;
    push-more) command=(push big B:round) && run A push small B:round ;;
    pull) near=B far=A command=(pull round A:big) ;;
    pull-more) near=B far=A command=(pull round A:big) && run B pull round A:small ;;
    import) receiver=A command=(import round "$LARGE") ;;
    import-more) receiver=A command=(import round "$LARGE") && run A import round "$BASE" ;;
    start) receiver=B command=(start) near=B && kill_server B ;;
    esac
    before=none after=$big
    case $1 in
    *-more) before=$small ;;
    import) after=$at_once ;;
    start) after=none ;;
    esac
}
operations=(push push-more pull pull-more import import-more start)

clear_round() {
    local name
    for name in A B; do
        ! listed "$name" round || z "$name" branch delete round >/dev/null
        z "$name" branch drop-stage round >/dev/null 2>&1
    done
}

# How long each takes, unhurt: the best of two, as the first one is cold.
declare -A takes
for op in "${operations[@]}"; do
    for _ in 1 2; do
        prepare "$op"
        begin=$(now_ms)
        run "$near" "${command[@]}"
        must "$op succeeds when nobody is killed" exits 0 || exit 1
        takes[$op]=$(($(now_ms) - begin))
        clear_round
    done
done
echo "seed $seed; unhurt, in ms: $(for op in "${operations[@]}"; do echo -n "$op ${takes[$op]} "; done)"

# ---- one round ---------------------------------------------------------------------------

declare -A killed hit
restarted=0 resumed=0

kill_it() { # VICTIM: zenith, near, far
    local pid
    case $1 in
    zenith) kill -KILL "$SLOW" 2>/dev/null ;;
    near) for pid in $(servers_of "$near"); do kill -KILL "$pid"; done ;;
    far) for pid in $(servers_of "$far"); do kill -KILL "$pid"; done ;;
    esac
}
gone() { [ -z "$(servers_of "$1")" ]; }

round() { # NUMBER OPERATION VICTIM SHARE: share in thousandths of the operation's time
    local at what name
    prepare "$2"
    at=$((${takes[$2]} * $4 / 1000))
    in_background "$BUILD/zenith" -D "$WORK/$near" "${command[@]}"
    sleep "$((at / 1000)).$(printf %03d $((at % 1000)))"
    kill_it "$3"
    ended
    LAST="round $1: $2, SIGKILL of $3 after $at ms"
    [ "$3" = zenith ] || [ "$2" = start ] || must "round $1: it is done, or says what to do" clear
    for name in A B; do
        if [ "$2" = start ]; then poll 20 settled "$name"; fi
        sql "$name" status >/dev/null 2>&1 && continue
        poll 20 gone "$name"
        restarted=$((restarted + 1))
        run "$name" start
        must "round $1: $name starts again" exits 0 || return 1
    done
    for name in A B; do
        must "round $1: nothing is stuck in $name" poll 20 at_rest "$name" || return 1
    done
    what=$(history_of "$receiver" round)
    if [ "$what" = "$after" ] && [ "$after" != none ]; then
        what=complete
    elif [ "$what" = "$before" ]; then
        what=before
        ! has_stage "$receiver" || what=stage
    fi
    must "round $1: the branch is as before, or complete" among "$what" before stage complete
    killed[$3]=$((${killed[$3]-0} + 1))
    hit["$2, $what"]=$((${hit["$2, $what"]-0} + 1))
    check_all "$1" "$receiver"
    [ "$2" != start ] || return 0
    run "$near" "${command[@]}"
    must "round $1: the same again succeeds" exits 0
    ! outputs 'resumed at' || resumed=$((resumed + 1))
    must "round $1: and both sides are equal" same "$(history_of "$receiver" round)" "$after"
    check_all "$1" "$receiver"
    if [ "${2%-more}" != import ]; then
        must "round $1: zenith verify finds both sides equal" verifies A verify big B:round
    fi
    clear_round
    return 0
}
clear() { exits 0 || { among "$STATUS" 1 5 6 && says 'hint: .{10}'; }; }
quietly() { "$@" >"$WORK/.out" 2>"$WORK/.err" || { collect; false; }; }
among() { local w=$1 x; shift; for x in "$@"; do [ "$w" = "$x" ] && return; done; echo "    $w"; false; }
# A start that was killed is over: its server accepts, or is gone.
settled() { sql "$1" status >/dev/null 2>&1 || gone "$1"; }
at_rest() { ! sql "$1" sync_status 2>/dev/null | grep -q running; }

# The branches that nobody touched are whole, one of them in turn down to its records, and so is
# what there is of the other, be it a stage alone.
untouched=("A small" "A big" "B kept")
check_all() { # ROUND RECEIVER
    local name branch
    must "round $1: the sources are as they were" same \
        "$(history_of A small) $(history_of A big) $(history_of B kept)" "$small $big $small"
    read -r name branch <<<"${untouched[$1 % ${#untouched[@]}]}"
    must "round $1: $branch in $name passes a full verification" verifies "$name" verify "$branch"
    listed "$2" round || has_stage "$2" || return
    must "round $1: what $2 has passes a full verification" verifies "$2" verify round
}

RANDOM=$((seed % 32768))
begin=$SECONDS
for ((i = 1; i <= kills; i++)); do
    op=${operations[RANDOM % ${#operations[@]}]}
    victims=(zenith near far)
    [ "${op%-more}" != import ] || victims=(zenith near)
    [ "$op" != start ] || victims=(near near zenith)
    victim=${victims[RANDOM % ${#victims[@]}]}
    share=$((RANDOM % 1100))
    [ -z "$only" ] || [ "$only" = "$i" ] || continue
    round "$i" "$op" "$victim" "$share" || break
done

# ---- at the end ----------------------------------------------------------------------------

clear_round
for name in A B; do
    must "no stage is left in $name" poll 10 no_stages "$name"
    run "$name" stop
    run "$name" start
    must "$name starts in the end" exits 0
done
must "the sources are as they were" same \
    "$(history_of A small) $(history_of A big) $(history_of B kept)" "$small $big $small"
must "small passes a full verification" verifies A verify small
must "big passes a full verification" verifies A verify big
must "kept is what it was pushed from" verifies A verify small B:kept
run B export kept "$PG_ROOT/export"
pg_own "$PG_ROOT/export"
must "every page of the other side is whole" quietly \
    as_pg "$PG_BIN/pg_checksums" --check -D "$PG_ROOT/export"
echo "kills: $(for v in zenith near far; do echo -n "$v ${killed[$v]-0}  "; done)" \
    "in $((SECONDS - begin)) s; $restarted restarts, $resumed resumed"
for what in "${!hit[@]}"; do echo "    ${hit[$what]} hit $what"; done | sort -k 3,3 -k 1,1nr
finish
