# shellcheck shell=bash
# memory.sh - what a transfer adds to either server's memory, for bench.sh.  Sourced, not run.
#
# Branches of extreme shapes, made by fill.c, are pushed from A to B and pulled by C from B.
# Then more is written, twice.  fill.c writes past A's change map, so that A has to scan for the
# first increment that it pushes.  B notes what it gets, so that it goes by its map when it pushes
# the second one on to C: of `scattered` three thousandths, as a map holds no more relations
# (sync/change_map.h), else a tenth.  Servers are started anew before each transfer that is
# watched, so that no memory which an earlier one left behind serves this one.  The shape
# `changed` was written in nine pieces before: the store has to merge that many sorted runs of
# values of 8 MiB.
MEMORY_MB=${BENCH_MEMORY_MB:-10240} MEMORY_RECORDS=${BENCH_MEMORY_RECORDS:-10000000}

# What shapes there are: name, records, bytes of each value, records per relation.
memory_shapes() {
    echo "pages $((MEMORY_MB * 128)) 8192 100000000"
    echo "tiny $MEMORY_RECORDS 16 100000000"
    echo "scattered $MEMORY_RECORDS 16 1"
    echo "large $((MEMORY_MB / 40 + 1)) 8388608 100000000"
    echo "changed $((MEMORY_MB / 160 + 1)) 8388608 100000000"
}
fill() { # SHAPE RECORDS BYTES PER_RELATION
    quietly z A stop
    quietly "$TOOLS/fill" "$WORK/A/.zenith/data" "$@"
    quietly z A start
}
# scanned: did the last command say that a branch was scanned for what changed?
scanned() { grep -q 'is scanned for what changed' "$WORK/.err"; }
part_memory() {
    local shape records bytes per i tenth noted
    server A && server B && server C
    peer A B && peer C B reader && peer B C
    while read -r shape records bytes per; do
        echo "  memory: $shape, $records records of $bytes bytes ..."
        sample "memory.$shape.records" "$records"
        sample "memory.$shape.bytes" "$bytes"
        tenth=$((records / 10 + 1)) noted=$((records / 10 + 1))
        [ "$shape" != scattered ] || noted=$((records * 3 / 1000 + 1))
        fill "$shape" "$records" "$bytes" "$per"
        for ((i = 0; i < 8; i++)); do
            [ "$shape" != changed ] || fill "$shape" "$tenth" "$bytes" "$per"
        done
        watched "memory.$shape.push" A B z A push "$shape" B
        watched "memory.$shape.pull" C B z C pull "$shape" B
        fill "$shape" "$tenth" "$bytes" "$per"
        watched "memory.$shape.increment" A B z A push "$shape" B
        scanned || broken "memory: the branch of A was not scanned, which"
        quietly z C pull "$shape" B
        fill "$shape" "$noted" "$bytes" "$per"
        quietly z A push "$shape" B
        watched "memory.$shape.noted" B C z B push "$shape" C
        ! scanned || broken "memory: the branch of B was scanned, which"
        for i in A B C; do drop "$i" "$shape"; done
    done < <(memory_shapes)
}
