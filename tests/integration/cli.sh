#!/usr/bin/env bash
# The command line: help, exit statuses, where options may stand, how servers start and stop,
# what stays in the files that people edit.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite cli
zenith() {
    LAST="zenith $*" STATUS=0
    "$BUILD/zenith" "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || STATUS=$?
    collect
}

# Help and usage.
zenith --help
must "zenith --help succeeds" exits 0
for command in init start stop status import export branch user origin push pull; do
    must "zenith --help lists $command" grep -qw "$command" "$WORK/.out"
done
for command in init start stop status import export branch user origin push pull; do
    zenith "$command" --help
    must "zenith $command --help succeeds" exits 0
    must "zenith $command --help shows how it is typed" outputs "zenith.* $command"
done
zenith
must "zenith alone is a usage error" exits 2
zenith frobnicate
must "an unknown command is a usage error" exits 2
must "and is named" says frobnicate
zenith push
must "a missing argument is a usage error" exits 2
must "and what is missing is named" says 'BRANCH ORIGIN'
zenith init -D nowhere --port 70000
must "a port that is none is a usage error" exits 2
must "and says so in init's own words" says 'zenith init.*70000'
zenith push main B --frobnicate
must "an unknown option is a usage error" exits 2
must "an unknown option is named" says frobnicate
# Values are looked at before the repository is, let alone a server.
for value in "--max-rate abc" "--max-rate 1" "--compression gzip"; do
    # shellcheck disable=SC2086
    zenith push main B $value
    must "push $value is a usage error" exits 2
    must "push $value: the value is shown" says "\"${value#* }\""
    must "push $value: and what is allowed" says 'hint: .*(16k|lz4)'
done
cd / || exit 1
zenith branch list
must "outside of any repository a command fails" not exits 0
must "and says to run init" says 'zenith init'
cd "$WORK" || exit 1
zenith -D /nonexistent status
must "a folder that is not there is a usage error" exits 2
must "and is named" says '/nonexistent'

# A repository: made once, found upwards.
port=$(free_port)
PORT[A]=$port
mkdir -p A/deep/er
zenith init -D A --port "$port"
must "init makes a repository" exits 0
must "nobody else may read it" same "$(stat -c %a A/.zenith)" 700
must "nor its configuration" same "$(stat -c %a A/.zenith/pageserver.toml)" 600
zenith init -D A --port "$port"
must "init does not make it twice" exits 1
must "and says so as zenith does" grep -q '^zenith: ' "$WORK/.err"
must "not as another program" not grep -qE '^(pageserver|HINT|DETAIL):' "$WORK/.err"
zenith -D A status
must "status says when no server runs" says 'not running|stopped|no server'
zenith -D A stop
must "stop says when none runs" says 'not running|no server'
zenith -D A branch list
must "a command without a server: status 5" exits 5
must "and the hint says zenith start" says 'zenith.* start'
zenith -D A start
must "start returns when connections are accepted" exits 0
must "start says where it listens" says "127.0.0.1:$port"
must "the pid file's first line is the pid alone" is_pageserver "$(pid_of A)"
must "the log is there" test -e A/.zenith/pageserver.log
first=$(pid_of A)
zenith -D A start
must "a second start leaves the one that runs" same "$(pid_of A)" "$first"
must "and says that it runs already" says 'already'
cd A/deep/er || exit 1
zenith status
must "the repository is found upwards" exits 0
cd "$WORK" || exit 1
zenith status --json -D A
must "options may follow arguments" exits 0
must "status --json is an object" outputs "\"pid\": *\"?$first"
must "which begins with ok" grep -q '"ok": true' <(head -n 2 <<<"$OUT")

# A branch, and options behind arguments.
zenith branch create one -D A
must "branch create works" exits 0
zenith branch create one -D A
must "a branch is made only once" exits 1
zenith branch list --json -D A
for field in name timeline_id last_valid_lsn digest records bytes; do
    must "branch list --json has $field" outputs "\"$field\""
