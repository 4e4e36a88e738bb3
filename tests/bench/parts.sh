# shellcheck shell=bash
# parts.sh - the parts of the benchmark that need a cluster, for bench.sh.  Sourced, not run.
#
# Each is called with a size in MB, with servers A, B and C of which A has the cluster as
# "main"; from `nothing` on B and C have it, too.  Each leaves things as it found them, but for
# changes that all three have, and that of `tripled`, the last, which C does without.

# In turns: ours, and each rival; each round begins with another, as a disk that has just taken
# several times the cluster may be slower than one that has rested (README.md), and nobody is
# always last.  The disk is touched before; each rival after a round's first finds in `there`
# what the one before it wrote and removed.
CONTENDERS=(push pull basebackup basebackup_plain rsync cp write write_direct)
part_first() {
    local size=$1 round i touched
    quietly z A push main B:pulled
    for round in $(seq "$ROUNDS"); do
        touched=
        for i in "${!CONTENDERS[@]}"; do
            one_first "$size" "${CONTENDERS[(i + round - 1) % ${#CONTENDERS[@]}]}"
        done
    done
    drop B pulled
}
# one_first SIZE WHAT; `touched` is part_first's.
one_first() {
    local key=first.$1.$2
    case $2 in
    push)
        touch_disk "$WORK/B/.zenith"
        timed "$key" z A push main B:pushed
        drop B pushed
        return
        ;;
    pull)
        touch_disk "$WORK/C/.zenith"
        timed "$key" z C pull main B:pulled
        drop C main
        return
        ;;
    esac
    if [ -n "$touched" ]; then settle && touch_memory; else touch_disk "$WORK/there"; fi
    touched=1
    case $2 in
    basebackup) with_server timed "$key" basebackup ;;
    basebackup_plain) with_server timed "$key" basebackup_plain ;;
    rsync) timed "$key" copy_rsync ;;
    cp) timed "$key" copy_cp ;;
    write) timed "$key" one_write ;;
    write_direct) timed "$key" one_write oflag=direct ;;
    esac
    gone basebackup plain rsync cp write
}

part_nothing() {
    local size=$1 round
    settle
    for round in $(seq $((ROUNDS * 3))); do
        timed "nothing.$size.push" z A push main B
        timed "nothing.$size.pull" z C pull main B
    done
}

# That share of the pages changes, in place, between two pushes; "same" is as much at any size.  A
# round takes the shares in turn, and for each of them push, pull and rsync, each round beginning
# with another: push and pull both have A as their source, so that none waits for another.
# pg_basebackup copies all of it whatever changed, and so runs once a round.
SAME_BYTES=1500000
same_percent() { awk -v b="$BYTES" -v s=$SAME_BYTES 'BEGIN {printf "%.4f", 100 * s / b}'; }
part_increments() {
    local size=$1 round share percent backup i followers=(push pull rsync)
    touch_disk "$WORK/there"
    quietly copy_rsync
    for round in $(seq "$ROUNDS"); do
        for share in 0.1 1 10 same; do
            percent=$share
            [ "$share" != same ] || percent=$(same_percent)
            backup=()
            [ "$share" != 1 ] || {
                touch_disk "$WORK/there"
                backup=(timed "increments.$size.basebackup" basebackup)
            }
            change "$percent" "$BYTES" "${backup[@]}"
            gone basebackup
            quietly z A import main "$PG_ROOT/src"
            for i in "${!followers[@]}"; do
                settle
                one_increment "increments.$size.$share" "${followers[(i + round - 1) % 3]}"
            done
        done
    done
    gone rsync
}
one_increment() { # KEY WHAT
    case $2 in
    push)
        timed "$1.push" z A push main B --json
        sample "$1.raw_bytes" "$(field raw_bytes)"
        sample "$1.wire_bytes" "$(field wire_bytes)"
        ;;
    pull) timed "$1.pull" z C pull main A ;;
    rsync) timed "$1.rsync" copy_rsync ;;
    esac
}

# In the largest database and in one of three times its size, with no rivals between: how long
# the same change takes, and nothing.
part_tripled() {
    local size=$1 round
    sample "tripled.$size.bytes" "$BYTES"
    for round in $(seq "$ROUNDS"); do
        change "$(same_percent)" "$BYTES"
        quietly z A import main "$PG_ROOT/src"
        settle
        timed "tripled.$size.same" z A push main B
        timed "tripled.$size.nothing" z A push main B
    done
}

