#!/usr/bin/env bash
# The command line at its edges: what is typed wrong or oddly, an environment that would
# mislead it, files that are not what they should be.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite cli_edges
zenith() {
    LAST="zenith $*" STATUS=0
    "$BUILD/zenith" "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || STATUS=$?
    collect
}
server A

# Help, wherever it is asked for.
for words in --help -h '-?' help; do
    zenith "$words"
    must "zenith $words shows the commands" outputs '^  push BRANCH'
done
for words in --version -V; do
    zenith "$words"
    must "zenith $words says the version" outputs '^zenith .*[0-9]+\.[0-9]+'
done
zenith help push
must "zenith help COMMAND is the command's help" outputs 'Usage: zenith push'
zenith help origin add
must "zenith help of two words, too" outputs 'Usage: zenith origin add'
zenith help origin
must "zenith help of a group lists what is in it" outputs 'origin remove'
zenith help frobnicate
must "help on what is no command is a usage error" exits 2
for words in --help '-?' --usage; do
    zenith branch "$words"
    must "zenith branch $words lists what is in the group" outputs 'branch delete'
    must "zenith branch $words succeeds" exits 0
done
zenith branch
must "a group alone is a usage error" exits 2
must "and says what is missing" says 'branch needs a word'
zenith branch frob
must "a word that the group has not is a usage error" exits 2
must "and is named" says 'there is no "branch frob"'

# What was meant.
zenith pusk main B
must "a mistyped command gets the right one said" says 'Did you mean: zenith push'
zenith orign list
must "a mistyped group as well" says 'Did you mean: zenith origin'
for words in "fetch pull" "remote origin" "version --version"; do
    zenith "${words% *}"
    must "git's word ${words% *} gets ours said" says "Did you mean: zenith ${words#* }\$"
done
zenith pus main B
must "a command is no command when it is cut" exits 2
zenith -D
must "-D without a folder is a usage error" exits 2
zenith --directory
must "--directory without a folder, too" exits 2
for option in -x --frob --directories=A --directory; do
    zenith "$option" status
    must "$option in front of a command is a usage error" exits 2
done
zenith "$(printf '\033[31m')"
must "what was typed is shown without its control characters" not says "$(printf '\033')"
zenith status one
must "an argument too many is a usage error" exits 2
must "and is named" says '"one" is one argument too many'
for port in '' -1 1x 123456 65536; do
    zenith init -D "$WORK/none" --port "$port"
    must "--port \"$port\" is a usage error" exits 2
done

# The folder of the repository, in each notation.
for option in "-D $WORK/A" "-D$WORK/A" "--directory $WORK/A" "--directory=$WORK/A"; do
    # shellcheck disable=SC2086
    zenith $option status
    must "zenith $option status finds it" exits 0
done
zenith -D /proc status
must "the search upwards ends at the top" says 'there is no .zenith in /proc or above'
zenith init -D "$WORK/none/at/all"
must "a folder without a folder above is not made" exits 1
must "and says what to do" says 'hint: Make the folder above it first'

# An environment that libpq would listen to, and standard descriptors that are closed.
PGHOST=/nonexistent PGPORT=1 PGUSER=nobody PGDATABASE=x PGSSLMODE=verify-full \
    PG_VERY_LONG_NAME_THAT_IS_NO_SETTING_OF_LIBPQ_BUT_BEGINS_LIKE_ONE_OF_THEM=1 zenith -D A status
must "PG variables do not mislead it" exits 0
STATUS=0
"$BUILD/zenith" -D A status >"$WORK/.out" 2>&1 <&- || STATUS=$?
must "a closed standard input does no harm" exits 0
STATUS=0
"$BUILD/zenith" -D A branch list 2>&- >"$WORK/.out" || STATUS=$?
must "nor does a closed standard error" exits 0
STATUS=0
"$BUILD/zenith" -D A status >&- 2>"$WORK/.err" || STATUS=$?
must "a closed standard output is a failure" exits 1

