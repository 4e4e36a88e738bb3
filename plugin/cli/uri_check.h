/* uri_check.h - is a URI one that the server could connect with?
 * The same check that the server makes, with the same transports and the settings of
 * its pageserver.toml: so that a mistake is found when an origin is added.
 * Threads: one. */
#ifndef ZS_CLI_URI_CHECK_H
#define ZS_CLI_URI_CHECK_H

#include "cli/repo.h"

/* 22023 or 42501 what is wrong with it, 0A000 no transport takes its scheme.  *shown is
 * the URI without secrets. */
int uri_check(const struct repo *repo, const char *uri, char *shown, size_t shown_bytes,
              struct zs_error *e);

#endif
