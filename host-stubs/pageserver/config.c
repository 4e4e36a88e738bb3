/* config.c - see config.h. */
#include "pageserver/config.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/toml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text_head[] =
    "# Settings of this pageserver.  They are read when it starts.\n"
    "\n"
    "# Where it listens for other machines and other users of this one; they log in with a\n"
    "# password (SCRAM-SHA-256).  \"\" listens on the Unix socket in this folder alone.\n";

static const char text_tail[] =
    "\n"
    "# Modules to load.  A bare name is looked for next to the program and in\n"
    "# ../lib/zenith-sync; another path counts from this folder.\n"
    "modules = [\"zenith_sync.so\"]\n"
    "\n"
    "# The folder with the transports; by default \"transports\" next to the module.\n"
    "# transport_dir = \"/usr/local/lib/zenith-sync/transports\"\n"
    "\n"
    "# Where perform_push and perform_pull may connect to: host, host:port, *.domain, or an\n"
    "# address with a mask length.  Not set: anywhere.\n"
    "# allow_destinations = [\"backup.example.com\", \"10.0.0.0/8\"]\n"
    "\n"
    "# May a URI name a Unix socket?\n"
    "# allow_unix_sockets = false\n"
    "\n"
    "# The folder that certificates named in a URI (sslrootcert, sslcert, sslkey) are taken\n"
    "# from.  Not set: a URI may name none.\n"
    "# tls_dir = \"/etc/zenith-sync/tls\"\n"
    "\n"
    "# Logged-in sessions, and connections that are still logging in.\n"
    "# max_connections = 200\n"
    "# max_half_open = 64\n"
    "\n"
    "# How many pushes, pulls and verifications one user may have under way (0: any number).\n"
    "# max_transfers = 32\n"
    "\n"
    "# Seconds a login may take, and a session may idle (0: for ever).\n"
    "# handshake_timeout = 10\n"
    "# idle_timeout = 3600\n"
    "\n"
    "# Seconds that a branch is kept from garbage collection for a push or pull which was cut\n"
    "# off while this server sent (0: not at all).\n"
    "# lease_timeout = 3600\n"
    "\n"
    "# Seconds that the other side of a push or pull may be at work without a message that\n"
    "# is due, however often it says that it is alive.\n"
    "# progress_timeout = 86400\n"
    "\n"
    "# Seconds that what has arrived of a push or pull which was cut off waits on the disk to\n"
    "# be gone on with (0: not at all).\n"
    "# stage_timeout = 604800\n"
    "\n"
    "# TLS for those who connect.  With tls_ca a client certificate of that authority whose\n"
    "# common name is the user's logs in without a password.\n"
    "# tls_cert = \"/etc/zenith-sync/server.crt\"\n"
    "# tls_key = \"/etc/zenith-sync/server.key\"\n"
    "# tls_ca = \"/etc/zenith-sync/ca.crt\"\n";

char *config_default_text(const char *listen, uint16_t port, struct zs_error *e)
{
    char *text = NULL;
    if (strpbrk(listen, "\"\\\n\r\t") != NULL) {
        error_set(e, ZS_BAD_VALUE, "this is no address to listen on");
        (void)error_hint(e, "Give an address such as 127.0.0.1, or a host name.");
        return NULL;
    }
    if (asprintf(&text, "%slisten = \"%s\"\nport = %u\n%s", text_head, listen, port, text_tail) <
        0) {
        (void)error_memory(e);
        return NULL;
    }
    return text;
}

static int get_count(const struct toml_doc *doc, const char *key, int64_t min, int64_t max,
                     uint32_t *out, struct zs_error *e)
{
    int64_t v = *out;
    TRY(toml_get_integer(doc, TOML_PATH(key), min, max, &v, e));
    *out = (uint32_t)v;
    return ZS_OK;
}

static int check_keys(const struct toml_doc *doc, struct zs_error *e)
{
    static const char *const known[] = {"listen",
                                        "port",
                                        "modules",
                                        "transport_dir",
                                        "allow_destinations",
                                        "allow_unix_sockets",
                                        "tls_dir",
                                        "max_connections",
                                        "max_half_open",
                                        "max_transfers",
                                        "handshake_timeout",
                                        "idle_timeout",
                                        "lease_timeout",
                                        "progress_timeout",
                                        "stage_timeout",
                                        "tls_cert",
                                        "tls_key",
                                        "tls_ca"};
    CLEANUP(free_ptr) const char *const *keys = NULL;
    size_t n = 0;
    TRY(toml_get_keys(doc, TOML_PATH(NULL), &keys, &n, e));
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found = found || strcmp(keys[i], known[k]) == 0;
        if (!found) {
            (void)toml_refuse(doc, TOML_PATH(keys[i]), e, "there is no setting \"%s\"", keys[i]);
            return error_hint(e, "Correct or remove that line.");
        }
    }
    return ZS_OK;
}

