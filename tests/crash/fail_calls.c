/* fail_calls.c - a library to preload: the n-th call of one function fails.
 *
 *     LD_PRELOAD=fail_calls.so FAIL_CALL=fsync FAIL_NTH=2 FAIL_MARK=/tmp/mark zenith ...
 *
 * FAIL_CALL is a function below, or "memory" for every allocation, or "own" for those that the
 * program's own code and cJSON ask for; FAIL_ERRNO its errno (5,
 * EIO, or 12, ENOMEM, of memory).  FAIL_MARK is made when the call is reached: without it the
 * program made fewer than n.  Programs that it starts are left alone.  Not counted is what the
 * C library calls inside itself.  Threads: any. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static char call[32], mark[4096];
static unsigned long nth;
static int why;
static atomic_ulong calls;
static atomic_bool running;       /* main is; what comes before and behind is not counted */
static _Thread_local bool spared; /* nothing fails here and now */

static void take(const char *name, char *out, size_t size)
{
    const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe): before main
    if (value != NULL)
        (void)snprintf(out, size, "%s", value);
    (void)unsetenv(name); // NOLINT(concurrency-mt-unsafe)
}

__attribute__((constructor)) static void begin(void)
{
    char number[32] = "0", error[32] = "0";
    take("FAIL_NTH", number, sizeof number);
    take("FAIL_ERRNO", error, sizeof error);
    take("FAIL_MARK", mark, sizeof mark);
    why = (int)strtol(error, NULL, 10);
    nth = strtoul(number, NULL, 10);
    (void)unsetenv("LD_PRELOAD"); // NOLINT(concurrency-mt-unsafe)
    take("FAIL_CALL", call, sizeof call);
}

/* ---- main ---------------------------------------------------------------------------------- */

typedef int (*main_fn)(int, char **, char **);
static main_fn real_main;

static void end(void)
{
    running = false;
}

/* What main leaves for the end of the process is counted; what was there before is not (a
 * library's own, and what measures coverage). */
static int counted_main(int argc, char **argv, char **env)
{
    running = atexit(end) == 0;
    return real_main(argc, argv, env);
}

