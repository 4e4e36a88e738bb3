/* repository.c - see repository.h. */
#include "pageserver/repository.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/folder.h"
#include "kv/kv.h"
#include "pageserver/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

static int fill_paths(struct repository *r, struct zs_error *e)
{
    TRY(path_join(r->config, r->path, "pageserver.toml", e));
    TRY(path_join(r->users, r->path, "users", e));
    TRY(path_join(r->data, r->path, "data", e));
    TRY(path_join(r->pid_file, r->path, "pageserver.pid", e));
    TRY(path_join(r->log_file, r->path, "pageserver.log", e));
    TRY(path_join(r->socket, r->path, REPOSITORY_SOCKET, e));
    struct sockaddr_un address;
    if (strlen(r->socket) >= sizeof address.sun_path) {
        error_set(e, ZS_BAD_VALUE, "the path of the Unix socket %s is too long", r->socket);
        return error_hint(e, "Use a folder whose path has at most %zu bytes.",
                          sizeof address.sun_path - sizeof "/" REPOSITORY_FOLDER
                                                           "/" REPOSITORY_SOCKET);
    }
    return ZS_OK;
}

/* ---- init -------------------------------------------------------------------------- */

/* What init has made so far, to be taken away again if it fails: there are no other folders,
 * and all files in them are its own. */
static void scrap_remove(char (*scrap)[FILE_PATH_MAX])
{
    static const char *const folders[] = {"data/db", "data/stage", "data", ""};
    char folder[FILE_PATH_MAX];
    struct zs_error ignored;
    const char *path = *scrap;
    if (path[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (path_join(folder, path, folders[i], &ignored) != ZS_OK)
            continue;
        CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, folder, O_NOFOLLOW);
        for (const char *name = d != NULL ? folder_next(d) : NULL; name != NULL;
             name = folder_next(d))
            (void)unlinkat(dirfd(d), name, 0);
        (void)rmdir(folder);
    }
}

static int create_files(const char *folder, const char *config_text, struct zs_error *e)
{
    char file[FILE_PATH_MAX];
    TRY(path_join(file, folder, "pageserver.toml", e));
    TRY(file_write(file, config_text, strlen(config_text), e));
    TRY(path_join(file, folder, "users", e));
    TRY(users_create(file, e));
    TRY(path_join(file, folder, "version", e));
    return file_write(file, REPOSITORY_VERSION "\n", strlen(REPOSITORY_VERSION "\n"), e);
}

static int create_store(const char *folder, struct zs_error *e)
{
    char data[FILE_PATH_MAX];
    TRY(path_join(data, folder, "data", e));
    struct kv *kv = NULL;
    TRY(kv_open(data, 1, &kv, e));
    kv_close(kv);
    return ZS_OK;
}

static int exists_already(const char *path, struct zs_error *e)
{
    error_set(e, ZS_ALREADY_EXISTS, "there is a repository already: %s", path);
    return error_hint(e, "Start it with `zenith start`, or choose another folder.");
}

static int no_folder(const char *what, const char *path, int errnum, struct zs_error *e)
{
    error_errno(e, errnum, "cannot %s %s", what, path);
    if (errnum == ENOENT)
        return error_hint(e, "Make the folder above it first, or name another one with -D.");
    return error_hint(e, "Name a folder that you may write to with -D.");
}

int repository_create(const char *dir, const char *config_text, struct zs_error *e)
{
    bool is_new = mkdir(dir, 0777) == 0;
    if (!is_new && errno != EEXIST)
        return no_folder("make the folder", dir, errno, e);
    CLEANUP(free_ptr) char *real = realpath(dir, NULL);
    if (real == NULL)
        return error_errno(e, errno, "cannot find the folder %s", dir);
    struct zs_error ignored;
    if (is_new) /* the folder above it may be closed to us */
        (void)file_sync_name(real, &ignored);
    struct repository r = {.lock_fd = -1};
    TRY(path_join(r.path, real, REPOSITORY_FOLDER, e));
    TRY(fill_paths(&r, e));
    if (access(r.path, F_OK) == 0)
        return exists_already(r.path, e);

    CLEANUP(scrap_remove) char scrap[FILE_PATH_MAX] = "";
    char made[FILE_PATH_MAX];
    TRY(path_join(made, real, REPOSITORY_FOLDER ".XXXXXX", e));
    if (mkdtemp(made) == NULL)
        return no_folder("make a folder in", real, errno, e);
    memcpy(scrap, made, sizeof made);
    TRY(create_store(made, e));
    TRY(create_files(made, config_text, e)); /* and the folder is on disk */
    if (rename(made, r.path) != 0) {
        bool taken = errno == EEXIST || errno == ENOTEMPTY;
        return taken ? exists_already(r.path, e)
                     : error_errno(e, errno, "cannot make the folder %s", r.path);
    }
    scrap[0] = '\0';
    return file_sync_name(r.path, e);
}

