/* repo.c - see repo.h.
 * The socket is reached through /proc/self/fd/N, so that neither a long path (a
 * socket's is 107 bytes at most) nor a comma in it (libpq's list of hosts) matters. */
#include "cli/repo.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define VERSION_LINE "zenith-sync repository 1"
#define SOCKET_NAME  ".s.PGSQL.5432"

static int open_small(const struct repo *r, const char *name)
{
    CLEANUP(fd_close) int dir = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -1;
    return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Up to size - 1 bytes of a file as text.  False, and errno. */
static bool read_text(int fd, char *text, size_t size)
{
    size_t have = 0;
    ssize_t n = 0;
    while (have < size - 1 && (n = read(fd, text + have, size - 1 - have)) > 0)
        have += (size_t)n;
    text[have] = '\0';
    return n >= 0;
}

static int check_version(const struct repo *r, struct zs_error *e)
{
    char line[128];
    CLEANUP(fd_close) int fd = open_small(r, "version");
    if (fd < 0 || !read_text(fd, line, sizeof line)) {
        bool missing = errno == ENOENT;
        error_errno(e, errno, "cannot read %s/version", r->zenith);
        return error_hint(e, missing ? "Is this a repository?  Make one with: zenith init"
                                     : "Run this as the user whose repository it is.");
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, VERSION_LINE) == 0)
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED, "%s is a repository of another version", r->zenith);
    error_detail(e, "It says \"%.60s\", and this program reads \"%s\".", line, VERSION_LINE);
    return error_hint(e, "Use the zenith that made it.");
}

int repo_find(const char *start, struct repo *out, struct zs_error *e)
{
    char at[PATH_MAX];
    out->fd = -1;
    if (realpath(start == NULL ? "." : start, at) == NULL) {
        if (start == NULL)
            return error_errno(e, errno, "cannot tell the current folder");
        if (errno == ENOENT || errno == ENOTDIR)
            error_set(e, ZS_BAD_VALUE, "there is no folder %.300s", start);
        else
            error_errno(e, errno, "cannot enter %s", start);
        return error_hint(e, "Name a folder that exists behind -D.");
    }
    char from[PATH_MAX];
    memcpy(from, at, sizeof from);
    for (;;) {
        const char *slash = strcmp(at, "/") == 0 ? "" : "/";
        int n = snprintf(out->zenith, sizeof out->zenith, "%s%s.zenith", at, slash);
        errno = ENOENT; /* what is too long a path is none */
        if ((size_t)n < sizeof out->zenith)
            out->fd = open(out->zenith, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (out->fd >= 0)
            break;
        if (errno != ENOENT && errno != ENOTDIR)
            return error_errno(e, errno, "cannot enter %s", out->zenith);
        if (slash[0] == '\0') {
            error_set(e, ZS_BAD_VALUE, "there is no .zenith in %.300s or above", from);
            return error_hint(e, "Make a repository with: zenith init, or name one with -D.");
        }
        char *last = strrchr(at, '/');
        last[last == at ? 1 : 0] = '\0';
    }
    memcpy(out->dir, at, sizeof out->dir);
    if (check_version(out, e) == ZS_OK)
        return ZS_OK;
    repo_close(out);
    return ZS_FAIL;
}

void repo_close(struct repo *r)
{
    fd_close(&r->fd);
    r->fd = -1;
}

int repo_check_owner(const struct repo *r, struct zs_error *e)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return error_errno(e, errno, "cannot look at %s", r->zenith);
    if (st.st_uid == geteuid())
        return ZS_OK;
    error_set(e, ZS_NO_PERMISSION, "%s belongs to another user (uid %u)", r->zenith,
              (unsigned)st.st_uid);
    error_detail(e, "A server started on it would run what that user's pageserver.toml names.");
    return error_hint(e, "Start it as that user.");
}

