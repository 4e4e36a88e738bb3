/* value.h - are the values of push's and pull's options ones that a server takes?
 * Asked before anything is sent, so that a slip of the finger is a usage error.
 * Pure.  Threads: any. */
#ifndef ZS_CLI_VALUE_H
#define ZS_CLI_VALUE_H

#include <zenith-sync/types.h>

/* NULL: the option was not typed.  22023 with the value in the message, and what is
 * allowed in the hint. */
int value_check_max_rate(const char *text, struct zs_error *e);
int value_check_compression(const char *text, struct zs_error *e);

#endif
