/* options.h - the command line of the pageserver program, read.  Threads: one. */
#ifndef PAGESERVER_OPTIONS_H
#define PAGESERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum verb { VERB_INIT, VERB_RUN, VERB_USER_ADD, VERB_USER_LIST, VERB_USER_REMOVE };

struct options {
    enum verb verb;
    const char *dir; /* "." by default */
    const char *listen;
    uint16_t port;
    bool background;
    const char *name; /* of a user */
    uint32_t role;
};

/* Returns -1 to go on, else the exit status: 0 after --help or --version, 2 for a
 * usage error, which it has printed. */
int options_read(int argc, char **argv, struct options *out);

#endif
