#!/usr/bin/env bash
# SIGKILL of either server in mid-push, ten times at random moments: after a restart the far
# branch is as before or complete, and the next push succeeds.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite kill
LARGE_MB=${SHORT:+16}
LARGE_MB=${LARGE_MB:-64}
clusters large
server A && server B
peer A B
run A import main "$BASE"
run A push main B
small=$(history_of B main)
run A import main "$LARGE"
big=$(history_of A main)
must "the near branch has grown" not same "$big" "$small"

# Each round pushes to a name of its own: odd ones to a new branch, even ones to a branch
# that holds the small state, so that creation and increment are both hit.
RANDOM=${KILL_SEED:-$$}
echo "seed: KILL_SEED=${KILL_SEED:-$$}"
for round in 1 2 3 4 5 6 7 8 9 10; do
    name=round-$round before=none
    if [ $((round % 2)) -eq 0 ]; then
        run B import "$name" "$BASE"
        before=$(history_of B "$name")
    fi
    victim=B
    [ $((RANDOM % 2)) -eq 0 ] && victim=A
    # Two in three somewhere on the way (throttled, at a random share of what is to come);
    # one at full speed after a random moment, which is where commits are hit.
    rate=()
    [ $((round % 3)) -eq 0 ] || rate=(--max-rate 60M --compression none)
    z A push main "B:$name" "${rate[@]}" >"$WORK/.out" 2>"$WORK/.err" </dev/null &
    push=$!
    LAST="push $round, SIGKILL of $victim ${rate[*]}"
    poll 20 busy B branch_push
    sleep "0.$(printf '%03d' $((RANDOM % 900)))"
    kill_server "$victim"
    STATUS=0
    wait "$push" || STATUS=$?
    run "$victim" start
    must "round $round: $victim starts after SIGKILL" exits 0 || break
    after=$(history_of B "$name")
    what=between
    [ "$after" != "$before" ] || what=before
    [ "$after" != "$big" ] || what=complete
    must "round $round: the far branch is as before, or complete" not same "$what" between
    echo "round $round: $victim killed, far branch: $what"
    must "round $round: the near branch is whole" same "$(history_of A main)" "$big"
    must "round $round: nothing is stuck over there" poll 10 idle B branch_push
    run A push main "B:$name"
    must "round $round: the next push succeeds" exits 0
    must "round $round: both sides are equal" same "$(history_of B "$name")" "$big"
    if [ $((round % 5)) -eq 0 ]; then # digests are told, pages are read: what is there is exported
        run B export "$name" "$PG_ROOT/export-$round"
        pg_own "$PG_ROOT/export-$round"
        must "round $round: every page of what arrived is whole" \
            as_pg "$PG_BIN/pg_checksums" --check -D "$PG_ROOT/export-$round"
    fi
    z B branch delete "$name" >/dev/null 2>&1
done
must "the branch from before is untouched" same "$(history_of B main)" "$small"
finish
