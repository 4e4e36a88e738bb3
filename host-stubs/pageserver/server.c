/* server.c - see server.h. */
#include "pageserver/server.h"

#include "base/error.h"
#include "kv/kv.h"
#include "pageserver/tls.h"
#include "pageserver/version.h"

#include <stdio.h>

#define STOP_WAIT_MS 5000
#define CUT_WAIT_MS  2000

/* A path in the config counts from the repository's folder. */
static int config_path(const struct server *s, const char *path, char out[FILE_PATH_MAX],
                       struct zs_error *e)
{
    if (path[0] != '/')
        return path_join(out, s->repository.path, path, e);
    (void)snprintf(out, FILE_PATH_MAX, "%s", path);
    return ZS_OK;
}

static int open_tls(struct server *s, struct zs_error *e)
{
    const struct config *c = &s->config;
    char cert[FILE_PATH_MAX];
    char key[FILE_PATH_MAX];
    char ca[FILE_PATH_MAX];
    if (c->tls_cert == NULL)
        return ZS_OK;
    TRY(config_path(s, c->tls_cert, cert, e));
    TRY(config_path(s, c->tls_key, key, e));
    if (c->tls_ca != NULL)
        TRY(config_path(s, c->tls_ca, ca, e));
    return tls_open(cert, key, c->tls_ca != NULL ? ca : NULL, &s->tls, e);
}

static int load_modules(struct server *s, struct zs_error *e)
{
    for (size_t i = 0; i < s->config.nmodules; i++) {
        char path[FILE_PATH_MAX];
        struct module *module = NULL;
        TRY(module_locate(s->config.modules[i], s->repository.path, path, e));
        TRY(modules_load(&s->modules, path, &module, e));
    }
    return ZS_OK;
}

/* The steps up to here are undone by their opposites in this order; `made` tells how
 * far start came. */
enum made {
    MADE_NOTHING,
    MADE_CONFIG,
    MADE_TLS,
    MADE_SESSIONS,
    MADE_COMMANDS,
    MADE_KV,
    MADE_HOUSEKEEPER,
    MADE_ALL
};

static void undo(struct server *s, enum made made)
{
    switch (made) {
    case MADE_ALL:
        modules_close(&s->modules);
        listener_close(&s->listener);
        /* fall through */
    case MADE_HOUSEKEEPER:
        housekeeper_stop(&s->housekeeper);
        /* fall through */
    case MADE_KV:
        kv_close(s->kv);
        /* fall through */
    case MADE_COMMANDS:
        commands_fini(&s->commands);
        /* fall through */
    case MADE_SESSIONS:
        sessions_fini(&s->sessions);
        /* fall through */
    case MADE_TLS:
        tls_close(s->tls);
        /* fall through */
    case MADE_CONFIG:
        config_fini(&s->config);
        /* fall through */
    case MADE_NOTHING:
        break;
    }
}

static int start_steps(struct server *s, enum made *made, struct zs_error *e)
{
    TRY(config_load(s->repository.config, &s->config, e));
    *made = MADE_CONFIG;
    TRY(open_tls(s, e));
    *made = MADE_TLS;
    TRY(sessions_init(&s->sessions, s->config.max_half_open, s->config.max_connections, e));
    *made = MADE_SESSIONS;
    TRY(commands_init(&s->commands, e));
    *made = MADE_COMMANDS;
    TRY(kv_open(s->repository.data, 0, &s->kv, e));
    *made = MADE_KV;
    TRY(housekeeper_start(&s->housekeeper, s->kv, s->config.stage_timeout_s, e));
    *made = MADE_HOUSEKEEPER;
    s->self_owner = (struct command_owner){.name = PAGESERVER_NAME " itself"};
    s->module_context = (struct module_context){.log = &s->log,
                                                .config = &s->config,
                                                .folder = s->repository.path,
                                                .store = kv_store(s->kv),
                                                .commands = &s->commands};
    s->listener.n = 0;
    TRY(modules_init(&s->modules, &s->module_context, e));
    *made = MADE_ALL;
    TRY(own_commands_add(s, e));
    TRY(load_modules(s, e));
    TRY(listener_open(&s->listener, s->config.listen, s->config.port, s->repository.socket, e));
    return repository_publish(&s->repository, s->listener.address, e);
}

int server_start(struct server *s, struct zs_error *e)
{
    enum made made = MADE_NOTHING;
    s->started = time(NULL);
    s->tls = NULL;
    int rc = start_steps(s, &made, e);
    if (rc != ZS_OK)
        undo(s, made);
    return rc;
}

bool server_stop(struct server *s)
{
    listener_close(&s->listener);
    sessions_stop(&s->sessions);
    if (!sessions_wait(&s->sessions, STOP_WAIT_MS)) {
        log_line(&s->log, ZS_LOG_WARNING, "some sessions do not end: their connections are cut");
        sessions_cut(&s->sessions);
        if (!sessions_wait(&s->sessions, CUT_WAIT_MS)) {
            log_line(&s->log, ZS_LOG_ERROR, "a command does not end: stopping without it");
            return false;
        }
    }
    undo(s, MADE_ALL);
    return true;
}
