/* fault.c - see fault.h. */
#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define CALLER __builtin_return_address(0)
#define PUBLIC __attribute__((visibility("default"), noinline))
/* NOLINTBEGIN(bugprone-macro-parentheses): a name cannot stand in parentheses */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL)                                                                              \
    real = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name)
/* NOLINTEND(bugprone-macro-parentheses) */

static struct fault_control *control;

/* ---- arming -------------------------------------------------------------------------------- */

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("ZENITH_FAULT"); // NOLINT(concurrency-mt-unsafe): before main
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (at != MAP_FAILED)
        control = at;
}

static bool armed(unsigned kind)
{
    return control != NULL && (atomic_load(&control->kinds) & kind) != 0;
}

/* Count a call of an armed kind; true if it is to fail, and errno is set. */
static bool due(const char *what, const char *path)
{
    uint64_t target = atomic_load(&control->target);
    uint64_t n = atomic_fetch_add(&control->calls, 1) + 1;
    if (n != target)
        return false;
    (void)snprintf(control->what, sizeof control->what, "%s %s", what, path);
    atomic_store(&control->fired, 1);
    errno = atomic_load(&control->errnum);
    return true;
}

/* ---- memory -------------------------------------------------------------------------------- */

enum { OBJECTS = 32 };
struct object {
    uintptr_t from, to;
};
struct objects {
    struct object at[OBJECTS];
    int n;
};

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    static const char *const ours[] = {"zenith_sync", "transports/", "libpq", "libcjson"};
    struct objects *o = context;
    bool mine = info->dlpi_name[0] == '\0'; /* the program */
    (void)size;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        mine = mine || strstr(info->dlpi_name, ours[i]) != NULL;
    for (int i = 0; mine && i < info->dlpi_phnum && o->n < OBJECTS; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
            continue;
        o->at[o->n].from = info->dlpi_addr + p->p_vaddr;
        o->at[o->n].to = o->at[o->n].from + p->p_memsz;
        o->n++;
    }
    return 0;
}

/* Asked anew each time: modules come while the server runs, and this is for tests. */
static bool is_ours(void *caller)
{
    static _Thread_local bool asking;
    struct objects o = {.n = 0};
    if (asking)
        return false;
    asking = true;
    (void)dl_iterate_phdr(add_object, &o);
    asking = false;
    for (int i = 0; i < o.n; i++)
        if ((uintptr_t)caller >= o.at[i].from && (uintptr_t)caller < o.at[i].to)
            return true;
    return false;
}

static bool memory_due(const char *what, void *caller)
{
    char at[200];
    Dl_info info = {0};
    if (!armed(FAULT_MEMORY) || !is_ours(caller))
        return false;
    (void)dladdr(caller, &info);
    (void)snprintf(at, sizeof at, "%s+0x%zx", info.dli_fname == NULL ? "?" : info.dli_fname,
                   (size_t)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
    return due(what, at);
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

PUBLIC void *malloc(size_t size)
{
    return memory_due("malloc", CALLER) ? NULL : __libc_malloc(size);
}

PUBLIC void *calloc(size_t n, size_t size)
{
    return memory_due("calloc", CALLER) ? NULL : __libc_calloc(n, size);
}

PUBLIC void *realloc(void *p, size_t size)
{
    return memory_due("realloc", CALLER) ? NULL : __libc_realloc(p, size);
}

PUBLIC void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (memory_due("reallocarray", CALLER))
        return NULL;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(p, bytes);
}

PUBLIC char *strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = memory_due("strdup", CALLER) ? NULL : __libc_malloc(n);
    return copy == NULL ? NULL : memcpy(copy, text, n);
}

PUBLIC int vasprintf(char **out, const char *format, va_list args)
{
    REAL(vasprintf);
    return memory_due("vasprintf", CALLER) ? -1 : real(out, format, args);
}

PUBLIC int asprintf(char **out, const char *format, ...)
{
    REAL(vasprintf);
    va_list args;
    if (memory_due("asprintf", CALLER))
        return -1;
    va_start(args, format);
    int n = real(out, format, args);
    va_end(args);
    return n;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
    REAL(aligned_alloc);
    return memory_due("aligned_alloc", CALLER) ? NULL : real(alignment, size);
}

/* A thread is memory, most of all; the system says so in other words. */
PUBLIC int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict context)
{
    REAL(pthread_create);
    return memory_due("pthread_create", CALLER) ? EAGAIN : real(out, attributes, run, context);
}

