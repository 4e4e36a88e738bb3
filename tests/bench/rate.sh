# shellcheck shell=bash
# rate.sh - does a push hold its max_rate within any ten seconds, for bench.sh.  Sourced, not run.
#
# Branches made by fill.c go from A to B through a relay that counts (rate.c), for some thirty
# seconds each; noise, so that nothing packs it.  The values of 8 MiB are the worst there is: one
# of them takes a third of a second at that rate (sync/throttle.h).
rate_cases() { # name, records, bytes of each value, bytes per second
    echo "pages-256K 960 8192 262144"
    echo "pages-16M 61440 8192 16777216"
    echo "large-24M 90 8388608 25165824"
}
part_rate() {
    local name records bytes rate gate most least
    server A && server B
    peer A B
    while read -r name records bytes rate; do
        echo "  rate: $name ..."
        quietly z A stop
        quietly "$TOOLS/fill" "$WORK/A/.zenith/data" "$name" "$records" "$bytes"
        quietly z A start
        gate=$(free_port)
        : >"$WORK/rate.$name"
        "$TOOLS/rate" "$gate" "${PORT[B]}" "$rate" 10000 >"$WORK/rate.$name" &
        poll 10 grep -q ready "$WORK/rate.$name" || exit 1
        quietly z A origin add "rate-$name" "postgresql://writer:s3cret%2Fp%40ss@127.0.0.1:$gate"
        quietly z A push "$name" "rate-$name" --max-rate "$rate"
        wait $!
        read -r most least < <(tail -n 1 "$WORK/rate.$name")
        sample "rate.$name.most" "$most"
        sample "rate.$name.least" "$least"
        drop A "$name"
        drop B "$name"
    done < <(rate_cases)
}
