/* password.h - a new password, typed twice or from a pipe.  Threads: one. */
#ifndef ZS_CLI_PASSWORD_H
#define ZS_CLI_PASSWORD_H

#include <stdbool.h>
#include <zenith-sync/types.h>

#define PASSWORD_BYTES 1002 /* 1000 bytes, a newline and NUL */

/* Fill `out` with one line, newline included.  from_stdin: the first line of standard
 * input; else asked for twice on the terminal, without echo.
 * 22023 empty, too long, not the same twice, or no terminal to ask on; 57014 if the
 * user pressed Ctrl-C (the terminal is as before). */
int password_read(const char *user, bool from_stdin, char out[PASSWORD_BYTES], struct zs_error *e);

#endif
