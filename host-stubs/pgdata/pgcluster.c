/* pgcluster.c - see pgcluster.h. */
#include "pgdata/pgcluster.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "pgdata/pgio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_root(const char *path, int *root, struct zs_error *e)
{
    *root = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (*root >= 0)
        return ZS_OK;
    if (errno == ENOENT || errno == ENOTDIR) {
        error_set(e, ZS_BAD_VALUE, "there is no directory \"%s\"", path);
        return error_hint(e, "Give the path of a PostgreSQL data directory on the pageserver's "
                             "machine.");
    }
    error_errno(e, errno, "cannot open the directory \"%s\"", path);
    return error_hint(e, "Run the pageserver as the user that PostgreSQL runs as.");
}

static int not_a_cluster(const struct pgcluster *c, const char *lacks, struct zs_error *e)
{
    error_set(e, ZS_BAD_VALUE, "\"%s\" is not a PostgreSQL data directory: it has no %s", c->path,
              lacks);
    return error_hint(e, "Give the directory that PostgreSQL calls data_directory.");
}

static int check_version(const struct pgcluster *c, struct zs_error *e)
{
    char text[64];
    size_t len;
    bool missing;
    TRY(pgio_read_small(c->root, "PG_VERSION", text, sizeof text - 1, &len, &missing, e));
    if (missing)
        return not_a_cluster(c, "PG_VERSION", e);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (strtoul(text, NULL, 10) == PGCONTROL_MAJOR)
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED, "\"%s\" is a cluster of PostgreSQL %s; import takes %u", c->path,
              text, PGCONTROL_MAJOR);
    return error_hint(e, "Upgrade it to PostgreSQL %u with pg_upgrade.", PGCONTROL_MAJOR);
}

/* The first line of postmaster.pid is the server's pid.  A file left behind by a crash
 * or a reboot may name nobody: then pg_control's state tells whether it was a crash. */
static int check_not_running(const struct pgcluster *c, struct zs_error *e)
{
    char text[1024];
    size_t len;
    bool missing;
    TRY(pgio_read_small(c->root, "postmaster.pid", text, sizeof text - 1, &len, &missing, e));
    if (missing)
        return ZS_OK;
    text[len] = '\0';
    long pid = strtol(text, NULL, 10);
    if (pid < 0)
        pid = -pid; /* a single-user backend writes its own so */
    if (pid <= 1 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        return ZS_OK;
    error_set(e, ZS_BUSY, "PostgreSQL is running on \"%s\" (process %ld)", c->path, pid);
    return error_hint(e,
                      "Stop it: pg_ctl stop -D %s. If process %ld is not PostgreSQL, remove "
                      "postmaster.pid.",
                      c->path, pid);
}

static int check_state(const struct pgcluster *c, struct zs_error *e)
{
    bool missing;
    uint64_t bytes;
    CLEANUP(fd_close) int fd = -1;
    TRY(pgio_open(c->root, "backup_label", &fd, &bytes, &missing, e));
    if (!missing) {
        error_set(e, ZS_BAD_VALUE,
                  "\"%s\" holds a backup_label: it is a base backup that was not recovered",
                  c->path);
        return error_hint(e, "Start PostgreSQL on it, stop it, and import again.");
    }
    if (c->control.state == PGCONTROL_SHUT_DOWN)
        return ZS_OK;
    if (c->control.state == PGCONTROL_SHUT_DOWN_IN_RECOVERY) {
        error_set(e, ZS_BAD_VALUE, "\"%s\" is a standby that was stopped in recovery", c->path);
        return error_hint(e, "Promote it (pg_ctl promote), stop it, and import again.");
    }
    error_set(e, ZS_BAD_VALUE,
              "the cluster in \"%s\" was not stopped cleanly: pg_control says \"%s\"", c->path,
              pgcontrol_state_text(c->control.state));
    return error_hint(e, "Start PostgreSQL on it, stop it with pg_ctl stop, and import again.");
}

static int read_control(const struct pgcluster *c, uint8_t *bytes, uint32_t *len,
                        struct zs_error *e)
{
    size_t n;
    bool missing;
    TRY(pgio_read_small(c->root, "global/pg_control", bytes, PGCONTROL_FILE_BYTES, &n, &missing,
                        e));
    if (missing)
        return not_a_cluster(c, "global/pg_control", e);
    *len = (uint32_t)n;
    return ZS_OK;
}

static int open_and_check(struct pgcluster *c, struct zs_error *e)
{
    TRY(open_root(c->path, &c->root, e));
    TRY(check_version(c, e));
    TRY(read_control(c, c->control_bytes, &c->control_len, e));
    TRY(check_not_running(c, e));
    TRY(pgcontrol_parse(c->control_bytes, c->control_len, &c->control, e));
    TRY(check_state(c, e));
    return pgwal_read_checkpoint(c->root, &c->control, c->record, &c->record_len, e);
}

int pgcluster_open(const char *path, struct pgcluster *out, struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    out->root = -1;
    out->path = path;
    if (open_and_check(out, e) == ZS_OK)
        return ZS_OK;
    pgcluster_close(out);
    return ZS_FAIL;
}

void pgcluster_close(struct pgcluster *c)
{
    fd_close(&c->root);
    c->root = -1;
}

int pgcluster_check_unmoved(const struct pgcluster *c, struct zs_error *e)
{
    uint8_t bytes[PGCONTROL_FILE_BYTES];
    uint32_t len = 0;
    TRY(check_not_running(c, e));
    TRY(read_control(c, bytes, &len, e));
    if (len == c->control_len && memcmp(bytes, c->control_bytes, len) == 0)
        return ZS_OK;
    error_set(e, ZS_MOVED_MEANWHILE, "PostgreSQL was started on \"%s\" during the import", c->path);
    return error_hint(e, "Stop it and import again; the branch is as it was.");
}