# Tables and objects of the same things, empty and full.
zenith -D A branch list
must "no branches: nothing is listed" exits 0
zenith -D A origin list
must "no origins: nothing is listed" exits 0
zenith -D A push one nowhere
must "an origin that is missing can be added as the hint says" \
    says 'hint: .*: zenith -D A origin add nowhere URI'
zenith -D A origin list --json
must "as JSON it is an empty list" outputs '^\[\]|^ *"origins": *\[\]|\[ *\]'
for name in one two; do
    zenith -D A branch create "$name" --json
    must "branch create --json succeeds" outputs '"ok": *true'
    zenith -D A origin add "$name" "postgresql://u:pw@127.0.0.1:$((PORT[A]))"
    must "an origin is added" exits 0
done
zenith -D A branch list
must "branches are a table" outputs '^one +0/0|^one .*0/0'
must "with a line each" outputs '^two'
zenith -D A origin list
must "origins are a table without passwords" not outputs 'pw'
zenith -D A origin list --json
must "origins are a list of objects" outputs '"name": *"two"'
must "without passwords" not outputs 'pw@|:pw'
zenith -D A origin add one "postgresql://h"
must "an origin is not added twice" exits 1
must "and it says which there is" says 'one'
zenith -D A origin remove three
must "an origin that is not there is not removed" exits 1
must "and those that are there are named" says 'one, two'
zenith -D A branch delete two --json
must "branch delete --json succeeds" outputs '"ok": *true'
zenith -D A status --json
must "status --json counts the origins" outputs '"origins": *2'
zenith -D A export one "$WORK/x" --lsn zero
must "an LSN that is none is a usage error" exits 2
zenith -D A export one "$WORK/x" --lsn 0/1
must "an empty branch cannot be exported at any LSN" not exits 0
zenith -D A user add bob --password-stdin
must "a user without a role is a usage error" exits 2
for text in '' 'a\0b' '\r'; do
    STATUS=0 LAST="user add with the password \"$text\""
    # shellcheck disable=SC2059
    printf "$text" | "$BUILD/zenith" -D A user add bob --role read --password-stdin \
        >"$WORK/.out" 2>"$WORK/.err" || STATUS=$?
    collect
    must "a password that is none is refused" not exits 0
done
head -c 5000 /dev/zero | tr '\0' p >long
STATUS=0 LAST="user add with a long password"
"$BUILD/zenith" -D A user add bob --role read --password-stdin <long >.out 2>.err || STATUS=$?
collect
must "a password beyond all measure is refused" says 'too long'
zenith -D A user add bob --role read
must "without a terminal the password is not asked for" says 'no terminal'

# The same on a terminal: typed twice, without being shown.
# typed FIRST SECOND: what is typed at the two questions, with the keys as printf has them.
typed() {
    rm -f keys shown && mkfifo keys # the questions of the last time are none of this one's
    : >shown
    STATUS=0 LAST="user add on a terminal, typed: $1 $2"
    script -qec "stty -icrnl; '$BUILD/zenith' -D '$WORK/A' user add bob --role read" /dev/null \
        <keys >shown 2>&1 &
    exec 7>keys
    # shellcheck disable=SC2059
    poll 60 grep -q 'Password for "bob"' shown && printf "$1" >&7
    # shellcheck disable=SC2059
    poll 60 grep -qE 'The same again|hint|zenith:' shown && printf "$2" >&7
    poll 60 not_running $! || kill $!
    wait $! || STATUS=$?
    exec 7>&-
    OUT=$(tr -d '\r' <shown) ERR=''
}
not_running() { ! kill -0 "$1" 2>/dev/null; }
typed 'secrexy\010\177t\r' 'secret\n'
must "a password is taken that was typed twice, and mended with backspace" exits 0
must "it is not shown" not says 'secre'
zenith -D A user list
must "and the user is there" outputs '^bob +read'
zenith -D A user remove bob
typed 'wrong\025secret\r' '\177\177secret\r'
must "Ctrl-U begins the line again" exits 0
zenith -D A user remove bob
typed 'secret\r' 'other\r'
must "two passwords that differ are refused" says 'not the same'
typed 'sec\003' ''
must "Ctrl-C ends the question" says 'no password was given'
typed '\004' ''
must "so does Ctrl-D" says 'no password was given'
typed '\r' ''
must "an empty one is refused" says 'is empty'
zenith -D A user list
must "and nobody was added" not outputs 'bob'

