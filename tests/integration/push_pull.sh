#!/usr/bin/env bash
# A branch travels: first, incremental, up to date, through a third server, under another
# name, from the side that is behind, and with nothing in it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite push_pull
clusters
server A && server B && server C
peer A B && peer B C && peer C B reader && peer A C reader

run A import main "$BASE"
must "a stopped cluster is imported into a new branch" exits 0
run A import main "$BASE"
must "importing the same cluster again changes nothing and succeeds" exits 0
before=$(state A main)

run A push main B --dry-run
must "a dry run of a first push succeeds" exits 0
must "a dry run of a first push says that the branch is absent there" says 'absent|new|would'
must "a dry run creates nothing over there" same "$(state B main)" none

run A push main B
must "a first push succeeds" exits 0
must "a first push ends with a sentence that names the branch" outputs main
must "after a first push both servers hold the same timeline, LSN and digest" \
    same "$(state B main)" "$before"
must "a push leaves the near branch as it was" same "$(state A main)" "$before"

run A push main B
must "a push with nothing to do succeeds" exits 0
must "a push with nothing to do says so" says 'up to date'
run A pull main B
must "a pull with nothing to do succeeds" exits 0
must "a pull with nothing to do says so" says 'up to date'

run A import main "$NEXT"
must "a changed cluster is imported into the same branch" exits 0
must "the import of a change moves the branch" not same "$(state A main)" "$before"
run A push main B --dry-run
must "a dry run of an increment changes nothing over there" same "$(state B main)" "$before"
run A push main B --json
must "an incremental push succeeds" exits 0
must "an incremental push's JSON says that the far side was behind" says '"verdict": *"behind"'
records=$(grep -oE '"records": *"?[0-9]+' <<<"$OUT" | grep -oE '[0-9]+$')
must "an incremental push sends the change and not the database" \
    test "${records:-999999}" -gt 0 -a "${records:-999999}" -lt 2000
must "after an incremental push both servers are equal" same "$(state B main)" "$(state A main)"

run C pull main B
must "a third server pulls the branch, with a reader's password" exits 0
must "after the pull the third server holds the same" same "$(state C main)" "$(state B main)"

run B import main "$LATER" --json
must "a branch that was pushed here continues with an import here" outputs '"branch": *"main"'
ahead=$(state B main)
behind=$(state A main)
run A push main B
must "a push to a far side that is ahead is refused with status 3" exits 3
must "the refusal says to pull" says 'zenith pull|pull'
must "the refused push leaves the far branch" same "$(state B main)" "$ahead"
run B push main C
must "the far side can push on" exits 0
run A pull main B --dry-run
must "a dry run of a pull changes nothing" same "$(state A main)" "$behind"
run A pull main B
must "a pull fetches what the far side has more" exits 0
must "after the pull both are equal" same "$(state A main)" "$ahead"
run C import side "$BASE" # an older state of the same cluster, as a branch of its own
must "an older state of the cluster makes a branch of its own" exits 0
run A pull main C:side
must "a pull from a far side that is behind is refused with status 3" exits 3
must "the refusal says to push" says 'push'

run A push main B:release/1.0
must "a branch can be pushed under another name" exits 0
run A push main B:copy
must "the same branch can be pushed under a second name" exits 0
must "the copy is equal" same "$(history_of B copy)" "$(history_of A main)"
must "two names over there are two timelines" not same "$(state B copy)" "$(state B release/1.0)"
run A pull fetched B:copy
must "a branch can be pulled under another name" exits 0
must "what was pulled under another name is equal" \
    same "$(history_of A fetched)" "$(history_of A main)"
run A status
must "status shows what each change map covers" outputs '^main +0/[0-9A-F]+ .* none$'
must "and a branch that has none" outputs '^fetched +none '
run A branch rebuild-map fetched
must "a change map can be made anew" exits 0
run A branch rebuild-map fetched --json
must "and again, for a program" outputs '"epochs": *"?[0-9]'
run A status --json
must "it covers the whole branch then" outputs '"from_lsn": *"0/0"'
must "its records are as before" same "$(history_of A fetched)" "$(history_of A main)"
run A push main B:copy
must "a push to a name it was pushed under before is up to date" says 'up to date'

run A branch create empty
must "an empty branch can be made" exits 0
run A push empty B
must "an empty branch can be pushed" exits 0
must "it is empty over there" test "$(history_of B empty | cut -d ' ' -f 1)" = 0/0
run A push empty B
must "an empty branch pushed again is up to date" says 'up to date'
run C pull empty B
must "an empty branch can be pulled" exits 0
run A push empty B:copy
must "an empty branch is behind any other: refused with status 3" exits 3
run A push main B:empty --quiet
must "a branch can be pushed over an empty one" exits 0
must "and is equal then" same "$(history_of B empty)" "$(history_of A main)"

run A export empty "$WORK/none"
must "an empty branch cannot be exported" not exits 0
run B export copy "$WORK/copy" --json
must "what was pushed can be exported" outputs '"files": *"?[0-9]'
must "an export is a data directory" test -s "$WORK/copy/global/pg_control"
must "an export is the cluster's own files" \
    cmp "$WORK/copy/base/1/PG_VERSION" "$LATER/base/1/PG_VERSION"
# What a status says of them to people.
run A status
must "a status lists the transfers in one's own words" outputs ' push  +main  +127\.0\.0\.1:'
must "and within a terminal's width" same "$(grep -A 99 ^STARTED <<<"$OUT" | grep -v '^  ' | awk 'length > 80')" ""
run B status
must "and those of a peer" outputs " peer's push +main"
finish
