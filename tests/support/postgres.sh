# postgres.sh - PostgreSQL clusters for tests, demo and bench.  Sourced, not run.
# PostgreSQL refuses root: as root everything here runs as the user postgres, in a folder
# of its own (PG_ROOT).  Clusters listen on a Unix socket inside their own data directory.
# Durability is off where it costs time: nothing here outlives the script.

# The newest installed server, 15 first: its programs in PG_BIN.
pg_find() {
    local dir
    for dir in "${PG_BIN-}" /usr/lib/postgresql/15/bin "$(pg_config --bindir 2>/dev/null)"; do
        [ -n "$dir" ] && [ -x "$dir/initdb" ] && PG_BIN=$dir && return 0
    done
    echo "no PostgreSQL server programs; install them with: make -f plugin.mk deps" >&2
    return 1
}

# pg_root DIR: make DIR the place for clusters.
pg_root() {
    PG_ROOT=$1
    mkdir -p "$PG_ROOT"
    pg_own "$PG_ROOT"
}

# As root: give files to the user that PostgreSQL runs as.
pg_own() { [ "$(id -u)" -ne 0 ] || chown -R postgres: "$@"; }

as_pg() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && HOME=/ exec setpriv --reuid postgres --regid postgres --init-groups -- "$@")
    else
        "$@"
    fi
}

# pg_init NAME [initdb option ...]: a new cluster PG_ROOT/NAME.
pg_init() {
    local dir=$PG_ROOT/$1
    shift
    as_pg "$PG_BIN/initdb" -D "$dir" -U postgres --auth trust -E UTF8 --locale C --no-sync "$@" \
        >"$PG_ROOT/initdb.log" 2>&1 || {
        cat "$PG_ROOT/initdb.log" >&2
        return 1
    }
}

# pg_start NAME [setting=value ...]
pg_start() {
    local dir=$PG_ROOT/$1 settings=
    shift
    local setting
    for setting in "$@"; do settings+=" -c $setting"; done
    # Not after the newest setting: a later -c wins.
    as_pg "$PG_BIN/pg_ctl" -D "$dir" -l "$dir.log" -w -s \
        -o "-c listen_addresses= -c unix_socket_directories=$dir -c fsync=off$settings" start || {
        tail -n 20 "$dir.log" >&2
        return 1
    }
}

pg_stop() { as_pg "$PG_BIN/pg_ctl" -D "$PG_ROOT/$1" -w -s -m "${2:-fast}" stop; }

# pg_sql NAME DATABASE SQL: rows, unaligned.  SQL from standard input if it is "-".
pg_sql() {
    local args=(-X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_ROOT/$1" -U postgres -d "$2")
    if [ "$3" = - ]; then
        "$PG_BIN/psql" "${args[@]}"
    else
        "$PG_BIN/psql" "${args[@]}" -c "$3"
    fi
}

# All rows and definitions of a running cluster, for comparing two of them.  Recent minor
# releases write a random \restrict key unless one is given; older ones know no such option.
pg_dump_text() {
    local key=(--restrict-key=x)
    "$PG_BIN/pg_dumpall" --help | grep -q restrict-key || key=()
    "$PG_BIN/pg_dumpall" -h "$PG_ROOT/$1" -U postgres "${key[@]}"
}

# End every cluster in PG_ROOT at once.
pg_stop_all() {
    local pid
    for pid in "$PG_ROOT"/*/postmaster.pid; do
        [ ! -e "$pid" ] || pg_stop "$(basename "$(dirname "$pid")")" immediate
    done 2>/dev/null
}
