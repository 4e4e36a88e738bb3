/* libpq.c - the transport for postgresql:// and postgres://, over libpq.
 * Flow: transport/registry -> here -> conninfo (what a URI may say), connect (reach the far
 * server and log in), channel (CopyBoth).
 * Settings, read once by init: allow_destinations, allow_unix_sockets, tls_dir (host.h).
 * Threads: uri_check and connect in any; `struct libpq` is read-only after init. */
#include "base/error.h"
#include "transport/libpq/channel.h"
#include "transport/libpq/connect.h"

#include <stdlib.h>
#include <string.h>

static const char *setting(const struct zs_transport_host *host, const char *name)
{
    return host->setting == NULL ? NULL : host->setting(host->self, name);
}

static void libpq_fini(void *self)
{
    struct libpq *t = self;
    if (t == NULL)
        return;
    destinations_free(t->destinations);
    resolver_close(t->resolver);
    free(t);
}

static int read_settings(const struct zs_transport_host *host, struct libpq *t, struct zs_error *e)
{
    const char *sockets = setting(host, "allow_unix_sockets");
    const char *tls_dir = setting(host, "tls_dir");
    TRY(destinations_parse(setting(host, "allow_destinations"), &t->destinations, e));
    t->rules.destinations = t->destinations;
    t->rules.unix_sockets = sockets != NULL && strcmp(sockets, "true") == 0;
    t->rules.tls_dir = tls_dir != NULL && tls_dir[0] == '\0' ? NULL : tls_dir;
    return resolver_open(&t->resolver, e);
}

static int32_t libpq_init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    struct libpq *t = calloc(1, sizeof *t);
    if (t == NULL)
        return error_memory(e);
    t->host = host;
    if (read_settings(host, t, e) != ZS_OK) {
        libpq_fini(t);
        return ZS_FAIL;
    }
    *self = t;
    return ZS_OK;
}

static int32_t libpq_uri_check(void *self, const char *uri, char *shown, uint64_t shown_bytes,
                               struct zs_error *e)
{
    const struct libpq *t = self;
    struct conninfo info;
    int rc = conninfo_open(&t->rules, uri, &info, e);
    if (rc == ZS_OK)
        conninfo_show(&info, shown, shown_bytes);
    conninfo_close(&info);
    return rc;
}

static int32_t libpq_connect(void *self, const struct zs_connect *theirs, struct zs_channel *out,
                             struct zs_error *e)
{
    struct zs_connect spec = {0};
    memcpy(&spec, theirs, theirs->struct_size < sizeof spec ? theirs->struct_size : sizeof spec);
    PGconn *conn = NULL;
    struct target_text far;
    TRY(connect_open(self, &spec, &conn, &far, e));
    return channel_open(conn, far.s, spec.command, spec.cancel, CHANNEL_ANSWER_MS, out, e);
}

static const char *const schemes[] = {"postgresql", "postgres", NULL};

static const struct zs_transport transport = {
    .struct_size = sizeof transport,
    .name = "libpq",
    .version = ZENITH_SYNC_VERSION,
    .schemes = schemes,
    .init = libpq_init,
    .fini = libpq_fini,
    .uri_check = libpq_uri_check,
    .connect = libpq_connect,
};

ZS_EXPORT const struct zs_transport *zenith_sync_transport_v1(void);

ZS_EXPORT const struct zs_transport *zenith_sync_transport_v1(void)
{
    return &transport;
}
