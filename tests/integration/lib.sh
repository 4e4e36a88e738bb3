# shellcheck disable=SC2034  # much of it is read by the scripts that source this
# lib.sh - what the integration scripts share: repositories with running servers,
# PostgreSQL clusters to import, checks that count.  Sourced first:
#
#     . "$(dirname "$0")/lib.sh"
#     suite push_pull                   the script's name
#     server A; server B; peer A B      two repositories, B an origin of A's called "B"
#     run A push main B                 -> STATUS, OUT, ERR
#     must "say what must hold" exits 0
#     finish                            closing line; exit status
#
# All files are in WORK and all processes are started here; both are gone at the end, at a
# failure and at Ctrl-C, too.  SHORT=1 asks for less data (the sanitizer runs).
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(realpath -m "${BUILD:-$ROOT/build}")
SHORT=${SHORT-}
# shellcheck source=../support/postgres.sh
. "$ROOT/tests/support/postgres.sh"

SESSION=${TEST_SESSION_DIR:-}
if [ -z "$SESSION" ]; then
    SESSION=$(mktemp -d "${TMPDIR:-/tmp}/zenith-sync-test.XXXXXX")
    OWN_SESSION=1
    chmod 755 "$SESSION"
fi
WORK=$(mktemp -d "$SESSION/w.XXXXXX")
chmod 755 "$WORK"
cd "$WORK" || exit 1
SUITE=$(basename "$0" .sh) PASSED=0 FAILED=0 SKIPPED=0 STATUS=0 OUT='' ERR=''
declare -A PORT

suite() {
    SUITE=$1
    pg_find || exit 1
    pg_root "$WORK/pg"
}

cleanup() {
    local file pid
    kill_jobs
    for file in "$WORK"/*/.zenith/pageserver.pid; do
        [ -e "$file" ] || continue
        pid=$(head -n 1 "$file")
        is_pageserver "$pid" && kill -KILL "$pid"
    done
    [ -z "${PG_ROOT-}" ] || pg_stop_all
    rm -rf "$WORK"
    [ -z "${OWN_SESSION-}" ] || rm -rf "$SESSION"
}
kill_jobs() {
    local pids
    mapfile -t pids < <(jobs -p)
    [ ${#pids[@]} -eq 0 ] || { kill -KILL "${pids[@]}"; wait; } 2>/dev/null
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ---- checks --------------------------------------------------------------------------

# must "what must hold" predicate arguments...   ("not" in front turns it round)
must() {
    local what=$1 held=1
    shift
    if [ "$1" = not ]; then
        shift
        ! "$@" >/dev/null || held=
    else
        "$@" || held=
    fi
    if [ -n "$held" ]; then
        PASSED=$((PASSED + 1))
        return 0
    fi
    FAILED=$((FAILED + 1))
    echo "FAILED $SUITE: $what"
    printf '    check: %s\n' "$*"
    [ -z "${LAST-}" ] || printf '    last command: %s\n    status %s\n' "$LAST" "$STATUS"
    [ -z "$OUT" ] || tail -n 20 <<<"$OUT" | sed 's/^/    out: /'
    [ -z "$ERR" ] || tail -n 20 <<<"$ERR" | sed 's/^/    err: /'
    return 1
}

# skip WHY: this cannot be tried here, and counts as skipped.
skip() {
    echo "skipped: $1"
    SKIPPED=$((SKIPPED + 1))
}

exits() { [ "$STATUS" -eq "$1" ]; }                       # of the last run
says() { grep -qiE -- "$1" <<<"$OUT"$'\n'"$ERR"; }        # either stream
outputs() { grep -qiE -- "$1" <<<"$OUT"; }                # standard output alone
same() { [ "$1" = "$2" ] || { printf '    got  %s\n    want %s\n' "$1" "$2"; false; }; }
fails_with() { says "\"sqlstate\": *\"$1\""; }            # of a run with --json
has_hint() { says '"hint": *".{10}'; }
nonempty() { [ -n "$1" ]; }

# What must always hold at the end: servers stop in good order, and no sanitizer spoke.
finish() {
    local dir
    for dir in "$WORK"/*/.zenith; do
        [ -e "$dir/pageserver.pid" ] && "$BUILD/zenith" -D "$(dirname "$dir")" stop >/dev/null 2>&1
        if [ -e "$dir/pageserver.log" ] &&
            grep -aE 'Sanitizer|runtime error:|Assertion .* failed' "$dir/pageserver.log"; then
            FAILED=$((FAILED + 1))
            echo "FAILED $SUITE: no sanitizer speaks in $(basename "$(dirname "$dir")")'s log"
            grep -aE -A 30 'Sanitizer|runtime error:' "$dir/pageserver.log" | head -n 60
        fi
    done
    local skipped=''
    [ "$SKIPPED" -eq 0 ] || skipped=", $SKIPPED skipped"
    echo "integration/$SUITE: $PASSED passed, $FAILED failed$skipped"
    [ "$FAILED" -eq 0 ]
    exit
}

