/* pgcontrol.h - what pg_control says of a cluster.
 * Flow: pgcluster (import) and pgexport read the file's bytes through here.
 * The layout is that of struct ControlFileData in PostgreSQL's
 * src/include/catalog/pg_control.h, PG_CONTROL_VERSION 1300, on a 64-bit
 * little-endian machine; other versions are refused.  PostgreSQL 13 to 16 share
 * that version, so that the catalog version tells them apart.
 * Threads: any; pure functions. */
#ifndef HOST_STUBS_PGDATA_PGCONTROL_H
#define HOST_STUBS_PGDATA_PGCONTROL_H

#include <zenith-sync/types.h>

#define PGCONTROL_VERSION           1300u
#define PGCONTROL_MAJOR             15u        /* the PostgreSQL that import and export know */
#define PGCONTROL_CATALOG           202209061u /* its catalog version */
#define PGCONTROL_TABLESPACE_FOLDER "PG_15_202209061" /* both: a tablespace's own folder */
#define PGCONTROL_FILE_BYTES        8192u             /* how large the file is */
#define PGCONTROL_MIN_BYTES         292u              /* up to and with the checksum */

/* enum DBState there */
#define PGCONTROL_SHUT_DOWN             1u
#define PGCONTROL_SHUT_DOWN_IN_RECOVERY 2u

struct pgcontrol {
    uint64_t system_identifier;
    uint32_t catalog_version;
    uint32_t state;           /* PGCONTROL_SHUT_DOWN if cleanly stopped */
    uint32_t timeline;        /* the checkpoint's WAL timeline, part of WAL file names */
    zs_lsn checkpoint;        /* where the latest checkpoint record starts */
    uint32_t block_bytes;     /* of a page */
    uint32_t segment_blocks;  /* blocks in a relation's segment file */
    uint32_t wal_block_bytes; /* of a WAL page */
    uint32_t wal_segment_bytes;
    /* Settings that the cluster ran with and that a copy may need to start. */
    uint32_t wal_level; /* 0 minimal, 1 replica, 2 logical */
    uint32_t wal_log_hints, track_commit_timestamp;
    uint32_t max_connections, max_worker_processes, max_wal_senders, max_prepared_transactions,
        max_locks_per_transaction;
};

/* 0A000 another version or byte order; XX001 too short, a wrong checksum, or sizes
 * that no PostgreSQL has. */
int pgcontrol_parse(const void *bytes, size_t len, struct pgcontrol *out, struct zs_error *e);

/* The cluster's state in pg_controldata's words. */
const char *pgcontrol_state_text(uint32_t state);

#endif
