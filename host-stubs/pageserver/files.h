/* files.h - small files, read and written whole.
 * All are made with mode 0600 and are on disk when the function returns.
 * Threads: any. */
#ifndef PAGESERVER_FILES_H
#define PAGESERVER_FILES_H

#include <stddef.h>
#include <zenith-sync/types.h>

#define FILE_PATH_MAX 4096

/* The text of a file, NUL-terminated, from malloc.  53400 if longer than max. */
int file_read(const char *path, size_t max, char **out, struct zs_error *e);

/* A new file; 42710 if it exists. */
int file_write(const char *path, const char *text, size_t len, struct zs_error *e);

/* In place of what is there, at once: a reader sees the old or the new.  When root
 * does so the file becomes the folder's owner's.  One writer at a time. */
int file_replace(const char *path, const char *text, size_t len, struct zs_error *e);

/* Bring to disk that the folder holds what was made in it, or renamed, as `path`. */
int file_sync_name(const char *path, struct zs_error *e);

/* DIR "/" NAME into out.  22023 if it is too long. */
int path_join(char out[FILE_PATH_MAX], const char *dir, const char *name, struct zs_error *e);

#endif
