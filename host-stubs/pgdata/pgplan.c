/* pgplan.c - see pgplan.h. */
#include "pgdata/pgplan.h"

#include "base/cleanup.h"
#include "pgdata/pgfolder.h"
#include "pgdata/pgio.h"
#include "pgdata/pgpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct making {
    int root;
    const struct pgcontrol *control;
    const struct pgdata_watch *watch;
    struct pgplan *plan;
    struct pgskipped skipped;
};

void pgplan_free(struct pgplan *plan)
{
    free(plan->folders);
    free(plan->others);
    *plan = (struct pgplan){0};
}

/* Room for one more element of an array that doubles. */
static int grow(void **array, size_t n, size_t *allocated, size_t each, struct zs_error *e)
{
    if (n < *allocated)
        return ZS_OK;
    size_t more = *allocated == 0 ? 16 : *allocated * 2;
    void *bigger = realloc(*array, more * each);
    if (bigger == NULL)
        return error_memory(e);
    *array = bigger;
    *allocated = more;
    return ZS_OK;
}

static int add_folder(struct making *m, uint32_t space, uint32_t database, struct zs_error *e)
{
    struct pgplan *p = m->plan;
    if (p->nfolders == PGPLAN_FOLDERS_MAX) {
        error_set(e, ZS_LIMIT_EXCEEDED, "the cluster has more than %u database folders",
                  PGPLAN_FOLDERS_MAX);
        return error_hint(e, "Split the cluster into several.");
    }
    TRY(grow((void **)&p->folders, p->nfolders, &p->folders_allocated, sizeof *p->folders, e));
    p->folders[p->nfolders++] = (struct pgplan_folder){space, database};
    return ZS_OK;
}

/* A file that is carried by its name; one that is not there is left out. */
static int add_other(struct making *m, const char *path, struct zs_error *e)
{
    struct pgplan *p = m->plan;
    struct stat st;
    if (fstatat(m->root, path, &st, 0) != 0) {
        if (errno == ENOENT)
            return ZS_OK;
        error_errno(e, errno, "cannot read \"%s\" of the data directory", path);
        return error_hint(e, "See that the data directory is whole, and import again.");
    }
    if (!S_ISREG(st.st_mode)) {
        pgskipped_add(&m->skipped, "", path, "");
        return ZS_OK;
    }
    TRY(grow((void **)&p->others, p->nothers, &p->others_allocated, sizeof *p->others, e));
    struct pgplan_other *o = &p->others[p->nothers++];
    memset(o, 0, sizeof *o);
    memcpy(o->name, path, strnlen(path, PGKEY_NAME_MAX));
    o->hash = pgkey_name_hash(o->name);
    o->bytes = (uint64_t)st.st_size;
    p->total_bytes += o->bytes;
    return ZS_OK;
}

/* A folder that may hold configuration. */
struct configuring {
    struct making *m;
    const char *folder;
    size_t carried, not_carried;
};

/* A file that may not be read is none of PostgreSQL's. */
static int visit_configuration(void *context, const char *name, struct zs_error *e)
{
    struct configuring *c = context;
    char path[PGKEY_NAME_MAX + 1];
    struct pgpath folder;
    int len = snprintf(path, sizeof path, "%s/%s", c->folder, name);
    if (len < 0 || (size_t)len >= sizeof path || !pgpath_configuration(path, &folder) ||
        faccessat(c->m->root, path, R_OK, AT_EACCESS) != 0) {
        c->not_carried++;
        return ZS_OK;
    }
    size_t before = c->m->plan->nothers;
    TRY(add_other(c->m, path, e));
    c->carried += c->m->plan->nothers - before;
    return ZS_OK;
}

/* What is unknown at the top: its *.conf are carried if it is a folder, the rest named. */
static int visit_unknown(struct making *m, const char *name, struct zs_error *e)
{
    struct configuring c = {.m = m, .folder = name};
    struct stat st;
    if (pgpath_may_configure(name) && fstatat(m->root, name, &st, 0) == 0 && S_ISDIR(st.st_mode) &&
        faccessat(m->root, name, R_OK | X_OK, AT_EACCESS) == 0)
        TRY(pgio_each(m->root, name, visit_configuration, &c, e));
    if (c.carried == 0)
        pgskipped_add(&m->skipped, "", name, "");
    else if (c.not_carried > 0)
        pgskipped_add(&m->skipped, "", name, " (but for its *.conf)");
    return ZS_OK;
}

static int visit_top(void *context, const char *name, struct zs_error *e)
{
    struct making *m = context;
    switch (pgpath_top_fate(name)) {
    case PGPATH_UNKNOWN:
        return visit_unknown(m, name, e);
    case PGPATH_LEFT_OUT:
        return ZS_OK;
    case PGPATH_CARRIED:
        return pgpath_other_allowed(name) ? add_other(m, name, e) : ZS_OK;
    }
    return ZS_OK;
}

