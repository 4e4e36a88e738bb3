#!/usr/bin/env bash
# What is refused or fails: the right exit status and SQLSTATE, a sentence, a hint, and
# nothing changed on either side.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite refusals
clusters large
server A && server B
peer A B
run A import main "$BASE"
run A push main B
must "the branch is on both sides" same "$(state A main)" "$(state B main)"

# All that a refusal must leave alone.
all_branches() { z A branch list --json; z B branch list --json; }
# refused WHAT EXIT SQLSTATE ARGUMENT...: zenith in A, twice: for people and as JSON.
refused() {
    local what=$1 status=$2 sqlstate=$3 before
    shift 3
    before=$(all_branches 2>/dev/null)
    run A "$@"
    must "$what: status $status" exits "$status"
    must "$what: standard error has a sentence" test "$(grep -c '[a-z]' <<<"$ERR")" -ge 1
    must "$what: with a hint" grep -qi hint <<<"$ERR"
    must "$what: no password is shown" not says "s3cret"
    run A "$@" --json
    must "$what: status $status with --json, too" exits "$status"
    must "$what: SQLSTATE $sqlstate" fails_with "$sqlstate"
    must "$what: the JSON has a hint" has_hint
    must "$what: no password is in the JSON" not says "s3cret"
    must "$what: nothing is changed on either side" same "$(all_branches 2>/dev/null)" "$before"
}
origin() { run A origin add "$1" "$2" && must "the origin $1 is taken" exits 0; }

# Histories that do not fit.
common=$(state A main | cut -d ' ' -f 2)
run A import main "$NEXT"
run B import main "$OTHER"
must "both sides have gone on, each its own way" not same "$(state A main)" "$(state B main)"
refused "a push of a diverged branch" 4 ZS002 push main B
must "it is named as diverged" says 'diverged'
must "and the last common point is told" says "$common"
must "the hint can be typed: with -D and the origin's name" \
    says 'zenith -D [^ ]*A push main B:NEW_NAME'
refused "a pull of a diverged branch" 4 ZS002 pull main B
run B branch delete main
run B import main "$STRANGER"
must "the far side has another database under the name" exits 0
refused "a push over an unrelated branch" 4 ZS003 push main B
refused "a pull over an unrelated branch" 4 ZS003 pull main B
run B branch delete main
run A push main B
run B import main "$LATER"
refused "a push to a far side that is ahead" 3 ZS001 push main B
must "the hint can be typed as it stands" says 'zenith -D [^ ]*A pull main B:main'
run A pull main B
run A import other "$OTHER"
run A push other B:mine
must "a diverged branch can be pushed under another name" exits 0

# Names.
refused "a push of a branch that is not there" 1 42704 push nothing B
refused "a pull of a branch that is not there" 1 42704 pull nothing B
refused "a branch name that is none" 2 22023 push main 'B:../up'
refused "an origin that nobody added" 1 42704 push main nowhere

# Reaching the other side and being let in.
port=${PORT[B]}
origin wrongpw "postgresql://writer:wrong@127.0.0.1:$port"
refused "a wrong password" 5 28P01 push main wrongpw
refused "a wrong password for a pull" 5 28P01 pull main wrongpw
origin nobody "postgresql://nobody:x@127.0.0.1:$port"
refused "an unknown user" 5 28P01 push main nobody
origin nopw "postgresql://writer@127.0.0.1:$port"
run A push main nopw --json
must "no password given: status 5" exits 5
printf 'readonly1\n' | z B user add reader --role read --password-stdin >/dev/null
origin reader "postgresql://reader:readonly1@127.0.0.1:$port"
refused "a push with a reader's password" 1 42501 push main reader
must "which the far server says" says "far server 127.0.0.1:$port: branch_push needs the role write"
must "and where a user with that role is made" says 'where the server runs'
run A pull main reader
must "a reader may pull" exits 0
origin down "postgresql://writer:x@127.0.0.1:1"
refused "a server that is down" 5 08001 push main down
origin unresolved "postgresql://writer:x@no-such-host.invalid:5433"
refused "a host name that does not resolve" 5 08001 push main unresolved

# URIs: found when the origin is added.
for bad in 'gopher://somewhere' 'somewhere' '' 'postgresql://h:notaport' 'postgresql://h:99999' \
    'postgresql://u:s3cret@h/?service=x' 'postgresql://u:s3cret@h/?passfile=/etc/passwd' \
    'postgresql://u:s3cret@h/?options=-c' 'postgresql://%2Ftmp/x' 'postgresql://u:s3cret@h:1x'; do
    run A origin add bad "$bad"
    must "origin add refuses $bad" not exits 0
    must "and says why, with a hint: $bad" says 'hint'
    must "and shows no password: $bad" not says s3cret
done
run A origin add unknown 'gopher://somewhere'
must "an unknown scheme is named together with those there are" says 'postgresql'
run A origin list
must "no bad origin was kept" not says 'gopher|bad'
must "origin list shows no password" not says 's3cret|readonly1|:wrong'
must "but host and port" says "127.0.0.1:$port"
run A origin add B "$(uri B)"
must "an origin's name is taken only once" exits 1
must "the URI is not in the server's log" not grep -q s3cret "$WORK/A/.zenith/pageserver.log"

# Busy: while one transfer writes a branch, another is refused at once.
run A import large "$LARGE"
slowly A push large B
must "a throttled push is under way" poll 60 busy B branch_push
refused "a second push of a branch that is being received" 1 55006 push large B
run A push main B
must "another branch can be pushed meanwhile" exits 0
kill -INT "$SLOW"
ended
must "the interrupted push: status 6" exits 6

# And with the server of one's own gone.
run A stop
run A push main B --json
must "without the near server: status 5" exits 5
must "without the near server: the hint says zenith start" says 'zenith.* start'
finish
