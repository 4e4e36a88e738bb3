#!/usr/bin/env bash
# The command line in surroundings that it does not expect: a repository of another version, far
# down or locked, settings of the wrong kind, programs that are elsewhere, broken or not there, a
# server without the module.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite cli_surroundings
zenith() {
    LAST="zenith $*" STATUS=0
    "${ZENITH:-$BUILD/zenith}" "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || STATUS=$?
    collect
}

# A lock that is not given back; looked at in the end, when its time is over.
mkdir locked here
zenith init -D locked --port 0
must "a repository is made in a folder that is named" exits 0
(cd here && "$BUILD/zenith" init --port 0) >.out 2>.err
must "or in the current one" test -f here/.zenith/version
flock -F locked/.zenith/origins.toml.lock sleep 600 &
HOLDER=$!
held() { ! flock -n "$1" true; }
must "it is locked" poll 60 held locked/.zenith/origins.toml.lock
(
    STATUS=0
    "$BUILD/zenith" -D locked origin add far "postgresql://h" >.locked.out 2>&1 || STATUS=$?
    echo "$STATUS" >.locked.status
) &
LOCKED=$!

# ---- every command, and what it is about ------------------------------------------------------

server A
cp A/.zenith/version keep
echo 'zenith-sync repository 99' >A/.zenith/version
while read -r words; do
    # shellcheck disable=SC2086
    zenith -D A $words
    must "zenith ${words%% *} refuses a repository of another version" exits 1
    must "and names both" says 'says "zenith-sync repository 99"'
    # shellcheck disable=SC2086
    zenith -D /proc $words
    must "zenith ${words%% *} where there is no repository is a usage error" exits 2
done <<'END'
start
stop
status
branch list
user list
user add bob --role read --password-stdin
origin list
origin add far postgresql://h
origin remove far
push main far
pull main far
verify main
import main /nonexistent
END
rm A/.zenith/version
mkdir A/.zenith/version
zenith -D A status
must "a version that is a folder cannot be read" says 'cannot read .*/version: Is a directory'
rmdir A/.zenith/version
cp keep A/.zenith/version
while read -r words; do
    # shellcheck disable=SC2086
    zenith -D A $words
    must "zenith $words: no branch has such a name" exits 2
done <<'END'
push -- -x far
pull a..b far
verify a..b
import a..b /tmp
export a..b /tmp
branch rebuild-map a..b
branch create a..b
branch delete a..b
END
zenith -D A verify main "a b"
must "what is no origin is a usage error" exits 2
zenith -D A export main ""
must "an export into no folder is refused" exits 2
zenith -D A import main ""
must "a folder without a name is a usage error" exits 2
must "and that is said" says 'the name of the folder is empty'
zenith -D A import main no/such/folder
must "a folder is looked for from where one is" says "$WORK/no/such/folder"
(cd / && "$BUILD/zenith" -D "$WORK/A" export none no/such) >.out 2>.err
collect
must "from the root, too" says 'there is no branch "none"'
zenith --directoryx A status
must "an option that begins like another is none" exits 2
zenith hel
must "a word that begins a command is none" exits 2
nohup "$BUILD/zenith" -D A status >.out 2>.err </dev/null
collect
must "a hangup that is ignored does no harm" outputs 'server'

zenith -D A user remove nobody
must "a user that is not there is not removed" exits 1

# ---- folders -------------------------------------------------------------------------------------

mkdir gone loop file
ln -s .zenith loop/.zenith
touch file/.zenith
zenith -D "$WORK/none" status
must "a folder that is not there is a usage error" says 'there is no folder .*/none'
zenith -D file/.zenith/x status
must "so is one in a file" says 'there is no folder file/.zenith/x'
zenith -D "$(printf 'x%.0s' $(seq 300))" status
must "a name that cannot be one is said" says 'cannot enter xxx.*File name too long'
zenith -D loop status
must "a repository that leads to itself is not entered" says 'cannot enter .*/loop/.zenith'
zenith -D file status
must "a file is no repository" says 'there is no .zenith in .*/file or above'
for words in status "-D $WORK/A import main x"; do
    # shellcheck disable=SC2086
    (cd gone && rmdir "$WORK/gone" && "$BUILD/zenith" $words) >.out 2>.err
    collect
    must "a current folder that is gone is said ($words)" says 'cannot tell the current folder'
    mkdir gone
