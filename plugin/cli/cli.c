/* cli.c - see cli.h: the table of commands, options, help, and how it all ends.
 * Options are argp's, so that they may stand before and after arguments; the global
 * ones (-D, --help, --version) also in front of the command. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/exit_status.h"
#include "cli/output.h"
#include "cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef ZENITH_SYNC_VERSION
#define ZENITH_SYNC_VERSION "unknown"
#endif

static const struct cli_command *const commands[] = {
    &command_init,
    &command_start,
    &command_stop,
    &command_status,
    &command_import,
    &command_export,
    &command_branch_list,
    &command_branch_create,
    &command_branch_delete,
    &command_branch_drop_stage,
    &command_branch_rebuild_map,
    &command_user_add,
    &command_user_list,
    &command_user_remove,
    &command_origin_add,
    &command_origin_list,
    &command_origin_remove,
    &command_push,
    &command_pull,
    &command_verify,
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char exit_text[] =
    "Exit status: 0 done or up to date; 1 failed; 2 usage; 3 refused, the side that would "
    "receive is ahead; 4 diverged or unrelated; 5 could not connect or log in; 6 interrupted, "
    "the same command goes on or starts again.";

/* ---- help ------------------------------------------------------------------------- */

/* Does a name begin with this word? */
static bool first_word_is(const char *name, const char *word)
{
    size_t len = strlen(word);
    return strncmp(name, word, len) == 0 && (name[len] == '\0' || name[len] == ' ');
}

static void print_commands(FILE *f, const char *first)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct cli_command *c = commands[i];
        if (first != NULL && !first_word_is(c->name, first))
            continue;
        int n = fprintf(f, "  %s %s", c->name, c->args);
        (void)fprintf(f, "%*s%s\n", n < 36 ? 36 - n : 2, "", c->summary);
    }
}

static void print_help(void)
{
    (void)printf("Usage: zenith [-D DIR] COMMAND [ARGUMENT...] [OPTION...]\n"
                 "Moves branches of databases between pageservers, whole or only what is new.\n\n"
                 "Commands:\n");
    print_commands(stdout, NULL);
    (void)printf("\nOptions in front of a command:\n"
                 "  -D, --directory=DIR  The repository in DIR or above it (default: here).\n"
                 "  -?, --help           Show this, or the command's own help behind a command.\n"
                 "  -V, --version        Show the version.\n\n"
                 "A branch's first journey:\n"
                 "  zenith init && zenith start\n"
                 "  zenith import main /var/lib/postgresql/15/main\n"
                 "  zenith origin add cloud postgresql://USER:PASSWORD@HOST:PORT\n"
                 "  zenith push main cloud\n\n"
                 "%.12s 0 done or up to date; 1 failed; 2 usage; 3 refused, the side that\n"
                 "would receive is ahead; 4 diverged or unrelated; 5 could not connect or log in;\n"
                 "6 interrupted, the same command goes on or starts again.\n\n"
                 "More on a command: zenith help COMMAND\n",
                 exit_text);
}

/* ---- options ----------------------------------------------------------------------- */

static bool is_role(const char *text)
{
    return strcmp(text, "read") == 0 || strcmp(text, "write") == 0 || strcmp(text, "admin") == 0;
}

