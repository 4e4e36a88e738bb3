/* program.h - running the pageserver program.
 * Threads: none; the CLI has one. */
#ifndef ZS_CLI_PROGRAM_H
#define ZS_CLI_PROGRAM_H

#include <stddef.h>
#include <zenith-sync/types.h>

#define PROGRAM_ARGS_MAX 16

/* "pageserver" and its arguments, put together one by one. */
struct program {
    char path[4096];
    const char *argv[PROGRAM_ARGS_MAX + 1];
    size_t argc;
};

int program_open(struct program *p, struct zs_error *e);
/* Add an argument (nothing if it is NULL), or an option and its value (nothing if
 * the value is NULL).  Borrowed. */
void program_add(struct program *p, const char *arg);
void program_add_option(struct program *p, const char *option, const char *value);

/* Become the program.  Returns only if that fails. */
int program_exec(const struct program *p, struct zs_error *e);

/* Run it, with `input` (NULL: our own) on its standard input, and wait.  *status is
 * its exit status, 128 + signal if one ended it.  What it wrote to standard error is
 * then written to ours (relay.h). */
int program_run(const struct program *p, const char *input, int *status, struct zs_error *e);

/* The same without input, and what it wrote to standard output is *text, the caller's. */
int program_ask(const struct program *p, char **text, int *status, struct zs_error *e);

#endif
