#!/usr/bin/env bash
# load.sh [SECONDS] - many clients at once against one pageserver, for ten minutes: pushes,
# pulls, status queries, wrong logins, disconnects.  Prints a table, writes
# BUILD/load/load.json.  Run by `make -f plugin.mk load [LOAD_SECONDS=600]`.
#
#   LOAD_CLIENTS   how many at once (200)      LOAD_BRANCHES  of how many branches (50)
#   LOAD_PAUSE_MS  a client's mean pause between two acts (2000)
#   LOAD_SEED      what the clients draw from (1)
#   LOAD_CLIENT_BUILD  the clients' build, if not the server's (ThreadSanitizer: RocksDB would
#                      be reported for its locks, which it cannot see)
#
# Four times meanwhile a new build of the module takes the old one's place.
#
# It fails if a branch ends otherwise than it was written, if a client is told what it should
# not be, if no transfer was under way when a client vanished, or if the server does not give
# back its descriptors, sessions and memory (README.md says what it keeps).  A whole run fails
# as well if status takes 50 ms at p99; a short one, with sanitizers, is not judged by that.
# Twenty minutes beyond SECONDS it is ended: something hangs.
SECONDS_LONG=${1:-${SHORT:+10}}
SECONDS_LONG=${SECONDS_LONG:-600}
[ -n "${LOAD_LIMITED-}" ] || LOAD_LIMITED=1 exec timeout -k 60 $((SECONDS_LONG + 1200)) "$0" "$@"
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
suite load
CLIENTS=${LOAD_CLIENTS:-${SHORT:+60}} BRANCHES=${LOAD_BRANCHES:-${SHORT:+10}}
CLIENTS=${CLIENTS:-200} BRANCHES=${BRANCHES:-50}
PAUSE_MS=${LOAD_PAUSE_MS:-${SHORT:+500}}
PAUSE_MS=${PAUSE_MS:-2000}
trap 'echo "FAILED load: it takes more than $SECONDS_LONG s and 20 minutes"; exit 1' TERM

CLIENT_BUILD=$(realpath "${LOAD_CLIENT_BUILD:-$BUILD}")

descriptors() { find "/proc/$(pid_of A)/fd" -mindepth 1 | wc -l; }
sessions() { sql A status | awk '{print $6}'; }
quiet() { [ "$(sessions)" = 1 ]; }
cpu_seconds() { awk -v hz="$(getconf CLK_TCK)" '{print ($14 + $15) / hz}' "/proc/$(pid_of A)/stat"; }

server A
z A stop >/dev/null
sed -i -E 's/^#? *(max_connections|max_transfers|max_half_open) *=.*/\1 = 400/' "$WORK/A/.zenith/pageserver.toml"
z A start >/dev/null
z A user add loader --role write --password-stdin <<<loaderpassword >/dev/null
load() {
    "$CLIENT_BUILD/tests/load/load" "$CLIENT_BUILD/zenith_sync.so" "$CLIENT_BUILD/transports" 127.0.0.1 "${PORT[A]}" \
        loader loaderpassword "$CLIENTS" "$BRANCHES" "$@" "${LOAD_SEED:-1}"
}
must "the server is quiet before" poll 30 quiet
fds_before=$(descriptors) memory_before=$(anon_kib A) cpu_before=$(cpu_seconds)

