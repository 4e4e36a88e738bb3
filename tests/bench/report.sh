#!/usr/bin/env bash
# report.sh - what bench.sh measured, as tables (BUILD/bench/table.md, and on the screen), as
# BUILD/bench/bench.json, and as plots.  What was not measured is left out.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
RESULTS=$(realpath -m "${BUILD:-$ROOT/build}")/bench
cd "$RESULTS/samples" || exit 1
SIZES=$(for f in size.*.bytes; do [ ! -e "$f" ] || { f=${f#size.} && echo "${f%.bytes}"; }; done | sort -n)
LARGEST=$(tail -n 1 <<<"$SIZES")
TRIPLED=$(for f in tripled.*.bytes; do [ ! -e "$f" ] || { f=${f#tripled.} && echo "${f%.bytes}"; }; done | sort -n)
MIDDLE=$(awk "{v[NR] = \$1} END {print v[int(NR / 2) + 1]}" <<<"$SIZES")
PERCENTS="0.1 1 10"
SAME="1.5 MB"

# ---- numbers ---------------------------------------------------------------------------------

# median KEY: nothing if it was not measured.
median() {
    [ ! -e "$1" ] || sort -n "$1" |
        awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
# most KEY...: the highest of all samples.   most_median KEY...: the highest median.
most() { cat /dev/null "$@" 2>/dev/null | sort -n | tail -n 1; }
most_median() { for f; do median "$f"; done | sort -n | tail -n 1; }
quotient() { awk -v a="$1" -v b="$2" -v f="${3:-%.2f}" 'BEGIN {if (a != "" && b > 0) printf f, a / b}'; }
megabytes() { awk -v b="$(median "${2:-size}.$1.bytes")" 'BEGIN {printf "%.0f", b / 1000000}'; }
milliseconds() { awk -v ms="$1" 'BEGIN {printf(ms < 100 ? "%.1f" : "%.0f", ms)}'; }
measured() { compgen -G "$1" >/dev/null; }

MACHINE=$(cat ../machine 2>/dev/null)
ROUNDS=$(cat ../rounds 2>/dev/null)

# ---- tables ------------------------------------------------------------------------------------

# row TEXT CELL...
row() { printf '| %s |\n' "$(printf '%s\n' "$@" | paste -sd '|' | sed 's/|/ | /g')"; }
rule() { row --- "${@/*/---:}"; }

# line TEXT PART WHAT [OURS]: for each size the milliseconds, and how many times as long as
# ours it takes.
line() {
    local size ms cells=()
    measured "$2.*.$3" || return
    for size in $SIZES; do
        ms=$(median "$2.$size.$3")
        [ -z "$ms" ] || cells+=("$(milliseconds "$ms")${4:+ = $(quotient "$ms" "$(median "$2.$size.$4")")x}")
        [ -n "$ms" ] || cells+=('')
    done
    row "$1" "${cells[@]}"
}
by_size() {
    local size percent cells=()
    measured 'first.*' || measured 'increments.*' || measured 'nothing.*' || return
    for size in $SIZES; do cells+=("$(megabytes "$size") MB, ms"); done
    row "durable at the end" "${cells[@]}"
    rule "${cells[@]}"
    line "**first push**" first push
    line "\`pg_basebackup -X none\`" first basebackup push
    line "the same, \`--no-sync\`" first basebackup_plain push
    line "\`rsync -a\`, sync" first rsync push
    line "\`cp -r\`, sync" first cp push
    line "one durable sequential write" first write push
    line "the same, past the page cache" first write_direct push
    line "**first pull**" first pull push
    for percent in $PERCENTS; do
        line "**push of $percent % changed**" increments "$percent.push"
        line "pull of $percent % changed" increments "$percent.pull" "$percent.push"
        line "\`rsync -a\`, sync" increments "$percent.rsync" "$percent.push"
        line "\`pg_basebackup -X none\`" increments basebackup "$percent.push"
    done
    line "**push of $SAME changed, at any size**" increments same.push
    line "pull of $SAME changed" increments same.pull same.push
    line "\`rsync -a\`, sync" increments same.rsync same.push
    line "**push with nothing to do**" nothing push
    line "pull with nothing to do" nothing pull push
    echo
}

# The most that an increment took on the wire, per byte of changed records.
wire_most() {
    local size percent
    for percent in $PERCENTS same; do
        for size in $SIZES; do
            quotient "$(median "increments.$size.$percent.wire_bytes")" \
                "$(median "increments.$size.$percent.raw_bytes")" %.3f
            echo
        done
    done | sort -n | tail -n 1
}
wire() {
    measured 'increments.*.wire_bytes' || return
    echo "Bytes on the wire of an increment, per byte of changed records: at most $(wire_most)."
    echo
}

# The same work in a database of three times the size, no rivals between.
tripled() {
    local once thrice what
    local -A text=([same]="push of $SAME changed" [nothing]="push with nothing to do")
    read -r once thrice < <(paste -sd ' ' <<<"$TRIPLED")
    [ -n "${thrice-}" ] || return
    row "where the database triples" "$(megabytes "$once" tripled) MB, ms" \
        "$(megabytes "$thrice" tripled) MB, ms" ratio
    rule 1 2 3
    for what in same nothing; do
        row "${text[$what]}" "$(milliseconds "$(median "tripled.$once.$what")")" \
            "$(milliseconds "$(median "tripled.$thrice.$what")")" \
            "$(quotient "$(median "tripled.$thrice.$what")" "$(median "tripled.$once.$what")")"
    done
    echo
}

# at_once N KEY_OF_ONE KEY_OF_ALL WHAT
at_once() {
    local one all
    one=$(median "$2") all=$(median "$3")
    row "$4" "$(milliseconds "$one")" "$(milliseconds "$all")" \
        "$(awk -v n="$1" -v a="$one" -v b="$all" 'BEGIN {printf "%.2f", n * a / b}') times the throughput"
}
several() {
    local s=several.$MIDDLE size
    measured "$s.four" || return
    size="$(megabytes "$MIDDLE") MB"
    row "at once" "alone, ms" "at once, ms" ""
    rule 1 2 3
    at_once 4 "$s.one" "$s.four" "four pushes of $size"
    at_once 2 "$s.pull_one" "$s.pull_two" "two pulls of $size"
    measured "$s.small_beside" && row "push of 0.1 % changed, beside a first push of $size" \
        "$(milliseconds "$(median "$s.small_alone")")" \
        "$(milliseconds "$(median "$s.small_beside")")" \
        "at most $(milliseconds "$(most "$s.small_beside")") ms"
    echo
    echo "The slowest of the four took $(median "$s.spread") times as long as the fastest."
    echo
}

compression() {
    local method ms base wire link
    measured "compression.$MIDDLE.*" || return
    base=$(median "compression.$MIDDLE.none.wire_bytes")
    row "first push, $(megabytes "$MIDDLE") MB" "loopback, ms" "100 ms link, ms" "bytes on the wire"
    rule 1 2 3
    for method in none lz4 zstd auto; do
        ms=$(median "compression.$MIDDLE.$method")
        wire=$(median "compression.$MIDDLE.$method.wire_bytes")
        link=$(median "link.$MIDDLE.first.$method")
        [ -z "$ms" ] || row "\`--compression $method\`" "$(milliseconds "$ms")" \
            "${link:+$(milliseconds "$link")}" "$(awk -v a="$wire" -v b="$base" 'BEGIN {printf "%.0f %%", 100 * a / b}')"
    done
    echo
}

link() {
    local s=link.$MIDDLE what text
    measured "$s.*" || return
    row "link: 100 ms there and back, 2 MiB on the way" "zenith, ms" "one bare TCP stream, ms" \
        "of its speed"
    rule 1 2 3
    for what in first wide 0.1 nothing; do
        case $what in
        first) text="first push, $(megabytes "$MIDDLE") MB" ;;
        wide) text="the same, any number of bytes on the way" ;;
        nothing) text="push with nothing to do" ;;
        *) text="push of $what % changed" ;;
        esac
        measured "$s.$what.none" && row "$text" "$(milliseconds "$(median "$s.$what.none")")" \
            "$(milliseconds "$(median "$s.$what.bare")")" \
            "$(awk -v a="$(median "$s.$what.bare")" -v b="$(median "$s.$what.none")" 'BEGIN {printf "%.0f %%", 100 * a / b}')"
    done
    echo
}

rate() {
    local file name
    measured 'rate.*' || return
    row "push with \`--max-rate\`; large: values of 8 MiB" "the most in any 10 s" "the least"
    rule 1 2
    for file in rate.*.most; do
        name=${file#rate.} name=${name%.most}
        row "${name/-/, }/s" "$(median "$file")" "$(median "rate.$name.least")"
    done
    echo
}

memory() {
    local file shape records bytes what side peak cells
    local -A about=([scattered]=", each a relation of its own" [changed]=", changed 8 times")
    measured 'memory.*' || return
    row "MiB added to a server, anonymous (all)" "push: near" far "pull: near" far \
        "increment, scanned for: near" far "by the change map: near" far
    rule 1 2 3 4 5 6 7 8
    for shape in pages tiny scattered large changed; do
        file=memory.$shape.records
        measured "$file" || continue
        records=$(median "$file") bytes=$(median "memory.$shape.bytes") cells=()
        for what in push pull increment noted; do
            for side in near far; do
                peak=$(most "memory.$shape.$what.$side.peak")
                cells+=("${peak:+$(most "memory.$shape.$what.$side.anon") ($peak)}")
            done
        done
        row "$records x $bytes bytes${about[$shape]-}" "${cells[@]}"
    done
    echo
}

# ---- targets -----------------------------------------------------------------------------------

# target TEXT VALUE HELD [UNIT]: what was asked for, what this run shows, and whether it is
# reached: HELD is awk's, of v.  Nothing where it was not measured.
target() {
    [ -z "$2" ] ||
        row "$1" "$2${4:+ $4}" "$(awk -v v="$2" "BEGIN {print ($3) ? \"yes\" : \"**no**\"}")"
}
targets() {
    local push once='' thrice='' size
    size="$(megabytes "$LARGEST") MB" push=$(median "first.$LARGEST.push")
    read -r once thrice < <(paste -sd ' ' <<<"$TRIPLED")
    row target "this run" reached
    rule 1 2
    target "first push of $size: at least 2.0 times as fast as \`pg_basebackup -X none\`" \
        "$(quotient "$(median "first.$LARGEST.basebackup")" "$push")" "v >= 2.0" times
    target "the same: at least 0.55 times as fast as one durable sequential write" \
        "$(quotient "$(median "first.$LARGEST.write")" "$push")" "v >= 0.55" times
    target "push of 0.1 % of $size changed, the whole command: at most 40 ms" \
        "$(median "increments.$LARGEST.0.1.push")" "v <= 40" ms
    target "as many bytes changed where the database triples: at most 1.3 times as long" \
        "$(quotient "$(median "tripled.$thrice.same")" "$(median "tripled.$once.same")")" "v <= 1.3" times
    target "bytes on the wire of an increment, per changed byte: at most 1.05" "$(wire_most)" "v <= 1.05"
    target "push with nothing to do, any size: at most 15 ms" "$(most_median nothing.*.push)" "v <= 15" ms
    target "memory added to a server by any transfer: at most 64 MiB" \
        "$(most memory.*.anon memory.*.peak)" "v <= 64" MiB
    target "\`--max-rate\` within 5 % over any 10 s" \
        "$(cat /dev/null rate.*.most rate.*.least 2>/dev/null |
            awk '{d = 100 * ($1 > 1 ? $1 - 1 : 1 - $1); if (d > m) m = d} END {if (NR) printf "%.1f", m}')" \
        "v <= 5" "% off at most"
    echo
}
tables() {
    echo "$MACHINE; medians of $ROUNDS rounds."
    echo
    targets
    by_size
    tripled
    wire
    several
    compression
    link
    rate
    memory
}

# ---- for programs -------------------------------------------------------------------------------

json() {
    local key separator=
    printf '{"machine": "%s", "rounds": %s,\n "samples": {' "$MACHINE" "${ROUNDS:-0}"
    for key in *; do
        printf '%s\n  "%s": {"median": %s, "all": [%s]}' "$separator" "$key" "$(median "$key")" \
            "$(paste -sd , "$key")"
        separator=,
    done
    printf '}}\n'
}

# ---- plots --------------------------------------------------------------------------------------

# series FILE KEY_OF_X...: one line per x, "x ms ms ...", for the WHATs in the array WHAT; a
# missing one is told as gnuplot wants it.
cell() {
    local ms
    ms=$(median "$1")
    printf ' %s' "${ms:-?}"
}
plot() { # NAME TITLE XLABEL DATA LEGEND...
    local name=$1 title=$2 xlabel=$3 data=$4 legend commands='' column=2
    shift 4
    for legend; do
        commands+="${commands:+, }'$data' using 1:$column with linespoints lw 2 pt 7 ps 0.6 title '$legend'"
        column=$((column + 1))
    done
    gnuplot <<PLOT
set terminal svg size 720,420 dynamic background rgb 'white' noenhanced font 'sans-serif,13'
set output "$RESULTS/$name.svg"
set datafile missing '?'
set title "$title"
set xlabel "$xlabel"
set ylabel "milliseconds"
set key outside right
set logscale xy
set grid ytics lc rgb '#dddddd'
set xtics ($(awk '{printf("%s\"%s\" %s", (NR > 1 ? ", " : ""), $1, $1)}' "$data"))
set xrange [$(awk 'NR == 1 {a = $1} {b = $1} END {printf("%g:%g", a / 1.3, b * 1.3)}' "$data")]
plot $commands
PLOT
}
plots() {
    local size percent what data=$RESULTS/plot.data
    if measured 'first.*'; then
        for size in $SIZES; do
            printf '%s' "$(megabytes "$size")"
            for what in push pull basebackup rsync cp write; do cell "first.$size.$what"; done
            echo
        done >"$data"
        plot first "A first transfer, durable at the end" "size of the database, MB" "$data" \
            "zenith push" "zenith pull" pg_basebackup "rsync, sync" "cp -r, sync" "one write"
    fi
    measured 'increments.*' || return 0
    for size in $SIZES; do
        printf '%s' "$(megabytes "$size")"
        for what in same.push same.pull same.rsync basebackup; do cell "increments.$size.$what"; done
        echo
    done >"$data"
    size=$(sed -n 2p <<<"$TRIPLED")
    [ -z "$size" ] || echo "$(megabytes "$size" tripled)$(cell "tripled.$size.same") ? ? ?" >>"$data"
    plot size "$SAME changed, databases of several sizes" "size of the database, MB" "$data" \
        "zenith push" "zenith pull" "rsync, sync" pg_basebackup
    size=$LARGEST
    for percent in $PERCENTS; do
        printf '%s' "$percent"
        for what in $percent.push $percent.pull $percent.rsync basebackup; do
            cell "increments.$size.$what"
        done
        echo
    done >"$data"
    plot change "More or less changed, $(megabytes "$size") MB" "changed pages, percent" "$data" \
        "zenith push" "zenith pull" "rsync, sync" pg_basebackup
}

tables | tee "$RESULTS/table.md"
json >"$RESULTS/bench.json"
if command -v gnuplot >/dev/null; then plots; else echo "no gnuplot: no plots" >&2; fi
rm -f "$RESULTS/plot.data"
echo "written: $RESULTS/ $(cd "$RESULTS" && echo table.md bench.json -- *.svg | sed 's/ --//')"
