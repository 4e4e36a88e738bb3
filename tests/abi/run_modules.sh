#!/usr/bin/env bash
# Builds modules that are wrong in one way each, has a running pageserver load them, and
# compares what it says; then tries sessions against a good one (module_client.c).
# Usage: tests/abi/run_modules.sh [PAGESERVER].  Ends in "abi/modules: N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 2
CC=${CC:-gcc}
pageserver=$(realpath "${1:-${BUILD:-build}/pageserver}") || exit 2
dir=$(mktemp -d)
repo=$dir/r
stop() {
    [ ! -s "$repo/.zenith/pageserver.pid" ] || kill "$(head -n 1 "$repo/.zenith/pageserver.pid")"
    rm -rf "$dir"
}
trap stop EXIT
passed=0 failed=0
unset "${!PG@}"

build() { # OUTPUT FLAGS...
    local out=$1
    shift
    "$CC" -std=c11 -Wall -Wextra -Iplugin/include -shared -fPIC -fvisibility=hidden "$@" \
        -o "$out" tests/abi/module_variant.c
}

verdict() { # NAME WANTED GOT
    # shellcheck disable=SC2053 # a pattern
    if [[ $3 == $2 ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n  got  %s\n  want %s\n' "$1" "$3" "$2"
    fi
}

poll() { # COMMAND...: until it succeeds, for a minute
    local until=$((SECONDS + 60))
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || { echo "never came true: $*"; return 1; }
        sleep 0.02
    done
}
sql() { # QUERY: its rows, or the error as one line
    psql -X -At -v VERBOSITY=verbose -h "$repo/.zenith" -d zenith -c "$1" 2>&1 | head -n 1
}

# A session whose command runs (its notice says so) and does not end by itself: psql's pid.
wait_in_background() {
    : >"$dir/waited" # or the word of the one before is taken for this one's
    psql -X -h "$repo/.zenith" -d zenith -c variant_wait >"$dir/waited" 2>&1 &
    waiting=$!
    poll grep -q 'waiting' "$dir/waited"
}

"$pageserver" init -D "$repo" --port 0 >/dev/null &&
    sed -i 's/^modules = .*/modules = []/' "$repo/.zenith/pageserver.toml" &&
    "$pageserver" run -D "$repo" --background || exit 2

while IFS='|' read -r name flags want; do
    [ -n "$name" ] || continue
    n=$((passed + failed))
    # shellcheck disable=SC2086 # flags are words
    build "$dir/m$n.so" $flags || { failed=$((failed + 1)); continue; }
    verdict "$name" "${want//FILE/$dir/m$n.so}" "$(sql "load '$dir/m$n.so';")"
done <<'TABLE'
the symbol is missing|-DSYMBOL=something_else|ERROR:  0A000: the module FILE does not export zenith_sync_module_v1, which a module needs
a newer major version|-DSYMBOL=zenith_sync_module_v2|ERROR:  0A000: the module FILE has zenith_sync_module_v2, this server needs zenith_sync_module_v1
an older major version|-DSYMBOL=zenith_sync_module_v0|ERROR:  0A000: the module FILE has zenith_sync_module_v0, this server needs zenith_sync_module_v1
a transport and not a module|-DSYMBOL=zenith_sync_transport_v1|ERROR:  0A000: FILE is a transport and has no zenith_sync_module_v1, which a module needs
the descriptor is too small|-DSTRUCT_SIZE=56|ERROR:  0A000: the module FILE has a descriptor of 56 bytes, needed are 64 to 65536
the descriptor's size is absurd|-DSTRUCT_SIZE=70000|ERROR:  0A000: the module FILE has a descriptor of 70000 bytes, needed are 64 to 65536
no descriptor at all|-DDESCRIPTOR=NULL|ERROR:  0A000: the module FILE gives no descriptor, which is needed
init is missing|-DINIT=NULL|ERROR:  0A000: the module FILE has no init in its descriptor: it is needed
fini is missing|-DFINI=NULL|ERROR:  0A000: the module FILE has no fini in its descriptor: it is needed
digest_add is missing|-DDIGEST=NULL|ERROR:  0A000: the module FILE has no digest_add in its descriptor: it is needed
the name is missing|-DMODULE_NAME=NULL|ERROR:  0A000: the module FILE has no name in its descriptor: it is needed
needs what the host lacks|-DNEEDS=12|ERROR:  0A000: the module FILE needs the features 0xc, this server has 0x3
init fails|-DINIT_RESULT=ZS_FAIL|ERROR:  22023: the moon is wrong
a command of the server's own|-DCOMMAND="status"|ERROR:  42710: the command status is taken: pageserver itself has it
a command that is no name|-DCOMMAND="Loud"|ERROR:  22023: a command's name is missing or is not \[a-z_\]
TABLE

# Files that are no module.
verdict "the file is missing" "ERROR:  22023: the module $dir/none.so cannot be opened: No such file or directory" \
    "$(sql "load '$dir/none.so'")"
printf 'text' >"$dir/text.so"
verdict "a text file" "ERROR:  0A000: the module $dir/text.so is not a shared object*" "$(sql "load '$dir/text.so'")"
: >"$dir/empty.so"
verdict "an empty file" "ERROR:  0A000: the module $dir/empty.so is not a shared object*" "$(sql "load '$dir/empty.so'")"
verdict "a folder" "ERROR:  0A000: the module $dir is not a shared object*" "$(sql "load '$dir'")"
build "$dir/whole.so" && head -c 5000 "$dir/whole.so" >"$dir/cut.so"
verdict "a shared object cut short" "ERROR:  0A000: the module $dir/cut.so is a shared object that was cut short" "$(sql "load '$dir/cut.so'")"
verdict "nothing was loaded so far" "" "$(sql modules)"

# A good one, and a new build of it at a new path.
build "$dir/v1.so" -DVERSION='"1"' && build "$dir/v2.so" -DVERSION='"2"' &&
    build "$dir/other.so" -DNAME='"other"' || exit 2
verdict "a good one is loaded" "variant|1|$dir/v1.so|variant_echo variant_flood variant_mute variant_refuse variant_version variant_wait" \
    "$(sql "load '$dir/v1.so'")"
verdict "its command runs" "1|a b" "$(sql 'VARIANT_version  a b ;')"
verdict "the same path again" "ERROR:  42710: the file $dir/v1.so is loaded already, as module variant 1" "$(sql "load '$dir/v1.so'")"
ln -s v1.so "$dir/link.so"
verdict "the same file by a link" "ERROR:  42710: the file $dir/v1.so is loaded already*" "$(sql "load '$dir/link.so'")"
ln "$dir/v1.so" "$dir/hard.so"
verdict "the same file by another name" "ERROR:  42710: the file $dir/hard.so is loaded already*" "$(sql "load '$dir/hard.so'")"
verdict "two claim one command" "ERROR:  42710: the command variant_version is taken: variant has it" "$(sql "load '$dir/other.so'")"

wait_in_background
verdict "a new build takes over" "variant|2|$dir/v2.so|*" "$(sql "load '$dir/v2.so'")"
verdict "new sessions get the new one" "2|" "$(sql variant_version)"
verdict "one is listed" "variant|2|*" "$(sql modules)"
verdict "the old one's fini waits for its session" "0" "$(grep -c 'fini of variant 1' "$repo/.zenith/pageserver.log")"
kill -INT "$waiting" # psql sends a CancelRequest
wait "$waiting"
verdict "a Ctrl-C in psql cancels" "*ERROR:  1 was cancelled*" "$(cat "$dir/waited")"
poll grep -q 'fini of variant 1' "$repo/.zenith/pageserver.log"
verdict "the old one ends when its session does" "1" "$(grep -c 'fini of variant 1' "$repo/.zenith/pageserver.log")"

# Sessions.
"$CC" -std=c11 -Wall -Wextra -D_GNU_SOURCE -I"$(pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)" \
    -o "$dir/client" tests/abi/module_client.c -lpq || exit 2
session=$("$dir/client" "host=$repo/.zenith dbname=zenith")
echo "$session" | grep -v '^abi/session: '
verdict "sessions against a good module" "abi/session: * passed, 0 failed" "$(echo "$session" | tail -n 1)"

# A stop ends a running command, calls fini once, and leaves nothing behind.
wait_in_background
pid=$(head -n 1 "$repo/.zenith/pageserver.pid")
kill -TERM "$pid"
wait "$waiting"
verdict "a stop cancels what runs" "*ERROR:  the command was stopped because the server is shutting down*" "$(cat "$dir/waited")"
gone() { ! kill -0 "$1" 2>/dev/null; }
poll gone "$pid"
verdict "the module ends once" "1" "$(grep -c 'fini of variant 2' "$repo/.zenith/pageserver.log")"
verdict "pid file and socket are gone" "" "$(find "$repo/.zenith" -name 'pageserver.pid' -o -name '.s.*')"

echo "abi/modules: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
