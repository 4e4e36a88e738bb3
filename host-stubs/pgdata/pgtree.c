/* pgtree.c - see pgtree.h. */
#include "pgdata/pgtree.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20, FOLDER_MODE = 0700, FILE_MODE = 0600 };

struct pgtree {
    const char *path; /* the caller's */
    const struct pgdata_watch *watch;
    int root;
    bool made; /* the directory itself */
    bool ours; /* what is in it, to be removed: it was seen empty, and is not sealed */
    int fd;    /* of the file being written, or -1 */
    char name[PGKEY_NAME_MAX + 1];
    uint64_t files, bytes;
    size_t used;
    uint8_t buffer[BUFFER_BYTES];
};

/* Best effort: what cannot be removed stays.  The tree is as deep as what was made. */
static void remove_inside(int parent, const char *name) /* NOLINT(misc-no-recursion) */
{
    CLEANUP(folder_close) DIR *d = folder_open(parent, name, O_NOFOLLOW);
    const char *entry;
    if (d == NULL)
        return;
    while ((entry = folder_next(d)) != NULL) {
        if (unlinkat(dirfd(d), entry, 0) == 0)
            continue;
        remove_inside(dirfd(d), entry);
        (void)unlinkat(dirfd(d), entry, AT_REMOVEDIR);
    }
}

static int cannot_write(const struct pgtree *t, int errnum, const char *name, struct zs_error *e)
{
    error_errno(e, errnum, "cannot write \"%s/%s\"", t->path, name);
    if (errnum == ENOSPC || errnum == EDQUOT)
        return error_hint(e, "Free some space, or export to another disk; what was written is "
                             "removed.");
    return error_hint(e, "Export to a directory that the pageserver may write to.");
}

