/* module.h - loading a module: the checks that host.h lists, and the switch to a new
 * build of one.
 * Flow: server loads what the config names; the command `load` what an admin names.
 * Each module has its own struct zs_host (host.c), so that the host knows who calls.
 * A module that is replaced is kept until nobody runs its commands, then its fini is
 * called; it is never unmapped.
 * Threads: modules_load one at a time (it locks); the rest any. */
#ifndef PAGESERVER_MODULE_H
#define PAGESERVER_MODULE_H

#include "pageserver/commands.h"
#include "pageserver/config.h"
#include "pageserver/files.h"
#include "pageserver/log.h"

#include <stdatomic.h>

/* What modules are offered; all borrowed. */
struct module_context {
    const struct log *log;
    const struct config *config;
    const char *folder; /* of the repository: relative paths in the config count from it */
    const struct zs_store *store;
    struct commands *commands;
};

struct module {
    struct command_owner owner;
    const struct module_context *context;
    struct module *next;
    char path[FILE_PATH_MAX]; /* real */
    char transport_dir[FILE_PATH_MAX];
    char label[128]; /* "the module NAME", for messages */
    void *handle;    /* of dlopen */
    struct zs_module table;
    struct zs_host host; /* what it was given */
    void *self;          /* what its init gave */
    bool loading;
    struct command *offered; /* while loading */
    atomic_bool finished;    /* fini was called */
};

struct modules {
    pthread_mutex_t lock;
    const struct module_context *context;
    struct module *first; /* newest first; retired ones too */
};

int modules_init(struct modules *m, const struct module_context *context, struct zs_error *e);

/* Find a module's file: a name without '/' next to the program and in
 * ../lib/zenith-sync, another path from `folder` unless it is absolute. */
int module_locate(const char *name, const char *folder, char out[FILE_PATH_MAX],
                  struct zs_error *e);

/* Load one file, and switch to it if a module of that name is there.  Each refusal is
 * one sentence with the file, what it has and what is needed: 22023 no such file, 0A000
 * unsuitable, 42710 loaded already or a command is taken. */
int modules_load(struct modules *m, const char *path, struct module **out, struct zs_error *e);

/* The descriptor's check, over `theirs` as it came from `path`: copies min(size). Pure. */
int module_check(const struct zs_module *theirs, uint64_t features, const char *path,
                 struct zs_module *out, struct zs_error *e);

/* The store that the server's own writers go through: the newest module's recording
 * one, so that its change map knows of them, or `plain` where no module has one.  The
 * module is held until modules_writer_close. */
struct modules_writer {
    const struct zs_store *store;
    struct commands *commands;
    struct command_owner *held; /* NULL: none */
};
void modules_writer_open(struct modules *m, const struct zs_store *plain,
                         struct modules_writer *out);
void modules_writer_close(struct modules_writer *w);

/* Tell every module that a branch was deleted. */
void modules_branch_gone(struct modules *m, const char *branch);

/* Calls fini of all that are left.  No session may run. */
void modules_close(struct modules *m);

/* Under the lock, newest first, retired ones not. */
typedef int (*modules_visit)(void *context, const struct module *module);
int modules_list(struct modules *m, modules_visit visit, void *context);

/* host.c: what the module gets.  */
void host_fill(struct module *module);

#endif
