/* exit_status.h - what zenith returns to the shell.
 * Pure.  Threads: any. */
#ifndef ZS_CLI_EXIT_STATUS_H
#define ZS_CLI_EXIT_STATUS_H

#define EXIT_DONE        0 /* done, or up to date */
#define EXIT_FAILED      1
#define EXIT_USAGE       2
#define EXIT_AHEAD       3 /* refused: the side that would receive is ahead */
#define EXIT_DIVERGED    4 /* refused: diverged or unrelated */
#define EXIT_NO_CONNECT  5 /* could not connect or log in */
#define EXIT_INTERRUPTED 6 /* interrupted; the same command goes on or starts again */

/* The exit status for an error with this SQLSTATE. */
int exit_status(const char *sqlstate);

#endif
