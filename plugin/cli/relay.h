/* relay.h - what the pageserver program wrote to standard error, in zenith's own form.
 * Flow: program_run -> here -> standard error.  Pure but for the stream.  Threads: any. */
#ifndef ZS_CLI_RELAY_H
#define ZS_CLI_RELAY_H

#include <stdio.h>

/* Write text, line by line and cleaned: "pageserver: " in front of a line becomes
 * "zenith: ", "DETAIL:  " and "HINT:  " become "  detail: " and "  hint: "; other
 * lines stay.  Takes text apart. */
void relay_errors(char *text, FILE *to);

#endif
