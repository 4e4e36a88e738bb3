/* folder.c - see folder.h. */
#include "base/folder.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

DIR *folder_open(int at, const char *path, int flags)
{
    int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_DIRECTORY | flags);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int errnum = errno;
        fd_close(&fd);
        errno = errnum;
    }
    return d;
}

const char *folder_next(DIR *d)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry =
            readdir(d); /* NOLINT(concurrency-mt-unsafe): d is the caller's */
        if (entry == NULL)
            return NULL;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    }
}

int folder_end(const char *path, struct zs_error *e)
{
    return errno == 0 ? ZS_OK : error_errno(e, errno, "could not read the folder \"%s\"", path);
}