static int check_together(const struct config *c, struct zs_error *e)
{
    if ((c->tls_cert == NULL) != (c->tls_key == NULL))
        return toml_refuse(c->doc, TOML_PATH(c->tls_cert != NULL ? "tls_cert" : "tls_key"), e,
                           "tls_cert and tls_key go together");
    if (c->tls_ca != NULL && c->tls_cert == NULL)
        return toml_refuse(c->doc, TOML_PATH("tls_ca"), e, "tls_ca needs tls_cert and tls_key");
    return ZS_OK;
}

static int read_doc(struct config *c, struct zs_error *e)
{
    uint32_t port = 5433, lease_timeout_s = 3600, progress_timeout_s = 86400, max_transfers = 32;
    const struct toml_doc *doc = c->doc;
    TRY(check_keys(doc, e));
    TRY(toml_get_string(doc, TOML_PATH("listen"), &c->listen, e));
    TRY(get_count(doc, "port", 0, 65535, &port, e));
    TRY(toml_get_strings(doc, TOML_PATH("modules"), &c->modules, &c->nmodules, e));
    TRY(toml_get_string(doc, TOML_PATH("transport_dir"), &c->transport_dir, e));
    TRY(toml_get_words(doc, TOML_PATH("allow_destinations"), &c->allow_destinations, e));
    TRY(toml_get_bool(doc, TOML_PATH("allow_unix_sockets"), &c->allow_unix_sockets, e));
    TRY(toml_get_string(doc, TOML_PATH("tls_dir"), &c->tls_dir, e));
    TRY(get_count(doc, "max_connections", 1, 10000, &c->max_connections, e));
    TRY(get_count(doc, "max_half_open", 1, 10000, &c->max_half_open, e));
    TRY(get_count(doc, "handshake_timeout", 1, 3600, &c->handshake_timeout_s, e));
    TRY(get_count(doc, "idle_timeout", 0, 31536000, &c->idle_timeout_s, e));
    TRY(get_count(doc, "lease_timeout", 0, 2592000, &lease_timeout_s, e));
    TRY(get_count(doc, "stage_timeout", 0, 31536000, &c->stage_timeout_s, e));
    TRY(get_count(doc, "progress_timeout", 1, 2592000, &progress_timeout_s, e));
    TRY(get_count(doc, "max_transfers", 0, 10000, &max_transfers, e));
    TRY(toml_get_string(doc, TOML_PATH("tls_cert"), &c->tls_cert, e));
    TRY(toml_get_string(doc, TOML_PATH("tls_key"), &c->tls_key, e));
    TRY(toml_get_string(doc, TOML_PATH("tls_ca"), &c->tls_ca, e));
    c->port = (uint16_t)port;
    (void)snprintf(c->lease_timeout, sizeof c->lease_timeout, "%u", lease_timeout_s);
    (void)snprintf(c->progress_timeout, sizeof c->progress_timeout, "%u", progress_timeout_s);
    (void)snprintf(c->max_transfers, sizeof c->max_transfers, "%u", max_transfers);
    return check_together(c, e);
}

static int config_take(struct toml_doc *doc, struct config *out, struct zs_error *e)
{
    *out = (struct config){.doc = doc,
                           .listen = "127.0.0.1",
                           .max_connections = 200,
                           .max_half_open = 64,
                           .handshake_timeout_s = 10,
                           .idle_timeout_s = 3600,
                           .stage_timeout_s = 604800};
    int rc = read_doc(out, e);
    if (rc != ZS_OK)
        config_fini(out);
    return rc;
}

int config_load(const char *path, struct config *out, struct zs_error *e)
{
    struct toml_doc *doc = NULL;
    TRY(toml_load(path, &doc, NULL, e));
    return config_take(doc, out, e);
}

int config_parse(const char *text, const char *name, struct config *out, struct zs_error *e)
{
    struct toml_doc *doc = NULL;
    TRY(toml_parse(text, strlen(text), name, &doc, e));
    return config_take(doc, out, e);
}

void config_fini(struct config *c)
{
    free((void *)c->modules);
    free(c->allow_destinations);
    toml_free(c->doc);
    *c = (struct config){0};
}
