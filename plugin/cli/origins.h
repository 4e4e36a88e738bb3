/* origins.h - names for far pageservers: .zenith/origins.toml.
 * Flow: `zenith origin` edits it, push and pull look names up.  An edit is done
 * under a lock, spliced and proven (base/toml.h), and put in place by a rename, so
 * that a reader sees the old file or the new one.
 * A URI is a secret: it is never part of an error.  Threads: none of its own. */
#ifndef ZS_CLI_ORIGINS_H
#define ZS_CLI_ORIGINS_H

#include "base/toml.h"
#include "cli/repo.h"

/* The file as it is; an empty document if there is none. */
int origins_load(const struct repo *repo, struct toml_doc **out, struct zs_error *e);

/* The URI of an origin; lifetime the document's.  42704, with the names there are
 * in the hint, if it is not there; 22023 if it has no uri. */
int origins_find(const struct toml_doc *origins, const char *name, const char **uri,
                 struct zs_error *e);

/* Add or remove one.  42710 if it is there already; 42704 if it is not. */
int origins_add(const struct repo *repo, const char *name, const char *uri, struct zs_error *e);
int origins_remove(const struct repo *repo, const char *name, struct zs_error *e);

#endif