# Origins as a URI, and what stands in files.
zenith -D A push one "postgresql://u:pw@127.0.0.1:1"
must "a URI can stand for an origin" exits 5
must "and its password is not shown" not says 'pw@|:pw'
zenith -D A push one nowhere
must "an origin that is not there is said" says 'nowhere'
must "with those that are" says 'one'
cp A/.zenith/origins.toml keep.toml
printf '[origin.broken]\nuri = 7\n' >>A/.zenith/origins.toml
zenith -D A push one broken
must "a URI that is no string is said with its line" says 'origins.toml, line [0-9]+'
cp keep.toml A/.zenith/origins.toml
chmod 700 A/.zenith
mv A/.zenith/origins.toml A/.zenith/origins.there
ln -s origins.there A/.zenith/origins.toml
zenith -D A origin add three "postgresql://h"
must "a file that is a link stays one" test -L A/.zenith/origins.toml
must "and is changed where it is" grep -q three A/.zenith/origins.there
rm A/.zenith/origins.toml
mkdir A/.zenith/origins.toml
zenith -D A origin list
must "a folder in the place of the file is said" not exits 0
rmdir A/.zenith/origins.toml
(
    flock 9
    sleep 1.5
) 9>A/.zenith/origins.toml.lock &
zenith -D A origin add four "postgresql://h"
must "a change waits for another one to end" exits 0
wait

# The server's settings count for origins, too.
cp A/.zenith/pageserver.toml keep.toml
echo 'allow_destinations = ["10.0.0.0/8", "far.example"]' >>A/.zenith/pageserver.toml
zenith -D A origin add five "postgresql://10.1.2.3"
must "an origin that may be reached is taken" exits 0
zenith -D A origin add six "postgresql://192.0.2.1"
must "one that may not is refused when it is added" exits 1
must "and says what would allow it" says 'allow_destinations'
echo 'transport_dir = "no/such/folder"' >>A/.zenith/pageserver.toml
zenith -D A origin add seven "postgresql://10.1.2.3"
must "without transports no origin can be checked" not exits 0
echo 'transport_dir = ' >>A/.zenith/pageserver.toml
zenith -D A origin add seven "postgresql://10.1.2.3"
must "settings that are no TOML are said" says 'pageserver.toml, line'
rm A/.zenith/pageserver.toml
zenith -D A origin add seven "postgresql://192.0.2.1"
must "without settings the defaults hold" exits 0
cp keep.toml A/.zenith/pageserver.toml

# Another user's repository, a pid file that is none.
z A stop >/dev/null
for text in '' 'x' '-1' '0' '99999999999999999999' "$(printf '1%.0s' $(seq 300))"; do
    echo "$text" >A/.zenith/pageserver.pid
    zenith -D A stop
    must "a pid file with \"$text\" in it stops nobody" not exits 0
    zenith -D A status
    must "and status survives it" test "$STATUS" -le 6
done
rm A/.zenith/pageserver.pid
if [ "$(id -u)" -eq 0 ]; then
    chown nobody A/.zenith
    zenith -D A start
    must "a server is not started in another user's repository" says 'belongs to another user'
    chown root A/.zenith
fi
rm A/.zenith/version
zenith -D A status
must "a folder without its version is no repository" says 'cannot read .*/version'
finish
