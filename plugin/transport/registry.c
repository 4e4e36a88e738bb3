/* registry.c - see registry.h.
 * A transport comes in by one gate, registry_add, whether it was linked or loaded:
 * the descriptor is measured, copied and checked, then started, then listed. */
#include "transport/registry.h"

#include "base/cleanup.h"
#include "base/elf_check.h"
#include "base/error.h"
#include "model/uri.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <zenith-sync/host.h>

#define DESCRIPTOR_MAX (64u * 1024u) /* a struct_size above is not a size */
#define SCHEMES_MAX    16            /* of one transport; a list without an end stops here */

struct entry {
    struct transport transport;
    char *from;
    struct entry *next;
};

struct registry {
    const struct zs_transport_host *host;
    struct entry *first, **last;
};

int registry_open(const struct zs_transport_host *host, struct registry **out, struct zs_error *e)
{
    struct registry *r = calloc(1, sizeof *r);
    if (r == NULL)
        return error_memory(e);
    r->host = host;
    r->last = &r->first;
    *out = r;
    return ZS_OK;
}

static const struct entry *find_scheme(const struct registry *r, const char *scheme)
{
    for (const struct entry *i = r->first; i != NULL; i = i->next)
        for (const char *const *s = i->transport.table.schemes; *s != NULL; s++)
            if (strcmp(*s, scheme) == 0)
                return i;
    return NULL;
}

static int refuse_hint(struct zs_error *e)
{
    return error_hint(e, "Build the transport against the zenith-sync headers that are installed "
                         "here, or remove the file.");
}

/* Their table into ours: as much as both know, the rest zero. */
static int import_table(const struct zs_transport *theirs, const char *from,
                        struct zs_transport *out, struct zs_error *e)
{
    if (theirs == NULL) {
        error_set(e, ZS_NOT_SUPPORTED, "transport %s has no descriptor: %s() returned NULL", from,
                  ZS_TRANSPORT_SYMBOL);
        return refuse_hint(e);
    }
    uint32_t size = theirs->struct_size;
    if (size < ZS_TRANSPORT_SIZE_V1) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "transport %s has a descriptor of %" PRIu32 " bytes, and at least %u are needed",
                  from, size, ZS_TRANSPORT_SIZE_V1);
        return refuse_hint(e);
    }
    if (size > DESCRIPTOR_MAX) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "transport %s has a descriptor of %" PRIu32
                  " bytes, and more than %u cannot be right",
                  from, size, DESCRIPTOR_MAX);
        return refuse_hint(e);
    }
    memset(out, 0, sizeof *out);
    memcpy(out, theirs, size < sizeof *out ? size : sizeof *out);
    return ZS_OK;
}

static int check_required(const struct zs_transport *t, const char *from, struct zs_error *e)
{
    const struct {
        const char *name;
        int present;
    } required[] = {
        {"name", t->name != NULL},       {"version", t->version != NULL},
        {"schemes", t->schemes != NULL}, {"init", t->init != NULL},
        {"fini", t->fini != NULL},       {"uri_check", t->uri_check != NULL},
        {"connect", t->connect != NULL},
    };
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!required[i].present) {
            error_set(e, ZS_NOT_SUPPORTED,
                      "transport %s leaves `%s` NULL in its descriptor, and it is required", from,
                      required[i].name);
            return refuse_hint(e);
        }
    return ZS_OK;
}

static int check_needs(const struct registry *r, const struct zs_transport *t, const char *from,
                       struct zs_error *e)
{
    uint64_t missing = t->needs & ~r->host->features;
    if (missing == 0)
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED,
              "transport %s needs features 0x%" PRIx64 " of its host, and this one has 0x%" PRIx64,
              from, t->needs, r->host->features);
    return error_hint(e, "Use a newer zenith-sync, or an older build of the transport.");
}

static int check_schemes(const struct registry *r, const struct zs_transport *t, const char *from,
                         struct zs_error *e)
{
    size_t n = 0;
    for (; t->schemes[n] != NULL; n++) {
        const char *scheme = t->schemes[n];
        if (n == SCHEMES_MAX || !uri_scheme_is_valid(scheme)) {
            error_set(e, ZS_NOT_SUPPORTED,
                      "transport %s claims scheme number %zu, which is not one of at most %d, "
                      "[a-z][a-z0-9+.-]* of at most %d characters",
                      from, n + 1, SCHEMES_MAX, URI_SCHEME_MAX);
            return refuse_hint(e);
        }
        const struct entry *other = find_scheme(r, scheme);
        if (other != NULL) {
            error_set(e, ZS_ALREADY_EXISTS,
                      "transport %s claims the scheme \"%s\", which transport %s serves already",
                      from, scheme, other->from);
            return error_hint(e, "Remove one of the two files.");
        }
    }
    if (n == 0) {
        error_set(e, ZS_NOT_SUPPORTED, "transport %s claims no scheme, and needs at least one",
                  from);
        return refuse_hint(e);
    }
    return ZS_OK;
}

