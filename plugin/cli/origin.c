/* origin.c - zenith origin add|list|remove: names for far pageservers. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/origins.h"
#include "cli/output.h"
#include "cli/target.h"
#include "cli/uri_check.h"
#include "model/uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URI_BYTES sizeof((struct target *)NULL)->origin /* what a command takes of one */

/* The first line of standard input: no list of processes and no shell's history shows it. */
static int read_uri(char uri[URI_BYTES], struct zs_error *e)
{
    if (fgets(uri, (int)URI_BYTES, stdin) == NULL) {
        error_set(e, ZS_BAD_VALUE, "there is no URI on standard input");
        return error_hint(e, "Hand it over as one line: zenith origin add NAME - <FILE");
    }
    size_t len = strcspn(uri, "\r\n");
    if (uri[len] == '\0' && !feof(stdin))
        return error_set(e, ZS_BAD_VALUE,
                         "the URI on standard input has a NUL character, or more than %zu bytes",
                         URI_BYTES - 2);
    uri[len] = '\0';
    return ZS_OK;
}

static int add(struct cli *c, const char *uri, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    char shown[URI_SHOWN];
    TRY_USAGE(target_uri_check(uri, e));
    TRY_REPO(&repo, c, e);
    if (uri_check(&repo, uri, shown, sizeof shown, e) != ZS_OK) {
        if (e->hint[0] == '\0')
            (void)error_hint(e, "Write it as postgresql://USER:PASSWORD@HOST:PORT.");
        return ZS_FAIL;
    }
    TRY(origins_add(&repo, c->args[0], uri, e));
    (void)printf("added %s  ", c->args[0]);
    print_clean(stdout, shown);
    (void)putchar('\n');
    return ZS_OK;
}

static int run_add(struct cli *c, struct zs_error *e)
{
    char uri[URI_BYTES];
    TRY_USAGE(origin_name_check(c->args[0], e));
    if (strcmp(c->args[1], "-") != 0)
        return add(c, c->args[1], e);
    TRY_USAGE(read_uri(uri, e));
    int rc = add(c, uri, e);
    explicit_bzero(uri, sizeof uri);
    return rc;
}

/* The URI as it may be seen; what is no string is said to be none. */
static void show(const struct toml_doc *origins, const char *name, char shown[URI_SHOWN])
{
    struct zs_error ignored;
    const char *uri = NULL;
    if (toml_get_string(origins, TOML_PATH("origin", name, "uri"), &uri, &ignored) == ZS_OK &&
        uri != NULL)
        uri_show(uri, shown, URI_SHOWN);
    else
        (void)snprintf(shown, URI_SHOWN, "(no uri)");
}

static int list_json(const struct toml_doc *origins, const char *const *names, size_t n,
                     struct zs_error *e)
{
    char shown[URI_SHOWN];
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < n && array != NULL; i++) {
        cJSON *object = cJSON_CreateObject();
        show(origins, names[i], shown);
        if (object == NULL || cJSON_AddStringToObject(object, "name", names[i]) == NULL ||
            cJSON_AddStringToObject(object, "uri", shown) == NULL ||
            cJSON_AddItemToArray(array, object) == 0) {
            cJSON_Delete(object);
            cJSON_Delete(array);
            array = NULL;
        }
    }
    return print_json(array, e);
}

static int list_text(const struct toml_doc *origins, const char *const *names, size_t n,
                     struct zs_error *e)
{
    static const bool right[] = {false, false};
    CLEANUP(table_fini) struct table t = {.columns = 2};
    char shown[URI_SHOWN];
    table_add(&t, "NAME");
    table_add(&t, "URI");
    for (size_t i = 0; i < n; i++) {
        show(origins, names[i], shown);
        table_add(&t, names[i]);
        table_add(&t, shown);
    }
    return table_print(&t, right, e);
}

static int run_list(struct cli *c, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    CLEANUP(free_ptr) const char *const *names = NULL;
    size_t n = 0;
    TRY_REPO(&repo, c, e);
    TRY(origins_load(&repo, &origins, e));
    TRY(toml_get_keys(origins, TOML_PATH("origin"), &names, &n, e));
    if (c->json)
        return list_json(origins, names, n, e);
    if (n > 0)
        return list_text(origins, names, n, e);
    (void)fprintf(stderr, "zenith: there are no origins yet\n"
                          "  hint: Add one with: zenith origin add NAME URI\n");
    return ZS_OK;
}

static int run_remove(struct cli *c, struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    TRY_REPO(&repo, c, e);
    TRY(origins_remove(&repo, c->args[0], e));
    (void)fputs("removed ", stdout);
    print_clean(stdout, c->args[0]);
    (void)putchar('\n');
    return ZS_OK;
}

static const struct argp_option options[] = {TAKES_DIR, TAKES_NO_MORE};
static const struct argp_option list_options[] = {TAKES_DIR, TAKES_JSON, TAKES_NO_MORE};

const struct cli_command command_origin_add = {
    .name = "origin add",
    .args = "NAME URI",
    .least = 2,
    .most = 2,
    .summary = "Give a far pageserver's URI a name.",
    .help =
        "The URI is checked and kept in .zenith/origins.toml, which only its owner can read "
        "and which may be edited: comments and other keys in it stay.  A URI in an argument "
        "can be seen in the process list for a moment, and stays in the shell's history: with - "
        "in its place it is the first line of standard input.\n\n"
        "Examples:\n"
        "  zenith origin add cloud postgresql://USER:PASSWORD@HOST:PORT\n"
        "  zenith origin add cloud - <FILE",
    .options = options,
    .run = run_add,
};
const struct cli_command command_origin_list = {
    .name = "origin list",
    .args = "",
    .summary = "Show the origins, without their passwords.",
    .help = "Example:\n  zenith origin list",
    .options = list_options,
    .run = run_list,
};
const struct cli_command command_origin_remove = {
    .name = "origin remove",
    .args = "NAME",
    .least = 1,
    .most = 1,
    .summary = "Forget an origin.",
    .help = "Nothing is changed over there.\n\n"
            "Example:\n"
            "  zenith origin remove cloud",
    .options = options,
    .run = run_remove,
};
