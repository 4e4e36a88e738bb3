/* daemon.c - see daemon.h. */
#include "pageserver/daemon.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

/* Wait for the byte; its absence means that the child has printed why. */
static _Noreturn void parent(int fd)
{
    char byte = 0;
    ssize_t n = 0;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    _exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int daemon_fork(struct daemon *d, struct zs_error *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_errno(e, errno, "cannot make a pipe");
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        int why = errno;
        (void)close(ends[0]);
        (void)close(ends[1]);
        return error_errno(e, why, "cannot start a process");
    }
    if (pid > 0) {
        (void)close(ends[1]);
        parent(ends[0]);
    }
    (void)close(ends[0]);
    (void)setsid();
    d->ready_fd = ends[1];
    return ZS_OK;
}

int daemon_ready(struct daemon *d, int log_fd, struct zs_error *e)
{
    if (d->ready_fd < 0)
        return ZS_OK;
    CLEANUP(fd_close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0 || chdir("/") != 0)
        return error_errno(e, errno, "cannot go into the background");
    ssize_t n = write(d->ready_fd, "r", 1);
    (void)n; /* a parent that was killed meanwhile is no reason to stop */
    (void)close(d->ready_fd);
    d->ready_fd = -1;
    return ZS_OK;
}
