#!/usr/bin/env bash
# psql is a client like any other: commands typed by hand, several at once, modules loaded
# while the server runs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite psql
clusters
server A && server B
peer A B
run A import main "$BASE"

# far USER PASSWORD QUERY: psql over TCP to B.
far() {
    PGPASSWORD=$2 "$PG_BIN/psql" -X -A -t -q -F ' ' -h 127.0.0.1 -p "${PORT[B]}" -U "$1" \
        -d zenith -c "$3"
}
# sqlrun NAME QUERY: kept in STATUS OUT ERR, with SQLSTATEs.
sqlrun() {
    LAST="psql $*" STATUS=0
    sql "$1" "$2" -v ON_ERROR_STOP=1 -v VERBOSITY=verbose >"$WORK/.out" 2>"$WORK/.err" || STATUS=$?
    collect
}

sqlrun A "perform_push main '$(uri B)'"
must "psql can run perform_push" exits 0
must "perform_push returns one row" same "$(grep -c . <<<"$OUT")" 1
must "its row says absent, then the branch's name on both sides" outputs '^absent main main 0/0 '
must "the branch is over there" same "$(state B main)" "$(state A main)"
sqlrun A "perform_push main '$(uri B)';"
must "a trailing semicolon is allowed" exits 0
must "the second time the row says equal" outputs '^equal main'
sqlrun A "perform_push main '$(uri B)' 'copy' ( dry_run true );"
must "options in parentheses are read" exits 0
must "a dry run leaves the far side" same "$(state B copy)" none
sqlrun A "perform_pull fetched '$(uri B)' main ( progress off, compression none )"
must "psql can run perform_pull" exits 0
must "what was pulled is equal" same "$(history_of A fetched)" "$(history_of A main)"

sqlrun A sync_status
must "sync_status lists the recent transfers" test "$(grep -c perform_push <<<"$OUT")" -ge 2
must "sync_status shows no password" not says s3cret
sqlrun B 'sync_status;'
must "the far side lists them as received" outputs branch_push
out=$("$PG_BIN/psql" -X -h "$WORK/A/.zenith" -p 5432 -d zenith -c sync_status 2>&1)
must "sync_status has named columns" grep -q 'phase' <<<"$out"
must "a person sees a table" grep -qE '^-+\+-' <<<"$out"

# Errors as psql shows them.
sqlrun A "perform_push main"
must "a missing argument is a syntax error" says '42601'
sqlrun A "perform_push main '$(uri B)' (colour green)"
must "an unknown option is refused by name" says 'colour'
sqlrun A "perform_push main 'gopher://x'"
must "an unknown scheme is 0A000" says '0A000'
sqlrun A "select 1"
must "SQL is answered with an error that says what there is" says '42601'
must "and with a hint" says 'HINT: .*commands'
sqlrun A "perform_push nothing '$(uri B)'"
must "an unknown branch is 42704" says '42704'
sqlrun A ""
must "an empty query is no error" exits 0
out=$(printf 'perform_push main;\nstatus;\n' | sql A '' -f - 2>/dev/null)
must "a session goes on after an error" grep -q pageserver <<<"$out"

# Roles over TCP.
printf 'readonly1\n' | z B user add reader --role read --password-stdin >/dev/null
must "a reader may list branches" grep -q main <<<"$(far reader readonly1 branch_list)"
must "a reader may not delete one" not far reader readonly1 'branch_delete main'
must "a writer may not make the server connect elsewhere" \
    not far writer "$PASSWORD" "perform_push main '$(uri B)'"
must "no one gets in with a wrong password" not far reader wrong status
must "the branch is still there" not same "$(state B main)" none

# Several at once.
pids=()
for i in 1 2 3 4 5 6; do
    sql A "perform_push main '$(uri B)' 'many-$i'" >"$WORK/many-$i" 2>&1 &
    pids+=($!)
done
ok=0
for pid in "${pids[@]}"; do wait "$pid" && ok=$((ok + 1)); done
must "six pushes of one branch at once, under six names, all succeed" same "$ok" 6
for i in 1 6; do
    must "and each is equal: many-$i" same "$(history_of B "many-$i")" "$(history_of A main)"
done
pids=()
for i in 1 2 3 4; do
    sql A "perform_push main '$(uri B)' contended" >"$WORK/contended-$i" 2>&1 &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
must "of several pushes to one name none leaves it wrong" \
    same "$(history_of B contended)" "$(history_of A main)"
must "those that lost were told that it is busy, or that it is there" \
    same "$(cat "$WORK"/contended-* | grep -cE 'ERROR' )" \
    "$(cat "$WORK"/contended-* | grep -cE 'ERROR.*(busy|being|another|meanwhile|exists)')"

# Modules.
sqlrun A modules
must "modules lists zenith_sync" outputs 'zenith.sync'
sqlrun A commands
must "commands lists the module's and the server's own" \
    test "$(grep -cE '^(perform_push|perform_pull|branch_push|branch_pull|sync_status|load) ' <<<"$OUT")" -eq 6
sqlrun A "load '/nowhere/module.so'"
must "a module that is not there is refused in a sentence" says 'ERROR.*/nowhere/module.so'
sqlrun A "load '$BUILD/transports/libpq.so'"
must "a transport is no module: refused" not exits 0
mkdir newer && cp -r "$BUILD/zenith_sync.so" "$BUILD/transports" newer
sqlrun A "load '$WORK/newer/zenith_sync.so'"
must "a new build of a loaded module is loaded from its new path" exits 0
sqlrun A "perform_push main '$(uri B)' after-load"
must "and its commands work" exits 0
sqlrun A status
must "status is one row" same "$(grep -c . <<<"$OUT")" 1
must "status names the server and its pid" outputs "^pageserver .* $(pid_of A) "
finish
