/* registry.h - the transports that are loaded, by URI scheme.
 * Flow: plugin.c and cli fill one at start; command/ and cli look schemes up.
 * Owns: what it loaded, until registry_close (shared objects stay mapped).
 * Threads: filled by one thread; afterwards read-only, from any thread. */
#ifndef ZS_TRANSPORT_REGISTRY_H
#define ZS_TRANSPORT_REGISTRY_H

#include <zenith-sync/transport.h>

struct registry;

/* One loaded transport: the table as imported (min(size), rest zeroed) and the
 * self that its init gave.  PROCESS. */
struct transport {
    struct zs_transport table;
    void *self;
    const char *from; /* the file, or what registry_add was told, for messages */
};

/* An empty one.  `host` is borrowed until registry_close. */
int registry_open(const struct zs_transport_host *host, struct registry **out, struct zs_error *e);

/* Check a descriptor as transport.h says, init it, take its schemes.  `from`
 * names where it came from in messages.  0A000 refused, 42710 scheme taken. */
int registry_add(struct registry *r, const struct zs_transport *table, const char *from,
                 struct zs_error *e);

/* Load one shared object: open it, look the symbol up, registry_add.  Besides: a file
 * that cannot be read (58030, 42501), or is no transport (0A000).  Each refusal is one
 * sentence that names the file, what it has and what is needed. */
int registry_load_file(struct registry *r, const char *path, struct zs_error *e);

/* Load every *.so of a folder in name order.  A folder that is missing is an error;
 * an empty one is not.  One bad file does not keep the others out: each refusal is
 * logged, the folder's too, the other files are loaded, and the call fails with the first refusal
 * (or, if memory was short for one, with 53200, which is no file's fault); a caller may stop there,
 * or go on with what is loaded. */
int registry_load_dir(struct registry *r, const char *dir, struct zs_error *e);

/* The transport for the URI's scheme.  22023 if there is no scheme in it, 0A000 if
 * no transport takes it; the hint lists the schemes there are. */
int registry_find(const struct registry *r, const char *uri, const struct transport **out,
                  struct zs_error *e);

void registry_close(struct registry *r);

#endif
