/* file.h - replacing a file of the repository safely.
 * Threads: none of its own. */
#ifndef ZS_CLI_FILE_H
#define ZS_CLI_FILE_H

#include "cli/repo.h"

/* What root makes here is given to the repository's owner.
 *
 * Wait for the lock that guards an edit; closing *fd gives it back.  55006 after 10
 * seconds. */
int file_lock(const struct repo *repo, const char *name, int *fd, struct zs_error *e);

/* Put `text` in the place of the file `name` in .zenith: written aside (0600),
 * flushed to disk, renamed.  A file that is a symbolic link is replaced where it
 * points to. */
int file_replace(const struct repo *repo, const char *name, const char *text, size_t len,
                 struct zs_error *e);

#endif
