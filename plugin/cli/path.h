/* path.h - paths for a server that has another current folder.  Threads: any. */
#ifndef ZS_CLI_PATH_H
#define ZS_CLI_PATH_H

#include <zenith-sync/types.h>

/* `path`, from malloc, with the current folder in front if it is relative.  It need
 * not exist.  22023 if it is empty. */
int path_absolute(const char *path, char **out, struct zs_error *e);

#endif