static int add_relations(struct making *m, uint32_t space, uint32_t database, struct pgfiles *files,
                         struct zs_error *e)
{
    struct pgpath folder = pgpath_database(space, database);
    enum pgfolder_kind kind = space == PGKEY_SPC_GLOBAL ? PGFOLDER_GLOBAL : PGFOLDER_DATABASE;
    TRY(watch_poll(m->watch, e));
    TRY(add_folder(m, space, database, e));
    TRY(pgfolder_list(m->root, folder.s, kind, m->control, &m->skipped, files, e));
    for (size_t i = 0; i < files->n; i++)
        m->plan->total_bytes += files->at[i].bytes;
    return kind == PGFOLDER_GLOBAL ? ZS_OK : add_other(m, pgpath_join(folder.s, "PG_VERSION").s, e);
}

/* The databases in base/ or in a tablespace. */
static int add_databases(struct making *m, const char *parent, uint32_t space, struct zs_error *e)
{
    CLEANUP(pgfiles_free) struct pgfiles databases = {0}, files = {0};
    TRY(pgfolder_list(m->root, parent, PGFOLDER_NUMBERED, m->control, &m->skipped, &databases, e));
    for (size_t i = 0; i < databases.n; i++)
        TRY(add_relations(m, space, databases.at[i].number, &files, e));
    return ZS_OK;
}

static int add_tablespaces(struct making *m, struct zs_error *e)
{
    CLEANUP(pgfiles_free) struct pgfiles spaces = {0};
    TRY(pgfolder_list(m->root, "pg_tblspc", PGFOLDER_NUMBERED, m->control, &m->skipped, &spaces,
                      e));
    for (size_t i = 0; i < spaces.n; i++) {
        uint32_t space = spaces.at[i].number;
        if (space <= PGKEY_SPC_GLOBAL) {
            error_set(e, ZS_BAD_VALUE, "\"pg_tblspc/%u\" of the data directory is no tablespace",
                      space);
            return error_hint(e, "See that the data directory is whole, and import again.");
        }
        TRY(add_folder(m, space, 0, e));
        TRY(add_databases(m, pgpath_tablespace(space).s, space, e));
    }
    return ZS_OK;
}

static int add_sizes(struct making *m, const char *folder, enum pgfolder_kind kind,
                     struct zs_error *e)
{
    CLEANUP(pgfiles_free) struct pgfiles files = {0};
    TRY(pgfolder_list(m->root, folder, kind, m->control, &m->skipped, &files, e));
    for (size_t i = 0; i < files.n; i++)
        m->plan->total_bytes += files.at[i].bytes;
    return ZS_OK;
}

static int compare_others(const void *pa, const void *pb)
{
    const struct pgplan_other *a = pa, *b = pb;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static int sort_others(struct pgplan *p, struct zs_error *e)
{
    if (p->nothers > 0)
        qsort(p->others, p->nothers, sizeof *p->others, compare_others);
    for (size_t i = 1; i < p->nothers; i++)
        if (p->others[i].hash == p->others[i - 1].hash) {
            error_set(e, ZS_NOT_SUPPORTED, "\"%.100s\" and \"%.100s\" have the same name hash",
                      p->others[i - 1].name, p->others[i].name);
            return error_hint(e, "Rename one of the two and import again.");
        }
    return ZS_OK;
}

int pgplan_make(int root, const struct pgcontrol *c, const struct pgdata_watch *watch,
                struct pgplan *out, struct zs_error *e)
{
    struct making m = {.root = root, .control = c, .watch = watch, .plan = out};
    CLEANUP(pgfiles_free) struct pgfiles files = {0};

    TRY(pgio_each(root, ".", visit_top, &m, e));
    TRY(add_other(&m, "pg_logical/replorigin_checkpoint", e));
    TRY(add_databases(&m, "base", PGKEY_SPC_BASE, e));
    TRY(add_relations(&m, PGKEY_SPC_GLOBAL, 0, &files, e));
    TRY(add_tablespaces(&m, e));
    for (uint32_t slru = 0; slru < PGKEY_SLRUS; slru++)
        TRY(add_sizes(&m, pgpath_slru(slru), PGFOLDER_SLRU, e));
    TRY(add_sizes(&m, "pg_twophase", PGFOLDER_TWOPHASE, e));
    out->total_bytes += PGCONTROL_FILE_BYTES;
    TRY(sort_others(out, e));
    if (m.skipped.n > 0)
        watch_note(watch,
                   "Not imported: %s%s.  A copy needs that only if its configuration names it.",
                   m.skipped.text, m.skipped.n > 12 ? " and more" : "");
    return ZS_OK;
}
