/* branch_name.h - what a branch may be called.
 * 1 to 255 bytes of [A-Za-z0-9._/-], no "..", no leading '-' or '/', never used as
 * a file path.  Threads: none. */
#ifndef ZS_MODEL_BRANCH_NAME_H
#define ZS_MODEL_BRANCH_NAME_H

#include <zenith-sync/types.h>

/* 22023, saying which rule is broken. */
int branch_name_check(const char *name, struct zs_error *e);

#endif
