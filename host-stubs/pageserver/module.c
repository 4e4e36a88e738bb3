/* module.c - see module.h. */
#include "pageserver/module.h"

#include "base/cleanup.h"
#include "base/elf_check.h"
#include "base/error.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define STRUCT_SIZE_MAX 65536u
#define OTHER_MAJORS                                                                               \
    20 /* how many versions of the symbol are looked for, to name the one there                    \
        */

/* ---- the file --------------------------------------------------------------------------- */

static int file_is_missing(const char *path, int errnum, struct zs_error *e)
{
    if (errnum == EIO || errnum == ENOMEM || errnum == EMFILE || errnum == ENFILE)
        return error_errno(e, errnum, "the module %s cannot be read", path);
    error_set(e, ZS_BAD_VALUE, "the module %s cannot be opened: %s", path, strerrordesc_np(errnum));
    return error_hint(e, "Give the path of a module's shared object, such as "
                         "load '/usr/local/lib/zenith-sync/zenith_sync.so'.");
}

static bool executable_folder(char out[FILE_PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, FILE_PATH_MAX - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

int module_locate(const char *name, const char *folder, char out[FILE_PATH_MAX], struct zs_error *e)
{
    if (name[0] == '/' || strchr(name, '/') != NULL) {
        int n = snprintf(out, FILE_PATH_MAX, "%s%s%s", name[0] == '/' ? "" : folder,
                         name[0] == '/' ? "" : "/", name);
        return n < FILE_PATH_MAX ? ZS_OK : file_is_missing(name, ENAMETOOLONG, e);
    }
    static const char *const places[] = {".", "../lib/zenith-sync"};
    char here[FILE_PATH_MAX];
    if (!executable_folder(here))
        return file_is_missing(name, ENOENT, e);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *real = NULL;
        char path[2 * FILE_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/%s/%s", here, places[i], name);
        real = realpath(path, NULL);
        if (real == NULL)
            continue;
        (void)snprintf(out, FILE_PATH_MAX, "%s", real);
        free(real);
        return ZS_OK;
    }
    (void)file_is_missing(name, ENOENT, e);
    return error_detail(e, "It was looked for in %s and in %s/../lib/zenith-sync.", here, here);
}

/* The loader would run the file's constructors before anything can be asked of it, and
 * die of one that is cut short; so what is plainly unfit is told apart before. */
static int file_check(const char *path, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    switch (fd < 0 ? ELF_UNREADABLE : elf_check(fd)) {
    case ELF_WHOLE:
        return ZS_OK;
    case ELF_UNREADABLE:
        return file_is_missing(path, errno, e);
    case ELF_SHORT:
        error_set(e, ZS_NOT_SUPPORTED, "the module %s is a shared object that was cut short", path);
        return error_hint(e, "Copy it again, to another path, and load that.");
    case ELF_NONE:
        break;
    }
    error_set(e, ZS_NOT_SUPPORTED,
              "the module %s is not a shared object for this machine: a 64-bit ELF shared object "
              "is needed",
              path);
    return error_hint(e, "Give the path of a module such as zenith_sync.so.");
}

/* ---- the symbol and the descriptor ---------------------------------------------------------- */

static void *other_major(void *handle, int *major)
{
    for (int v = 0; v < OTHER_MAJORS; v++) {
        char name[64];
        (void)snprintf(name, sizeof name, "zenith_sync_module_v%d", v);
        void *symbol = dlsym(handle, name);
        if (symbol != NULL) {
            *major = v;
            return symbol;
        }
    }
    return NULL;
}

static int symbol_is_missing(void *handle, const char *path, struct zs_error *e)
{
    int major = 0;
    if (other_major(handle, &major) != NULL) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "the module %s has zenith_sync_module_v%d, this server needs " ZS_MODULE_SYMBOL,
                  path, major);
        return error_hint(e, "Use a build of the module for this server's version.");
    }
    if (dlsym(handle, "zenith_sync_transport_v1") != NULL) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "%s is a transport and has no " ZS_MODULE_SYMBOL ", which a module needs", path);
        return error_hint(e, "Put it into the transport folder and load the module again.");
    }
    error_set(e, ZS_NOT_SUPPORTED,
              "the module %s does not export " ZS_MODULE_SYMBOL ", which a module needs", path);
    return error_hint(e, "Give the path of a module such as zenith_sync.so.");
}

