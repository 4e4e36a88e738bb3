/* pgfolder.c - see pgfolder.h. */
#include "pgdata/pgfolder.h"

#include "base/error.h"
#include "pgdata/pgio.h"
#include "pgdata/pgpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct listing {
    int root;
    const char *folder;
    enum pgfolder_kind kind;
    struct pgskipped *skipped;
    struct pgfiles *files;
};

void pgfiles_free(struct pgfiles *files)
{
    free(files->at);
    *files = (struct pgfiles){0};
}

static int files_add(struct pgfiles *files, const struct pgfile *file, struct zs_error *e)
{
    if (files->n == files->allocated) {
        size_t more = files->allocated == 0 ? 64 : files->allocated * 2;
        struct pgfile *bigger = realloc(files->at, more * sizeof *bigger);
        if (bigger == NULL)
            return error_memory(e);
        files->at = bigger;
        files->allocated = more;
    }
    files->at[files->n++] = *file;
    return ZS_OK;
}

void pgskipped_add(struct pgskipped *s, const char *folder, const char *name, const char *why)
{
    enum { SHOWN = 12 };
    if (s == NULL || s->n++ >= SHOWN)
        return;
    size_t used = strlen(s->text);
    (void)snprintf(s->text + used, sizeof s->text - used, "%s%s%s%s%s", used == 0 ? "" : ", ",
                   folder, *folder == '\0' ? "" : "/", name, why);
}

/* Does the name count in such a folder?  Fills in the numbers. */
static enum pgpath_fate classify(enum pgfolder_kind kind, const char *name, struct pgfile *f)
{
    bool read = false;
    switch (kind) {
    case PGFOLDER_NUMBERED:
        if (strncmp(name, "pgsql_tmp", 9) == 0)
            return PGPATH_LEFT_OUT;
        read = pgpath_number(name, &f->number);
        break;
    case PGFOLDER_SLRU:
        read = pgpath_hex(name, 4, &f->number);
        break;
    case PGFOLDER_TWOPHASE:
        read = pgpath_hex(name, 8, &f->number);
        break;
    case PGFOLDER_DATABASE:
    case PGFOLDER_GLOBAL:
        if (pgpath_relation(name, &f->number, &f->fork, &f->segment))
            return PGPATH_CARRIED;
        /* The map, PG_VERSION and pg_control are carried, but not as relations. */
        return pgpath_database_fate(name, kind == PGFOLDER_GLOBAL) == PGPATH_UNKNOWN
                   ? PGPATH_UNKNOWN
                   : PGPATH_LEFT_OUT;
    }
    return read ? PGPATH_CARRIED : PGPATH_UNKNOWN;
}

static int visit(void *context, const char *name, struct zs_error *e)
{
    struct listing *l = context;
    struct pgfile file = {0};
    struct stat st;
    enum pgpath_fate fate = classify(l->kind, name, &file);
    if (fate == PGPATH_CARRIED) {
        struct pgpath path = pgpath_join(l->folder, name);
        if (fstatat(l->root, path.s, &st, 0) != 0) {
            error_errno(e, errno, "cannot read \"%s\" of the data directory", path.s);
            return error_hint(e, "See that the data directory is whole, and import again.");
        }
        if (l->kind == PGFOLDER_NUMBERED ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)) {
            file.bytes = (uint64_t)st.st_size;
            return files_add(l->files, &file, e);
        }
        fate = PGPATH_UNKNOWN;
    }
    if (fate == PGPATH_UNKNOWN)
        pgskipped_add(l->skipped, l->folder, name, "");
    return ZS_OK;
}

static int compare_files(const void *pa, const void *pb)
{
    const struct pgfile *a = pa, *b = pb;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->fork != b->fork)
        return a->fork < b->fork ? -1 : 1;
    return a->segment < b->segment ? -1 : a->segment > b->segment;
}

static void skip_segment(struct pgskipped *skipped, const char *folder, const struct pgfile *f,
                         const char *why)
{
    char name[48];
    if (f->segment == 0)
        (void)snprintf(name, sizeof name, "%u", f->number);
    else
        (void)snprintf(name, sizeof name, "%u.%u", f->number, f->segment);
    pgskipped_add(skipped, folder, name, why);
}

void pgfolder_join_segments(struct pgfiles *files, const struct pgcontrol *c, const char *folder,
                            struct pgskipped *skipped)
{
    uint64_t full = (uint64_t)c->segment_blocks * c->block_bytes;
    size_t n = 0;
    for (size_t i = 0; i < files->n; i++) {
        struct pgfile f = files->at[i];
        struct pgfile *last = n == 0 ? NULL : &files->at[n - 1];
        uint64_t torn = f.bytes % c->block_bytes;
        if (torn != 0) {
            skip_segment(skipped, folder, &f, " (its last, torn page)");
            f.bytes -= torn;
        }
        if (f.segment == 0) {
            files->at[n++] = f;
        } else if (last != NULL && last->number == f.number && last->fork == f.fork &&
                   last->bytes == f.segment * full) {
            last->bytes += f.bytes;
        } else if (f.bytes > 0) {
            skip_segment(skipped, folder, &f, "");
        }
    }
    files->n = n;
}

int pgfolder_list(int root, const char *folder, enum pgfolder_kind kind, const struct pgcontrol *c,
                  struct pgskipped *skipped, struct pgfiles *files, struct zs_error *e)
{
    struct listing l = {root, folder, kind, skipped, files};
    files->n = 0;
    TRY(pgio_each(root, folder, visit, &l, e));
    if (files->n > 0)
        qsort(files->at, files->n, sizeof *files->at, compare_files);
    if (kind == PGFOLDER_DATABASE || kind == PGFOLDER_GLOBAL || kind == PGFOLDER_SLRU)
        pgfolder_join_segments(files, c, folder, skipped);
    return ZS_OK;
}
