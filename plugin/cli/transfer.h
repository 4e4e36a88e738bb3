/* transfer.h - what push and pull share.  Threads: one. */
#ifndef ZS_CLI_TRANSFER_H
#define ZS_CLI_TRANSFER_H

#include "cli/cli.h"

/* Run perform_push or perform_pull for args BRANCH ORIGIN[:FAR_BRANCH]. */
int transfer_run(struct cli *c, bool push, struct zs_error *e);

extern const struct argp_option transfer_options[];

#endif
