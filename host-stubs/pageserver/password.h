/* password.h - a password from standard input.  At a terminal it is asked for twice and
 * not shown.  Threads: one. */
#ifndef PAGESERVER_PASSWORD_H
#define PAGESERVER_PASSWORD_H

#include <zenith-sync/types.h>

#define PASSWORD_MAX 1024

/* One line without its end.  22023 empty, too long, or not the same twice. */
int password_read(char out[PASSWORD_MAX], struct zs_error *e);
void password_wipe(char password[PASSWORD_MAX]);

#endif
