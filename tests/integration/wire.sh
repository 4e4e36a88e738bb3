#!/usr/bin/env bash
# What travels: less than the records where the wire is slow, little more than they anywhere,
# and what arrives is the same to the last bit.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite wire
clusters
server A && server B
peer A B && peer B A reader
run A import main "$BASE"

# number NAME: a member of the JSON that came.
number() { grep -oE "\"$1\": *\"?[0-9]+" <<<"$OUT" | grep -oE '[0-9]+$'; }
# wire_within PERCENT: of the records' bytes.
wire_within() {
    local wire raw
    wire=$(number wire_bytes) raw=$(number raw_bytes)
    if [ "${wire:-0}" -eq 0 ] || [ $((wire * 100)) -gt $((${raw:-0} * $1)) ]; then
        echo "    $wire bytes on the wire for $raw"
        return 1
    fi
}

run A push main B:plain --compression none --json
must "a push without compression succeeds" exits 0
must "it takes no more than 1.05 times its records on the wire" wire_within 105
must "and has them all over there" same "$(history_of B plain)" "$(history_of A main)"
unpacked=$(number wire_bytes)

for method in lz4 zstd; do
    run A push main "B:$method" --compression "$method" --json
    must "a push with $method succeeds" exits 0
    must "with $method less than 0.6 of the records travels" wire_within 60
    must "with $method all is over there" same "$(history_of B $method)" "$(history_of A main)"
done

# A rate makes a wire slow, whatever else the machine does.
run A push main B:slow --max-rate 6M --json
must "a push with a rate succeeds" exits 0
must "a push with a rate begins to compress" \
    test "$(number wire_bytes)" -lt $((${unpacked:-0} * 8 / 10))
must "and has all over there" same "$(history_of B slow)" "$(history_of A main)"
run B pull fetched A:main --max-rate 6M --json
must "a pull with a rate succeeds" exits 0
must "a pull with a rate begins to compress" \
    test "$(number wire_bytes)" -lt $((${unpacked:-0} * 8 / 10))
must "and has all here" same "$(history_of B fetched)" "$(history_of A main)"
run A push main B:even --max-rate 6M --compression none --json
must "who asks for none gets none" test "$(number wire_bytes)" -ge $((${unpacked:-0} * 9 / 10))
finish