/* ---- open --------------------------------------------------------------------------- */

int repository_version_check(const char *text, const char *path, struct zs_error *e)
{
    size_t n = strcspn(text, "\n");
    if (n == strlen(REPOSITORY_VERSION) && memcmp(text, REPOSITORY_VERSION, n) == 0)
        return ZS_OK;
    if (n > 60)
        n = 60;
    error_set(e, ZS_BAD_VALUE, "%s is of another version: \"%.*s\", this pageserver needs \"%s\"",
              path, (int)n, text, REPOSITORY_VERSION);
    return error_hint(e, "Use the pageserver that made it, or `zenith init` in another folder and "
                         "pull the branches.");
}

int repository_open(const char *dir, struct repository *out, struct zs_error *e)
{
    CLEANUP(free_ptr) char *real = realpath(dir, NULL);
    if (real == NULL)
        return error_errno(e, errno, "cannot find the folder %s", dir);
    *out = (struct repository){.lock_fd = -1};
    TRY(path_join(out->path, real, REPOSITORY_FOLDER, e));
    TRY(fill_paths(out, e));
    if (access(out->path, F_OK) != 0) {
        error_set(e, ZS_BAD_VALUE, "there is no repository in %s", real);
        return error_hint(e, "Make one with `zenith init`.");
    }
    char version[FILE_PATH_MAX];
    CLEANUP(free_ptr) char *text = NULL;
    TRY(path_join(version, out->path, "version", e));
    TRY(file_read(version, 4096, &text, e));
    return repository_version_check(text, out->path, e);
}

/* ---- lock and pid file ------------------------------------------------------------------ */

static pid_t pid_read(int fd)
{
    char text[64] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static bool same_file(int fd, const char *path)
{
    struct stat a;
    struct stat b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* *again: the file that was locked is not the one that has the name any more. */
static int lock_once(struct repository *r, int fd, bool *again, struct zs_error *e)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return error_errno(e, errno, "cannot lock %s", r->pid_file);
        pid_t pid = pid_read(fd);
        if (pid > 0)
            error_set(e, ZS_BUSY, "a pageserver serves %s already: process %d", r->path, (int)pid);
        else /* it has not got as far as writing it */
            error_set(e, ZS_BUSY, "a pageserver for %s is just starting or stopping", r->path);
        return error_hint(e, "Stop it with `zenith stop`.");
    }
    *again = !same_file(fd, r->pid_file); /* a server that just stopped removed it */
    return ZS_OK;
}

int repository_lock(struct repository *r, pid_t *stale_pid, struct zs_error *e)
{
    bool again = true;
    while (again) {
        int fd = open(r->pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return error_errno(e, errno, "cannot open %s", r->pid_file);
        if (lock_once(r, fd, &again, e) != ZS_OK) {
            (void)close(fd);
            return ZS_FAIL;
        }
        if (again) {
            (void)close(fd);
            continue;
        }
        *stale_pid = pid_read(fd);
        r->lock_fd = fd;
    }
    return ZS_OK;
}

int repository_publish(struct repository *r, const char *address, struct zs_error *e)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%d\n%s\n", (int)getpid(), address);
    if (ftruncate(r->lock_fd, 0) != 0 || pwrite(r->lock_fd, text, (size_t)n, 0) != n)
        return error_errno(e, errno, "cannot write %s", r->pid_file);
    return ZS_OK;
}

void repository_unlock(struct repository *r)
{
    if (r->lock_fd < 0)
        return;
    (void)unlink(r->socket);
    (void)unlink(r->pid_file);
    (void)close(r->lock_fd);
    r->lock_fd = -1;
}
