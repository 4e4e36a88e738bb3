/* stop.c - zenith stop: ends the repository's pageserver and waits until it is gone.
 * The pid file is locked by the server that wrote it; the process is held by a
 * descriptor before the lock is looked at again, so that no other process that got
 * the same pid meanwhile is hit. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/repo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#define STOP_WAIT_S 60

static int not_gone(const struct repo *repo, pid_t pid, struct zs_error *e)
{
    error_set(e, ZS_BUSY, "the pageserver (pid %d) has not ended within %d seconds", (int)pid,
              STOP_WAIT_S);
    return error_hint(e,
                      "It may still end: look into %s/pageserver.log.  It survives kill -KILL %d.",
                      repo->zenith, (int)pid);
}

static int run(struct cli *c, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(fd_close) int process = -1;
    pid_t pid = 0, again = 0;
    TRY_REPO(&repo, c, e);
    TRY(repo_server_pid(&repo, &pid, e));
    if (pid == 0)
        return repo_not_running(&repo, e);
    process = pidfd_open(pid, 0);
    if (process < 0 && errno == ESRCH)
        return repo_not_running(&repo, e);
    if (process < 0)
        return error_errno(e, errno, "cannot watch process %d", (int)pid);
    TRY(repo_server_pid(&repo, &again, e));
    if (again != pid)
        return repo_not_running(&repo, e);
    if (pidfd_send_signal(process, SIGTERM, NULL, 0) != 0 && errno != ESRCH) {
        (void)error_errno(e, errno, "cannot stop the pageserver (pid %d)", (int)pid);
        return error_hint(e, "Run this as the user that started it.");
    }
    struct pollfd gone = {.fd = process, .events = POLLIN};
    int rc = poll(&gone, 1, STOP_WAIT_S * 1000);
    if (rc < 0)
        return error_errno(e, errno, "cannot wait for process %d", (int)pid);
    if (rc == 0)
        return not_gone(&repo, pid, e);
    (void)printf("stopped (pid %d)\n", (int)pid);
    return ZS_OK;
}

static const struct argp_option options[] = {TAKES_DIR, TAKES_NO_MORE};

const struct cli_command command_stop = {
    .name = "stop",
    .args = "",
    .summary = "Stop the pageserver; returns once its process is gone.",
    .help = "Running transfers are cancelled first.\n\n"
            "Example:\n"
            "  zenith stop",
    .options = options,
    .run = run,
};
