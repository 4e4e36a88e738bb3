/* files.c - see files.h. */
#include "pageserver/files.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int path_join(char out[FILE_PATH_MAX], const char *dir, const char *name, struct zs_error *e)
{
    int n = snprintf(out, FILE_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= FILE_PATH_MAX)
        return error_set(e, ZS_BAD_VALUE, "the path %.100s... is too long", dir);
    return ZS_OK;
}

int file_read(const char *path, size_t max, char **out, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return error_errno(e, errno, "cannot open %s", path);
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > max)
        return error_set(e, ZS_LIMIT_EXCEEDED, "%s is no file of at most %zu bytes", path, max);
    size_t size = (size_t)st.st_size;
    CLEANUP(free_ptr) char *text = malloc(size + 1);
    if (text == NULL)
        return error_memory(e);
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, text + len, size - len);
        if (n < 0)
            return error_errno(e, errno, "cannot read %s", path);
        if (n == 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    *out = text;
    text = NULL;
    return ZS_OK;
}

static int write_all(int fd, const char *path, const char *text, size_t len, struct zs_error *e)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0)
            return error_errno(e, errno, "cannot write %s", path);
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? ZS_OK : error_errno(e, errno, "cannot write %s", path);
}

static void folder_of(const char *path, char dir[FILE_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        (void)snprintf(dir, FILE_PATH_MAX, ".");
    else
        (void)snprintf(dir, FILE_PATH_MAX, "%.*s", (int)(slash - path), path);
}

/* Root edits for the folder's owner, whose server has to be able to read the result. */
static int give_to_owner(int fd, const char *path, struct zs_error *e)
{
    char dir[FILE_PATH_MAX];
    struct stat st;
    folder_of(path, dir);
    if (geteuid() != 0)
        return ZS_OK;
    if (stat(dir, &st) != 0 || fchown(fd, st.st_uid, st.st_gid) != 0)
        return error_errno(e, errno, "cannot give %s to the folder's owner", path);
    return ZS_OK;
}

int file_sync_name(const char *path, struct zs_error *e)
{
    char dir[FILE_PATH_MAX];
    folder_of(path, dir);
    CLEANUP(fd_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return error_errno(e, errno, "cannot write the folder %s", dir);
    return ZS_OK;
}

int file_write(const char *path, const char *text, size_t len, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(e, ZS_ALREADY_EXISTS, "%s exists already", path);
    if (fd < 0)
        return error_errno(e, errno, "cannot make %s", path);
    TRY(write_all(fd, path, text, len, e));
    return file_sync_name(path, e);
}

int file_replace(const char *path, const char *text, size_t len, struct zs_error *e)
{
    char next[FILE_PATH_MAX];
    if (snprintf(next, sizeof next, "%s.new", path) >= (int)sizeof next)
        return error_set(e, ZS_BAD_VALUE, "the path %.100s... is too long", path);
    /* One that was left behind may be another user's, or lead elsewhere. */
    if (unlink(next) != 0 && errno != ENOENT)
        return error_errno(e, errno, "cannot remove %s", next);
    CLEANUP(fd_close) int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, errno, "cannot make %s", next);
    TRY(give_to_owner(fd, path, e));
    TRY(write_all(fd, next, text, len, e));
    if (rename(next, path) != 0)
        return error_errno(e, errno, "cannot put %s in its place", path);
    return file_sync_name(path, e);
}
