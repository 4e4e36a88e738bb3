/* history.h - a snapshot's history points: looked up, thinned, computed.
 * Flow: sync/send and sync/receive -> here -> store/.  Memory: fixed.
 * Threads: none of its own. */
#ifndef ZS_SYNC_HISTORY_H
#define ZS_SYNC_HISTORY_H

#include "store/store.h"
#include "sync/transfer.h"
#include "sync/verdict.h"
#include "wire/conn.h"
#include "wire/control.h"

/* The snapshot's point at its last_valid_lsn. */
struct zs_point history_last(const struct snapshot *s);

/* Points with after_lsn < lsn <= upto_lsn, thinned: the newest 32, then ever sparser,
 * CONTROL_MAX_POINTS at most. */
int history_thin(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                 struct point_list *out, struct zs_error *e);

/* The point at exactly this LSN, if the history lists it. */
int history_find(const struct snapshot *s, zs_lsn lsn, bool *found, struct zs_point *point,
                 struct zs_error *e);

/* The newest of `points` that the snapshot's history has too; 0 if none. */
int history_common(const struct snapshot *s, const struct point_list *points, zs_lsn *common_lsn,
                   struct zs_error *e);

/* D(lsn): listed, or computed by summing all records above it, in which `transfer`
 * counts (NULL: it does not), and during which `line` is kept alive (NULL: none).  The records
 * that the change map knows of are summed first: if that gives `hoped`, which the other side
 * says it is, nothing was left out, and the branch is not read.  Not known if the snapshot has
 * collected versions above lsn.  53400 too many sums under way; 57014. */
int history_digest_at(const struct snapshot *s, zs_lsn lsn, struct zs_digest hoped,
                      struct transfer *transfer, const struct zs_cancel *cancel, struct conn *line,
                      struct maybe_digest *out, struct zs_error *e);

#endif
