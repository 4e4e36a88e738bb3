/* pgconf.h - the least configuration that a copy starts with, where the cluster's own is
 * kept outside its data directory (as Debian does) and so was not imported.
 * Flow: pgexport, for each of the three files that the branch lacks.
 * Threads: any; pure functions. */
#ifndef HOST_STUBS_PGDATA_PGCONF_H
#define HOST_STUBS_PGDATA_PGCONF_H

#include "pgdata/pgcontrol.h"

#define PGCONF_FILES    3u
#define PGCONF_TEXT_MAX 2048u

/* postgresql.conf, pg_hba.conf, pg_ident.conf */
extern const char *const pgconf_names[PGCONF_FILES];

/* The text of the file pgconf_names[which] into out, which has PGCONF_TEXT_MAX bytes;
 * returns its length.  postgresql.conf repeats the settings that pg_control records: with
 * fewer prepared transactions allowed than there are, for one, PostgreSQL does not
 * start.  The WAL sizes are initdb's, 5 and 64 files: PostgreSQL's own defaults fit files
 * of 16 MiB, and from 64 MiB on it does not start with them.  pg_hba.conf lets in nobody but
 * through the local socket, by the name of the operating system's user. */
size_t pgconf_text(unsigned which, const struct pgcontrol *c, char *out);

#endif