static void entry_free(struct entry *i)
{
    free(i->from);
    free(i);
}

/* What a transport says when it cannot start, with its file's name before it. */
static int start(const struct registry *r, struct transport *t, struct zs_error *e)
{
    struct zs_error why = {0};
    if (error_check(t->table.init(r->host, &t->self, &why), &why, "the transport's init") == ZS_OK)
        return ZS_OK;
    *e = why;
    (void)error_set(e, why.sqlstate, "transport %s could not start: %s", t->from, why.message);
    memcpy(e->detail, why.detail, sizeof e->detail);
    memcpy(e->hint, why.hint, sizeof e->hint);
    e->retry = why.retry;
    return ZS_FAIL;
}

static int admit(const struct registry *r, struct transport *t, const struct zs_transport *theirs,
                 struct zs_error *e)
{
    TRY(import_table(theirs, t->from, &t->table, e));
    TRY(check_required(&t->table, t->from, e));
    TRY(check_needs(r, &t->table, t->from, e));
    TRY(check_schemes(r, &t->table, t->from, e));
    return start(r, t, e);
}

int registry_add(struct registry *r, const struct zs_transport *table, const char *from,
                 struct zs_error *e)
{
    struct entry *i = calloc(1, sizeof *i);
    if (i == NULL)
        return error_memory(e);
    i->from = strdup(from);
    i->transport.from = i->from;
    if ((i->from == NULL ? error_memory(e) : admit(r, &i->transport, table, e)) != ZS_OK) {
        entry_free(i);
        return ZS_FAIL;
    }
    *r->last = i;
    r->last = &i->next;
    return ZS_OK;
}

/* What dlopen must not see, or does not tell apart: base/elf_check.h. */
static int check_file(const char *path, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    switch (fd < 0 ? ELF_UNREADABLE : elf_check(fd)) {
    case ELF_WHOLE:
        return ZS_OK;
    case ELF_UNREADABLE:
        error_errno(e, errno, "transport %s cannot be read", path);
        return error_hint(e, "Check the path, and the setting transport_dir.");
    case ELF_SHORT:
        error_set(e, ZS_NOT_SUPPORTED, "transport %s is a shared object that was cut short", path);
        return error_hint(e, "Install the transport again.");
    case ELF_NONE:
        break;
    }
    error_set(e, ZS_NOT_SUPPORTED, "transport %s is not a shared object for this machine", path);
    return refuse_hint(e);
}

/* No symbol of ours: what has it instead? */
static int refuse_symbol(void *handle, const char *path, struct zs_error *e)
{
    char symbol[64];
    for (unsigned major = 0; major <= 64; major++) {
        (void)snprintf(symbol, sizeof symbol, "zenith_sync_transport_v%u", major);
        if (dlsym(handle, symbol) != NULL) {
            error_set(e, ZS_NOT_SUPPORTED, "transport %s has %s, and %s is needed", path, symbol,
                      ZS_TRANSPORT_SYMBOL);
            return refuse_hint(e);
        }
    }
    if (dlsym(handle, "zenith_sync_module_v1") != NULL) {
        error_set(e, ZS_NOT_SUPPORTED, "%s is a module of a pageserver, and not a transport", path);
        return error_hint(e, "Load it with the pageserver's `load` command.");
    }
    error_set(e, ZS_NOT_SUPPORTED, "transport %s has no symbol %s, and it is needed", path,
              ZS_TRANSPORT_SYMBOL);
    return refuse_hint(e);
}