static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 5 && text[n] == '\0' && strtoul(text, NULL, 10) <= 65535;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct cli *c = state->input;
    switch (key) {
    case 'D':
        c->dir = arg;
        return 0;
    case 'p':
        if (!is_port(arg))
            // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
            argp_error(state, "--port must be a number from 0 to 65535, and not \"%s\"", arg);
        c->port = arg;
        return 0;
    case 'q':
        c->quiet = true;
        return 0;
    case OPTION_JSON:
        c->json = true;
        return 0;
    case OPTION_LISTEN:
        c->listen = arg;
        return 0;
    case OPTION_FOREGROUND:
        c->foreground = true;
        return 0;
    case OPTION_LSN:
        c->lsn = arg;
        return 0;
    case OPTION_ROLE:
        if (!is_role(arg))
            // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
            argp_error(state, "--role must be read, write or admin, and not \"%s\"", arg);
        c->role = arg;
        return 0;
    case OPTION_PASSWORD_STDIN:
        c->password_stdin = true;
        return 0;
    case OPTION_DRY_RUN:
        c->dry_run = true;
        return 0;
    case OPTION_MAX_RATE:
        c->max_rate = arg;
        return 0;
    case OPTION_COMPRESSION:
        c->compression = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (c->nargs == c->command->most)
            // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
            argp_error(state, "\"%s\" is one argument too many", arg);
        else
            c->args[c->nargs++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (c->nargs < c->command->least)
            // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
            argp_error(state, "it needs %s", c->command->args);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Parse what stands behind the command's name.  Ends the process on --help and on a
 * usage error, as argp does. */
static int parse_command(struct cli *c, int argc, char **argv, struct zs_error *e)
{
    CLEANUP(free_ptr) char *doc = NULL, *name = NULL;
    if (asprintf(&doc, "%s\v%s\n\n%s", c->command->summary, c->command->help, exit_text) < 0 ||
        asprintf(&name, "zenith %s", c->command->name) < 0)
        return error_memory(e);
    struct argp argp = {.options = c->command->options,
                        .parser = parse_option,
                        .args_doc = c->command->args,
                        .doc = doc};
    char *first = argv[0];
    argv[0] = name; /* what argp calls the program */
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    error_t rc = argp_parse(&argp, argc, argv, 0, NULL, c);
    argv[0] = first;
    return rc == 0 ? ZS_OK : error_memory(e);
}

/* ---- which command ------------------------------------------------------------------ */

static int hint_usage(const char *text)
{
    (void)fprintf(stderr, "  hint: %s\n", text);
    return EXIT_USAGE;
}

/* What is called otherwise elsewhere. */
static const char *git_word(const char *typed)
{
    static const char *const words[][2] = {
        {"clone", "Make a repository and take a branch: zenith init, start, origin add, pull"},
        {"fetch", "Did you mean: zenith pull"},
        {"remote", "Did you mean: zenith origin"},
        {"version", "Did you mean: zenith --version"},
        {"log", "Did you mean: zenith branch list"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], typed) == 0)
            return words[i][1];
    return NULL;
}

static int unknown_command(const char *typed)
{
    const char *words[COMMANDS + 1];
    size_t n = 0;
    for (size_t i = 0; i < COMMANDS; i++)
        words[n++] = commands[i]->name;
    size_t found = suggest(typed, words, n);
    /* Of two words the first one may be what was mistyped. */
    char firsts[COMMANDS][16];
    for (size_t i = 0; i < n; i++)
        (void)snprintf(firsts[i], sizeof firsts[i], "%.*s", (int)strcspn(words[i], " "), words[i]);
    for (size_t i = 0; i < n; i++)
        words[i] = firsts[i];
    if (found == n)
        found = suggest(typed, words, n);
    (void)fputs("zenith: \"", stderr);
    print_clean(stderr, typed);
    (void)fputs("\" is not a command\n", stderr);
    if (found == n) {
        const char *meant = git_word(typed);
        if (meant != NULL)
            return hint_usage(meant);
    }
    if (found == n)
        return hint_usage("See what there is with: zenith --help");
    (void)fprintf(stderr, "  hint: Did you mean: zenith %s\n", words[found]);
    return EXIT_USAGE;
}

/* Find the command in argv[0] (and argv[1]); *used words are its name.  Returns NULL
 * and *status if there is none: help was shown, or a usage error. */
static const struct cli_command *find_command(int argc, char **argv, int *used, int *status)
{
    const char *word = argv[0], *second = argc > 1 ? argv[1] : NULL;
    bool is_group = false;
    *used = 1;
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i]->name, *blank = strchr(name, ' ');
        if (strcmp(name, word) == 0)
            return commands[i];
        if (blank == NULL || !first_word_is(name, word))
            continue;
        is_group = true;
        if (second != NULL && strcmp(blank + 1, second) == 0) {
            *used = 2;
            return commands[i];
        }
    }
    if (!is_group) {
        *status = unknown_command(word);
        return NULL;
    }
    bool help = second != NULL && (strcmp(second, "--help") == 0 || strcmp(second, "-?") == 0 ||
                                   strcmp(second, "--usage") == 0);
    FILE *f = help ? stdout : stderr;
    if (second != NULL && !help) {
        (void)fprintf(f, "zenith: there is no \"%s ", word);
        print_clean(f, second);
        (void)fputs("\"\n", f);
    } else if (!help) {
        (void)fprintf(f, "zenith: %s needs a word behind it\n", word);
    }
    (void)fprintf(f, "Usage: zenith %s ...\n", word);
    print_commands(f, word);
    if (help)
        (void)fprintf(f, "\nMore on each: zenith help %s WORD\n", word);
    *status = help ? EXIT_DONE : EXIT_USAGE;
    return NULL;
}

/* Move the words of a global option in front of the command: -D DIR, -DDIR,
 * --directory DIR, --directory=DIR.  Returns how many argv words it took, 0 if it is
 * none, -1 if its value is missing. */
