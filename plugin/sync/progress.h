/* progress.h - telling a client how far its transfer is.
 * Flow: sync/send and sync/receive -> here -> the session's notices: a sentence for
 * people, and for programs one JSON object in the detail:
 *   {"progress":{"phase":"send","records":"1","total_records":"2","bytes":"3",
 *                "total_bytes":"4","wire_bytes":"5"}}
 * Totals that are not known are left out.  Counts never go back and never pass a
 * total.  At most one notice per PROGRESS_EVERY_MS.
 * Threads: the session's. */
#ifndef ZS_SYNC_PROGRESS_H
#define ZS_SYNC_PROGRESS_H

#include "base/error.h"
#include "sync/transfer.h"

#include <zenith-sync/host.h>

#define PROGRESS_EVERY_MS 500

struct progress {
    const struct zs_session *session; /* NULL: nobody listens */
    bool quiet;                       /* what progress_say has to say, and no more */
    const struct transfer *transfer;
    int64_t last_ns;
};

/* Tell, if it is time. */
void progress_tell(struct progress *p);

/* A sentence for the person, at once (a warning, SQLSTATE 01000). */
void progress_say(struct progress *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* The texts of one notice; pure, for the tests. */
void progress_write(const struct transfer_facts *facts, struct zs_error *notice);

#endif
