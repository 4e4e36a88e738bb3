/* push.c - zenith push: a branch of ours to a far pageserver. */
#include "cli/cli.h"
#include "cli/transfer.h"

static int run(struct cli *c, struct zs_error *e)
{
    return transfer_run(c, true, e);
}

const struct cli_command command_push = {
    .name = "push",
    .args = "BRANCH ORIGIN[:FAR_BRANCH]",
    .least = 2,
    .most = 2,
    .summary = "Send what is new in BRANCH to ORIGIN.",
    .help = "The far branch is made if it is not there, and is called as ours if FAR_BRANCH is "
            "not given.  It is never overwritten nor rewound: if it is ahead, or has diverged, "
            "the push is refused.  A URI may stand in place of ORIGIN's name.  Ctrl-C ends the "
            "transfer and leaves the far branch as it was, or complete if the commit had begun.\n\n"
            "Examples:\n"
            "  zenith push main cloud\n"
            "  zenith push main cloud:release/1.0 --max-rate 20M\n"
            "  zenith push main cloud --dry-run",
    .options = transfer_options,
    .run = run,
};
