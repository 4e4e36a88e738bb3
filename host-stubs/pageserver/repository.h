/* repository.h - the folder DIR/.zenith: its layout, version, lock and pid file.
 *
 *     version            "zenith-sync repository 1"
 *     pageserver.toml    settings, see config.h
 *     users              see users.h
 *     data/              the store
 *     pageserver.pid     the process that serves it, and where: also the lock
 *     pageserver.log
 *     .s.PGSQL.5432      the Unix socket
 *
 * The pid file is locked (flock) for as long as the server runs, so a pid that was
 * left behind, or that another process has by now, deceives nobody.
 * Threads: one. */
#ifndef PAGESERVER_REPOSITORY_H
#define PAGESERVER_REPOSITORY_H

#include "pageserver/files.h"

#include <stdbool.h>
#include <sys/types.h>

#define REPOSITORY_FOLDER  ".zenith"
#define REPOSITORY_VERSION "zenith-sync repository 1"
#define REPOSITORY_SOCKET  ".s.PGSQL.5432"

struct repository {
    char path[FILE_PATH_MAX]; /* absolute, of .zenith */
    char config[FILE_PATH_MAX], users[FILE_PATH_MAX], data[FILE_PATH_MAX];
    char pid_file[FILE_PATH_MAX], log_file[FILE_PATH_MAX], socket[FILE_PATH_MAX];
    int lock_fd; /* -1: not locked */
};

/* Make DIR/.zenith, whole or not at all; DIR too, if it is missing.  42710 if there
 * is one. */
int repository_create(const char *dir, const char *config_text, struct zs_error *e);

/* Find DIR/.zenith and check its version.  22023 none there, or of another version. */
int repository_open(const char *dir, struct repository *out, struct zs_error *e);

/* Pure: is this what the file `version` has to say? */
int repository_version_check(const char *text, const char *path, struct zs_error *e);

/* Become the one server of this repository.  55006, naming the process, if there is
 * one.  *stale_pid: the pid that a dead server left behind, else 0. */
int repository_lock(struct repository *r, pid_t *stale_pid, struct zs_error *e);

/* Say in the pid file who serves and where ("127.0.0.1:5433"). */
int repository_publish(struct repository *r, const char *address, struct zs_error *e);

/* Remove pid file and socket, and unlock. */
void repository_unlock(struct repository *r);

#endif
