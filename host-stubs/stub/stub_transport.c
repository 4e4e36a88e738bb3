/* stub_transport.c - see stub_transport.h.
 * A link is one connection: the near channel that connect hands out, the thread that
 * runs the far command, and what both need; the near close joins and frees it. */
#include "stub/stub_transport.h"

#include "base/error.h"
#include "stub/stub_pipe.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX       16u
#define NAME_MAX_BYTES  64u
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

struct stub_place {
    char name[NAME_MAX_BYTES];
    struct stub_host *host;
    uint32_t role;
};

struct stub_network {
    char key[32];
    struct stub_place places[HOSTS_MAX];
    uint32_t nplaces;
    struct stub_faults *near_faults, *far_faults;
    uint64_t buffer_bytes;
    atomic_ulong connects;
};

struct link {
    struct zs_channel pipe; /* the near end */
    struct stub_session session;
    struct stub_host *host;
    char *command;
    pthread_t thread;
    bool finished; /* the near side said that it sends no more */
};

/* ---- the URI ----------------------------------------------------------------------------- */

static int parse_uri(const char *uri, char name[NAME_MAX_BYTES], struct zs_error *e)
{
    static const char scheme[] = "stub://";
    if (strncmp(uri, scheme, sizeof scheme - 1) != 0)
        return error_set(e, ZS_BAD_VALUE, "the URI does not begin with %s", scheme);
    const char *host = uri + sizeof scheme - 1;
    const char *at = strchr(host, '@');
    size_t authority = strcspn(host, "/");
    if (at != NULL && (size_t)(at - host) < authority) {
        authority -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    if (authority == 0 || authority >= NAME_MAX_BYTES ||
        strspn(host, NAME_CHARACTERS) < authority) {
        error_set(e, ZS_BAD_VALUE, "the URI names no host");
        return error_hint(e, "Write stub://NAME.");
    }
    memcpy(name, host, authority);
    name[authority] = '\0';
    return ZS_OK;
}

static int32_t uri_check(void *self, const char *uri, char *shown, uint64_t shown_bytes,
                         struct zs_error *e)
{
    (void)self;
    char name[NAME_MAX_BYTES];
    TRY(parse_uri(uri, name, e));
    (void)snprintf(shown, shown_bytes, "stub://%s", name);
    return ZS_OK;
}

/* ---- a link --------------------------------------------------------------------------------- */

static int32_t link_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct link *l = self;
    return l->pipe.send(l->pipe.self, msg, len, e);
}

static int32_t link_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    struct link *l = self;
    return l->pipe.recv(l->pipe.self, timeout_ms, msg, len, e);
}

static int32_t link_finish(void *self, struct zs_error *e)
{
    struct link *l = self;
    TRY(l->pipe.finish(l->pipe.self, e));
    l->finished = true;
    return ZS_OK;
}

static void link_free(struct link *l)
{
    stub_session_fini(&l->session);
    free(l->command);
    free(l);
}

static void link_close(void *self)
{
    struct link *l = self;
    if (!l->finished)
        stub_cancel_request(&l->session.cancel);
    l->pipe.close(l->pipe.self);
    (void)pthread_join(l->thread, NULL);
    link_free(l);
}

/* Its error, if any, has gone to the near side by then. */
static void *run_far_command(void *arg)
{
    struct link *l = arg;
    struct zs_error e = {0};
    (void)stub_host_run(l->host, &l->session, l->command, &e);
    return NULL;
}

/* Everything but the thread.  On ZS_FAIL nothing is left. */
static int link_open(struct stub_network *net, const struct stub_place *place,
                     const struct zs_connect *spec, struct link **out, struct zs_error *e)
{
    struct zs_channel far;
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return error_memory(e);
    l->host = place->host;
    if (stub_session_init(&l->session, e) != ZS_OK) {
        free(l);
        return ZS_FAIL;
    }
    l->session.session.role = place->role;
    l->session.session.peer = "stub";
    l->session.faults = net->far_faults;
    l->command = strdup(spec->command);
    if (l->command == NULL) {
        link_free(l);
        return error_memory(e);
    }
    if (stub_pipe_open(net->buffer_bytes, spec->cancel, &l->session.cancel.token, &l->pipe, &far,
                       e) != ZS_OK) {
        link_free(l);
        return ZS_FAIL;
    }
    stub_session_serve(&l->session, far);
    *out = l;
    return ZS_OK;
}

