/* config.h - the server's settings: DIR/.zenith/pageserver.toml.
 * A key that is not known, of another type or out of range is an error that names the
 * line.  Strings live as long as the config.  Threads: read-only once loaded. */
#ifndef PAGESERVER_CONFIG_H
#define PAGESERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

struct toml_doc;

struct config {
    struct toml_doc *doc; /* owns the strings */
    const char *listen;   /* an address or a host name; "" : the Unix socket alone */
    uint16_t port;        /* 0: the kernel chooses */
    const char *const *modules;
    size_t nmodules;
    const char *transport_dir; /* NULL: "transports" next to the module */
    char *allow_destinations;  /* separated by blanks; NULL: any; owned */
    bool allow_unix_sockets;
    const char *tls_dir;      /* for URIs; NULL: none */
    uint32_t max_connections; /* sessions that are logged in */
    uint32_t max_half_open;   /* connections that are not logged in yet */
    /* as modules take them: */
    char lease_timeout[12];    /* seconds */
    char progress_timeout[12]; /* seconds */
    char max_transfers[12];
    uint32_t handshake_timeout_s;
    uint32_t stage_timeout_s;       /* 0: what was cut off is not kept */
    uint32_t idle_timeout_s;        /* 0: none */
    const char *tls_cert, *tls_key; /* NULL: no TLS */
    const char *tls_ca;             /* NULL: client certificates are not asked for */
};

/* The text that init writes, with every setting explained; from malloc. */
char *config_default_text(const char *listen, uint16_t port, struct zs_error *e);

int config_load(const char *path, struct config *out, struct zs_error *e);
int config_parse(const char *text, const char *name, struct config *out, struct zs_error *e);
void config_fini(struct config *c);

#endif