static int pid_file_parse(int fd, const struct repo *r, struct pid_file *out, struct zs_error *e)
{
    char text[256];
    if (!read_text(fd, text, sizeof text))
        return error_errno(e, errno, "cannot read %s/pageserver.pid", r->zenith);
    char *end = NULL;
    long pid = strtol(text, &end, 10);
    if (end == text || (*end != '\n' && *end != '\0') || pid <= 1 || pid > INT_MAX)
        return ZS_OK;
    out->pid = (pid_t)pid;
    if (*end == '\n')
        (void)snprintf(out->listen, sizeof out->listen, "%.*s", (int)strcspn(end + 1, "\r\n"),
                       end + 1);
    return ZS_OK;
}

/* *fd -1 if there is none. */
static int pid_file_open(const struct repo *r, int *fd, struct zs_error *e)
{
    *fd = open_small(r, "pageserver.pid");
    if (*fd >= 0 || errno == ENOENT)
        return ZS_OK;
    return error_errno(e, errno, "cannot read %s/pageserver.pid", r->zenith);
}

int repo_pid_file(const struct repo *r, struct pid_file *out, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = -1;
    memset(out, 0, sizeof *out);
    TRY(pid_file_open(r, &fd, e));
    return fd < 0 ? ZS_OK : pid_file_parse(fd, r, out, e);
}

int repo_server_pid(const struct repo *r, pid_t *pid, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = -1;
    struct pid_file file = {0};
    *pid = 0;
    TRY(pid_file_open(r, &fd, e));
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return ZS_OK;
    TRY(pid_file_parse(fd, r, &file, e));
    *pid = file.pid;
    return ZS_OK;
}

int repo_socket(const struct repo *r, int *fd, struct zs_error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return error_errno(e, errno, "cannot make a socket");
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", r->fd,
                   SOCKET_NAME);
    if (connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return ZS_OK;
    int why = errno;
    fd_close(fd);
    *fd = -1;
    if (why == ENOENT || why == ECONNREFUSED)
        return ZS_OK;
    error_set(e, ZS_CANNOT_CONNECT, "cannot connect to the pageserver of %s: %s", r->zenith,
              strerrordesc_np(why));
    return error_hint(e, "Run this as the user that started the server.");
}

int repo_not_running(const struct repo *r, struct zs_error *e)
{
    error_set(e, "55000", "the pageserver of %s is not running", r->zenith);
    return error_hint(e, "Start it with: zenith start -D %s", r->dir);
}

int repo_path(const struct repo *r, const char *name, char out[PATH_MAX], struct zs_error *e)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", r->zenith, name);
    if (n < PATH_MAX)
        return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "the path of %s is too long", name);
    return error_hint(e, "Move the repository to a folder with a shorter path.");
}

/* DIR of this program's own file, then `rest`.  False if that does not exist. */
static bool beside(const char *rest, char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    int len = snprintf(out, PATH_MAX, "%s/%s", self, rest);
    return len < PATH_MAX && access(out, F_OK) == 0;
}

int program_pageserver(char out[PATH_MAX], struct zs_error *e)
{
    if (beside("pageserver", out))
        return ZS_OK;
    const char *path = getenv("PATH"); // NOLINT(concurrency-mt-unsafe): one thread
    for (const char *dir = path; dir != NULL && *dir != '\0';) {
        size_t len = strcspn(dir, ":");
        int n = snprintf(out, PATH_MAX, "%.*s/pageserver", (int)len, dir);
        if (dir[0] == '/' && n < PATH_MAX && access(out, X_OK) == 0)
            return ZS_OK;
        dir += len + (dir[len] == ':');
    }
    error_set(e, ZS_NOT_SUPPORTED, "cannot find the program pageserver");
    return error_hint(e, "Install it next to zenith, or put its folder into PATH.");
}

int program_transports(char out[PATH_MAX], struct zs_error *e)
{
    if (beside("transports", out) || beside("../lib/zenith-sync/transports", out))
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED, "cannot find the transports");
    return error_hint(e, "Install them in transports/ next to zenith, or in ../lib/zenith-sync.");
}