PUBLIC int eventfd(unsigned count, int flags)
{
    REAL(eventfd);
    return memory_due("eventfd", CALLER) ? -1 : real(count, flags);
}

/* ---- files and sockets --------------------------------------------------------------------- */

static bool inside(const char *path)
{
    for (int i = 0; i < FAULT_FOLDERS; i++) {
        size_t len = strlen(control->folders[i]);
        if (len > 0 && strncmp(path, control->folders[i], len) == 0)
            return true;
    }
    return false;
}

static bool path_due(const char *what, const char *path)
{
    return armed(FAULT_FILES) && inside(path) && due(what, path);
}

/* A path below an open folder. */
static bool path_at_due(const char *what, int at, const char *path)
{
    char link[40], whole[512];
    if (!armed(FAULT_FILES))
        return false;
    if (at == AT_FDCWD || path[0] == '/')
        return inside(path) && due(what, path);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t n = readlink(link, whole, sizeof whole - 1);
    if (n < 0)
        return false;
    (void)snprintf(whole + n, sizeof whole - (size_t)n, "/%s", path);
    return inside(whole) && due(what, whole);
}

static bool file_due(const char *what, int fd)
{
    char link[40], path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    return inside(path) && due(what, path);
}

static bool is_tcp(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    return getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
           (name.ss_family == AF_INET || name.ss_family == AF_INET6);
}

/* errno stays as it was unless the call is to fail. */
static bool fd_due(const char *what, int fd)
{
    int before = errno;
    if (armed(FAULT_FILES) && file_due(what, fd))
        return true;
    if (armed(FAULT_SOCKETS) && is_tcp(fd) && due(what, "a TCP socket")) {
        int failure = errno;
        (void)shutdown(fd, SHUT_RDWR);
        errno = failure;
        return true;
    }
    errno = before;
    return false;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? (mode_t)va_arg(args, unsigned) : 0;
}

#define OPEN(name)                                                                                 \
    PUBLIC int name(const char *path, int flags, ...)                                              \
    {                                                                                              \
        REAL(name);                                                                                \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        return path_due(#name, path) ? -1 : real(path, flags, mode);                               \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    PUBLIC int name(int at, const char *path, int flags, ...)                                      \
    {                                                                                              \
        REAL(name);                                                                                \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        return path_at_due(#name, at, path) ? -1 : real(at, path, flags, mode);                    \
    }
OPENAT(openat)
OPENAT(openat64)

/* RESULT NAME(FD PARAMETERS): fails as a whole. */
#define ON_FD(result, name, parameters, ...)                                                       \
    PUBLIC result name parameters                                                                  \
    {                                                                                              \
        REAL(name);                                                                                \
        return fd_due(#name, fd) ? -1 : real(__VA_ARGS__);                                         \
    }
ON_FD(ssize_t, read, (int fd, void *p, size_t n), fd, p, n)
ON_FD(ssize_t, pread, (int fd, void *p, size_t n, off_t at), fd, p, n, at)
ON_FD(ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), fd, p, n, at)
ON_FD(ssize_t, write, (int fd, const void *p, size_t n), fd, p, n)
ON_FD(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
ON_FD(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), fd, p, n, at)
ON_FD(ssize_t, readv, (int fd, const struct iovec *p, int n), fd, p, n)
ON_FD(ssize_t, writev, (int fd, const struct iovec *p, int n), fd, p, n)
ON_FD(int, fsync, (int fd), fd)
ON_FD(int, fdatasync, (int fd), fd)

ON_FD(int, ftruncate, (int fd, off_t size), fd, size)
ON_FD(int, ftruncate64, (int fd, off64_t size), fd, size)
ON_FD(int, fallocate, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
ON_FD(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), fd, mode, at, n)
ON_FD(int, fstat, (int fd, struct stat *restrict out), fd, out)
ON_FD(int, fchmod, (int fd, mode_t mode), fd, mode)
ON_FD(int, fchown, (int fd, uid_t user, gid_t group), fd, user, group)
ON_FD(off_t, lseek, (int fd, off_t at, int whence), fd, at, whence)
ON_FD(ssize_t, send, (int fd, const void *p, size_t n, int f), fd, p, n, f)
ON_FD(ssize_t, recv, (int fd, void *p, size_t n, int f), fd, p, n, f)
ON_FD(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), fd, m, f)
ON_FD(ssize_t, recvmsg, (int fd, struct msghdr *m, int f), fd, m, f)
ON_FD(int, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t n), fd, to, n)

/* These set one up; the one that listens is there for the next client, too. */
static bool new_socket_due(const char *what, int domain)
{
    return armed(FAULT_SOCKETS) && (domain == AF_INET || domain == AF_INET6) &&
           due(what, "a TCP socket");
}

PUBLIC int socket(int domain, int type, int protocol)
{
    REAL(socket);
    return new_socket_due("socket", domain) ? -1 : real(domain, type, protocol);
}

PUBLIC int accept4(int fd, __SOCKADDR_ARG name, socklen_t *restrict n, int flags)
{
    REAL(accept4);
    return armed(FAULT_SOCKETS) && is_tcp(fd) && due("accept4", "a TCP socket")
               ? -1
               : real(fd, name, n, flags);
}

PUBLIC int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict n)
{
    REAL(getsockopt);
    return fd_due("getsockopt", fd) ? -1 : real(fd, level, name, value, n);
}

