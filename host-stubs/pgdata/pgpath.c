/* pgpath.c - see pgpath.h. */
#include "pgdata/pgpath.h"

#include "pgdata/pgcontrol.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const fork_suffix[PGKEY_FORKS] = {"", "_fsm", "_vm", "_init"};
static const char *const slru_folder[PGKEY_SLRUS] = {"pg_xact", "pg_multixact/members",
                                                     "pg_multixact/offsets", "pg_commit_ts"};

/* Digits without leading zeros, at most UINT32_MAX; returns where they end, or NULL. */
static const char *take_number(const char *s, uint32_t *out)
{
    uint64_t v = 0;
    if (*s < '1' || *s > '9')
        return NULL;
    for (; *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (uint64_t)(*s - '0');
        if (v > UINT32_MAX)
            return NULL;
    }
    *out = (uint32_t)v;
    return s;
}

bool pgpath_number(const char *name, uint32_t *out)
{
    uint32_t v;
    const char *end = take_number(name, &v);
    if (end == NULL || *end != '\0')
        return false;
    *out = v;
    return true;
}

bool pgpath_relation(const char *name, uint32_t *relation, uint32_t *fork, uint32_t *segment)
{
    uint32_t rel, f = 0, seg = 0;
    const char *s = take_number(name, &rel);
    if (s == NULL)
        return false;
    for (uint32_t i = 1; i < PGKEY_FORKS && *s == '_'; i++) {
        size_t len = strlen(fork_suffix[i]);
        if (strncmp(s, fork_suffix[i], len) == 0 && (s[len] == '\0' || s[len] == '.')) {
            f = i;
            s += len;
        }
    }
    if (*s == '.')
        s = take_number(s + 1, &seg);
    if (s == NULL || *s != '\0')
        return false;
    *relation = rel;
    *fork = f;
    *segment = seg;
    return true;
}

bool pgpath_hex(const char *name, size_t digits_least, uint32_t *out)
{
    static const char digits[] = "0123456789ABCDEF";
    uint32_t v = 0;
    size_t n = strlen(name);
    if (n < digits_least || n > 8 || (n > digits_least && name[0] == '0'))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *d = strchr(digits, name[i]);
        if (d == NULL)
            return false;
        v = v << 4 | (uint32_t)(d - digits);
    }
    *out = v;
    return true;
}

static bool has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n > m && strcmp(s + n - m, suffix) == 0;
}

