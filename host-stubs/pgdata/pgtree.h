/* pgtree.h - a new directory being filled, that is removed again unless it was finished.
 * Flow: pgexport opens one, makes folders, writes files one after the other, and seals it.
 * Invariants: the directory did not exist or was empty, so all in it is ours to remove;
 * folders are 0700, files 0600; nothing counts as written before the seal.
 * Threads: one at a time. */
#ifndef HOST_STUBS_PGDATA_PGTREE_H
#define HOST_STUBS_PGDATA_PGTREE_H

#include "pgdata/pgpath.h"
#include "pgdata/watch.h"

struct pgtree;

/* 42710 if the directory is there and not empty; 22023 if its parent is missing; 55006 if
 * another has it open: it is locked (flock).
 * The path and the watch must outlive it. */
int pgtree_open(const char *path, const struct pgdata_watch *watch, struct pgtree **out,
                struct zs_error *e);

/* Not sealed: removes what was written, and the directory if it was made here. */
void pgtree_close(struct pgtree *t);

/* One folder; its parent must be there.  One that is there already is no error. */
int pgtree_folder(struct pgtree *t, const char *path, struct zs_error *e);

/* Begin a file; ends the one before.  `append` goes on with one that was begun earlier.
 * Bytes go through a buffer of 1 MiB. */
int pgtree_file(struct pgtree *t, const char *path, bool append, struct zs_error *e);
int pgtree_write(struct pgtree *t, const void *bytes, size_t len, struct zs_error *e);

/* Go on at this offset of the file, from whose end on it is a hole. */
int pgtree_seek(struct pgtree *t, uint64_t offset, struct zs_error *e);

/* Make the file at least this long. */
int pgtree_extend(struct pgtree *t, uint64_t bytes, struct zs_error *e);

/* End the last file and bring all to disk, file by file: syncfs would wait for whatever
 * else is being written on that disk, and could not be cancelled. */
int pgtree_sync(struct pgtree *t, struct zs_error *e);

/* Write the one last file, bring it to disk, and leave the tree alone from here on. */
int pgtree_seal(struct pgtree *t, const char *folder, const char *name, const void *bytes,
                size_t len, struct zs_error *e);

uint64_t pgtree_files(const struct pgtree *t);
uint64_t pgtree_bytes(const struct pgtree *t);

#endif
