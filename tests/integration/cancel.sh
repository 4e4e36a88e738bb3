#!/usr/bin/env bash
# A transfer that is stopped in the middle leaves the receiver as it was, and the next one
# succeeds: Ctrl-C, CancelRequest, a server that is stopped.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite cancel
clusters large
server A && server B && server C
peer A B && peer C A reader
run A import main "$BASE"
run A push main B
before=$(state B main)
run A import main "$LARGE"
must "the branch has grown" exits 0

slowly A push main B
must "a push is under way" poll 60 busy B branch_push
kill -INT "$SLOW"
ended
must "Ctrl-C ends a push with status 6" exits 6
must "and says that it was interrupted" says 'interrupt|cancel'
must "and in what state it left the far branch" says 'Nothing was changed'
must "the near server is done with it" poll 60 idle A perform_push
must "the far server is done with it" poll 60 idle B branch_push
must "the far branch is as before" same "$(state B main)" "$before"

slowly C pull main A
must "a pull is under way" poll 60 busy C perform_pull
kill -INT "$SLOW"
ended
must "Ctrl-C ends a pull with status 6" exits 6
must "and says in what state it left the branch" says 'Nothing was changed'
must "its own server is done with it" poll 60 idle C perform_pull
must "no branch is left behind by it" same "$(state C main)" none

slowly A push main B
must "a push is under way again" poll 60 busy B branch_push
z B stop >/dev/null 2>&1
ended
must "a far server that is stopped ends the push" not exits 0
must "and says so, and which server" says "far server 127.0.0.1:${PORT[B]}: .* shutting down"
run B start
must "the far server starts again" exits 0
must "and its branch is as before" same "$(state B main)" "$before"
must "the near server is done with that push" poll 60 idle A perform_push

slowly A push main B
must "and once more a push is under way" poll 60 busy B branch_push
run A stop
must "the near server can be stopped in mid-push" exits 0
ended
must "the push ends" not exits 0
must "and says that it is the near server" says '^zenith: the command was stopped .*shutting down'
must "and in what state it left the far branch" says 'Nothing was changed'
run A start
must "the far server is done with it, too" poll 60 idle B branch_push
must "the far branch is as before" same "$(state B main)" "$before"

# CancelRequest, as psql sends it on Ctrl-C.
in_background "$PG_BIN/psql" -X -h "$WORK/A/.zenith" -p 5432 -d zenith -v VERBOSITY=verbose \
    -c "perform_push main '$(uri B)' (max_rate $SLOW_BPS, compression none)"
must "a push by psql is under way" poll 60 busy B branch_push
kill -INT "$SLOW"
ended
must "CancelRequest ends it with 57014" says '57014'
must "the near server is done with that one, too" poll 60 idle A perform_push
must "and the far one" poll 60 idle B branch_push
must "the far branch is still as before" same "$(state B main)" "$before"

run A push main B
must "a push after all that succeeds" exits 0
must "and both sides are equal" same "$(state B main)" "$(state A main)"
run C pull main A
must "a pull after all that succeeds" exits 0
must "and is equal" same "$(state C main)" "$(state A main)"
finish