int module_check(const struct zs_module *theirs, uint64_t features, const char *path,
                 struct zs_module *out, struct zs_error *e)
{
    uint32_t size = theirs->struct_size;
    if (size < ZS_MODULE_SIZE_V1 || size > STRUCT_SIZE_MAX) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "the module %s has a descriptor of %u bytes, needed are %u to %u", path, size,
                  ZS_MODULE_SIZE_V1, STRUCT_SIZE_MAX);
        return error_hint(
            e, "Build the module against this server's headers, and load it from another path.");
    }
    struct zs_module table = {0};
    memcpy(&table, theirs, size < sizeof table ? size : sizeof table);
    table.struct_size = sizeof table;
    const char *missing = table.name == NULL         ? "name"
                          : table.version == NULL    ? "version"
                          : table.init == NULL       ? "init"
                          : table.fini == NULL       ? "fini"
                          : table.digest_add == NULL ? "digest_add"
                                                     : NULL;
    if (missing != NULL) {
        error_set(e, ZS_NOT_SUPPORTED, "the module %s has no %s in its descriptor: it is needed",
                  path, missing);
        return error_hint(e, "Report this to whoever built the module.");
    }
    uint64_t unmet = table.needs & ~features;
    if (unmet != 0) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "the module %s needs the features 0x%llx, this server has 0x%llx", path,
                  (unsigned long long)table.needs, (unsigned long long)features);
        error_detail(e, "Lacking are 0x%llx.", (unsigned long long)unmet);
        return error_hint(e, "Use a newer server, or an older build of the module.");
    }
    *out = table;
    return ZS_OK;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static void module_finish(struct module *module)
{
    bool before = atomic_exchange(&module->finished, true);
    if (before)
        return;
    module->table.fini(module->self);
    log_line(module->context->log, ZS_LOG_INFO, "module %s ended: %s", module->owner.name,
             module->path);
}

static void on_drained(struct command_owner *owner)
{
    module_finish((struct module *)owner); /* its first member */
}

static void module_free(struct module *module)
{
    command_list_free(module->offered);
    command_list_free(module->owner.retired_commands);
    free(module);
}
CLEANUP_POINTER(struct module, module_free)

static int set_paths(struct module *module, const char *real, struct zs_error *e)
{
    const struct module_context *context = module->context;
    (void)snprintf(module->path, sizeof module->path, "%s", real);
    const char *dir = context->config->transport_dir;
    if (dir == NULL) {
        char folder[FILE_PATH_MAX];
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(real, '/') - real), real);
        return path_join(module->transport_dir, folder, "transports", e);
    }
    if (dir[0] != '/')
        return path_join(module->transport_dir, context->folder, dir, e);
    (void)snprintf(module->transport_dir, sizeof module->transport_dir, "%s", dir);
    return ZS_OK;
}

static int loaded_already(const char *path, const struct module *module, struct zs_error *e)
{
    error_set(e, ZS_ALREADY_EXISTS, "the file %s is loaded already, as module %s %s", path,
              module->owner.name, module->table.version);
    return error_hint(e, "Copy a new build to another path and load that.");
}

/* Open the shared object and take its descriptor. */
static int open_object(struct modules *m, struct module *module, struct zs_error *e)
{
    const char *path = module->path;
    module->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module->handle == NULL) {
        const char *why = dlerror(); /* NOLINT(concurrency-mt-unsafe): glibc's is per thread */
        if (dlopen_lacked_memory(why)) {
            (void)error_memory(e); /* and glibc may keep half of it, which fails from then on */
            return error_hint(e, "Give the server more memory and start it again.");
        }
        error_set(e, ZS_NOT_SUPPORTED, "the module %s cannot be loaded", path);
        error_detail(e, "%s", why != NULL ? why : "The loader does not say why.");
        return error_hint(e, "Give a complete shared object, with all libraries it needs.");
    }
    /* The loader knows a file by device and inode: another name for one that is loaded
     * gives the same object again. */
    for (const struct module *p = m->first; p != NULL; p = p->next)
        if (p->handle == module->handle)
            return loaded_already(path, p, e);
    zs_module_entry entry = NULL;
    void *symbol = dlsym(module->handle, ZS_MODULE_SYMBOL);
    if (symbol == NULL)
        return symbol_is_missing(module->handle, path, e);
    memcpy(&entry, &symbol, sizeof entry);
    const struct zs_module *theirs = entry();
    if (theirs == NULL) {
        error_set(e, ZS_NOT_SUPPORTED, "the module %s gives no descriptor, which is needed", path);
        return error_hint(e, "Report this to whoever built the module.");
    }
    return module_check(theirs, module->host.features, path, &module->table, e);
}

