/* start.c - zenith start: the repository's pageserver, in the background or here. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/program.h"
#include "cli/repo.h"

#include <stdio.h>

static int already_running(const struct repo *repo, const struct pid_file *file, struct zs_error *e)
{
    error_set(e, ZS_BUSY, "the pageserver of %s is running already (pid %d)", repo->zenith,
              (int)file->pid);
    return error_hint(e, "Stop it with: zenith stop -D %s", repo->dir);
}

static int run(struct cli *c, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(fd_close) int server = -1;
    struct pid_file file;
    struct program p;
    TRY_REPO(&repo, c, e);
    TRY(repo_check_owner(&repo, e));
    TRY(repo_pid_file(&repo, &file, e));
    TRY(repo_socket(&repo, &server, e));
    if (server >= 0)
        return already_running(&repo, &file, e);
    TRY(program_open(&p, e));
    program_add(&p, "run");
    program_add_option(&p, "-D", repo.dir);
    if (c->foreground)
        return program_exec(&p, e);
    program_add(&p, "--background");
    TRY(program_run(&p, NULL, &c->status, e));
    if (c->status != 0)
        return ZS_OK; /* the program has said why */
    TRY(repo_pid_file(&repo, &file, e));
    (void)printf("listening on %s%s%s\n", file.listen, file.listen[0] == '\0' ? "" : " and ",
                 repo.zenith);
    return ZS_OK;
}

static const struct argp_option options[] = {
    TAKES_DIR,
    {"foreground", OPTION_FOREGROUND, NULL, 0,
     "Stay in the foreground and log to standard error; Ctrl-C ends the server in good order", 0},
    TAKES_NO_MORE,
};

const struct cli_command command_start = {
    .name = "start",
    .args = "",
    .summary = "Start the pageserver; returns once it accepts connections.",
    .help = "It logs to .zenith/pageserver.log; its process id is in .zenith/pageserver.pid.\n\n"
            "Examples:\n"
            "  zenith start\n"
            "  zenith start --foreground -D /srv/branches",
    .options = options,
    .run = run,
};