done

# ---- origins ------------------------------------------------------------------------------------

for n in $(seq 60); do printf '[origin.number%d]\nuri = "postgresql://h%d"\n' "$n" "$n"; done \
    >A/.zenith/origins.toml
zenith -D A push main absent
must "of many origins as many are named as fit" says 'number1, number10.*, \.\.\.'
printf '[origin.a]\nuri = 7\n[origin.b]\n' >A/.zenith/origins.toml
zenith -D A origin list
must "an origin without a URI is listed as one" outputs '^a +\(no uri\)'
zenith -D A push main b
must "and cannot be used" says 'the origin "b" has no uri'
echo 'origin = 1' >A/.zenith/origins.toml
for words in 'origin list' 'push main b' 'origin remove b' 'origin add b postgresql://h' status; do
    # shellcheck disable=SC2086
    zenith -D A $words
    must "zenith $words: a file of another kind is refused" exits 1
done
{
    printf '[origin.far]\nuri = "postgresql://u:pw@h/?x='
    head -c 900000 /dev/zero | tr '\0' y
    echo '"'
} >A/.zenith/origins.toml
zenith -D A push main far
must "a URI longer than any buffer is refused, and nothing hangs" exits 1
rm A/.zenith/origins.toml

# ---- settings that an origin is checked by ------------------------------------------------------

cp A/.zenith/pageserver.toml keep.toml
while IFS='|' read -r setting uri words; do
    { cat keep.toml && echo "$setting"; } >A/.zenith/pageserver.toml
    zenith -D A origin add far "$uri"
    must "with $setting $uri is answered" says "$words"
    zenith -D A origin remove far
done <<END
allow_destinations = 1|postgresql://h|must be a list of strings
allow_destinations = ["h\\u0000"]|postgresql://h|has a NUL character
transport_dir = 1|postgresql://h|must be a string
transport_dir = "$BUILD/transports"|postgresql://h|added far
allow_unix_sockets = true|postgresql:///?host=/tmp|added far
allow_unix_sockets = false|postgresql:///?host=/tmp|allow_unix_sockets
allow_unix_sockets = 7|postgresql:///?host=/tmp|allow_unix_sockets
tls_dir = "/etc/ssl"|postgresql://h/?sslmode=verify-ca&sslrootcert=ca.pem|added far|ca.pem
tls_dir = 1|postgresql://h/?sslmode=verify-ca&sslrootcert=ca.pem|tls_dir
END
cp keep.toml A/.zenith/pageserver.toml

# ---- a server without the module, on its Unix socket alone ----------------------------------------

z A stop >/dev/null
sed -e '/^modules/s/=.*/= []/' -e '/^listen/s/=.*/= ""/' keep.toml >A/.zenith/pageserver.toml
zenith -D A start
must "a server starts without TCP" outputs '^listening on [^ ]*A/.zenith$'
zenith -D A status
must "status says that there is no module" outputs 'zenith_sync is not loaded'
must "and no address" outputs 'on its Unix socket alone'
zenith -D A status --json
must "as JSON there are no transfers at all" outputs '"transfers": null'
zenith -D A push main "postgresql://h"
must "what the module does is not there" exits 1
z A stop >/dev/null
cp keep.toml A/.zenith/pageserver.toml

# ---- a socket and a pid file that lead to themselves --------------------------------------------

ln -sf .s.PGSQL.5432 A/.zenith/.s.PGSQL.5432
for words in start status 'branch list' 'verify main'; do
    # shellcheck disable=SC2086
    zenith -D A $words
    must "zenith $words says that there is no way to the server" says 'cannot connect to the pageserver'
done
rm A/.zenith/.s.PGSQL.5432
ln -sf pageserver.pid A/.zenith/pageserver.pid
for words in start stop; do
    zenith -D A $words
    must "zenith $words says that the pid file cannot be read" says 'cannot read .*/pageserver.pid'
