/* program.c - see program.h.
 * posix_spawn: the child gets no memory of ours, and what goes in through the pipe
 * (a password) is in no argument list and no file.  What it writes to standard error is
 * kept in memory until it ends: a server that stays behind can hold nothing open that
 * is waited for. */
#include "cli/program.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/relay.h"
#include "cli/repo.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int program_open(struct program *p, struct zs_error *e)
{
    memset(p, 0, sizeof *p);
    TRY(program_pageserver(p->path, e));
    program_add(p, "pageserver");
    return ZS_OK;
}

void program_add(struct program *p, const char *arg)
{
    if (arg != NULL && p->argc < PROGRAM_ARGS_MAX)
        p->argv[p->argc++] = arg;
}

void program_add_option(struct program *p, const char *option, const char *value)
{
    if (value == NULL)
        return;
    program_add(p, option);
    program_add(p, value);
}

static int cannot_run(const struct program *p, int errnum, struct zs_error *e)
{
    return error_errno(e, errnum, "cannot run %s", p->path);
}

int program_exec(const struct program *p, struct zs_error *e)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)execv(p->path, (char *const *)p->argv);
    int why = errno;
    (void)signal(SIGPIPE, SIG_IGN);
    return cannot_run(p, why, e);
}

/* A pipe that holds `input` (a password, far less than a pipe's room), closed for
 * writing: the child reads it to its end. */
static int input_pipe(const char *input, int *out, struct zs_error *e)
{
    int ends[2];
    size_t len = strlen(input);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_errno(e, errno, "cannot make a pipe");
    ssize_t n = len > 4096 ? -1 : write(ends[1], input, len);
    (void)close(ends[1]);
    *out = ends[0];
    return n == (ssize_t)len ? ZS_OK : error_set(e, ZS_IO_ERROR, "cannot write into a pipe");
}

/* The beginning of what the program wrote; errors are short. */
static void relay(int fd)
{
    char text[16384];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    (void)fflush(stdout);
    relay_errors(text, stderr);
}

/* out: its standard output; -1: our own. */
static int run(const struct program *p, const char *input, int out, int *status, struct zs_error *e)
{
    CLEANUP(fd_close) int from = -1;
    CLEANUP(fd_close) int errors = memfd_create("errors", MFD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t pipe_signal;
    pid_t pid = 0;
    if (errors < 0)
        return error_errno(e, errno, "cannot make room for what %s says", p->path);
    if (input != NULL)
        TRY(input_pipe(input, &from, e));
    if (posix_spawn_file_actions_init(&actions) != 0)
        return error_memory(e);
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return error_memory(e);
    }
    (void)sigemptyset(&pipe_signal);
    (void)sigaddset(&pipe_signal, SIGPIPE);
    int rc = posix_spawnattr_setsigdefault(&attr, &pipe_signal);
    if (rc == 0)
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    if (rc == 0 && from >= 0)
        rc = posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
    if (rc == 0 && out >= 0)
        rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawn(&pid, p->path, &actions, &attr, (char *const *)p->argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return cannot_run(p, rc, e);
    int state = 0;
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR)
            return error_errno(e, errno, "cannot wait for %s", p->path);
    relay(errors);
    *status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return ZS_OK;
}

int program_run(const struct program *p, const char *input, int *status, struct zs_error *e)
{
    return run(p, input, -1, status, e);
}

int program_ask(const struct program *p, char **text, int *status, struct zs_error *e)
{
    CLEANUP(fd_close) int out = memfd_create("output", MFD_CLOEXEC);
    struct stat st;
    if (out < 0)
        return error_errno(e, errno, "cannot make room for what %s says", p->path);
    TRY(run(p, NULL, out, status, e));
    if (fstat(out, &st) != 0)
        return error_errno(e, errno, "cannot read what %s said", p->path);
    *text = calloc(1, (size_t)st.st_size + 1);
    if (*text == NULL)
        return error_memory(e);
    ssize_t n = pread(out, *text, (size_t)st.st_size, 0);
    return n >= 0 ? ZS_OK : error_errno(e, errno, "cannot read what %s said", p->path);
}