# ---- repositories and their servers ----------------------------------------------------

# A TCP port that nobody has, and no other script of this session gets.
free_port() {
    local port
    exec 9>>"$SESSION/port.lock"
    flock 9
    port=$(cat "$SESSION/port" 2>/dev/null || echo $((20000 + RANDOM % 10000)))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo $((port + 1)) >"$SESSION/port"
    exec 9>&-
    echo "$port"
}

# z NAME ARGUMENT...: zenith in that repository.   run: the same, kept in STATUS OUT ERR.
z() { "$BUILD/zenith" -D "$WORK/$1" "${@:2}"; }
collect() { OUT=$(tr '\t' ' ' <"$WORK/${1-}.out") ERR=$(<"$WORK/${1-}.err"); }
run() {
    LAST="zenith -D $*" STATUS=0
    z "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || STATUS=$?
    collect
}

# slowly NAME ARGUMENT...: zenith in the background (its pid in SLOW), at a rate that leaves
# time to stop it: 24 s at least.  With job control it does not ignore SIGINT.
# ended: as run, at its end.
SLOW_BPS=${SHORT:+1000000}
SLOW_BPS=${SLOW_BPS:-4000000}
slowly() {
    in_background "$BUILD/zenith" -D "$WORK/$1" "${@:2}" --max-rate "$SLOW_BPS" --compression none
}
in_background() {
    set -m
    "$@" >"$WORK/.slow.out" 2>"$WORK/.slow.err" </dev/null &
    SLOW=$!
    set +m
    LAST="$* &"
}
ended() {
    STATUS=0
    wait "$SLOW" 2>/dev/null || STATUS=$?
    collect .slow
}

# server NAME: a new repository WORK/NAME with its server running on PORT[NAME].
server() {
    PORT[$1]=$(free_port)
    mkdir -p "$WORK/$1"
    run "$1" init --port "${PORT[$1]}"
    must "init makes the repository $1" exits 0
    run "$1" start
    must "start returns once $1 accepts connections" exits 0 || exit 1
}

# peer A B [reader]: on B a user "writer" (or "reader") of that role; on A the origin B.
PASSWORD='s3cret/p@ss'
peer() {
    local user=${3:-writer} role="write"
    [ "$user" = writer ] || role="read"
    z "$2" user list 2>/dev/null | grep -q "^$user\b" ||
        z "$2" user add "$user" --role "$role" --password-stdin <<<"$PASSWORD" >/dev/null 2>&1
    run "$1" origin add "$2" "$(uri "$2" "$user")"
    must "$1 takes $2 as an origin" exits 0
}
# uri NAME [USER]
uri() { echo "postgresql://${2:-writer}:s3cret%2Fp%40ss@127.0.0.1:${PORT[$1]}"; }

# sql NAME QUERY [psql option ...]: through psql and the repository's Unix socket.
sql() {
    "$PG_BIN/psql" -X -A -t -q -F ' ' -h "$WORK/$1/.zenith" -p 5432 -d zenith "${@:3}" -c "$2"
}

