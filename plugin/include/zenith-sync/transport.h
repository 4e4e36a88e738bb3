/* zenith-sync/transport.h - how a transport is written.
 *
 * A transport is a shared object in the module's transport folder, chosen by the
 * scheme of a URI.  It carries messages between two servers and knows nothing of
 * what they mean: given a URI and a command line, it reaches the far server, has
 * it run the command, and hands back a channel (types.h) to that command.
 *
 * Lifecycle, as the module does it
 *
 *     dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
 *     dlsym(ZS_TRANSPORT_SYMBOL)() -> struct zs_transport
 *     transport->init(host)                       once, alone
 *     transport->uri_check(uri)                   before a transfer; no network
 *     transport->connect(spec) -> channel         concurrently, one per transfer
 *     channel.send / recv / finish / close        types.h
 *     transport->fini()                           once, alone; no channel is open
 *
 * Before init a transport is refused, in one sentence that names the file, for a
 * struct_size below ZS_TRANSPORT_SIZE_V1 or above 64 KiB, a required member that
 * is NULL, a bit in `needs` that the host lacks, a scheme that another transport
 * serves, or a scheme that is not [a-z][a-z0-9+.-]*.
 *
 * allow_destinations (host.h) is the transport's to keep: nobody else knows where a URI
 * of its scheme leads.  One whose URIs name hosts refuses (42501) those that are not in it.
 *
 * A URI holds secrets.  A transport never writes one, or a part of it but the
 * host and port, into an error, a log line, a process title or an environment. */
#ifndef ZENITH_SYNC_TRANSPORT_H
#define ZENITH_SYNC_TRANSPORT_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a transport gets from whoever loads it.  Lifetime PROCESS. */
struct zs_transport_host {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t features; /* 0 so far */
    void *self;

    /* One line for the host's log; level as ZS_LOG_* in host.h.  From any thread. */
    void (*log)(void *self, uint32_t level, const char *line);

    /* A setting by name, or NULL; the names stand in host.h.  Only during init.
     * Lifetime PROCESS. */
    const char *(*setting)(void *self, const char *name);
};

/* Where to go and what to run there.  All lifetime CALL but `cancel`, which
 * outlives the channel.
 *
 * The command is one line of ASCII, 0x20 to 0x7e, of ZS_COMMAND_MAX bytes at most, without a
 * `;` at its end: a query of the far server, whole, with its own quoting (branch_push,
 * branch_pull, branch_verify and their arguments).  It goes there as it is, and holds no secret.
 * The far server runs it as the user that the URI logs in, with that user's role: write
 * for branch_push, read for the other two. */
#define ZS_COMMAND_MAX 65536u
struct zs_connect {
    uint32_t struct_size;
    uint32_t reserved;
    const char *uri;         /* as the user gave it, secrets included */
    const char *command;     /* what the far server is to run; see below */
    const char *application; /* who is calling, for the far server's log: "zenith-sync" */
    const struct zs_cancel *cancel;
};

struct zs_transport {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t features; /* 0 so far */
    uint64_t needs;    /* bits that zs_transport_host.features must have */
    const char *name;
    const char *version;
    const char *const *schemes; /* NULL-terminated: "postgresql", "postgres" */

    int32_t (*init)(const struct zs_transport_host *host, void **self, struct zs_error *e);
    void (*fini)(void *self);

    /* Could one connect with this URI?  Looks at its text alone: no network, no
     * file.  22023 names what is wrong, 42501 what is not allowed.  On ZS_OK
     * `shown` (at least 300 bytes) has the URI as a person may see it: without
     * secrets, host and port always.  Any thread. */
    int32_t (*uri_check)(void *self, const char *uri, char *shown, uint64_t shown_bytes,
                         struct zs_error *e);

    /* Reach the far server, log in, have it run spec->command, and fill *out up
     * to out->struct_size.  08001 not reached, 28P01 / 28000 not let in; what the
     * far server says to the command comes as it says it, here or in the first
     * recv.  Any thread. */
    int32_t (*connect)(void *self, const struct zs_connect *spec, struct zs_channel *out,
                       struct zs_error *e);
};

#define ZS_TRANSPORT_SYMBOL  "zenith_sync_transport_v1"
#define ZS_TRANSPORT_SIZE_V1 80u
typedef const struct zs_transport *(*zs_transport_entry)(void); /* the symbol's type; PROCESS */

ZS_STATIC_ASSERT(sizeof(struct zs_transport_host) == 40, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_connect) == 40, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_transport) == ZS_TRANSPORT_SIZE_V1, "no tail padding");

#ifdef __cplusplus
}
#endif
#endif
