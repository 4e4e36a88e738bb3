/* file.c - see file.h. */
#include "cli/file.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_TRIES   100
#define LOCK_WAIT_MS 100

/* Root edits for the repository's owner, who has to be able to go on with the file. */
static int give_to_owner(const struct repo *repo, int fd)
{
    struct stat st;
    if (geteuid() != 0)
        return 0;
    return fstat(repo->fd, &st) != 0 ? -1 : fchown(fd, st.st_uid, st.st_gid);
}

int file_lock(const struct repo *repo, const char *name, int *fd, struct zs_error *e)
{
    const struct timespec wait = {.tv_nsec = LOCK_WAIT_MS * 1000000L};
    char path[PATH_MAX];
    TRY(repo_path(repo, name, path, e));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0 || give_to_owner(repo, *fd) != 0)
        return error_errno(e, errno, "cannot open %s", path);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return ZS_OK;
        if (errno != EWOULDBLOCK)
            return error_errno(e, errno, "cannot lock %s", path);
        (void)nanosleep(&wait, NULL);
    }
    error_set(e, ZS_BUSY, "another zenith is changing that file: %s is locked", path);
    return error_hint(e, "Try again when it is done.");
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return -1;
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Make the rename itself durable. */
static int sync_folder(const char *path, struct zs_error *e)
{
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        slash[slash == dir] = '\0';
    CLEANUP(fd_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return error_errno(e, errno, "cannot flush %s to disk", dir);
    return ZS_OK;
}

int file_replace(const struct repo *repo, const char *name, const char *text, size_t len,
                 struct zs_error *e)
{
    char path[PATH_MAX], resolved[PATH_MAX], aside[PATH_MAX];
    TRY(repo_path(repo, name, path, e));
    const char *target = realpath(path, resolved) == NULL ? path : resolved;
    int n = snprintf(aside, sizeof aside, "%s.XXXXXX", target);
    if ((size_t)n >= sizeof aside)
        return error_set(e, ZS_BAD_VALUE, "the path of %s is too long", name);
    CLEANUP(fd_close) int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, errno, "cannot write next to %s", target);
    if (give_to_owner(repo, fd) != 0 || write_all(fd, text, len) != 0 || fsync(fd) != 0 ||
        rename(aside, target) != 0) {
        int why = errno;
        (void)unlink(aside);
        return error_errno(e, why, "cannot write %s", target);
    }
    return sync_folder(target, e);
}
