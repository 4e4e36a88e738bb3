/* cli.h - one invocation of zenith, and the table of its commands.
 * Flow: main -> cli_main -> the command's run, which works through the server
 * (server.h), a file (origins.h) or the pageserver program (program.h).
 * Results go to standard output, everything else to standard error.
 * Threads: one. */
#ifndef ZS_CLI_CLI_H
#define ZS_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

#define CLI_ARGS_MAX 2

/* What was typed.  Strings are argv's. */
struct cli {
    const struct cli_command *command;
    const char *args[CLI_ARGS_MAX];
    size_t nargs;
    const char *dir; /* -D; NULL: the current folder */
    bool json, quiet, foreground, dry_run, password_stdin;
    const char *port, *listen, *lsn, *role, *max_rate, *compression;
    int status; /* the exit status if run returns ZS_OK */
};

/* What run returns besides ZS_OK and ZS_FAIL: failed, because an argument is none. */
#define CLI_USAGE (-2)

/* Go up with an error about what was typed. */
#define TRY_USAGE(call)                                                                            \
    do {                                                                                           \
        if ((call) != ZS_OK)                                                                       \
            return CLI_USAGE;                                                                      \
    } while (0)

struct cli_command {
    const char *name; /* one word, or two: "branch list" */
    const char *args; /* as usage shows them */
    size_t least, most;
    const char *summary;               /* a sentence for the list of commands */
    const char *help;                  /* more: sentences and examples, for --help */
    const struct argp_option *options; /* those of OPTIONS that it takes */
    int (*run)(struct cli *c, struct zs_error *e);
};

/* Find the repository that the command is about; none is a matter of usage, what is
 * wrong with one is not. */
#define TRY_REPO(repo, c, e)                                                                       \
    do {                                                                                           \
        if (repo_find((c)->dir, (repo), (e)) != ZS_OK)                                             \
            return error_is((e), ZS_BAD_VALUE) ? CLI_USAGE : ZS_FAIL;                              \
    } while (0)

/* Keys of options, for the commands' tables. */
enum {
    OPTION_JSON = 256,
    OPTION_LISTEN,
    OPTION_FOREGROUND,
    OPTION_LSN,
    OPTION_ROLE,
    OPTION_PASSWORD_STDIN,
    OPTION_DRY_RUN,
    OPTION_MAX_RATE,
    OPTION_COMPRESSION,
};
#define TAKES_DIR                                                                                  \
    {                                                                                              \
        "directory", 'D', "DIR", 0, "The repository in DIR or above it", 0                         \
    }
#define TAKES_JSON                                                                                 \
    {                                                                                              \
        "json", OPTION_JSON, NULL, 0, "Print JSON, also on failure", 0                             \
    }
#define TAKES_NO_MORE                                                                              \
    {                                                                                              \
        NULL, 0, NULL, 0, NULL, 0                                                                  \
    }

/* The commands, one file each; the table is in cli.c. */
extern const struct cli_command command_init, command_start, command_stop, command_status,
    command_import, command_export, command_branch_list, command_branch_create,
    command_branch_delete, command_branch_drop_stage, command_branch_rebuild_map, command_user_add,
    command_user_list, command_user_remove, command_origin_add, command_origin_list,
    command_origin_remove, command_push, command_pull, command_verify;

/* Do what argv says.  Returns the exit status. */
int cli_main(int argc, char **argv);

#endif
