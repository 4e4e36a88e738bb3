#!/usr/bin/env bash
# The command line when something fails under it: for each command, the n-th allocation and
# the n-th call of what it asks the system for fails, for every n until it makes fewer (of
# allocations inside of libraries some, of its own all).  Each
# time it ends by itself, says why on standard error, leaves nothing broken, and the same
# again works.
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
suite cli_faults
clusters
server A && server B
peer A B
z A import main "$BASE" >/dev/null
FAIL=$BUILD/tests/crash/fail_calls.so
MARK=$WORK/mark
EVERY=${EVERY:-8} # the first so many calls of each kind; from there on some of them
CALLS="own memory open openat read write readlink fsync fstat fchown flock rename mkostemp memfd_create
    pipe2 poll signalfd pthread_sigmask pidfd_open pidfd_send_signal waitpid socket connect send recv
    realpath getpwuid_r posix_spawn_file_actions_init posix_spawnattr_init
    posix_spawnattr_setsigdefault fclose fflush"

# with_failure CALL N WORD...: zenith with it.  Was the call made?
with_failure() {
    rm -f "$MARK"
    STATUS=0 LAST="FAIL_CALL=$1 FAIL_NTH=$2 zenith ${*:3}"
    timeout -k 5 60 env LD_PRELOAD="$FAIL" FAIL_CALL="$1" FAIL_NTH="$2" FAIL_MARK="$MARK" \
        "$BUILD/zenith" -D "$WORK/A" "${@:3}" >"$WORK/.out" 2>"$WORK/.err" <<<"secret" || STATUS=$?
    [ -e "$MARK" ]
}
# It ends as it should: with an exit status of its own, and a failure is explained.
ends_well() {
    [ "$STATUS" -le 6 ] && { [ "$STATUS" -eq 0 ] || [ -s "$WORK/.err" ] || [ -s "$WORK/.out" ]; }
}

# each_fails UNDO WORD...: UNDO is run before each attempt; "" for none.
each_fails() {
    local undo=$1 call n wrong=0 tries=0 step
    shift
    for call in $CALLS; do
        for ((n = 1, step = 1; ; n += step)); do
            [ -z "$undo" ] || $undo >/dev/null 2>&1
            with_failure "$call" "$n" "$@" || break
            tries=$((tries + 1))
            if ! ends_well; then # 124: it hung
                wrong=$((wrong + 1))
                echo "    status $STATUS: $LAST"
                head -n 3 "$WORK/.err"
            fi
            [ "$n" -lt "$EVERY" ] || [ "$call" = own ] || step=$((n / 4))
        done
    done
    collect
    must "zenith $1 ${2-}: each of $tries failures ends in good order" test "$wrong" -eq 0
    [ -z "$undo" ] || $undo >/dev/null 2>&1
    STATUS=0 LAST="zenith $*"
    z A "$@" >"$WORK/.out" 2>"$WORK/.err" <<<"secret" || STATUS=$?
    collect
    must "zenith $1 ${2-}: and then works" exits "${WANT:-0}"
}

begin() { z A start; }
no_branch() { z A branch delete extra; }
some_branch() { z A branch create extra; }
no_origin() { z A origin remove far; }
some_origin() { z A origin add far "$(uri B)"; }
no_user() { z A user remove bob; }
some_user() { z A user add bob --role read --password-stdin <<<"secret"; }
no_export() { rm -rf "$WORK/exported"; }
fresh() { rm -rf "$WORK/new"; mkdir "$WORK/new"; }

each_fails "" status
each_fails "" status --json
each_fails no_branch branch create extra
each_fails "" branch list
each_fails "" branch list --json
each_fails some_branch branch delete extra
each_fails no_origin origin add far "$(uri B)"
each_fails "" origin list
each_fails "" origin list --json
each_fails some_origin origin remove far
each_fails no_user user add bob --role read --password-stdin
each_fails "" user list
each_fails "" user list --json
each_fails some_user user remove bob
each_fails "" push main B --dry-run
each_fails "" push main B --json
each_fails "" pull main B
each_fails fresh init -D "$WORK/new" --port 0
WANT=1 each_fails "" start # it runs already
each_fails begin stop
each_fails "" --help
z A start >/dev/null
each_fails "" verify main
each_fails "" verify main --json
each_fails "" verify main B
each_fails "" branch rebuild-map main
each_fails "" import main "$BASE"
# An export that comes to its end writes every file of the cluster, and syncs it: what fails
# before and behind the server's answer is seen as well where the folder is refused.
WANT=1 each_fails "" export main A # not empty, and a relative path
CALLS="send fflush" each_fails no_export export main "$WORK/exported"
rm -rf "$WORK/new" "$WORK/exported"

# What is wrong with a branch is told, or that memory was short for it.
z A stop >/dev/null
file=$(find "$WORK/A/.zenith" -name '*.sst' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
printf '\377\377\377\377' | dd of="$file" bs=1 seek=1000000 conv=notrunc status=none
run A start
must "a server starts over a damaged file" exits 0
WANT=1 each_fails "" verify main
WANT=1 each_fails "" verify main --json

# A terminal that cannot be asked, or not be kept from showing what is typed.
for call in tcgetattr tcsetattr; do
    STATUS=0 LAST="user add on a terminal, $call fails"
    script -qec "env LD_PRELOAD='$FAIL' FAIL_CALL=$call FAIL_NTH=1 FAIL_MARK='$MARK' \
        '$BUILD/zenith' -D '$WORK/A' user add eve --role read" /dev/null \
        </dev/null >"$WORK/.out" 2>"$WORK/.err" || STATUS=$?
    collect
    must "no password is asked for where $call fails" exits 1
    must "and it is said ($call)" outputs 'no terminal|cannot turn off'
done
finish
