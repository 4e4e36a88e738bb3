/* user.c - zenith user add|list|remove: who may log in over TCP.
 * The pageserver program keeps the file; a password goes to it through a pipe and
 * stands in no argument list, environment or file of ours. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/output.h"
#include "cli/password.h"
#include "cli/program.h"
#include "cli/repo.h"

#include <stdio.h>
#include <string.h>

/* text: where what it says goes; NULL: to standard output. */
static int run_program(struct cli *c, const char *verb, const char *password, char **text,
                       struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    struct program p;
    TRY_REPO(&repo, c, e);
    TRY(program_open(&p, e));
    program_add(&p, "user");
    program_add(&p, verb);
    program_add_option(&p, "-D", repo.dir);
    program_add_option(&p, "--role", c->role);
    if (c->nargs > 0) {
        program_add(&p, "--"); /* a name that begins with '-' is the program's to refuse */
        program_add(&p, c->args[0]);
    }
    return text == NULL ? program_run(&p, password, &c->status, e)
                        : program_ask(&p, text, &c->status, e);
}

static void tell(const struct cli *c, const char *done)
{
    (void)printf("%s ", done);
    print_clean(stdout, c->args[0]);
    (void)putchar('\n');
}

static int run_add(struct cli *c, struct zs_error *e)
{
    char password[PASSWORD_BYTES];
    if (c->role == NULL) {
        error_set(e, ZS_BAD_VALUE, "which role is \"%s\" to have?", c->args[0]);
        (void)error_hint(e, "Add --role read (may fetch branches), write (and store branches) or "
                            "admin (and everything else).");
        return CLI_USAGE;
    }
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    TRY_REPO(&repo, c, e); /* before somebody types a password in vain */
    int rc = password_read(c->args[0], c->password_stdin, password, e);
    if (rc == ZS_OK)
        rc = run_program(c, "add", password, NULL, e);
    explicit_bzero(password, sizeof password);
    if (rc == ZS_OK && c->status == 0)
        tell(c, "added");
    return rc;
}

/* The next line, "NAME ROLE", taken apart in place.  False: there is none. */
static bool next_user(char **text, const char **name, const char **role)
{
    char *line = strsep(text, "\n"), *blank = line == NULL ? NULL : strrchr(line, ' ');
    if (blank == NULL)
        return false;
    *blank = '\0';
    *name = line;
    *role = blank + 1;
    return true;
}

static int list_json(char *text, struct zs_error *e)
{
    const char *name = NULL, *role = NULL;
    cJSON *array = cJSON_CreateArray();
    while (array != NULL && next_user(&text, &name, &role)) {
        cJSON *object = cJSON_CreateObject();
        if (object == NULL || cJSON_AddStringToObject(object, "name", name) == NULL ||
            cJSON_AddStringToObject(object, "role", role) == NULL ||
            cJSON_AddItemToArray(array, object) == 0) {
            cJSON_Delete(object);
            cJSON_Delete(array);
            array = NULL;
        }
    }
    return print_json(array, e);
}

static int list_text(char *text, struct zs_error *e)
{
    static const bool right[] = {false, false};
    CLEANUP(table_fini) struct table t = {.columns = 2};
    const char *name = NULL, *role = NULL;
    table_add(&t, "NAME");
    table_add(&t, "ROLE");
    while (next_user(&text, &name, &role)) {
        table_add(&t, name);
        table_add(&t, role);
    }
    return table_print(&t, right, e);
}

static int run_list(struct cli *c, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    int rc = run_program(c, "list", NULL, &text, e);
    if (rc != ZS_OK || c->status != 0)
        return rc;
    if (c->json)
        return list_json(text, e);
    if (text[0] != '\0')
        return list_text(text, e);
    (void)fprintf(stderr, "zenith: there are no users yet\n"
                          "  hint: Add one with: zenith user add NAME --role read|write|admin\n");
    return ZS_OK;
}

static int run_remove(struct cli *c, struct zs_error *e)
{
    int rc = run_program(c, "remove", NULL, NULL, e);
    if (rc == ZS_OK && c->status == 0)
        tell(c, "removed");
    return rc;
}

static const struct argp_option add_options[] = {
    TAKES_DIR,
    {"role", OPTION_ROLE, "ROLE", 0, "read, write or admin (required)", 0},
    {"password-stdin", OPTION_PASSWORD_STDIN, NULL, 0,
     "Read the password from standard input (one line)", 0},
    TAKES_NO_MORE,
};
static const struct argp_option plain_options[] = {TAKES_DIR, TAKES_NO_MORE};
static const struct argp_option list_options[] = {
    TAKES_DIR,
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    TAKES_NO_MORE,
};

const struct cli_command command_user_add = {
    .name = "user add",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Let a user log in over TCP.",
    .help = "The role read may fetch branches, write may also store them, admin may also make "
            "this server connect elsewhere.  The password is asked for twice, or read from "
            "standard input.  A running server takes the change at once.\n\n"
            "Examples:\n"
            "  zenith user add backup --role read\n"
            "  zenith user add pusher --role write --password-stdin <password.txt",
    .options = add_options,
    .run = run_add,
};
const struct cli_command command_user_list = {
    .name = "user list",
    .args = "",
    .summary = "Show who may log in, and their roles.",
    .help = "Example:\n  zenith user list",
    .options = list_options,
    .run = run_list,
};
const struct cli_command command_user_remove = {
    .name = "user remove",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Let a user log in no more.",
    .help = "Example:\n  zenith user remove backup",
    .options = plain_options,
    .run = run_remove,
};
