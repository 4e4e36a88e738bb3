#!/usr/bin/env bash
# Builds transports that are wrong in one way each, loads each into a registry of its
# own, and compares what the registry says, sentence by sentence.  Ends in
# "abi/transports: N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 2
CC=${CC:-gcc}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

build() { # OUTPUT FLAGS...
    local out=$1
    shift
    "$CC" -std=c11 -Wall -Wextra -Iplugin/include -shared -fPIC -fvisibility=hidden "$@" \
        -o "$out" tests/abi/transport_variant.c
}

expect() { # NAME WANTED-OUTPUT FILE...
    local name=$1 want=$2 got
    shift 2
    got=$("$dir/driver" "$@" 2>&1)
    # shellcheck disable=SC2053 # a pattern
    if [[ $got == $want ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n  got  %s\n  want %s\n' "$name" "$got" "$want"
    fi
}

lib=${BUILD:-build}/lib
# shellcheck disable=SC2086 # flags are words
"$CC" -std=c11 -Wall -Wextra -Iplugin/include -Iplugin -D_GNU_SOURCE -o "$dir/driver" \
    tests/abi/transport_driver.c "$lib/transport.a" "$lib/model.a" "$lib/base.a" \
    ${LDFLAGS-} -pthread -ldl || exit 2

so=$dir/x.so
while IFS='|' read -r name flags want; do
    [ -n "$name" ] || continue
    rm -f "$so"
    # shellcheck disable=SC2086 # flags are words
    build "$so" $flags || { failed=$((failed + 1)); continue; }
    expect "$name" "${want//FILE/$so}" "$so"
done <<'TABLE'
a good one is taken||ok
a longer table of a later version is taken|-DSTRUCT_SIZE=88|ok
the symbol is missing|-DSYMBOL=something_else|0A000 transport FILE has no symbol zenith_sync_transport_v1, and it is needed
another major version|-DSYMBOL=zenith_sync_transport_v2|0A000 transport FILE has zenith_sync_transport_v2, and zenith_sync_transport_v1 is needed
a module and not a transport|-DSYMBOL=zenith_sync_module_v1|0A000 FILE is a module of a pageserver, and not a transport
the table is too small|-DSTRUCT_SIZE=72|0A000 transport FILE has a descriptor of 72 bytes, and at least 80 are needed
the table's size is absurd|-DSTRUCT_SIZE=70000|0A000 transport FILE has a descriptor of 70000 bytes, and more than 65536 cannot be right
a required function is missing|-DCONNECT=NULL|0A000 transport FILE leaves `connect` NULL in its descriptor, and it is required
needs what the host lacks|-DNEEDS=4|0A000 transport FILE needs features 0x4 of its host, and this one has 0x0
a scheme that is none|-DSCHEME="Upper"|0A000 transport FILE claims scheme number 1, which is not one of at most 16,*
init fails|-DINIT_RESULT=ZS_FAIL|22023 transport FILE could not start: the moon is wrong
TABLE

# Files that are no shared object, and one whose library is missing.
expect "the file is missing" "58030 transport $dir/none.so cannot be read: No such file*" "$dir/none.so"
printf 'text' >"$dir/text.so"
expect "a text file" "0A000 transport $dir/text.so is not a shared object for this machine" "$dir/text.so"
: >"$dir/empty.so"
expect "an empty file" "0A000 transport $dir/empty.so is not a shared object for this machine" "$dir/empty.so"
expect "a folder named as a file" "0A000 transport /dev/null is not a shared object for this machine" /dev/null
printf '\177ELF and no more' >"$dir/cut.so"
expect "a shared object cut short" "0A000 transport $dir/cut.so is a shared object that was cut short" "$dir/cut.so"

# Two of them claim one scheme; in a folder the first by name is taken, a bad file in it
# is said and does not keep the others out.
mkdir "$dir/two" && build "$dir/two/a.so" && build "$dir/two/b.so"
expect "two claim one scheme" \
    "42710 transport $dir/two/b.so claims the scheme \"abi\", which transport $dir/two/a.so serves already" \
    "$dir/two"
mkdir "$dir/mixed" && cp "$dir/text.so" "$dir/mixed/a.so" && build "$dir/mixed/b.so"
expect "one bad file in a folder" \
    "0A000 transport $dir/mixed/a.so is not a shared object for this machine
42710 transport $so claims the scheme \"abi\", which transport $dir/mixed/b.so serves already" \
    "$dir/mixed" "$so"
mkdir "$dir/none"
expect "an empty folder" "ok" "$dir/none"

echo "abi/transports: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
