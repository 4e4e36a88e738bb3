/* pull.c - zenith pull: a far pageserver's branch to ours. */
#include "cli/cli.h"
#include "cli/transfer.h"

static int run(struct cli *c, struct zs_error *e)
{
    return transfer_run(c, false, e);
}

const struct cli_command command_pull = {
    .name = "pull",
    .args = "BRANCH ORIGIN[:FAR_BRANCH]",
    .least = 2,
    .most = 2,
    .summary = "Fetch what is new at ORIGIN into BRANCH.",
    .help =
        "BRANCH is made if it is not there; the far one is called the same if FAR_BRANCH is "
        "not given.  BRANCH is never overwritten nor rewound: if it is ahead, or has "
        "diverged, the pull is refused.  A URI may stand in place of ORIGIN's name.  Ctrl-C "
        "ends the transfer and leaves BRANCH as it was, or complete if the commit had begun.\n\n"
        "Examples:\n"
        "  zenith pull main cloud\n"
        "  zenith pull yesterday cloud:main",
    .options = transfer_options,
    .run = run,
};