done
rm A/.zenith/pageserver.pid

# ---- a pid file, and no process ------------------------------------------------------------------

echo 4194303 >A/.zenith/pageserver.pid
flock -F A/.zenith/pageserver.pid sleep 600 &
PIDFILE=$!
must "the pid file is locked" poll 60 held A/.zenith/pageserver.pid
zenith -D A stop
must "a process that is gone is not stopped" says 'is not running'
kill "$PIDFILE"
rm A/.zenith/pageserver.pid

# ---- programs that are elsewhere -----------------------------------------------------------------

mkdir bin lib lib/zenith-sync
cp "$BUILD/zenith" bin/
ZENITH=$WORK/bin/zenith
PATH="relative::$WORK/none:$(printf '/%05000d' 0):$PATH" zenith init -D bin
must "without its server nothing is started" says 'cannot find the program pageserver'
for words in 'start' 'user add bob --role read --password-stdin'; do
    # shellcheck disable=SC2086
    PATH=$WORK/none:/usr/bin:/bin zenith -D here $words
    must "nor does zenith $words find it" exits 1
done
(
    unset PATH
    "$ZENITH" init -D bin
) >.out 2>.err
collect
must "nor without any path" says 'cannot find the program pageserver'
PATH="$PATH:$BUILD" zenith init -D bin --port 0
must "it is found in PATH" exits 0
zenith -D bin origin add far "postgresql://h"
must "without transports an origin is not added" says 'cannot find the transports'
cp -r "$BUILD/transports" lib/zenith-sync/
zenith -D bin origin add far "postgresql://h"
must "they are found where they are installed" says 'added far'

fake() { printf '#!/bin/sh\n%s\n' "$1" >bin/pageserver && chmod "${2:-755}" bin/pageserver; }
fake 'exit 0' 644
zenith -D bin start
must "a server that cannot be run is said" says 'cannot run .*/bin/pageserver'
zenith -D bin start --foreground
must "in the foreground, too" says 'cannot run .*/bin/pageserver'
# shellcheck disable=SC2016  # the fake's own
fake 'kill -KILL $$'
zenith -D bin start
must "one that is killed is a failure" exits 137
fake 'echo "pageserver: no" >&2; exit 3'
zenith -D bin start
must "one that fails has the last word" says 'no'
must "and its status" exits 3
fake 'mkdir bin/.zenith/pageserver.pid'
zenith -D bin start
must "a pid file that is a folder is said" says 'cannot read .*/pageserver.pid'
rmdir bin/.zenith/pageserver.pid
ZENITH=''

# ---- far down -----------------------------------------------------------------------------------

# A folder whose own path fits (4,096 bytes), and that of what would be in it does not.
deep() {
    local name
    name=$(printf 'd%.0s' $(seq 200))
    cd "$WORK/A" || exit 1
    while [ $((${#PWD} + 201)) -lt "$1" ]; do
        mkdir -p "$name" && cd "$name" || exit 1
    done
    name=$(printf 'e%.0s' $(seq $(($1 - ${#PWD} - 1))))
    mkdir -p "$name" && cd "$name" || exit 1
}
(deep 4090 && "$BUILD/zenith" origin list) >.out 2>.err
collect
must "a repository is found from far below" says 'there are no origins yet'
(
    deep 4080
    mkdir .zenith && cp "$WORK/keep" .zenith/version
    for words in 'origin list' 'origin remove far' 'origin add far postgresql://h'; do
        # shellcheck disable=SC2086
        "$BUILD/zenith" $words
    done
) >.out 2>.err
collect
for name in origins.toml origins.toml.lock pageserver.toml; do
    must "a file whose path is too long is named ($name)" says "the path of $name is too long"
done
must "with what helps" says 'hint: Move the repository'
rm -rf "$WORK"/A/ddd*

wait "$LOCKED"
OUT=$(cat .locked.out) ERR='' STATUS=$(cat .locked.status) LAST="origin add in a locked repository"
must "a lock that is not given back is waited for in vain" says 'another zenith is changing that file'
must "and that is a failure" exits 1
kill "$HOLDER"
finish
