/* pgcluster.h - a data directory that may be imported: cleanly stopped, of PostgreSQL 15.
 * Flow: pgimport opens one before anything else, and asks again before it commits
 * whether nobody started it meanwhile.  Threads: one at a time. */
#ifndef HOST_STUBS_PGDATA_PGCLUSTER_H
#define HOST_STUBS_PGDATA_PGCLUSTER_H

#include "pgdata/pgcontrol.h"
#include "pgdata/pgwal.h"

struct pgcluster {
    int root;         /* the data directory's descriptor */
    const char *path; /* as it was given; the caller's */
    struct pgcontrol control;
    uint32_t control_len, record_len;
    uint8_t control_bytes[PGCONTROL_FILE_BYTES];
    uint8_t record[PGWAL_RECORD_MAX]; /* the checkpoint's */
};

/* Errors: 22023 not a data directory, crashed, a standby, backup_label; 55006 running;
 * 0A000 another version; XX001 damaged; 42501 unreadable. */
int pgcluster_open(const char *path, struct pgcluster *out, struct zs_error *e);
void pgcluster_close(struct pgcluster *c);

/* 40001 if it was started since, else ZS_OK. */
int pgcluster_check_unmoved(const struct pgcluster *c, struct zs_error *e);

#endif
