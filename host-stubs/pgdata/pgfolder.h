/* pgfolder.h - one folder of a data directory, listed in key order.
 * Flow: pgplan (sizes, notes) and pgwalk (reading) list each folder when they come to it,
 * so that memory follows the largest folder, not the cluster.  Threads: any. */
#ifndef HOST_STUBS_PGDATA_PGFOLDER_H
#define HOST_STUBS_PGDATA_PGFOLDER_H

#include "pgdata/pgcontrol.h"

#include <stdbool.h>

struct pgfile {
    uint32_t number;        /* relation, SLRU segment, XID, or the folder's own number */
    uint32_t fork, segment; /* of a relation's file */
    uint64_t bytes;
};

struct pgfiles {
    struct pgfile *at; /* ascending by number, fork, segment */
    size_t n, allocated;
};

void pgfiles_free(struct pgfiles *files);

/* The names that are not carried, cut if there are many. */
struct pgskipped {
    char text[600];
    size_t n;
};

void pgskipped_add(struct pgskipped *s, const char *folder, const char *name, const char *why);

/* What the entries are: decides which names count, and how they are read. */
enum pgfolder_kind {
    PGFOLDER_NUMBERED, /* folders called by a number: databases, tablespaces */
    PGFOLDER_DATABASE, /* relations */
    PGFOLDER_GLOBAL,   /* shared relations */
    PGFOLDER_SLRU,     /* segments */
    PGFOLDER_TWOPHASE, /* prepared transactions */
};

/* List a folder.  *files is emptied first.  What does not belong there goes to `skipped`,
 * if that is not NULL.  A relation's segments come as one entry of fork and all bytes,
 * whole pages only. */
int pgfolder_list(int root, const char *folder, enum pgfolder_kind kind, const struct pgcontrol *c,
                  struct pgskipped *skipped, struct pgfiles *files, struct zs_error *e);

/* Pure: turn sorted files of segments into one entry per fork.  A segment behind one that
 * is not full is none of the relation's, as PostgreSQL sees it; an empty one is usual,
 * another is skipped. */
void pgfolder_join_segments(struct pgfiles *files, const struct pgcontrol *c, const char *folder,
                            struct pgskipped *skipped);

#endif
