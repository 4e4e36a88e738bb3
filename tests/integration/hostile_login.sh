#!/usr/bin/env bash
# Before login a client costs little: few places, little memory, little time; whoever fills
# them all is gone after handshake_timeout, and nobody's session suffers.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite hostile_login
server A
z A user add writer --role write --password-stdin <<<"$PASSWORD" >/dev/null 2>&1

# settings LINE...: the server with these, started again.
cp "$WORK/A/.zenith/pageserver.toml" "$WORK/plain.toml"
settings() {
    run A stop
    { cat "$WORK/plain.toml"; printf '%s\n' "$@"; } >"$WORK/A/.zenith/pageserver.toml"
    run A start
    must "the server starts with $*" exits 0 || exit 1
}
# A connection of ours: its descriptor in CLIENT.   answer: what comes until it ends.
dial() { exec {CLIENT}<>"/dev/tcp/127.0.0.1/${PORT[A]}"; }
hang_up() { exec {CLIENT}>&-; }
answer() { timeout 60 cat <&"$CLIENT" | tr -d '\0'; }
descriptors() { find "/proc/$(pid_of A)/fd" -mindepth 1 2>/dev/null | wc -l; }
threads() { awk '$1 == "Threads:" {print $2}' "/proc/$(pid_of A)/status"; }
logs_in() {
    PGPASSWORD=$PASSWORD "$PG_BIN/psql" -X -q -h 127.0.0.1 -p "${PORT[A]}" -U writer -d zenith \
        -c status >/dev/null 2>&1
}

# Time: with a login of one second at most, whoever is slower is cut off.
settings 'handshake_timeout = 1'
dial
must "a client that says nothing is told why, and hung up on" \
    grep -q 'the login took too long' <<<"$(answer)"
hang_up
dial
{
    printf '\0\0\4\0\0\3\0\0user\0' >&"$CLIENT"
    for _ in {1..900}; do
        sleep 0.1
        printf 'x' >&"$CLIENT" || break
        printf 'x' >>"$WORK/sent"
    done
} 2>/dev/null &
slow=$!
must "one that sends a byte now and then gains no time by it" \
    grep -q 'the login took too long' <<<"$(answer)"
sent=$(stat -c %s "$WORK/sent")
must "it had sent some bytes and was not through, with $sent of 900" \
    test "$sent" -ge 2 -a "$sent" -lt 900
kill "$slow" 2>/dev/null
wait "$slow" 2>/dev/null
hang_up
dial
printf '\0\0\0\27\0\3\0\0user\0writer\0\0' >&"$CLIENT"
must "one that stops in the middle of its password is cut off, too" \
    grep -q 'the login took too long' <<<"$(answer)"
hang_up
must "others log in as ever" poll 60 logs_in

# Places: so many half-open connections and no more; a session that is logged in stays.
settings 'handshake_timeout = 600' 'max_half_open = 4'
coproc LOGGED_IN { "$PG_BIN/psql" -X -A -t -q \
    -h "$WORK/A/.zenith" -p 5432 -d zenith; }
printf '%s\n' 'branch_list; \echo here' >&"${LOGGED_IN[1]}"
read -r -t 60 line <&"${LOGGED_IN[0]}"
must "a session is logged in" same "${line-}" here
before_descriptors=$(descriptors)
half_open=()
for _ in 1 2 3 4; do
    dial
    half_open+=("$CLIENT")
done
four_more() { [ "$(descriptors)" -ge $((before_descriptors + 4)) ]; }
must "four connections are half open" poll 60 four_more
for _ in 1 2 3; do
    dial
    must "one more is turned away at once, by name" grep -q '53300.*logging in' <<<"$(answer)"
    hang_up
done
must "while they are there nobody logs in from elsewhere" not logs_in
run A status
must "the server's own user does" exits 0
printf '%s\n' 'status; \echo still' >&"${LOGGED_IN[1]}"
while read -r -t 60 line <&"${LOGGED_IN[0]}"; do [ "$line" != still ] || break; done
must "the session that was logged in works on" same "${line-}" still
for CLIENT in "${half_open[@]}"; do hang_up; done
must "their places are given back" poll 60 logs_in

printf '%s\n' '\q' >&"${LOGGED_IN[1]}"

# Memory: 500 attempts at once, each with something that claims much; 64 find a place.
settings 'handshake_timeout = 600'
claims=('\177\377\377\377' '\0\0\50\0\0\3\0\0user\0' '\0\0\0\10\4\322\26\57' '\0\0\0\4' 'GET / HTTP')
before_descriptors=$(descriptors) before_threads=$(threads) before_kib=$(anon_kib A)
half_open=()
for i in {1..500}; do
    dial
    half_open+=("$CLIENT")
    # shellcheck disable=SC2059  # the claim is the format
    printf "${claims[i % ${#claims[@]}]}" >&"$CLIENT"
done 2>/dev/null
few() { [ "$(threads)" -le $((before_threads + 64)) ]; }
must "no more than 64 threads wait for them" poll 60 few
grown_kib=$(($(anon_kib A) - before_kib))
must "500 attempts take less than 8 MiB, not $grown_kib KiB" test "$grown_kib" -lt \
    "$([ -n "$SHORT" ] && echo 65536 || echo 8192)"
for CLIENT in "${half_open[@]}"; do hang_up; done
back() { [ "$(descriptors)" -le "$before_descriptors" ] && [ "$(threads)" -le "$before_threads" ]; }
must "descriptors and threads are back" poll 60 back
must "and clients log in" poll 60 logs_in
finish
