/* pgwalk.h - a data directory as records, in key order, in large batches.
 * Flow: pgimport opens one over a pgcluster and a pgplan, and merges it with the branch.
 * The records' lsn is 0, their kind ZS_KIND_IMAGE; every key comes once.
 * Files are read by 1 MiB into one buffer, and the values are views of it: no copies.
 * Memory: that buffer and the listing of one folder.  Threads: one at a time. */
#ifndef HOST_STUBS_PGDATA_PGWALK_H
#define HOST_STUBS_PGDATA_PGWALK_H

#include "pgdata/pgcluster.h"
#include "pgdata/pgplan.h"

struct pgwalk;

/* The cluster and the plan must outlive it. */
int pgwalk_open(const struct pgcluster *cluster, const struct pgplan *plan, struct pgwalk **out,
                struct zs_error *e);
void pgwalk_close(struct pgwalk *w);

/* The next records, *count 0 at the end.  Valid until the next call. */
int pgwalk_next(struct pgwalk *w, const struct zs_record **records, uint64_t *count,
                struct zs_error *e);

/* Bytes of files that were read so far. */
uint64_t pgwalk_done_bytes(const struct pgwalk *w);

#endif
