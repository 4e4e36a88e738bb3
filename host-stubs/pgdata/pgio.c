/* pgio.c - see pgio.h. */
#include "pgdata/pgio.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_read(struct zs_error *e, int errnum, const char *path)
{
    error_errno(e, errnum, "cannot read \"%s\" of the data directory", path);
    if (errnum == EACCES || errnum == EPERM)
        return error_hint(e, "Run the pageserver as a user that may read all of the data "
                             "directory, the one that PostgreSQL runs as.");
    return error_hint(e, "See that the data directory is whole, and import again.");
}

/* The descriptor leaves its scope open. */
static int hand_on(int *fd)
{
    int handed = *fd;
    *fd = -1;
    return handed;
}

int pgio_open(int root, const char *path, int *fd, uint64_t *bytes, bool *missing,
              struct zs_error *e)
{
    struct stat st;
    CLEANUP(fd_close) int opened = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *fd = -1;
    *bytes = 0;
    if (missing != NULL)
        *missing = opened < 0 && errno == ENOENT;
    if (opened < 0) {
        if (missing != NULL && *missing)
            return ZS_OK;
        return cannot_read(e, errno, path);
    }
    if (fstat(opened, &st) != 0)
        return cannot_read(e, errno, path);
    if (!S_ISREG(st.st_mode)) {
        error_set(e, ZS_BAD_VALUE, "\"%s\" of the data directory is not a file", path);
        return error_hint(e, "See that the data directory is whole, and import again.");
    }
    *bytes = (uint64_t)st.st_size;
    *fd = hand_on(&opened);
    return ZS_OK;
}

int pgio_read(int fd, const char *path, uint64_t offset, void *buf, size_t len, struct zs_error *e)
{
    uint8_t *at = buf;
    while (len > 0) {
        ssize_t got = pread(fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cannot_read(e, errno, path);
        if (got == 0) {
            error_set(e, ZS_MOVED_MEANWHILE, "\"%s\" became shorter while it was read", path);
            return error_hint(e, "Stop whatever writes to the data directory, and import again.");
        }
        at += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return ZS_OK;
}

int pgio_read_small(int root, const char *path, void *buf, size_t size, size_t *len, bool *missing,
                    struct zs_error *e)
{
    CLEANUP(fd_close) int fd = -1;
    uint64_t bytes;
    *len = 0;
    TRY(pgio_open(root, path, &fd, &bytes, missing, e));
    if (fd < 0)
        return ZS_OK;
    if (bytes > size) {
        error_set(e, ZS_CORRUPT, "\"%s\" of the data directory has %llu bytes, more than %zu", path,
                  (unsigned long long)bytes, size);
        return error_hint(e, "See that the data directory is whole, and import again.");
    }
    TRY(pgio_read(fd, path, 0, buf, (size_t)bytes, e));
    *len = (size_t)bytes;
    return ZS_OK;
}

int pgio_each(int root, const char *folder, pgio_visit visit, void *context, struct zs_error *e)
{
    CLEANUP(folder_close) DIR *d = folder_open(root, folder, 0);
    const char *name;
    if (d == NULL)
        return cannot_read(e, errno, folder);
    while ((name = folder_next(d)) != NULL)
        TRY(visit(context, name, e));
    return errno == 0 ? ZS_OK : cannot_read(e, errno, folder);
}