done
must "an empty branch is at 0/0" outputs '"last_valid_lsn": *"0/0"'
zenith -D A branch delete one
must "branch delete works" exits 0
zenith -D A branch delete one
must "a branch that is gone cannot be deleted" exits 1
zenith -D A branch create '../x'
must "a bad branch name is refused" not exits 0

# Users.
z A user add writer --role write --password-stdin <<<"secret1" >/dev/null
zenith -D A user list
must "user list shows name and role" outputs 'writer.*write'
must "user list shows no verifier" not outputs 'SCRAM'
zenith -D A user list --json
must "user list --json is a list of objects" outputs '"name": *"writer"'
must "with roles" outputs '"role": *"write"'
zenith -D A user add writer --role king --password-stdin
must "an unknown role is refused" exits 2
zenith -D A user remove writer
must "user remove works" exits 0
must "and says so" outputs 'removed writer'
zenith -D A user list
must "without users it says how one is added" says 'hint: .*zenith user add NAME --role'
zenith -D A user list --json
must "as JSON it is an empty list" outputs '^\[ *\]$'
zenith -D A user remove writer
must "a user that is gone cannot be removed" exits 1
must "and zenith says so" grep -q '^zenith: ' "$WORK/.err"

# Origins: what cannot be one, and then: what a person wrote stays.
zenith -D A origin add 'a b' "postgresql://u:p@127.0.0.1:1"
must "an origin's name that is none is a usage error" exits 2
zenith -D A origin add b2 notauri
must "so is a URI that is none" exits 2
must "and the hint shows what one looks like" says 'hint: .*postgresql://'
zenith -D A origin add b2 warp://127.0.0.1
must "a scheme that no transport has is not" exits 1
z A origin add first "postgresql://u:p@127.0.0.1:1" >/dev/null
# typed FORMAT: what a URI on standard input is, as printf has it.
typed() {
    LAST="zenith origin add typed - <<< $1" STATUS=0
    # shellcheck disable=SC2059  # the escapes are meant
    printf "$1" | "$BUILD/zenith" -D A origin add typed - >"$WORK/.out" 2>"$WORK/.err" || STATUS=$?
    collect
}
typed 'postgresql://u:un%%73een@127.0.0.1:4/\r\nmore\n'
must "a URI is taken from standard input" exits 0
must "without its password on the screen" not says 'un%73een'
must "it is the first line, without its end" \
    grep -qxF 'uri = "postgresql://u:un%73een@127.0.0.1:4/"' A/.zenith/origins.toml
z A origin remove typed >/dev/null
typed 'postgresql://u:p@127.0.0.1:4'
must "the end of the line may be missing" exits 0
z A origin remove typed >/dev/null
typed ''
must "no URI on standard input is a usage error" exits 2
must "and the hint shows how to hand one over" says 'hint: .*origin add NAME - <FILE'
typed '\n'
must "so is an empty line" exits 2
typed 'postgresql://u:p@127.0.0.1:4/\0x\n'
must "so is one with a NUL" exits 2
typed "postgresql://h/?x=$(head -c 5000 /dev/zero | tr '\0' y)"
must "so is one that no command would take" says 'more than 4094 bytes'
edit_by_hand() {
    {
        echo "# my servers"
        cat A/.zenith/origins.toml
        printf '\n[origin.hand]   # typed by hand\nuri = "postgresql://v:q@127.0.0.1:2"\nnote = "mine"\n'
    } >A/.zenith/origins.new && mv A/.zenith/origins.new A/.zenith/origins.toml
}
edit_by_hand
zenith -D A origin add third "postgresql://w:r@127.0.0.1:3"
must "an origin is added to a file that a person edited" exits 0
zenith -D A origin remove first
must "an origin is removed from it" exits 0
for text in '# my servers' '# typed by hand' 'note = "mine"'; do
    must "the person's text stays: $text" grep -qF "$text" A/.zenith/origins.toml
