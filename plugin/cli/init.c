/* init.c - zenith init: a new repository, made by the pageserver program. */
#include "cli/cli.h"

#include "base/error.h"
#include "cli/program.h"

static int run(struct cli *c, struct zs_error *e)
{
    struct program p;
    TRY(program_open(&p, e));
    program_add(&p, "init");
    program_add_option(&p, "-D", c->dir == NULL ? "." : c->dir);
    program_add_option(&p, "--port", c->port);
    program_add_option(&p, "--listen", c->listen);
    return program_run(&p, NULL, &c->status, e);
}

static const struct argp_option options[] = {
    {"directory", 'D', "DIR", 0, "Make DIR/.zenith (default: .zenith here)", 0},
    {"port", 'p', "N", 0,
     "The TCP port that the server will listen on (default: 5433; 0: any free one)", 0},
    {"listen", OPTION_LISTEN, "ADDRESS", 0,
     "The address that it will listen on (default: 127.0.0.1); with \"\" it is reached from "
     "this machine's Unix socket alone",
     0},
    TAKES_NO_MORE,
};

const struct cli_command command_init = {
    .name = "init",
    .args = "",
    .summary = "Make a repository: a pageserver's folder .zenith.",
    .help = "The settings are in .zenith/pageserver.toml and may be edited.\n\n"
            "Examples:\n"
            "  zenith init\n"
            "  zenith init -D /srv/branches --port 5433 --listen 0.0.0.0",
    .options = options,
    .run = run,
};
