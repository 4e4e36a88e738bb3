/* pgwal.h - the one WAL record that a copy cannot start without: the checkpoint.
 * Flow: pgcluster reads it from pg_wal at import (a value of the branch from then on);
 * pgexport lays it out again, at its own LSN, in an otherwise empty segment file.
 *
 * A WAL file is a row of pages of wal_block_bytes, each with a header of 24 bytes (40 in
 * a file's first page), and records run on across pages and files.  So the record may
 * lie on two pages, and in two files.  PostgreSQL reads the file's first page and the
 * record's own ones; the rest stays zero.
 * Source: PostgreSQL 15's src/include/access/xlog_internal.h and xlogrecord.h.
 * Threads: any. */
#ifndef HOST_STUBS_PGDATA_PGWAL_H
#define HOST_STUBS_PGDATA_PGWAL_H

#include "pgdata/pgcontrol.h"

#include <stdbool.h>

#define PGWAL_RECORD_MAX 512u /* a shutdown checkpoint has 114 bytes */
#define PGWAL_NAME_BYTES 25   /* 24 hex digits and NUL */

/* Where a part of the record lies: bytes [done, done + len) of it at `at`, whose page
 * starts at `page`. */
struct pgwal_part {
    zs_lsn page, at;
    uint32_t done, len;
};

/* The part behind `done` bytes of a record of `total` that starts at the control's
 * checkpoint; false if there is none. */
bool pgwal_part(const struct pgcontrol *c, uint32_t done, uint32_t total, struct pgwal_part *out);

/* The name of the file that an LSN lies in. */
void pgwal_file_name(const struct pgcontrol *c, zs_lsn lsn, char name[PGWAL_NAME_BYTES]);

/* Is this the shutdown checkpoint that pg_control speaks of, whole and sound?  XX001. */
int pgwal_check_record(const struct pgcontrol *c, const uint8_t *record, uint32_t len,
                       struct zs_error *e);

/* Read and check it from pg_wal of the data directory `root`.  `record` has
 * PGWAL_RECORD_MAX bytes. */
int pgwal_read_checkpoint(int root, const struct pgcontrol *c, uint8_t *record, uint32_t *len,
                          struct zs_error *e);

/* A page's header: what page `page` of a file needs in front of the last `left` bytes of
 * a record that began before it (0: of none).  Returns its length, 24 or 40. */
uint32_t pgwal_page_header(const struct pgcontrol *c, zs_lsn page, uint32_t left,
                           uint8_t header[40]);

#endif