static int global_option(struct cli *c, char **argv)
{
    static const char name[] = "--directory";
    size_t len = sizeof name - 1;
    if (strcmp(argv[0], "-D") == 0 || strcmp(argv[0], name) == 0) {
        c->dir = argv[1];
        return argv[1] == NULL ? -1 : 2;
    }
    if (strncmp(argv[0], "-D", 2) == 0)
        c->dir = argv[0] + 2;
    else if (strncmp(argv[0], name, len) == 0 && argv[0][len] == '=')
        c->dir = argv[0] + len + 1;
    else
        return 0;
    return 1;
}

static bool is_any(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* Run a command that has been parsed; prints its error. */
static int run_command(struct cli *c)
{
    struct zs_error e = {0};
    int rc = c->command->run(c, &e);
    if (rc == ZS_OK)
        return c->status;
    (void)error_check(ZS_FAIL, &e, c->command->name);
    (void)fflush(stdout);
    if (c->json)
        print_error_json(&e);
    else
        print_error(&e);
    return rc == CLI_USAGE ? EXIT_USAGE : exit_status(e.sqlstate);
}

/* libpq takes what it is not told from PG* variables: they may have no say in the connection to
 * our server, nor in those of a server that is started from here. */
static int clear_environment(void)
{
    for (char **v = environ; v != NULL && *v != NULL;) {
        char name[64];
        size_t len = strcspn(*v, "=");
        if (strncmp(*v, "PG", 2) != 0 || len >= sizeof name) {
            v++;
            continue;
        }
        memcpy(name, *v, len);
        name[len] = '\0';
        if (unsetenv(name) != 0) // NOLINT(concurrency-mt-unsafe): one thread
            return -1;
        v = environ;
    }
    return 0;
}

/* A standard descriptor that is closed would be given to a file or a socket, and be
 * written into: put one there that cannot be written. */
static void hold_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", O_RDONLY);
}

/* argp ends the process itself after --help: what was printed is checked here. */
static void check_output_at_exit(void)
{
    if (!output_finish())
        _exit(EXIT_FAILED);
}

/* zenith help [COMMAND] */
static int help_on(int argc, char **argv)
{
    char help[] = "--help";
    struct cli c = {0};
    struct zs_error e = {0};
    int used = 0, status = EXIT_DONE;
    if (argc == 0) {
        print_help();
        return EXIT_DONE;
    }
    char *words[] = {argv[0], argc > 1 ? argv[1] : help, NULL};
    c.command = find_command(2, words, &used, &status);
    if (c.command == NULL)
        return status;
    char *ask[] = {words[0], help, NULL};
    if (parse_command(&c, 2, ask, &e) != ZS_OK) /* argp ends the process on --help */
        print_error(&e);
    return EXIT_FAILED;
}

int cli_main(int argc, char **argv)
{
    struct cli c = {0};
    struct zs_error e = {0};
    int at = 1, used = 0, status = EXIT_DONE;
    hold_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(077);
    argp_err_exit_status = EXIT_USAGE;
    (void)setenv("ARGP_HELP_FMT", "no-dup-args-note", 1); // NOLINT(concurrency-mt-unsafe)
    if (clear_environment() != 0 || atexit(check_output_at_exit) != 0)
        return EXIT_FAILED;
    while (at < argc && argv[at][0] == '-') {
        int took = global_option(&c, argv + at);
        if (took < 0) {
            (void)fputs("zenith: -D needs a folder behind it\n", stderr);
            return EXIT_USAGE;
        }
        if (is_any(argv[at], "--help", "-?", "-h")) {
            print_help();
            return EXIT_DONE;
        }
        if (is_any(argv[at], "--version", "-V", "--version")) {
            (void)puts("zenith (zenith-sync) " ZENITH_SYNC_VERSION);
            return EXIT_DONE;
        }
        if (took == 0) {
            (void)fputs("zenith: \"", stderr);
            print_clean(stderr, argv[at]);
            (void)fputs("\" is not an option in front of a command\n", stderr);
            return hint_usage("See what there is with: zenith --help");
        }
        at += took;
    }
    if (at == argc) {
        (void)fputs("zenith: which command?\n", stderr);
        return hint_usage("See what there is with: zenith --help");
    }
    if (strcmp(argv[at], "help") == 0)
        return help_on(argc - at - 1, argv + at + 1);
    c.command = find_command(argc - at, argv + at, &used, &status);
    if (c.command == NULL)
        return status;
    if (parse_command(&c, argc - at - used + 1, argv + at + used - 1, &e) != ZS_OK) {
        print_error(&e);
        return EXIT_FAILED;
    }
    return run_command(&c);
}