/* Where the file system locks no directories (NFS), only the look for files is left. */
static int lock_root(struct pgtree *t, struct zs_error *e)
{
    if (flock(t->root, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return ZS_OK;
    t->made = false; /* the other's now */
    error_set(e, ZS_BUSY, "another export writes to the directory \"%s\"", t->path);
    return error_hint(e, "Give another directory, or wait for that export.");
}

static int check_empty(const struct pgtree *t, struct zs_error *e)
{
    CLEANUP(folder_close) DIR *d = folder_open(t->root, ".", O_NOFOLLOW);
    const char *first = d == NULL ? NULL : folder_next(d);
    if (first != NULL) {
        error_set(e, ZS_ALREADY_EXISTS, "the directory \"%s\" is not empty", t->path);
        return error_hint(e, "Give a directory that does not exist yet, or is empty.");
    }
    if (d == NULL || errno != 0) {
        error_errno(e, errno, "cannot read the directory \"%s\"", t->path);
        return error_hint(e, "Export to a directory that the pageserver may write to.");
    }
    return ZS_OK;
}

static int make_root(struct pgtree *t, struct zs_error *e)
{
    t->made = mkdir(t->path, FOLDER_MODE) == 0;
    if (!t->made && errno != EEXIST) {
        int errnum = errno;
        if (errnum == ENOENT || errnum == ENOTDIR) {
            error_set(e, ZS_BAD_VALUE, "the folder that \"%s\" is to be made in does not exist",
                      t->path);
            return error_hint(e, "Make it first, or give another path.");
        }
        error_errno(e, errnum, "cannot make the directory \"%s\"", t->path);
        return error_hint(e, "Export to a directory that the pageserver may write to.");
    }
    t->root = open(t->path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (t->root < 0) {
        error_errno(e, errno, "cannot open the directory \"%s\"", t->path);
        return error_hint(e, "Give a directory that does not exist yet, or is empty.");
    }
    TRY(lock_root(t, e));
    TRY(check_empty(t, e));
    if (!t->made && fchmod(t->root, FOLDER_MODE) != 0)
        return cannot_write(t, errno, "", e);
    t->ours = true;
    return ZS_OK;
}

int pgtree_open(const char *path, const struct pgdata_watch *watch, struct pgtree **out,
                struct zs_error *e)
{
    struct pgtree *t = malloc(sizeof *t);
    if (t == NULL)
        return error_memory(e);
    memset(t, 0, offsetof(struct pgtree, buffer));
    t->path = path;
    t->watch = watch;
    t->root = -1;
    t->fd = -1;
    if (make_root(t, e) != ZS_OK) {
        pgtree_close(t);
        return ZS_FAIL;
    }
    *out = t;
    return ZS_OK;
}

void pgtree_close(struct pgtree *t)
{
    if (t == NULL)
        return;
    fd_close(&t->fd);
    if (t->ours)
        remove_inside(t->root, ".");
    if (t->made)
        (void)rmdir(t->path); /* unless something is in it */
    fd_close(&t->root);
    free(t);
}

int pgtree_folder(struct pgtree *t, const char *path, struct zs_error *e)
{
    if (mkdirat(t->root, path, FOLDER_MODE) != 0 && errno != EEXIST)
        return cannot_write(t, errno, path, e);
    return ZS_OK;
}

static int flush(struct pgtree *t, struct zs_error *e)
{
    size_t done = 0;
    while (done < t->used) {
        ssize_t n = write(t->fd, t->buffer + done, t->used - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_write(t, errno, t->name, e);
        done += (size_t)n;
    }
    t->used = 0;
    return ZS_OK;
}

/* Writing back starts at once, so that the sync at the end finds little left to do. */
static int end_file(struct pgtree *t, struct zs_error *e)
{
    if (t->fd < 0)
        return ZS_OK;
    TRY(flush(t, e));
    (void)sync_file_range(t->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    int rc = close(t->fd);
    t->fd = -1;
    return rc == 0 ? ZS_OK : cannot_write(t, errno, t->name, e);
}

int pgtree_file(struct pgtree *t, const char *path, bool append, struct zs_error *e)
{
    TRY(end_file(t, e));
    t->name[0] = '\0';
    strncat(t->name, path, sizeof t->name - 1);
    t->fd = openat(t->root, path,
                   O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (append ? O_APPEND : O_CREAT | O_EXCL),
                   FILE_MODE);
    if (t->fd < 0)
        return cannot_write(t, errno, path, e);
    t->files += append ? 0 : 1;
    return ZS_OK;
}

int pgtree_write(struct pgtree *t, const void *bytes, size_t len, struct zs_error *e)
{
    const uint8_t *from = bytes;
    t->bytes += len;
    while (len > 0) {
        if (t->used == BUFFER_BYTES)
            TRY(flush(t, e));
        size_t n = BUFFER_BYTES - t->used < len ? BUFFER_BYTES - t->used : len;
        memcpy(t->buffer + t->used, from, n);
        t->used += n;
        from += n;
        len -= n;
    }
    return ZS_OK;
}

int pgtree_seek(struct pgtree *t, uint64_t offset, struct zs_error *e)
{
    TRY(flush(t, e));
    if (lseek(t->fd, (off_t)offset, SEEK_SET) < 0)
        return cannot_write(t, errno, t->name, e);
    return ZS_OK;
}

int pgtree_extend(struct pgtree *t, uint64_t bytes, struct zs_error *e)
{
    TRY(flush(t, e));
    if (ftruncate(t->fd, (off_t)bytes) != 0)
        return cannot_write(t, errno, t->name, e);
    return ZS_OK;
}

static int sync_fd(const struct pgtree *t, int fd, const char *name, struct zs_error *e)
{
    return fsync(fd) == 0 ? ZS_OK : cannot_write(t, errno, name, e);
}

static int sync_inside(const struct pgtree *t, int parent, const char *name, struct zs_error *e);

static int sync_entry(const struct pgtree *t, int parent, const char *name, struct zs_error *e)
{
    struct stat st;
    TRY(watch_poll(t->watch, e));
    CLEANUP(fd_close) int fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        return cannot_write(t, errno, name, e);
    return S_ISDIR(st.st_mode) ? sync_inside(t, parent, name, e) : sync_fd(t, fd, name, e);
}

static int sync_inside(const struct pgtree *t, int parent, const char *name, struct zs_error *e)
{
    CLEANUP(folder_close) DIR *d = folder_open(parent, name, O_NOFOLLOW);
    const char *entry;
    if (d == NULL)
        return cannot_write(t, errno, name, e);
    while ((entry = folder_next(d)) != NULL)
        TRY(sync_entry(t, dirfd(d), entry, e));
    if (errno != 0)
        return cannot_write(t, errno, name, e);
    return sync_fd(t, dirfd(d), name, e);
}

int pgtree_sync(struct pgtree *t, struct zs_error *e)
{
    TRY(end_file(t, e));
    return sync_inside(t, t->root, ".", e);
}

static int sync_folder(const struct pgtree *t, const char *path, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = openat(t->root, path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    return fd < 0 ? cannot_write(t, errno, path, e) : sync_fd(t, fd, path, e);
}

/* The directory's own name is an entry of its parent, which may be closed to us. */
int pgtree_seal(struct pgtree *t, const char *folder, const char *name, const void *bytes,
                size_t len, struct zs_error *e)
{
    CLEANUP(fd_close) int parent = openat(t->root, "..", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (parent >= 0)
        TRY(sync_fd(t, parent, "..", e));
    TRY(pgtree_file(t, pgpath_join(folder, name).s, false, e));
    TRY(pgtree_write(t, bytes, len, e));
    TRY(flush(t, e));
    TRY(sync_fd(t, t->fd, t->name, e));
    TRY(end_file(t, e));
    TRY(sync_folder(t, folder, e));
    t->ours = false;
    return ZS_OK;
}

uint64_t pgtree_files(const struct pgtree *t)
{
    return t->files;
}

uint64_t pgtree_bytes(const struct pgtree *t)
{
    return t->bytes;
}
