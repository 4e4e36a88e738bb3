/* target.h - ORIGIN[:FAR_BRANCH] taken apart, what an origin may be called, how a URI begins.
 * Pure.  Threads: any. */
#ifndef ZS_CLI_TARGET_H
#define ZS_CLI_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <zenith-sync/types.h>

#define ORIGIN_NAME_MAX 64

/* What stood on the command line.  far is "" if no branch was named. */
struct target {
    bool is_uri; /* origin is a URI and not the name of one */
    char origin[4096];
    char far[ZS_BRANCH_NAME_MAX + 1];
};

/* Split at the first ':'.  In a URI ("://" in it) the far branch stands behind a
 * ':' in the path, or behind the port: x://host:5433:branch, x://host/db:branch.
 * 22023 if a part is empty, too long, or the far branch cannot be a branch name. */
int target_split(const char *text, struct target *out, struct zs_error *e);

/* 22023 unless the name is 1 to ORIGIN_NAME_MAX of [A-Za-z0-9._-], not starting
 * with '-' or '.'. */
int origin_name_check(const char *name, struct zs_error *e);

/* 22023, without the text, which may be a secret, unless it begins with a scheme and
 * "://".  Which schemes there are is asked of the transports: uri_check.h. */
int target_uri_check(const char *uri, struct zs_error *e);

#endif
