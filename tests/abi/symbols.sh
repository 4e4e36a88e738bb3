#!/usr/bin/env bash
# A shared object of ours exports exactly one symbol, the one its ABI names; the programs
# link what they use and no more.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
passed=0 failed=0
expect() {
    local what=$1 got=$2 want=$3
    if [ "$got" = "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n  got  %s\n  want %s\n' "$what" "$got" "$want"
    fi
}
exported() { nm -D --defined-only "$1" | awk '$3 !~ /^__(a|t|ub)san/ {print $3}' | sort | tr '\n' ' '; }
needs() { readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\.so.*/\1/p' | grep -cE "$2"; }

expect "the module exports its entry alone" "$(exported "$build/zenith_sync.so")" \
    "zenith_sync_module_v1 "
transports=0
for transport in "$build"/transports/*.so; do
    expect "$(basename "$transport") exports its entry alone" "$(exported "$transport")" \
        "zenith_sync_transport_v1 "
    transports=$((transports + 1))
done
expect "there is the libpq transport" "$([ "$transports" -ge 1 ] && echo yes)" yes
expect "the module links neither libpq nor RocksDB" \
    "$(needs "$build/zenith_sync.so" '^(libpq|librocksdb)$')" 0
expect "zenith links no RocksDB" "$(needs "$build/zenith" '^librocksdb$')" 0
echo "abi/symbols: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