# One push, and four branches at once to four branches, and how long each of the four took; one
# pull, and two at once; and small pushes of other branches, alone and while a first push runs.
part_several() {
    local size=$1 round i key=several.$1
    for i in 1 2 3 4; do quietly z A import "several-$i" "$PG_ROOT/src"; done
    for round in $(seq "$ROUNDS"); do
        touch_disk "$WORK/B/.zenith"
        timed "$key.one" z A push main B:several-0
        drop B several-0
        touch_disk "$WORK/B/.zenith" 4
        timed "$key.four" at_once 4 A push B
        cat "$WORK"/several.[1-4] >>"$RESULTS/samples/$key.each"
        sample "$key.spread" \
            "$(sort -n "$WORK"/several.[1-4] | awk 'NR == 1 {a = $1} {b = $1} END {printf "%.2f", b / a}')"
        touch_disk "$WORK/C/.zenith"
        timed "$key.pull_one" z C pull several-1 B
        drop C several-1
        touch_disk "$WORK/C/.zenith" 2
        timed "$key.pull_two" at_once 2 C pull B
        for i in 1 2; do drop C "several-$i"; done
        small_pushes "$size"
        for i in 1 2 3 4; do drop B "several-$i"; done
    done
    for i in 1 2 3 4; do drop A "several-$i"; done
    quietly z A import main "$PG_ROOT/src"
}
# at_once N NAME VERB ORIGIN: of the branches several-1 to several-N; milliseconds of each into
# several.1 to several.N.
at_once() {
    local i begin=${EPOCHREALTIME/./} pids=() failed=0
    for ((i = 1; i <= $1; i++)); do
        {
            z "$2" "$3" "several-$i" "$4" &&
                echo $(((${EPOCHREALTIME/./} - begin) / 1000)) >"$WORK/several.$i"
        } &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || failed=1; done
    return $failed
}
# small_pushes SIZE: 0.1 % of the four branches, one after the other; then as much again, while
# "main" is pushed to a new branch.  One that outlasts the large push says nothing.
small_pushes() {
    local key=several.$1 i large
    small_changes
    for i in 1 2 3 4; do timed "$key.small_alone" z A push "several-$i" B; done
    small_changes
    touch_disk "$WORK/B/.zenith"
    z A push main B:several-0 >"$WORK/large.out" 2>&1 &
    large=$!
    poll 10 busy B branch_push || broken cat "$WORK/large.out"
    for i in 1 2 3 4; do
        clock z A push "several-$i" B
        ! kill -0 $large 2>/dev/null || sample "$key.small_beside" "$MS"
    done
    wait $large || broken cat "$WORK/large.out"
    drop B several-0
}
small_changes() {
    local i
    change 0.1 "$BYTES"
    for i in 1 2 3 4; do quietly z A import "several-$i" "$PG_ROOT/src"; done
    settle
}

METHODS="none lz4 zstd auto"
# Those methods that this build takes.
methods() {
    local method
    for method in $METHODS; do
        z A push main B --dry-run --compression "$method" >"$WORK/.out" 2>&1 && echo "$method"
    done
}
part_compression() {
    local size=$1 round method
    for round in $(seq "$ROUNDS"); do
        for method in $(methods); do
            touch_disk "$WORK/B/.zenith"
            timed "compression.$size.$method" z A push main B:compressed --compression "$method" --json
            [ "$round" -gt 1 ] || sample "compression.$size.$method.wire_bytes" "$(field wire_bytes)"
            drop B compressed
        done
    done
}

# 100 ms there and back, with at most 2 MiB on the way in each direction: one TCP stream of
# such a window carries 42 MB/s.  Beside it, how long one bare stream takes there for the same
# bytes; and the same where nothing but the delay is in the way (wide).
LINK_MS=50 LINK_WINDOW=2097152
link_start() {
    local name
    local -A gate
    for name in far bare sink far_wide bare_wide; do gate[$name]=$(free_port); done
    BARE=${gate[bare]} BARE_WIDE=${gate[bare_wide]}
    "$TOOLS/link" delay "${gate[far]}" "${PORT[B]}" $LINK_MS $LINK_WINDOW >"$WORK/link.far" &
    "$TOOLS/link" delay "${gate[far_wide]}" "${PORT[B]}" $LINK_MS >"$WORK/link.far_wide" &
    "$TOOLS/link" receive "${gate[sink]}" >"$WORK/link.sink" &
    "$TOOLS/link" delay "$BARE" "${gate[sink]}" $LINK_MS $LINK_WINDOW >"$WORK/link.bare" &
    "$TOOLS/link" delay "$BARE_WIDE" "${gate[sink]}" $LINK_MS >"$WORK/link.bare_wide" &
    for name in far bare sink far_wide bare_wide; do
        poll 10 grep -q ready "$WORK/link.$name" || exit 1
    done
    for name in far far_wide; do
        quietly z A origin add $name "postgresql://writer:s3cret%2Fp%40ss@127.0.0.1:${gate[$name]}"
    done
}
part_link() {
    local size=$1 round method name sent
    link_start
    for round in $(seq "$ROUNDS"); do
        touch_disk "$WORK/B/.zenith"
        for method in $(methods); do
            timed "link.$size.first.$method" z A push main far:link --compression "$method" --json
            [ "$method" != none ] || sent=$(field wire_bytes)
            drop B link
        done
        timed "link.$size.first.bare" "$TOOLS/link" send "$BARE" "$sent"
        timed "link.$size.wide.bare" "$TOOLS/link" send "$BARE_WIDE" "$sent"
        timed "link.$size.wide.none" z A push main far_wide:link --compression none
        drop B link
        change 0.1 "$BYTES"
        quietly z A import main "$PG_ROOT/src"
        timed "link.$size.0.1.none" z A push main far --compression none --json
        timed "link.$size.0.1.bare" "$TOOLS/link" send "$BARE" "$(field wire_bytes)"
        timed "link.$size.nothing.none" z A push main far
        timed "link.$size.nothing.bare" "$TOOLS/link" send "$BARE" 1000
    done
    for name in far far_wide; do quietly z A origin remove $name; done
    quietly z C pull main B
    kill_jobs
}