static struct module *find_active(const struct modules *m, const char *name)
{
    for (struct module *p = m->first; p != NULL; p = p->next)
        if (!p->owner.retired && strcmp(p->owner.name, name) == 0)
            return p;
    return NULL;
}

static int start(struct modules *m, struct module *module, struct zs_error *e)
{
    struct zs_error why = {0};
    module->owner.name = module->table.name;
    module->owner.drained = on_drained;
    (void)snprintf(module->label, sizeof module->label, "the module %s", module->table.name);
    module->loading = true;
    int rc =
        error_check(module->table.init(&module->host, &module->self, &why), &why, module->label);
    module->loading = false;
    if (rc != ZS_OK) {
        *e = why;
        return rc;
    }
    struct module *old = find_active(m, module->owner.name);
    rc = commands_add(module->context->commands, module->offered, old != NULL ? &old->owner : NULL,
                      e);
    if (rc != ZS_OK) {
        module->table.fini(module->self);
        return rc;
    }
    module->offered = NULL;
    return ZS_OK;
}

static int load_locked(struct modules *m, const char *path, struct module **out, struct zs_error *e)
{
    CLEANUP(free_ptr) char *real = realpath(path, NULL);
    if (real == NULL)
        return file_is_missing(path, errno, e);
    for (const struct module *p = m->first; p != NULL; p = p->next)
        if (strcmp(p->path, real) == 0)
            return loaded_already(real, p, e);
    TRY(file_check(real, e));
    CLEANUP(module_free_ptr) struct module *module = calloc(1, sizeof *module);
    if (module == NULL)
        return error_memory(e);
    module->context = m->context;
    TRY(set_paths(module, real, e));
    host_fill(module);
    TRY(open_object(m, module, e));
    TRY(start(m, module, e));
    module->next = m->first;
    m->first = module;
    log_line(m->context->log, ZS_LOG_INFO, "module %s %s loaded: %s", module->owner.name,
             module->table.version, module->path);
    *out = module;
    module = NULL;
    return ZS_OK;
}

int modules_load(struct modules *m, const char *path, struct module **out, struct zs_error *e)
{
    (void)pthread_mutex_lock(&m->lock);
    int rc = load_locked(m, path, out, e);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

int modules_init(struct modules *m, const struct module_context *context, struct zs_error *e)
{
    m->context = context;
    m->first = NULL;
    int rc = pthread_mutex_init(&m->lock, NULL);
    return rc == 0 ? ZS_OK : error_errno(e, rc, "cannot make a lock");
}

void modules_close(struct modules *m)
{
    while (m->first != NULL) {
        struct module *module = m->first;
        m->first = module->next;
        module_finish(module);
        module_free(module);
    }
    (void)pthread_mutex_destroy(&m->lock);
}

void modules_writer_open(struct modules *m, const struct zs_store *plain,
                         struct modules_writer *out)
{
    *out = (struct modules_writer){.store = plain, .commands = m->context->commands};
    (void)pthread_mutex_lock(&m->lock);
    for (struct module *p = m->first; p != NULL && out->held == NULL; p = p->next) {
        if (p->table.recording_store == NULL || !commands_hold(out->commands, &p->owner))
            continue;
        const struct zs_store *recording = p->table.recording_store(p->self);
        out->held = &p->owner;
        if (recording != NULL)
            out->store = recording;
    }
    (void)pthread_mutex_unlock(&m->lock);
}

void modules_writer_close(struct modules_writer *w)
{
    if (w->held != NULL)
        commands_release(w->commands, w->held);
    w->held = NULL;
}

/* Not under the lock: a module may take its time.  What is in the list stays there. */
void modules_branch_gone(struct modules *m, const char *branch)
{
    (void)pthread_mutex_lock(&m->lock);
    for (struct module *p = m->first; p != NULL; p = p->next) {
        if (p->table.branch_gone == NULL || !commands_hold(m->context->commands, &p->owner))
            continue;
        (void)pthread_mutex_unlock(&m->lock);
        p->table.branch_gone(p->self, branch);
        commands_release(m->context->commands, &p->owner);
        (void)pthread_mutex_lock(&m->lock);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

int modules_list(struct modules *m, modules_visit visit, void *context)
{
    int rc = 0;
    (void)pthread_mutex_lock(&m->lock);
    for (struct module *p = m->first; p != NULL && rc == 0; p = p->next)
        if (!p->owner.retired)
            rc = visit(context, p);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}
