/* arguments.h - what stands behind a command's name, taken apart.
 *
 *   perform_push <branch> <uri> [<far_branch>] [( option value, ... )]
 *   branch_push  <branch> <timeline_id> ['json']
 *
 * A word is bare (up to a blank, a comma or a parenthesis) or quoted with ', in which
 * '' is one quote.  Options come last, in parentheses, separated by commas; a value
 * may be bare or quoted; a name alone means true.
 * Ownership: views into the copy that arguments_fini frees.  Threads: none. */
#ifndef ZS_COMMAND_ARGUMENTS_H
#define ZS_COMMAND_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

#define ARGUMENTS_MAX_WORDS   4
#define ARGUMENTS_MAX_OPTIONS 16

struct argument_option {
    const char *name, *value;
};

struct arguments {
    char *copy;
    size_t copy_bytes; /* with its NUL */
    size_t nwords, noptions;
    const char *words[ARGUMENTS_MAX_WORDS];
    struct argument_option options[ARGUMENTS_MAX_OPTIONS];
};

/* 42601, with the place in the detail; never shows a word, which may be a secret. */
int arguments_parse(const char *text, struct arguments *a, struct zs_error *e);
void arguments_fini(struct arguments *a);

/* For a command that takes none: 42601. */
int arguments_none(const char *text, const char *command, struct zs_error *e);

/* The number of words must be within bounds: 42601 with `usage` as the hint. */
int arguments_expect(const struct arguments *a, size_t least, size_t most, const char *usage,
                     struct zs_error *e);

/* The options of perform_push and perform_pull. */
struct transfer_options {
    bool dry_run;
    bool progress;
    uint64_t max_rate_bps; /* 0 none */
    uint32_t encoding;     /* as sync/encoding.h */
};

/* 22023 bad value, 42601 unknown option; the hint lists those there are. */
int transfer_options_read(const struct arguments *a, struct transfer_options *o,
                          struct zs_error *e);

/* Append `word` quoted with ' to `line`; *used grows, false if it does not fit. */
bool argument_quote(char *line, size_t size, size_t *used, const char *word);

#endif
