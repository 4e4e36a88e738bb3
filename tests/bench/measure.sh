# shellcheck shell=bash
# measure.sh - timing, memory and touching, for bench.sh.  Sourced, not run.
#
# A sample is one number in a line of RESULTS/samples/KEY; a key is PART.SIZE.WHAT, and the
# files stay, so that parts can be run one by one and told together (report.sh).

# timed KEY COMMAND...: its milliseconds become a sample.  What earlier steps left to be
# written is written before.  A command that fails ends the part.
timed() {
    local key=$1
    shift
    sync -f "$WORK"
    clock "$@"
    sample "$key" "$MS"
}
clock() { # COMMAND...: its milliseconds into MS, whatever is being written
    local begin=${EPOCHREALTIME/./} end
    "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || broken "$@"
    end=${EPOCHREALTIME/./}
    MS=$(awk -v us=$((end - begin)) 'BEGIN {printf "%.1f", us / 1000}')
}
# quietly COMMAND...: the same, of no interest.
quietly() { "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || broken "$@"; }
# drop NAME BRANCH: a push may be done a moment before the far server lets go of its branch.
drop() { poll 10 z "$1" branch delete "$2" >"$WORK/.out" 2>"$WORK/.err" || broken z "$1" branch delete "$2"; }
broken() {
    cat "$WORK/.out" "$WORK/.err"
    echo "bench: $* failed" >&2
    exit 1
}
sample() { echo "$2" >>"$RESULTS/samples/$1"; }

# machine: what it is, in one line.
machine() {
    local processor memory
    processor=$(sed -nE 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    memory=$(awk '$1 == "MemTotal:" {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)
    echo "$(nproc) x ${processor:-$(uname -m)}, $memory, Linux $(uname -r | cut -d - -f 1)," \
        "$(df --output=fstype "$WORK" | tail -n 1)"
}

# forget PART[.SIZE]: its samples of an earlier run.
forget() { rm -f "$RESULTS/samples/$1".*; }

# field NAME: a number of the last command's JSON.
field() { grep -oE "\"$1\": *\"?[0-9]+" "$WORK/.out" | grep -oE '[0-9]+$' | head -n 1; }

# What the disks have done so far, and what is dirty: alike twice only while nothing goes on.
disk_state() {
    awk '{print $3, $8, $12, $15, $19}' /proc/diskstats # writes, in flight, discards, flushes
    awk '$1 ~ /^(Dirty|Writeback):$/ {print $1, int($2 / 1024)}' /proc/meminfo
}
# settle: until what earlier steps left has been written, and what they removed been discarded:
# a file system does some of it after a sync has returned.  5 s at most.
settle() {
    local until=$((SECONDS + 5)) before now
    sync -f "$WORK"
    now=$(disk_state)
    until [ "$now" = "${before-}" ] || [ "$SECONDS" -ge "$until" ]; do
        before=$now
        sleep 0.5
        now=$(disk_state)
    done
}

# touch_memory TIMES: as much as the cluster has, and a quarter more, is taken and given back, so
# that whoever copies it next into the page cache finds memory that is there: a virtual machine may
# have given it back to its host, and the first to touch it then waits (4.5 s for 1.5 GB in place
# of 0.3).  Not before an increment: the machine gives that memory back again meanwhile, and for
# that time all that it does takes three times as long.
touch_memory() {
    local bytes=$((${BYTES:-0} * 5 * ${1:-1} / 4)) free
    free=$(df --output=avail -B 1 /dev/shm 2>/dev/null | tail -n 1)
    [ "$bytes" -lt "${free:-0}" ] || return 0
    head -c "$bytes" /dev/zero >"/dev/shm/zenith-sync.$$"
    rm "/dev/shm/zenith-sync.$$"
}

# touch_disk FOLDER [TIMES]: so many times the bytes of the cluster written there and removed,
# so that whoever writes next finds blocks that the disk has seen before.
touch_disk() {
    local times=${2:-1}
    while [ $((times--)) -gt 0 ]; do cat "$WORK/bytes"; done >"$1/.touch"
    sync "$1/.touch" && rm "$1/.touch" && settle && touch_memory "${2:-1}"
}

# ---- memory -------------------------------------------------------------------------------

# proc_kib PID FIELD: of /proc/PID/status, into KIB; false if it is not there.  In one go: `read`
# seeks back behind each line and has the text made anew, and where a line above has become
# shorter or longer meanwhile, the next one begins in its middle.
proc_kib() {
    local lines line
    { mapfile -t lines <"/proc/$1/status"; } 2>/dev/null
    for line in "${lines[@]}"; do
        [[ $line == "$2:"* ]] && KIB=${line//[^0-9]/} && return
    done
    return 1
}
# sample_memory NAME PID BASE: until NAME.over is there, or the server has ended; NAME.anon then
# has the highest RssAnon in KiB, BASE at least, and how often it was looked at.
sample_memory() {
    local max=$3 looks=0
    until [ -e "$WORK/$1.over" ] || [ ! -e "/proc/$2" ]; do
        proc_kib "$2" RssAnon && looks=$((looks + 1)) && [ "$KIB" -gt "$max" ] && max=$KIB
        sleep 0.01
    done
    echo "$max $looks" >"$WORK/$1.anon"
}
mib() { awk -v kib="$1" 'BEGIN {printf "%.1f", kib / 1024}'; }

# at_rest PID: until it has used no processor for half a second, 30 s at most: an engine that has
# just been started may have files to merge, which is not what a transfer takes.
at_rest() {
    local before='' stat looks=60
    while [ $((looks--)) -gt 0 ]; do
        read -r -a stat <"/proc/$1/stat"
        [ "$before" != "${stat[13]} ${stat[14]}" ] || return 0
        before="${stat[13]} ${stat[14]}"
        sleep 0.5
    done
}

# watched KEY NEAR FAR COMMAND...: timed, both servers fresh and at rest, and what it added to each at
# most becomes KEY.{near,far}.{anon,peak} in MiB: anonymous memory, looked at 100 times a
# second; and all of it, files that are mapped included, as the kernel counts the peak.  With
# fewer than 20 looks a second, but for ten, there is no telling what was missed: the part ends.
watched() {
    local key=$1 side name begin took most looks pids=()
    local -A server=([near]=$2 [far]=$3) pid anon peak
    shift 3
    for side in near far; do
        name=${server[$side]}
        quietly z "$name" stop
        quietly z "$name" start
        pid[$side]=$(pid_of "$name")
        at_rest "${pid[$side]}"
        echo 5 >"/proc/${pid[$side]}/clear_refs" # the peak counts from here
        proc_kib "${pid[$side]}" VmHWM && peak[$side]=$KIB
        proc_kib "${pid[$side]}" RssAnon && anon[$side]=$KIB
    done
    begin=${EPOCHREALTIME/./}
    for side in near far; do
        rm -f "$WORK/${server[$side]}.over"
        sample_memory "${server[$side]}" "${pid[$side]}" "${anon[$side]}" &
        pids+=($!)
    done
    timed "$key.ms" "$@"
    took=$((${EPOCHREALTIME/./} - begin))
    touch "$WORK/${server[near]}.over" "$WORK/${server[far]}.over"
    wait "${pids[@]}"
    for side in near far; do
        name=${server[$side]}
        read -r most looks <"$WORK/$name.anon"
        [ $(((looks + 10) * 50000)) -ge $took ] || {
            echo "bench: $key: $looks looks at the memory of $name in $((took / 1000)) ms" >&2
            exit 1
        }
        sample "$key.$side.anon" "$(mib $((most - anon[$side])))"
        proc_kib "${pid[$side]}" VmHWM || broken proc_kib "$name"
        sample "$key.$side.peak" "$(mib $((KIB - peak[$side])))"
    done
}
