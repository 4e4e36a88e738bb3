# shellcheck shell=bash
# memory.sh - what a transfer adds to either server's memory, for bench.sh.  Sourced, not run.
#
# Branches of extreme shapes, made by fill.c, are pushed from A to B, pulled by C from B,
# changed, and pushed again; servers are started anew before each, so that no memory which
# an earlier transfer left behind serves this one.  The shape `changed` was written in nine
# pieces before: the store has to merge that many sorted runs of values of 8 MiB.
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
part_memory() {
    local shape records bytes per i
    server A && server B && server C
    peer A B && peer C B reader
    while read -r shape records bytes per; do
        echo "  memory: $shape, $records records of $bytes bytes ..."
        sample "memory.$shape.records" "$records"
        sample "memory.$shape.bytes" "$bytes"
        fill "$shape" "$records" "$bytes" "$per"
        for ((i = 0; i < 8; i++)); do
            [ "$shape" != changed ] || fill "$shape" $((records / 10 + 1)) "$bytes" "$per"
        done
        watched "memory.$shape.push" A B z A push "$shape" B
        watched "memory.$shape.pull" C B z C pull "$shape" B
        quietly z C branch delete "$shape"
        fill "$shape" $((records / 10 + 1)) "$bytes" "$per"
        watched "memory.$shape.increment" A B z A push "$shape" B
        quietly z A branch delete "$shape"
        quietly z B branch delete "$shape"
    done < <(memory_shapes)
}