int registry_load_file(struct registry *r, const char *path, struct zs_error *e)
{
    TRY(check_file(path, e));
    /* The real path: dlopen of a path that was replaced gives the old code, and a
     * name without a slash would be looked for elsewhere. */
    CLEANUP(free_ptr) char *real = realpath(path, NULL);
    if (real == NULL)
        return error_errno(e, errno, "transport %s cannot be read", path);
    /* Never unmapped, so that the handle need not be kept. */
    void *handle = dlopen(real, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        const char *why = dlerror(); /* NOLINT(concurrency-mt-unsafe): per thread in glibc */
        if (dlopen_lacked_memory(why)) {
            (void)error_memory(e); /* and glibc may keep half of it, which fails from then on */
            return error_hint(e, "Give the server more memory and start it again.");
        }
        error_set(e, ZS_NOT_SUPPORTED, "transport %s cannot be loaded", path);
        error_detail(e, "%s", why == NULL ? "" : why);
        return error_hint(e, "Install the libraries that it needs, or remove the file.");
    }
    void *symbol = dlsym(handle, ZS_TRANSPORT_SYMBOL);
    if (symbol == NULL)
        return refuse_symbol(handle, path, e);
    zs_transport_entry descriptor;
    memcpy(&descriptor, &symbol, sizeof descriptor); /* ISO C casts no object to a function */
    return registry_add(r, descriptor(), path, e);
}

static int is_shared_object(const struct dirent *d)
{
    size_t len = strlen(d->d_name);
    return d->d_name[0] != '.' && len > 3 && strcmp(d->d_name + len - 3, ".so") == 0;
}

/* Bytes, whatever the locale: the same order on every machine. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* With the loader's words, which say what is missing. */
static void log_refusal(const struct registry *r, const struct zs_error *refusal)
{
    char line[sizeof refusal->message + sizeof refusal->detail + 4];
    (void)snprintf(line, sizeof line, "%s%s%s%s", refusal->message,
                   refusal->detail[0] != '\0' ? " (" : "", refusal->detail,
                   refusal->detail[0] != '\0' ? ")" : "");
    if (r->host->log != NULL)
        r->host->log(r->host->self, ZS_LOG_WARNING, line);
}

int registry_load_dir(struct registry *r, const char *dir, struct zs_error *e)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_shared_object, by_name);
    if (n < 0) {
        error_errno(e, errno, "the transports' folder %s cannot be read", dir);
        log_refusal(r, e);
        return error_hint(e, "Set transport_dir to the folder that holds libpq.so.");
    }
    int rc = ZS_OK;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct zs_error refusal = {0};
        int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        int loaded = (size_t)len >= sizeof path
                         ? error_set(&refusal, ZS_BAD_VALUE, "the path of a transport is too long")
                         : registry_load_file(r, path, &refusal);
        free(names[i]);
        if (loaded == ZS_OK)
            continue;
        log_refusal(r, &refusal);
        if (rc == ZS_OK || error_is(&refusal, ZS_OUT_OF_MEMORY))
            *e = refusal;
        rc = ZS_FAIL;
    }
    free(names);
    return rc;
}

/* "postgresql, postgres" */
static void list_schemes(const struct registry *r, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct entry *i = r->first; i != NULL; i = i->next)
        for (const char *const *s = i->transport.table.schemes; *s != NULL; s++) {
            int n = snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", *s);
            if ((size_t)n >= size - used) {
                out[used] = '\0';
                return;
            }
            used += (size_t)n;
        }
}

int registry_find(const struct registry *r, const char *uri, const struct transport **out,
                  struct zs_error *e)
{
    char scheme[URI_SCHEME_MAX + 1];
    if (!uri_scheme(uri, scheme)) {
        error_set(e, ZS_BAD_VALUE, "the URI does not begin with a scheme and \"://\"");
        return error_hint(e, "Write it as postgresql://USER:PASSWORD@HOST:PORT.");
    }
    const struct entry *found = find_scheme(r, scheme);
    if (found != NULL) {
        *out = &found->transport;
        return ZS_OK;
    }
    char known[400];
    list_schemes(r, known, sizeof known);
    error_set(e, ZS_NOT_SUPPORTED, "no transport is loaded for the scheme \"%s\"", scheme);
    if (known[0] == '\0')
        return error_hint(e, "No transport is loaded at all: set transport_dir to the folder that "
                             "holds libpq.so.");
    return error_hint(
        e,
        "Schemes that can be used here: %s.  One that was installed later is loaded when the "
        "server starts.",
        known);
}

void registry_close(struct registry *r)
{
    if (r == NULL)
        return;
    for (struct entry *i = r->first, *next; i != NULL; i = next) {
        next = i->next;
        i->transport.table.fini(i->transport.self);
        entry_free(i);
    }
    free(r);
}
