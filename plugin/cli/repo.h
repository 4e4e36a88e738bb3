/* repo.h - the .zenith folder that a command is about, and the programs beside ours.
 * Flow: each command finds its repository first; nothing is written here.
 * Threads: none of its own. */
#ifndef ZS_CLI_REPO_H
#define ZS_CLI_REPO_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <zenith-sync/types.h>

struct repo {
    char dir[PATH_MAX];    /* the folder that .zenith is in, absolute */
    char zenith[PATH_MAX]; /* DIR/.zenith */
    int fd;                /* .zenith, O_PATH; -1 when closed */
};

/* The repository at `start` (NULL: the current folder) or the nearest above it.
 * 22023 if there is none, or no such folder; 0A000 if another version wrote it. */
int repo_find(const char *start, struct repo *out, struct zs_error *e);
void repo_close(struct repo *r); /* CLEANUP(repo_close) struct repo r = {.fd = -1} */

/* 42501 if .zenith is another user's: a server started on it would do what that
 * user's configuration says. */
int repo_check_owner(const struct repo *r, struct zs_error *e);

/* What the pid file says. */
struct pid_file {
    pid_t pid;        /* 0 if there is no file, or its first line is no pid */
    char listen[128]; /* "127.0.0.1:5433"; "" if it does not say */
};
int repo_pid_file(const struct repo *r, struct pid_file *out, struct zs_error *e);

/* The server's pid, 0 if none runs.  A server keeps its pid file locked as long as it
 * runs, so that a pid which is left over deceives nobody.  For a moment the lock is
 * ours: not for those who look often (a server that starts then may be refused). */
int repo_server_pid(const struct repo *r, pid_t *pid, struct zs_error *e);

/* A connection to the server's Unix socket, which the caller closes.  *fd -1, and
 * ZS_OK, if nobody listens there.  08001 if it cannot be reached otherwise. */
int repo_socket(const struct repo *r, int *fd, struct zs_error *e);

/* 55000, "is not running", with the hint how to start it.  Returns ZS_FAIL. */
int repo_not_running(const struct repo *r, struct zs_error *e);

/* A path inside of .zenith.  22023 if it is too long. */
int repo_path(const struct repo *r, const char *name, char out[PATH_MAX], struct zs_error *e);

/* The pageserver program: next to this one, else found in PATH by its name. */
int program_pageserver(char out[PATH_MAX], struct zs_error *e);

/* The folder with the transports: next to this program, else ../lib/zenith-sync. */
int program_transports(char out[PATH_MAX], struct zs_error *e);

#endif
