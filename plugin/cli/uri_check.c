/* uri_check.c - see uri_check.h. */
#include "cli/uri_check.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/toml.h"
#include "model/uri.h"
#include "transport/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The server's settings that a transport asks for. */
struct settings {
    struct toml_doc *doc; /* NULL: none */
    char *destinations;   /* allow_destinations, joined; NULL: not set */
};

static void settings_fini(struct settings *s)
{
    toml_free(s->doc);
    free(s->destinations);
}

static int settings_load(const struct repo *repo, struct settings *s, struct zs_error *e)
{
    char path[PATH_MAX];
    bool missing = false;
    TRY(repo_path(repo, "pageserver.toml", path, e));
    if (toml_load(path, &s->doc, &missing, e) != ZS_OK)
        return missing ? ZS_OK : ZS_FAIL;
    return toml_get_words(s->doc, TOML_PATH("allow_destinations"), &s->destinations, e);
}

static const char *setting(void *self, const char *name)
{
    const struct settings *s = self;
    struct zs_error ignored;
    const char *text = NULL;
    bool yes = false;
    if (strcmp(name, "allow_destinations") == 0)
        return s->destinations;
    if (s->doc == NULL)
        return NULL;
    if (strcmp(name, "allow_unix_sockets") == 0)
        return toml_get_bool(s->doc, TOML_PATH(name), &yes, &ignored) == ZS_OK && yes ? "true"
                                                                                      : NULL;
    return toml_get_string(s->doc, TOML_PATH(name), &text, &ignored) == ZS_OK ? text : NULL;
}

static void ignore_log(void *self, uint32_t level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

CLEANUP_POINTER(struct registry, registry_close)

/* The folder that the server would take, else the one beside this program. */
static int transport_dir(const struct settings *s, const struct repo *repo, char out[PATH_MAX],
                         struct zs_error *e)
{
    const char *dir = NULL;
    if (s->doc != NULL)
        TRY(toml_get_string(s->doc, TOML_PATH("transport_dir"), &dir, e));
    if (dir == NULL)
        return program_transports(out, e);
    if (dir[0] != '/')
        return repo_path(repo, dir, out, e);
    (void)snprintf(out, PATH_MAX, "%s", dir);
    return ZS_OK;
}

int uri_check(const struct repo *repo, const char *uri, char *shown, size_t shown_bytes,
              struct zs_error *e)
{
    CLEANUP(settings_fini) struct settings settings = {0};
    CLEANUP(registry_close_ptr) struct registry *registry = NULL;
    const struct transport *transport = NULL;
    char dir[PATH_MAX], room[URI_SHOWN];
    TRY(settings_load(repo, &settings, e));
    TRY(transport_dir(&settings, repo, dir, e));
    const struct zs_transport_host host = {
        .struct_size = sizeof host, .self = &settings, .log = ignore_log, .setting = setting};
    TRY(registry_open(&host, &registry, e));
    TRY(registry_load_dir(registry, dir, e));
    TRY(registry_find(registry, uri, &transport, e));
    TRY(error_check(transport->table.uri_check(transport->self, uri, room, sizeof room, e), e,
                    "the transport's uri_check"));
    (void)snprintf(shown, shown_bytes, "%s", room);
    return ZS_OK;
}