pid_of() { head -n 1 "$WORK/$1/.zenith/pageserver.pid" 2>/dev/null; }
is_pageserver() { [ -n "$1" ] && grep -qa pageserver "/proc/$1/cmdline" 2>/dev/null; }
kill_server() {
    local pid
    pid=$(pid_of "$1")
    [ -n "$pid" ] || return
    is_pageserver "$pid" && kill "-${2:-KILL}" "$pid"
    while [ -e "/proc/$pid" ] && ! is_zombie "$pid"; do
        sleep 0.02
    done
}
# It has ended with all its threads: while one is left, its socket still takes connections.
is_zombie() {
    local tasks=("/proc/$1/task"/*)
    grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null && [ ${#tasks[@]} -eq 1 ]
}

# state NAME BRANCH: timeline, LSN, digest, records; "none" if there is no such branch.
# history NAME BRANCH: the same without the timeline id, for comparing two servers.
state() {
    local row
    row=$(sql "$1" branch_list 2>/dev/null | awk -v b="$2" '$1 == b {print $2, $3, $5, $6}')
    echo "${row:-none}"
}
history_of() { state "$1" "$2" | cut -d ' ' -f 2-; }

# busy NAME COMMAND: sync_status shows it as running there.
busy() { sql "$1" sync_status 2>/dev/null | grep -qE "^[^ ]+ $2 .*running"; }
idle() { ! busy "$@"; }

# anon_kib NAME: the server's anonymous memory (RssAnon), in KiB.
anon_kib() { awk '$1 == "RssAnon:" {print $2}' "/proc/$(pid_of "$1")/status"; }

# poll SECONDS COMMAND...: until it succeeds; fails when the time is over.
poll() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.02
    done
}

# ---- clusters --------------------------------------------------------------------------

# Clusters to import, made once per session and only read afterwards:
#   BASE      two thousand rows        NEXT, LATER  BASE and then more, in this order
#   OTHER     BASE and other changes   STRANGER     another cluster altogether
#   LARGE     BASE and LARGE_MB megabytes of rows (after `clusters large`)
LARGE_MB=${LARGE_MB:-${SHORT:+24}}
LARGE_MB=${LARGE_MB:-160}
clusters() {
    local own=$PG_ROOT made=$SESSION/clusters
    BASE=$made/base NEXT=$made/next LATER=$made/later OTHER=$made/other STRANGER=$made/stranger
    LARGE=$made/large-$LARGE_MB
    exec 8>>"$SESSION/clusters.lock"
    flock 8
    pg_root "$made"
    [ -e "$made/done" ] || { make_clusters && touch "$made/done"; } || exit 1
    if [ "${1-}" = large ] && [ ! -e "$LARGE" ]; then
        make_large "$(basename "$LARGE")" "$LARGE_MB" || exit 1
    fi
    exec 8>&-
    PG_ROOT=$own
}
make_clusters() {
    pg_init base -k && pg_init stranger -k &&
        with_cluster base "CREATE TABLE item (id int PRIMARY KEY, what text);
            INSERT INTO item SELECT i, repeat('item ' || i, 10) FROM generate_series(1, 2000) i" &&
        cp -a "$PG_ROOT/base" "$PG_ROOT/next" && cp -a "$PG_ROOT/base" "$PG_ROOT/other" &&
        with_cluster next "UPDATE item SET what = 'next' WHERE id % 10 = 0" &&
        with_cluster other "UPDATE item SET what = 'other' WHERE id % 7 = 0;
            INSERT INTO item SELECT i, 'other' FROM generate_series(10000, 10500) i" &&
        cp -a "$PG_ROOT/next" "$PG_ROOT/later" &&
        with_cluster later "DELETE FROM item WHERE id > 1500; CREATE TABLE more AS TABLE item"
}
# make_large NAME MEGABYTES: rows that cannot be compressed by much.
make_large() {
    cp -a "$PG_ROOT/base" "$PG_ROOT/$1" &&
        pg_start "$1" wal_level=minimal max_wal_senders=0 max_wal_size=4GB &&
        pg_sql "$1" postgres "CREATE TABLE large (filler text)" &&
        head -c "$(($2 * 700))k" /dev/urandom | base64 -w 960 |
        pg_sql "$1" postgres "COPY large FROM STDIN" &&
        pg_stop "$1"
}
# with_cluster NAME SQL: started, changed, stopped cleanly.
with_cluster() {
    pg_start "$1" && pg_sql "$1" postgres "$2" && pg_stop "$1"
}
