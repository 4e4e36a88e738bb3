/* options.c - see options.h. */
#include "pageserver/options.h"

#include "pageserver/users.h"
#include "pageserver/version.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char usage[] =
    "Usage: pageserver init -D DIR [--port N] [--listen ADDRESS]\n"
    "       pageserver run -D DIR [--background]\n"
    "       pageserver user add NAME -D DIR --role read|write|admin\n"
    "       pageserver user list -D DIR\n"
    "       pageserver user remove NAME -D DIR\n"
    "\n"
    "The reference pageserver: keeps branches of PostgreSQL databases in DIR/.zenith.\n"
    "\n"
    "  -D, --dir DIR        the folder with the repository (default: here)\n"
    "  -p, --port N         init: the TCP port to listen on (default 5433; 0: any free one)\n"
    "  -l, --listen ADDRESS init: the address to listen on (default 127.0.0.1; \"\": none)\n"
    "  -b, --background     run: return once connections are accepted\n"
    "  -r, --role ROLE      user add: what the user may do\n"
    "      --password-stdin user add: read the password from standard input (as always)\n"
    "      --help           show this\n"
    "      --version        show the version\n"
    "\n"
    "user add reads the password from standard input, one line.\n";

static int usage_error(const char *what, const char *which)
{
    (void)fprintf(stderr, "pageserver: %s%s\nHINT:  Type \"pageserver --help\" to see the usage.\n",
                  what, which);
    return EXIT_USAGE;
}

static const struct {
    const char *words[2];
    enum verb verb;
    bool needs_name;
} verbs[] = {
    {{"init", NULL}, VERB_INIT, false},           {{"run", NULL}, VERB_RUN, false},
    {{"user", "add"}, VERB_USER_ADD, true},       {{"user", "list"}, VERB_USER_LIST, false},
    {{"user", "remove"}, VERB_USER_REMOVE, true},
};

/* The words that are no options: verb and name. */
static int read_words(int n, char **words, struct options *out)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        int used = verbs[i].words[1] != NULL ? 2 : 1;
        if (n < used || strcmp(words[0], verbs[i].words[0]) != 0 ||
            (used == 2 && strcmp(words[1], verbs[i].words[1]) != 0))
            continue;
        out->verb = verbs[i].verb;
        if (verbs[i].needs_name) {
            if (n < used + 1)
                return usage_error("a user's name is missing", "");
            out->name = words[used++];
        }
        return n > used ? usage_error("there is one argument too many: ", words[used]) : -1;
    }
    return usage_error(n == 0 ? "a subcommand is missing" : "there is no subcommand ",
                       n == 0 ? "" : words[0]);
}

int options_read(int argc, char **argv, struct options *out)
{
    enum { OPT_HELP = 256, OPT_VERSION, OPT_STDIN };
    static const struct option longs[] = {{"dir", required_argument, NULL, 'D'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"listen", required_argument, NULL, 'l'},
                                          {"background", no_argument, NULL, 'b'},
                                          {"role", required_argument, NULL, 'r'},
                                          {"password-stdin", no_argument, NULL, OPT_STDIN},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {NULL, 0, NULL, 0}};
    *out = (struct options){.dir = ".", .listen = "127.0.0.1", .port = 5433};
    for (;;) {
        char *end = NULL;
        unsigned long port = 0;
        /* Before any thread runs. */
        switch (getopt_long(argc, argv, "D:p:l:br:", longs, NULL)) { /* NOLINT(concurrency-*) */
        case -1:
            if (read_words(argc - optind, argv + optind, out) >= 0)
                return EXIT_USAGE;
            if (out->verb == VERB_USER_ADD && out->role == 0)
                return usage_error("user add needs --role read, write or admin", "");
            return -1;
        case 'D':
            out->dir = optarg;
            break;
        case 'p':
            port = strtoul(optarg, &end, 10);
            if (*optarg < '0' || *optarg > '9' || *end != '\0' || port > UINT16_MAX)
                return usage_error("this is no port: ", optarg);
            out->port = (uint16_t)port;
            break;
        case 'l':
            out->listen = optarg;
            break;
        case 'b':
            out->background = true;
            break;
        case 'r':
            out->role = role_parse(optarg);
            if (out->role == 0)
                return usage_error("a role is read, write or admin, not ", optarg);
            break;
        case OPT_STDIN:
            break;
        case OPT_HELP:
            (void)fputs(usage, stdout);
            return EXIT_SUCCESS;
        case OPT_VERSION:
            (void)puts(PAGESERVER_NAME " " PAGESERVER_VERSION);
            return EXIT_SUCCESS;
        default:
            (void)fputs("HINT:  Type \"pageserver --help\" to see the usage.\n", stderr);
            return EXIT_USAGE;
        }
    }
}