static bool listed(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* pg_logical holds one file that a copy needs (the positions of what this cluster
 * subscribes to); the rest of it belongs to replication slots, which stay behind. */
enum pgpath_fate pgpath_top_fate(const char *name)
{
    static const char *const carried[] = {
        "base",         "global",      "pg_tblspc",  "pg_xact",    "pg_multixact",
        "pg_commit_ts", "pg_twophase", "pg_logical", "PG_VERSION", NULL};
    static const char *const left_out[] = {
        "pg_wal",      "pg_subtrans",      "pg_notify", "pg_serial", "pg_snapshots", "pg_replslot",
        "pg_dynshmem", "current_logfiles", "log",       "pg_log",    "lost+found",   NULL};
    if (listed(name, carried) || has_suffix(name, ".conf"))
        return PGPATH_CARRIED;
    if (listed(name, left_out) || has_prefix(name, "pg_stat") || has_prefix(name, "postmaster.") ||
        has_suffix(name, ".signal"))
        return PGPATH_LEFT_OUT;
    return PGPATH_UNKNOWN;
}

/* t<backend>_<relation>: a temporary relation's file. */
static bool is_temporary(const char *name)
{
    uint32_t relation, fork, segment;
    if (has_prefix(name, "pgsql_tmp"))
        return true;
    if (name[0] != 't' || !isdigit((unsigned char)name[1]))
        return false;
    const char *s = name + 1;
    while (isdigit((unsigned char)*s))
        s++;
    return *s == '_' && pgpath_relation(s + 1, &relation, &fork, &segment);
}

enum pgpath_fate pgpath_database_fate(const char *name, bool global)
{
    uint32_t relation, fork, segment;
    if (pgpath_relation(name, &relation, &fork, &segment) || strcmp(name, "pg_filenode.map") == 0 ||
        strcmp(name, global ? "pg_control" : "PG_VERSION") == 0)
        return PGPATH_CARRIED;
    if (has_prefix(name, "pg_internal.init") || is_temporary(name))
        return PGPATH_LEFT_OUT;
    return PGPATH_UNKNOWN;
}

struct pgpath pgpath_tablespace(uint32_t space)
{
    struct pgpath p;
    (void)snprintf(p.s, sizeof p.s, "pg_tblspc/%u/%s", space, PGCONTROL_TABLESPACE_FOLDER);
    return p;
}

struct pgpath pgpath_database(uint32_t space, uint32_t database)
{
    struct pgpath p;
    if (space == PGKEY_SPC_GLOBAL)
        (void)snprintf(p.s, sizeof p.s, "global");
    else if (space == PGKEY_SPC_BASE)
        (void)snprintf(p.s, sizeof p.s, "base/%u", database);
    else
        (void)snprintf(p.s, sizeof p.s, "pg_tblspc/%u/%s/%u", space, PGCONTROL_TABLESPACE_FOLDER,
                       database);
    return p;
}

const char *pgpath_slru(uint32_t slru)
{
    return slru_folder[slru];
}

struct pgpath pgpath_relation_file(const struct pgkey *key, uint32_t segment)
{
    struct pgpath folder = pgpath_database(key->space, key->database), p;
    const char *suffix = fork_suffix[key->fork];
    if (segment == 0)
        (void)snprintf(p.s, sizeof p.s, "%.80s/%u%s", folder.s, key->relation, suffix);
    else
        (void)snprintf(p.s, sizeof p.s, "%.80s/%u%s.%u", folder.s, key->relation, suffix, segment);
    return p;
}

struct pgpath pgpath_slru_file(const struct pgkey *key)
{
    struct pgpath p;
    (void)snprintf(p.s, sizeof p.s, "%s/%04X", slru_folder[key->slru], key->segment);
    return p;
}

struct pgpath pgpath_twophase_file(uint32_t xid)
{
    struct pgpath p;
    (void)snprintf(p.s, sizeof p.s, "pg_twophase/%08X", xid);
    return p;
}

struct pgpath pgpath_join(const char *folder, const char *name)
{
    struct pgpath p;
    (void)snprintf(p.s, sizeof p.s, "%.90s/%.30s", folder, name);
    return p;
}

/* The part of `path` behind the first '/', and that part before it in `head`. */
static const char *split(const char *path, char *head, size_t size)
{
    const char *slash = strchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) >= size)
        return NULL;
    memcpy(head, path, (size_t)(slash - path));
    head[slash - path] = '\0';
    return slash + 1;
}

/* Visible, and of characters that mean nothing to any program that is given the name. */
static bool is_plain(const char *name)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return name[0] != '\0' && name[0] != '.' && name[0] != '-' && name[strspn(name, known)] == '\0';
}

bool pgpath_may_configure(const char *folder)
{
    /* PostgreSQL would take a folder of such a name for the file that it looks for. */
    static const char *const files[] = {"tablespace_map", "promote", "logrotate", NULL};
    return is_plain(folder) && strlen(folder) < PGPATH_MAX &&
           pgpath_top_fate(folder) == PGPATH_UNKNOWN && !has_prefix(folder, "pg_") &&
           !has_prefix(folder, "backup_") && !has_prefix(folder, "tablespace_map.") &&
           !listed(folder, files);
}

bool pgpath_configuration(const char *path, struct pgpath *folder)
{
    const char *file = split(path, folder->s, sizeof folder->s);
    return file != NULL && strlen(path) <= PGKEY_NAME_MAX && pgpath_may_configure(folder->s) &&
           is_plain(file) && has_suffix(file, ".conf");
}

bool pgpath_other_allowed(const char *path)
{
    struct pgpath folder;
    char head[PGPATH_MAX];
    uint32_t number;
    if (strchr(path, '/') == NULL)
        return strcmp(path, "PG_VERSION") == 0 ||
               (has_suffix(path, ".conf") && pgpath_top_fate(path) == PGPATH_CARRIED);
    if (strcmp(path, "pg_logical/replorigin_checkpoint") == 0 ||
        pgpath_configuration(path, &folder))
        return true;

    const char *rest = split(path, head, sizeof head);
    if (rest != NULL && strcmp(head, "pg_tblspc") == 0) {
        rest = split(rest, head, sizeof head);
        if (rest == NULL || !pgpath_number(head, &number) || number == PGKEY_SPC_BASE ||
            number == PGKEY_SPC_GLOBAL)
            return false;
        rest = split(rest, head, sizeof head);
        if (rest == NULL || strcmp(head, PGCONTROL_TABLESPACE_FOLDER) != 0)
            return false;
    } else if (rest == NULL || strcmp(head, "base") != 0) {
        return false;
    }
    rest = split(rest, head, sizeof head);
    return rest != NULL && pgpath_number(head, &number) && strcmp(rest, "PG_VERSION") == 0;
}
