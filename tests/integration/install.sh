#!/usr/bin/env bash
# What is installed works where it is installed, and is enough to build a transport with.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite install
clusters
unset MAKEFLAGS MFLAGS
# What was built is installed as it is (-o all): other tests run from the same folder, and a
# make that is told other flags would build it anew under them.
make_in() { # make_in FOLDER ARGUMENT...: kept in STATUS OUT ERR
    LAST="make -C $*" STATUS=0
    make -C "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || STATUS=$?
    collect
}

make_in "$ROOT" -f plugin.mk -o all install BUILD="$BUILD" PREFIX=/usr DESTDIR="$WORK/staged"
must "make install DESTDIR= PREFIX= succeeds" exits 0
(cd staged && find . -type f | sort) >staged.list
cat >want.list <<'WANT'
./usr/bin/pageserver
./usr/bin/zenith
./usr/include/zenith-sync/host.h
./usr/include/zenith-sync/store.h
./usr/include/zenith-sync/transport.h
./usr/include/zenith-sync/types.h
./usr/lib/pkgconfig/zenith-sync.pc
./usr/lib/zenith-sync/transports/libpq.so
./usr/lib/zenith-sync/zenith_sync.so
./usr/share/zenith-sync/transport.map
./usr/share/zenith-sync/transport.mk
WANT
OUT=$(diff want.list staged.list)
must "these files are installed and no others" same "$OUT" ""
must "the staging folder's name is in none of them" not grep -rq "$WORK/staged" staged/usr/lib/pkgconfig
must "the .pc file names the prefix" grep -qx 'prefix=/usr' staged/usr/lib/pkgconfig/zenith-sync.pc
make_in "$ROOT" -f plugin.mk uninstall PREFIX=/usr DESTDIR="$WORK/staged"
must "make uninstall succeeds" exits 0
must "and leaves nothing" same "$(find staged -type f)" ""

# Where it is to be used.
prefix=$WORK/prefix
make_in "$ROOT" -f plugin.mk -o all install BUILD="$BUILD" PREFIX="$prefix"
must "make install into a prefix succeeds" exits 0
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
must "pkg-config knows it" pkg-config --exists zenith-sync

# A third party's transport: a copy of the example, outside of the project.
cp -r "$ROOT/tests/abi/example-transport" "$WORK/third"
make_in "$WORK/third" CC="${CC:-gcc}" CFLAGS="-O2 -Wall -Wextra -Werror" all bridge
must "a transport builds against what is installed" exits 0
must "it exports one symbol" same "$(nm -D --defined-only third/spawn.so | awk '{print $3}' |
    grep -v san)" zenith_sync_transport_v1
make_in "$WORK/third" install
must "and installs beside the others" test -x "$prefix/lib/zenith-sync/transports/spawn.so"

BUILD=$prefix/bin # from here on, the installed programs
server A && server B
must "the installed server finds its module" grep -q perform_push <<<"$(sql A commands)"
peer A B
run A import main "$BASE"
must "the installed server imports" exits 0
run A push main B
must "the installed libpq transport carries a push" exits 0
must "and both sides are equal" same "$(state B main)" "$(state A main)"

run A origin add here "spawn://bridge"
must "origin add takes the third party's scheme" exits 0
run A origin add bad "spawn://../../bin/sh"
must "and asks its transport whether a URI is good" not exits 0
must "which says why" says 'spawn.d'
run A push main here --json
must "a program that is not there cannot be reached: status 5" exits 5
must "and 08001" fails_with 08001
mkdir "$prefix/lib/zenith-sync/transports/spawn.d"
bridge=$prefix/lib/zenith-sync/transports/spawn.d/bridge
printf '#!/bin/sh\nBRIDGE_URI="%s" exec %s/third/bridge\n' "$(uri B)" "$WORK" >"$bridge"
chmod 700 "$bridge"
run A import main "$NEXT"
run A push main here
must "a branch is pushed through the third party's transport" exits 0
must "and both sides are equal again" same "$(state B main)" "$(state A main)"
run A push main here:copy
must "in full, too" exits 0
must "and equal" same "$(history_of B copy)" "$(history_of A main)"
run B import main "$LATER"
run A push main here
must "what the far server refuses comes through it" exits 3
run A pull main here
must "a branch is pulled through it" exits 0
must "and both sides are equal at the end" same "$(state A main)" "$(state B main)"
finish
