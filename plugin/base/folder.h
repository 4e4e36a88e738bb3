/* folder.h - the names in a folder, to its end.
 * A folder that cannot be read must not pass for an empty one: whoever stops at the NULL of
 * folder_next looks at errno, before anything else changes it.
 *
 *     CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, path, 0);
 *     if (d == NULL) ...
 *     for (const char *name = folder_next(d); name != NULL; name = folder_next(d)) ...
 *     return folder_end(path, e);
 *
 * Threads: any, each with its own DIR. */
#ifndef ZS_BASE_FOLDER_H
#define ZS_BASE_FOLDER_H

#include <dirent.h>
#include <zenith-sync/types.h>

/* As openat: relative to `at`, with more flags, as O_NOFOLLOW.  NULL: errno says why. */
DIR *folder_open(int at, const char *path, int flags);

/* The next name but . and .., lent until the next call.  NULL: errno is 0 at the end. */
const char *folder_next(DIR *d);

/* Right behind that NULL: 58030 unless it was the end. */
int folder_end(const char *path, struct zs_error *e);

/* CLEANUP(folder_close) DIR *d */
static inline void folder_close(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d);
}

#endif
