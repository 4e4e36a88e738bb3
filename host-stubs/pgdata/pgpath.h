/* pgpath.h - the names in a data directory: which are carried, and which key is which file.
 * Flow: pgwalk asks what a name is; pgexport asks where a key's bytes belong.  An
 * export trusts no name that came with a branch: only those that pgpath_other_allowed
 * knows are written, all the rest is built from numbers.
 * Threads: any; pure functions. */
#ifndef HOST_STUBS_PGDATA_PGPATH_H
#define HOST_STUBS_PGDATA_PGPATH_H

#include "pgdata/pgkey.h"

#include <stdbool.h>

#define PGPATH_MAX 128 /* the longest path that the functions below build, and NUL */

struct pgpath {
    char s[PGPATH_MAX];
};

enum pgpath_fate {
    PGPATH_CARRIED,  /* goes into the branch */
    PGPATH_LEFT_OUT, /* known, and not needed in a copy */
    PGPATH_UNKNOWN,  /* not carried, and to be named */
};

/* A relation's file: RELNODE[_fsm|_vm|_init][.SEGMENT]. */
bool pgpath_relation(const char *name, uint32_t *relation, uint32_t *fork, uint32_t *segment);

/* A positive decimal number without leading zeros: a database's or tablespace's folder. */
bool pgpath_number(const char *name, uint32_t *out);

/* At least four upper-case hex digits (pg_twophase: eight): an SLRU segment. */
bool pgpath_hex(const char *name, size_t digits_least, uint32_t *out);

/* What becomes of an entry of the data directory's top, and of a database's folder
 * (or global/). */
enum pgpath_fate pgpath_top_fate(const char *name);
enum pgpath_fate pgpath_database_fate(const char *name, bool global);

/* The folder of a tablespace, of a database in it, of an SLRU. */
struct pgpath pgpath_tablespace(uint32_t space);
struct pgpath pgpath_database(uint32_t space, uint32_t database);
const char *pgpath_slru(uint32_t slru);

/* The file of a relation's segment, an SLRU segment, a prepared transaction. */
struct pgpath pgpath_relation_file(const struct pgkey *key, uint32_t segment);
struct pgpath pgpath_slru_file(const struct pgkey *key);
struct pgpath pgpath_twophase_file(uint32_t xid);

/* Folder and file name as one path. */
struct pgpath pgpath_join(const char *folder, const char *name);

/* May a folder of the top hold configuration?  Any that has a plain name and no meaning to
 * PostgreSQL may: include_dir can name it. */
bool pgpath_may_configure(const char *folder);

/* Is this FOLDER/FILE.conf with such a folder, both plain names?  Fills in the folder. */
bool pgpath_configuration(const char *path, struct pgpath *folder);

/* May a file of this path be among the "other files" of a branch? */
bool pgpath_other_allowed(const char *path);

#endif