PUBLIC int __libc_start_main(main_fn program, int argc, char **argv, void (*init)(void),
                             void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
PUBLIC int __libc_start_main(main_fn program, int argc, char **argv, void (*init)(void),
                             void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    static int (*real)(main_fn, int, char **, void (*)(void), void (*)(void), void (*)(void),
                       void *);
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = program;
    return real(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

/* The program itself, or what it makes JSON with. */
static bool is_own(const void *caller)
{
    Dl_info info;
    if (strcmp(call, "own") != 0 || dladdr(caller, &info) == 0)
        return false;
    const char *slash = strrchr(info.dli_fname, '/');
    const char *name = slash == NULL ? info.dli_fname : slash + 1;
    return strcmp(name, "zenith") == 0 || strncmp(name, "libcjson", 8) == 0;
}

static bool due(const char *name)
{
    if (!running || spared || strcmp(name, call) != 0 || atomic_fetch_add(&calls, 1) + 1 != nth)
        return false;
    long fd = syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)syscall(SYS_close, fd);
    bool memory = strcmp(name, "memory") == 0 || strcmp(name, "own") == 0;
    errno = why != 0 ? why : memory ? ENOMEM : EIO;
    return true;
}

static bool no_memory(const void *caller)
{
    return due("memory") || (running && is_own(caller) && due("own"));
}

/* ---- memory: dlsym itself may ask for some, and gets it from here ------------------------- */

static _Alignas(16) char early[4096];
static size_t early_used;
static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t),
    *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static bool finding;

static void *early_alloc(size_t size)
{
    void *p = early + early_used;
    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof early ? p : NULL;
}

static void find_memory(void)
{
    finding = true;
    *(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&real_free = dlsym(RTLD_NEXT, "free");
    finding = false;
}

PUBLIC void *malloc(size_t size)
{
    if (real_malloc == NULL && !finding)
        find_memory();
    if (finding)
        return early_alloc(size);
    return no_memory(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

PUBLIC void *calloc(size_t n, size_t size)
{
    if (real_calloc == NULL && !finding)
        find_memory();
    if (finding)
        return early_alloc(n * size);
    return no_memory(__builtin_return_address(0)) ? NULL : real_calloc(n, size);
}

PUBLIC void *realloc(void *p, size_t size)
{
    if (real_realloc == NULL)
        find_memory();
    return no_memory(__builtin_return_address(0)) ? NULL : real_realloc(p, size);
}

PUBLIC void free(void *p)
{
    if ((char *)p >= early && (char *)p < early + sizeof early)
        return;
    if (real_free == NULL)
        find_memory();
    real_free(p);
}

/* ---- the rest: FAILING(type, name, (parameters), (arguments), what a failure returns) ------ */

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses */
#define FAILING(type, name, parameters, arguments, failure)                                        \
    PUBLIC type name parameters                                                                    \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (real == NULL)                                                                          \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                             \
        return due(#name) ? (failure) : real arguments;                                            \
    }

/* NOLINTEND(bugprone-macro-parentheses) */
FAILING(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), -1)
FAILING(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), -1)
FAILING(ssize_t, readlink, (const char *restrict path, char *restrict buf, size_t n),
        (path, buf, n), -1)
FAILING(int, fsync, (int fd), (fd), -1)
FAILING(int, fstat, (int fd, struct stat *st), (fd, st), -1)
FAILING(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), -1)
FAILING(int, flock, (int fd, int operation), (fd, operation), -1)
FAILING(int, rename, (const char *from, const char *to), (from, to), -1)
FAILING(int, mkostemp, (char *path, int flags), (path, flags), -1)
FAILING(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
FAILING(int, pipe2, (int ends[2], int flags), (ends, flags), -1)
FAILING(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout), -1)
FAILING(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), -1)
FAILING(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old), errno)
FAILING(int, pidfd_open, (pid_t pid, unsigned flags), (pid, flags), -1)
FAILING(int, pidfd_send_signal, (int fd, int sig, siginfo_t *info, unsigned flags),
        (fd, sig, info, flags), -1)
FAILING(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1)
FAILING(int, tcgetattr, (int fd, struct termios *t), (fd, t), -1)
FAILING(int, tcsetattr, (int fd, int when, const struct termios *t), (fd, when, t), -1)
FAILING(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
FAILING(int, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t len), (fd, to, len), -1)
FAILING(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags), -1)
FAILING(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags), -1)
FAILING(char *, realpath, (const char *restrict path, char *restrict out), (path, out), NULL)
FAILING(int, posix_spawn_file_actions_init, (posix_spawn_file_actions_t * a), (a), errno)
FAILING(int, posix_spawnattr_init, (posix_spawnattr_t * a), (a), errno)
FAILING(int, posix_spawnattr_setsigdefault,
        (posix_spawnattr_t *restrict a, const sigset_t *restrict set), (a, set), errno)
FAILING(int, fclose, (FILE * f), (f), EOF)
FAILING(int, fflush, (FILE * f), (f), EOF)

/* What looks a user up in glibc 2.36 does not survive an allocation that fails. */
PUBLIC int getpwuid_r(uid_t uid, struct passwd *restrict entry, char *restrict buf, size_t n,
                      struct passwd **restrict out)
{
    static int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
    if (due("getpwuid_r"))
        return errno;
    spared = true;
    int rc = real(uid, entry, buf, n, out);
    spared = false;
    return rc;
}

PUBLIC int open(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "open");
    return due("open") ? -1 : real(path, flags, mode);
}

PUBLIC int openat(int dir, const char *path, int flags, ...)
{
    static int (*real)(int, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "openat");
    return due("openat") ? -1 : real(dir, path, flags, mode);
}