static int link_start(struct link *l, struct zs_error *e)
{
    int errnum = pthread_create(&l->thread, NULL, run_far_command, l);
    if (errnum == 0)
        return ZS_OK;
    error_errno(e, errnum, "cannot start the far command");
    l->pipe.close(l->pipe.self);
    link_free(l);
    return ZS_FAIL;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static const struct stub_place *place_named(const struct stub_network *net, const char *name)
{
    for (uint32_t i = 0; i < net->nplaces; i++)
        if (strcmp(net->places[i].name, name) == 0)
            return &net->places[i];
    return NULL;
}

static int connect_fault(struct stub_network *net, struct zs_error *e)
{
    struct stub_fault plan;
    if (net->near_faults == NULL ||
        !stub_faults_due(net->near_faults, 1u << STUB_FAULT_FAIL, "connect", &plan))
        return ZS_OK;
    return error_set(e, plan.sqlstate != NULL ? plan.sqlstate : ZS_CANNOT_CONNECT,
                     "injected fault in connect");
}

static int32_t connect_to(void *self, const struct zs_connect *spec, struct zs_channel *out,
                          struct zs_error *e)
{
    struct stub_network *net = self;
    char name[NAME_MAX_BYTES];
    struct link *l = NULL;
    atomic_fetch_add(&net->connects, 1);
    TRY(parse_uri(spec->uri, name, e));
    TRY(connect_fault(net, e));
    if (stub_cancel_asked(spec->cancel))
        return error_set(e, ZS_CANCELLED, "cancelled");
    const struct stub_place *place = place_named(net, name);
    if (place == NULL) {
        error_set(e, ZS_CANNOT_CONNECT, "there is no stub host \"%s\"", name);
        return error_hint(e, "Add it with stub_network_add.");
    }
    if (link_open(net, place, spec, &l, e) != ZS_OK || l == NULL)
        return ZS_FAIL;
    if (link_start(l, e) != ZS_OK)
        return ZS_FAIL;
    struct zs_channel channel = {.struct_size = sizeof channel,
                                 .self = l,
                                 .send = link_send,
                                 .recv = link_recv,
                                 .finish = link_finish,
                                 .close = link_close};
    if (net->near_faults != NULL && stub_fault_channel(net->near_faults, &channel, e) != ZS_OK) {
        link_close(l);
        return ZS_FAIL;
    }
    uint32_t size = out->struct_size < sizeof channel ? out->struct_size : (uint32_t)sizeof channel;
    memcpy(out, &channel, size);
    out->struct_size = size;
    return ZS_OK;
}

/* ---- the transport ----------------------------------------------------------------------------
 */

static int32_t init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    const char *key = host->setting(host->self, "stub_network");
    if (key == NULL) {
        error_set(e, ZS_BAD_VALUE, "the setting stub_network is not set");
        return error_hint(e, "Set it to what stub_network_key gives.");
    }
    *self = (void *)(uintptr_t)strtoull(key, NULL, 16);
    return ZS_OK;
}

static void fini(void *self)
{
    (void)self; /* the network is its opener's */
}

const struct zs_transport *stub_transport_table(void)
{
    static const char *const schemes[] = {"stub", NULL};
    static const struct zs_transport table = {.struct_size = sizeof table,
                                              .name = "stub",
                                              .version = "1",
                                              .schemes = schemes,
                                              .init = init,
                                              .fini = fini,
                                              .uri_check = uri_check,
                                              .connect = connect_to};
    return &table;
}

/* ---- the network --------------------------------------------------------------------------------
 */

int stub_network_open(struct stub_network **out, struct zs_error *e)
{
    struct stub_network *net = calloc(1, sizeof *net);
    if (net == NULL)
        return error_memory(e);
    (void)snprintf(net->key, sizeof net->key, "%llx", (unsigned long long)(uintptr_t)net);
    *out = net;
    return ZS_OK;
}

void stub_network_close(struct stub_network *net)
{
    free(net);
}

int stub_network_add(struct stub_network *net, const char *name, struct stub_host *host,
                     uint32_t role, struct zs_error *e)
{
    size_t len = strlen(name);
    if (len == 0 || len >= NAME_MAX_BYTES || strspn(name, NAME_CHARACTERS) != len)
        return error_set(e, ZS_BAD_VALUE, "a stub host cannot be called \"%s\"", name);
    if (place_named(net, name) != NULL)
        return error_set(e, ZS_ALREADY_EXISTS, "stub host \"%s\" exists already", name);
    if (net->nplaces == HOSTS_MAX)
        return error_set(e, ZS_LIMIT_EXCEEDED, "there are %u stub hosts already", HOSTS_MAX);
    struct stub_place *place = &net->places[net->nplaces++];
    *place = (struct stub_place){.host = host, .role = role};
    memcpy(place->name, name, len + 1);
    return ZS_OK;
}

void stub_network_faults(struct stub_network *net, struct stub_faults *near,
                         struct stub_faults *far)
{
    net->near_faults = near;
    net->far_faults = far;
}

void stub_network_buffer(struct stub_network *net, uint64_t max_bytes)
{
    net->buffer_bytes = max_bytes;
}

uint64_t stub_network_connects(struct stub_network *net)
{
    return atomic_load(&net->connects);
}

const char *stub_network_key(const struct stub_network *net)
{
    return net->key;
}

void *stub_network_self(struct stub_network *net)
{
    return net;
}