done
zenith -D A origin list
must "an origin that a person typed is listed" outputs 'hand'
must "the removed one is not" not outputs 'first'
must "the file is for its owner alone" same "$(stat -c %a A/.zenith/origins.toml)" 600
cp A/.zenith/origins.toml keep.toml
echo '[origin.broken' >>A/.zenith/origins.toml
zenith -D A origin list
must "a file that is no TOML is refused with its line" says 'origins.toml.*line|line.*origins.toml|origins.toml:[0-9]+'
cp keep.toml A/.zenith/origins.toml

# Root edits a repository for its owner, who goes on with what it left.
if [ "$(id -u)" -eq 0 ]; then
    mkdir R
    zenith -D R init --port "$(free_port)"
    chown -R nobody R
    echo "do not touch" >elsewhere
    ln -s "$WORK/elsewhere" R/.zenith/users.new
    "$BUILD/zenith" -D R user add alice --role read --password-stdin <<<pw >/dev/null 2>&1
    zenith -D R user list
    must "root adds a user to another user's repository" outputs 'alice +read'
    must "what stood in the way is not followed" same "$(cat elsewhere)" "do not touch"
    zenith -D R origin add far "postgresql://w:r@127.0.0.1:3"
    must "and an origin" exits 0
    "$BUILD/zenith" -D R user add boss --role admin --password-stdin <<<pw >/dev/null 2>&1
    zenith -D R user list --json
    must "a user may be an admin" outputs '"role": *"admin"'
    must "every file is still its owner's" same "$(stat -c %U R/.zenith/* | sort -u)" nobody
    echo "alice" >R/.zenith/users
    zenith -D R user list
    must "a list of users that is spoiled is told" not exits 0
fi

# Standard output that takes nothing: said, and a failure.
z A user add reader --role read --password-stdin <<<"secret1" >/dev/null
for words in "user list" "origin list" "--help"; do
    STATUS=0 LAST="zenith -D A $words >/dev/full"
    # shellcheck disable=SC2086
    "$BUILD/zenith" -D A $words >/dev/full 2>"$WORK/.err" || STATUS=$?
    must "$words: a full standard output is a failure" exits 1
    must "$words: and is said" grep -q 'cannot write to standard output' "$WORK/.err"
done

# Another server at the same port; another version; a stale pid file.
mkdir P V
zenith -D P init --port "$port"
zenith -D P start
must "a port in use fails the start" exits 1
must "and is said" says 'in use|already'
must "as zenith says it" grep -q '^zenith: ' "$WORK/.err"
must "with the port" says "$port"
zenith -D V init --port "$(free_port)"
echo "zenith-sync repository 99" >V/.zenith/version
zenith -D V start
must "a repository of another version is refused" exits 1
must "and both versions are said" says '99'
printf '%0200d' 0 >V/.zenith/version
zenith -D V start
must "and one whose version has no end" exits 1
first=$(pid_of A)
kill_server A
must "a killed server leaves its pid file" test -e A/.zenith/pageserver.pid
zenith -D A start
must "start goes on over a stale pid file" exits 0
must "and says that it was left behind" says "$first.*left"
sleep 1000 &
other=$!
zenith -D A stop
must "stop returns once the process is gone" exits 0
must "the pid file is gone with it" not test -e A/.zenith/pageserver.pid
echo "$other" >A/.zenith/pageserver.pid
zenith -D A stop
must "a pid file that names another program does no harm" kill -0 "$other"
zenith -D A start
must "nor does it keep the server from starting" exits 0
kill "$other"
zenith -D A stop

# In the foreground.
set -m
"$BUILD/zenith" -D A start --foreground >fg.out 2>&1 </dev/null &
fg=$!
set +m
up() { "$BUILD/zenith" -D A status >/dev/null 2>&1 && is_pageserver "$(pid_of A)"; }
must "start --foreground serves" poll 60 up
kill -INT "$fg"
STATUS=0
wait "$fg" || STATUS=$?
must "Ctrl-C ends it in good order" exits 0
finish
