/* pgio.h - reading files of a data directory, by paths relative to its descriptor.
 * Only regular files are opened (a FIFO would wait for ever).  Symbolic links are
 * followed, as PostgreSQL does.  Threads: any. */
#ifndef HOST_STUBS_PGDATA_PGIO_H
#define HOST_STUBS_PGDATA_PGIO_H

#include <stdbool.h>
#include <zenith-sync/types.h>

/* Open a file to read, and tell its size.  With `missing` not NULL, one that is not there
 * is no error: *missing is true and *fd -1. */
int pgio_open(int root, const char *path, int *fd, uint64_t *bytes, bool *missing,
              struct zs_error *e);

/* Exactly len bytes from offset; 40001 if the file ends before. */
int pgio_read(int fd, const char *path, uint64_t offset, void *buf, size_t len, struct zs_error *e);

/* A whole file of at most `size` bytes; XX001 if it is larger. */
int pgio_read_small(int root, const char *path, void *buf, size_t size, size_t *len, bool *missing,
                    struct zs_error *e);

/* Each name in a folder, but . and ..; ends early if visit fails. */
typedef int (*pgio_visit)(void *context, const char *name, struct zs_error *e);
int pgio_each(int root, const char *folder, pgio_visit visit, void *context, struct zs_error *e);

#endif
