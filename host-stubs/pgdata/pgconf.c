/* pgconf.c - see pgconf.h. */
#include "pgdata/pgconf.h"

#include <stdio.h>
#include <string.h>

const char *const pgconf_names[PGCONF_FILES] = {"postgresql.conf", "pg_hba.conf", "pg_ident.conf"};

static size_t settings(const struct pgcontrol *c, char *out)
{
    static const char *const levels[] = {"minimal", "replica", "logical"};
    uint64_t wal_mb = (c->wal_segment_bytes + 1048575u) >> 20;
    int n = snprintf(out, PGCONF_TEXT_MAX,
                     "# Written by the export: the cluster's own postgresql.conf was not in its\n"
                     "# data directory.  These are the settings that pg_control records.\n"
                     "max_connections = %u\n"
                     "max_worker_processes = %u\n"
                     "max_wal_senders = %u\n"
                     "max_prepared_transactions = %u\n"
                     "max_locks_per_transaction = %u\n"
                     "wal_level = %s\n"
                     "wal_log_hints = %s\n"
                     "track_commit_timestamp = %s\n"
                     "min_wal_size = %lluMB\n"
                     "max_wal_size = %lluMB\n",
                     c->max_connections, c->max_worker_processes, c->max_wal_senders,
                     c->max_prepared_transactions, c->max_locks_per_transaction,
                     levels[c->wal_level < 3 ? c->wal_level : 1], c->wal_log_hints ? "on" : "off",
                     c->track_commit_timestamp ? "on" : "off", (unsigned long long)wal_mb * 5,
                     (unsigned long long)wal_mb * 64);
    return n > 0 && n < (int)PGCONF_TEXT_MAX ? (size_t)n : 0;
}

size_t pgconf_text(unsigned which, const struct pgcontrol *c, char *out)
{
    static const char *const texts[PGCONF_FILES] = {
        "", "# Written by the export.\nlocal all all peer\nlocal replication all peer\n",
        "# Written by the export.\n"};
    if (which == 0)
        return settings(c, out);
    size_t len = strlen(texts[which]);
    memcpy(out, texts[which], len + 1);
    return len;
}
