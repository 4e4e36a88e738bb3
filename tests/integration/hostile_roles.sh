#!/usr/bin/env bash
# After login: every command of the server against every role.  The list of commands is the
# server's own, so that one without a row here fails; a command that is refused changes
# nothing, and does not make the server connect anywhere.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite hostile_roles
clusters
server A && server B
run A import main "$BASE"
run B import main "$BASE"
for role in read write admin; do
    z A user add "a_$role" --role "$role" --password-stdin <<<"$PASSWORD" >/dev/null 2>&1
done

ID=00112233445566778899aabbccddeeff
ELSEWHERE="postgresql://intruder:x@127.0.0.1:${PORT[B]}"
# What each command needs, and arguments with which it would do something.
declare -A NEEDS=(
    [status]=read [commands]=read [modules]=read [branch_list]=read [sync_status]=read
    [stages]=read [leases]=read [change_maps]=read [branch_pull]=read
    [verify]=read [branch_verify]=read
    [branch_push]=write
    [stage_drop]=admin [load]=admin [branch_create]=admin [branch_delete]=admin
    [change_map_rebuild]=admin
    [import]=admin [export]=admin [perform_push]=admin [perform_pull]=admin [perform_verify]=admin
)
declare -A WITH=(
    [stage_drop]='nothing' [load]="'$WORK/none.so'" [branch_create]='made' [branch_delete]='made'
    [change_map_rebuild]=main
    [import]="main '$BASE'" [export]="main '$WORK/exported'"
    [verify]='main' [branch_verify]="bad//name $ID '{}'"
    [perform_verify]="main '$ELSEWHERE'"
    [perform_push]="main '$ELSEWHERE'" [perform_pull]="fetched '$ELSEWHERE' main"
    [branch_push]="bad//name $ID '{}'" [branch_pull]="bad//name $ID '{}'"
)
mapfile -t commands < <(sql A commands | cut -d ' ' -f 1)
must "the server lists its commands" test "${#commands[@]}" -ge 16
for command in "${commands[@]}"; do
    must "a command that is not in this table is held against no role: $command" \
        nonempty "${NEEDS[$command]-}"
done

# as ROLE COMMAND...: each through psql with that user's password; "COMMAND SQLSTATE" lines.
as() {
    local role=$1 command
    shift
    for command in "$@"; do
        printf '%s %s;\n\\echo %s :SQLSTATE\n' "$command" "${WITH[$command]-}" "$command"
    done | PGPASSWORD=$PASSWORD "$PG_BIN/psql" -X -A -t -q -h 127.0.0.1 -p "${PORT[A]}" \
        -U "a_$role" -d zenith 2>/dev/null | grep -E '^[a-z_]+ [0-9A-Z]{5}$'
}
rank() { case $1 in read) echo 1 ;; write) echo 2 ;; admin) echo 3 ;; esac; }
# What nobody without the role may change, or cause.
witness() { sql A branch_list; sql A modules; cat "$WORK"/B/.zenith/pageserver.log; }

for role in read write admin; do
    denied=() allowed=()
    for command in "${commands[@]}"; do
        if [ "$(rank "$role")" -lt "$(rank "${NEEDS[$command]:-admin}")" ]; then
            denied+=("$command")
        else
            allowed+=("$command")
        fi
    done
    before=$(witness)
    answers=$([ ${#denied[@]} -eq 0 ] || as "$role" "${denied[@]}")
    for command in "${denied[@]}"; do
        must "the role $role may not $command" grep -q "^$command 42501$" <<<"$answers"
    done
    must "what was refused to $role changed nothing, and connected nowhere" \
        same "$(witness)" "$before"
    must "and made no folder" test ! -e "$WORK/exported"
    answers=$(as "$role" "${allowed[@]}")
    for command in "${allowed[@]}"; do
        must "the role $role may $command" grep -qE "^$command " <<<"$answers"
        must "and is not told 42501: $command" not grep -q "^$command 42501$" <<<"$answers"
    done
done
must "an admin's perform_push did connect: the witness sees that" \
    not same "$(witness)" "$before"
must "and its export was made" test -e "$WORK/exported"

# A word in another case, a comment, two commands: the name that is run is the one checked.
for query in 'Perform_Push' 'PERFORM_PUSH' ' perform_push' "perform_push;perform_push"; do
    out=$(PGPASSWORD=$PASSWORD "$PG_BIN/psql" -X -A -t -q -v VERBOSITY=sqlstate -h 127.0.0.1 \
        -p "${PORT[A]}" -U a_write -d zenith -c "$query main '$ELSEWHERE'" 2>&1)
    must "a writer cannot perform_push by writing '$query'" grep -qE '42501|42601' <<<"$out"
done
# A role that is taken away is gone with the next login, and a reader's push is refused by name.
run A user remove a_write
out=$(PGPASSWORD=$PASSWORD "$PG_BIN/psql" -X -h 127.0.0.1 -p "${PORT[A]}" -U a_write -d zenith \
    -c status 2>&1)
must "a user that was removed does not get in" grep -q 'FATAL' <<<"$out"
finish