PUBLIC int setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
    REAL(setsockopt);
    return fd_due("setsockopt", fd) ? -1 : real(fd, level, name, value, n);
}

/* Without flags it only asks whether there is such a call, and has nothing that could fail. */
PUBLIC int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
    REAL(sync_file_range);
    return flags != 0 && fd_due("sync_file_range", fd) ? -1 : real(fd, at, n, flags);
}

#define ON_PATH(name, parameters, path, ...)                                                       \
    PUBLIC int name parameters                                                                     \
    {                                                                                              \
        REAL(name);                                                                                \
        return path_due(#name, path) ? -1 : real(__VA_ARGS__);                                     \
    }
ON_PATH(rename, (const char *from, const char *to), from, from, to)
ON_PATH(link, (const char *from, const char *to), to, from, to)
ON_PATH(mkdir, (const char *path, mode_t mode), path, path, mode)
ON_PATH(rmdir, (const char *path), path, path)
ON_PATH(unlink, (const char *path), path, path)

ON_PATH(stat, (const char *restrict path, struct stat *restrict out), path, path, out)
ON_PATH(lstat, (const char *restrict path, struct stat *restrict out), path, path, out)
ON_PATH(statvfs, (const char *restrict path, struct statvfs *restrict out), path, path, out)
ON_PATH(access, (const char *path, int how), path, path, how)

PUBLIC int fstatat(int at, const char *restrict path, struct stat *restrict out, int flags)
{
    REAL(fstatat);
    return path_at_due("fstatat", at, path) ? -1 : real(at, path, out, flags);
}

PUBLIC int renameat(int from_at, const char *from, int to_at, const char *to)
{
    REAL(renameat);
    return path_at_due("renameat", from_at, from) ? -1 : real(from_at, from, to_at, to);
}

PUBLIC int mkdirat(int at, const char *path, mode_t mode)
{
    REAL(mkdirat);
    return path_at_due("mkdirat", at, path) ? -1 : real(at, path, mode);
}

PUBLIC int unlinkat(int at, const char *path, int flags)
{
    REAL(unlinkat);
    return path_at_due("unlinkat", at, path) ? -1 : real(at, path, flags);
}

PUBLIC DIR *opendir(const char *path)
{
    REAL(opendir);
    return path_due("opendir", path) ? NULL : real(path);
}

PUBLIC FILE *fopen(const char *path, const char *mode)
{
    REAL(fopen);
    return path_due("fopen", path) ? NULL : real(path, mode);
}

PUBLIC DIR *fdopendir(int fd)
{
    REAL(fdopendir);
    return fd_due("fdopendir", fd) ? NULL : real(fd);
}

PUBLIC struct dirent *readdir(DIR *folder)
{
    REAL(readdir);
    return fd_due("readdir", dirfd(folder)) ? NULL : real(folder);
}

PUBLIC int scandir(const char *restrict path, struct dirent ***restrict out,
                   int (*wanted)(const struct dirent *),
                   int (*order)(const struct dirent **, const struct dirent **))
{
    REAL(scandir);
    return path_due("scandir", path) ? -1 : real(path, out, wanted, order);
}

PUBLIC char *realpath(const char *restrict path, char *restrict out)
{
    REAL(realpath);
    return path_due("realpath", path) ? NULL : real(path, out);
}