sample() {
    local now there max=0 most=0
    while now=$(anon_kib A 2>/dev/null); do
        [ "$now" -le "$max" ] || { max=$now && echo "$max" >"$WORK/peak"; }
        there=$(sessions)
        [ "${there:-0}" -le "$most" ] || { most=$there && echo $((most - 1)) >"$WORK/most"; }
        sleep 0.5
    done
}
sample &
sampler=$!
# Meanwhile new builds of the module take the old one's place.
MODULES=4
swap_modules() {
    local n
    for n in $(seq $MODULES); do
        sleep "$(awk -v s="$SECONDS_LONG" -v n=$MODULES 'BEGIN {print s / (n + 1)}')"
        cp "$BUILD/zenith_sync.so" "$WORK/A/build-$n.so"
        sql A "load '$WORK/A/build-$n.so'" || return
    done
}
cp -r "$BUILD/transports" "$WORK/A/transports"
swap_modules >"$WORK/loaded" 2>&1 &
swapper=$!
STATUS=0
LAST="load of $CLIENTS clients for $SECONDS_LONG s"
load "$SECONDS_LONG" "$PAUSE_MS" >"$WORK/figures" 2>"$WORK/.err" || STATUS=$?
OUT=$(<"$WORK/figures") ERR=$(<"$WORK/.err")
{ kill $sampler && wait $sampler; } 2>/dev/null
must "every branch is as it was written, and no client was told what it should not be" exits 0
wait $swapper
must "a new module was loaded $MODULES times meanwhile" test "$(grep -c '^zenith_sync' "$WORK/loaded")" = $MODULES
must "every session is over" poll 60 quiet
must "there are as many branches as were written" same "$(sql A branch_list | wc -l)" "$BRANCHES"
unsound=0
for branch in $(sql A branch_list | awk '{print $1}'); do
    z A verify "$branch" --quiet >"$WORK/.out" 2>&1 || { cat "$WORK/.out"; unsound=$((unsound + 1)); }
done
must "verify finds every branch sound" same "$unsound" 0
fds_after=$(descriptors) memory_after=$(anon_kib A)
cpu=$(awk -v a="$cpu_before" -v b="$(cpu_seconds)" 'BEGIN {print b - a}')
must "no descriptor is left open" test "$fds_after" -le $((fds_before + 16))
# README.md says what this is.  AddressSanitizer keeps what was freed for a while.
KEPT_KIB=$((48 * 1024))
nm "$BUILD/pageserver" | grep -q __asan_init && KEPT_KIB=$((512 * 1024))
must "memory is back where it was" test "$memory_after" -le $((memory_before + KEPT_KIB))

figure() { awk -v k="$1" '$1 == k {print $2}' "$WORK/figures"; }
most=$(cat "$WORK/most" 2>/dev/null || echo 0)
must "pulls were cut off in the middle" test "$(figure cut_pulls)" -gt 0
must "pushes, too" test "$(figure cut_pushes)" -gt 0
fast() { awk -v ms="$(figure status_p99_ms)" 'BEGIN {exit !(ms != "" && ms < 50)}'; }
[ -n "$SHORT" ] || must "99 of 100 status queries take less than 50 ms" fast
row() { printf '| %-44s | %12s |\n' "$1" "$2"; }
echo
row "$CLIENTS clients, $BRANCHES branches, $SECONDS_LONG s" ""
printf '|%s|%s:|\n' ---------------------------------------------- -------------
row "pushes done" "$(figure push_done)"
row "pushes that another was faster than" "$(figure push_lost)"
row "pulls done" "$(figure pull_done)"
row "status queries" "$(figure status_done)"
row "wrong logins refused" "$(figure login_done)"
row "clients that vanished" "$(figure disconnect_done)"
row "of them in the middle of a pull, of a push" "$(figure cut_pulls), $(figure cut_pushes)"
row "sessions at once, at most" "$most"
row "branches lost, damaged or behind" "$(figure branches_bad)"
row "latency of status, median" "$(figure status_p50_ms) ms"
row "latency of status, p99" "$(figure status_p99_ms) ms"
row "latency of status, highest" "$(figure status_max_ms) ms"
row "processor time of the server" "$cpu s"
row "descriptors before, after" "$fds_before, $fds_after"
row "anonymous memory before, highest, after" \
    "$((memory_before / 1024)), $(($(cat "$WORK/peak") / 1024)), $((memory_after / 1024)) MiB"
echo
mkdir -p "$BUILD/load"
{
    printf '{"seconds": %s, "pause_ms": %s, "cpu_seconds": %s' "$SECONDS_LONG" "$PAUSE_MS" "$cpu"
    printf ', "sessions": %s' "$most"
    printf ', "descriptors": [%s, %s]' "$fds_before" "$fds_after"
    printf ', "anonymous_kib": [%s, %s, %s]' "$memory_before" "$(cat "$WORK/peak")" "$memory_after"
    awk '{printf ", \"%s\": %s", $1, $2}' "$WORK/figures"
    echo '}'
} >"$BUILD/load/load.json"
finish
