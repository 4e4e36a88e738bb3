#!/usr/bin/env bash
# The example transport against programs that behave badly: it does what the headers say.
# Ends in "abi/example: N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 2
CC=${CC:-gcc}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

expect() { # NAME WANTED PROGRAM
    local got
    got=$(timeout 90 "$dir/flood" "$dir/spawn.so" "$dir" "spawn://$3" 2>&1)
    if [ "$got" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n  got  %s\n  want %s\n' "$1" "$got" "$2"
    fi
}

program() { # NAME: a script from standard input
    { echo '#!/bin/sh' && cat; } >"$dir/spawn.d/$1" && chmod +x "$dir/spawn.d/$1"
}

"$CC" -std=c11 -Wall -Wextra -Iplugin/include -shared -fPIC -fvisibility=hidden -pthread \
    -o "$dir/spawn.so" tests/abi/example-transport/spawn.c || exit 2
"$CC" -std=c11 -Wall -Wextra -D_GNU_SOURCE -Iplugin/include -o "$dir/flood" \
    tests/abi/example_flood.c -ldl || exit 2
mkdir "$dir/spawn.d"
# What cat says when it is hung up on, before it is killed, is not the transport's.
echo 'exec cat /dev/zero 2>/dev/null' | program flood
echo 'exec cat >/dev/null' | program sink
printf 'head -c 12000000 /dev/zero; exec cat >/dev/null' | program late

expect "a program that sends and never reads is refused" "refused 53400" flood
expect "a program that only reads gets everything" "sent" sink
expect "a program that sends first and reads then gets everything" "sent" late

echo "abi/example: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
