/* fault_server.c - see fault_server.h. */
#include "fault_server.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread, and nobody sets the environment */

const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        (void)printf("%s is not set; run tests/crash/faults.sh\n", name);
        exit(2);
    }
    return value;
}

static const char *setting_of(const char *what, const char *server)
{
    char name[64];
    (void)snprintf(name, sizeof name, "FAULTS_%s%s", what, server);
    return setting(name);
}

void server_open(struct server *s, const char *name)
{
    char path[512];
    s->name = name;
    s->folder = setting_of("", name);
    s->uri = setting_of("URI_", name);
    (void)snprintf(path, sizeof path, "%s/fault", s->folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED
                      : mmap(NULL, sizeof *s->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        (void)printf("%s cannot be mapped\n", path);
        exit(2);
    }
    (void)close(fd);
    s->control = at;
    (void)snprintf(s->control->folders[0], sizeof s->control->folders[0], "%s/data", s->folder);
}

void server_restart(const struct server *s)
{
    char command[512];
    (void)snprintf(command, sizeof command, "%s %s", setting("FAULTS_RESTART"), s->name);
    CU_ASSERT(system(command) == 0);
}

void server_arm(const struct server *s, unsigned kind, int errnum, uint64_t n)
{
    struct fault_control *c = s->control;
    atomic_store(&c->errnum, errnum);
    atomic_store(&c->target, n);
    atomic_store(&c->calls, 0);
    atomic_store(&c->fired, 0);
    (void)snprintf(c->what, sizeof c->what, "none failed");
    atomic_store(&c->kinds, kind);
}

uint64_t server_disarm(const struct server *s)
{
    atomic_store(&s->control->kinds, 0);
    return atomic_load(&s->control->calls);
}

/* ---- asking -------------------------------------------------------------------------------- */

static void ignore(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static void note(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

/* Of branch_list and of modules; timelines are left out: a branch made anew has a new one. */
static bool tells_what_is_there(const char *column)
{
    static const char *const telling[] = {"last_valid_lsn", "digest", "records", "path"};
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        if (strcmp(column, telling[i]) == 0)
            return true;
    return false;
}

static void take_rows(const PGresult *result, struct reply *r)
{
    size_t used = 0;
    for (int i = 0; i < PQntuples(result); i++)
        for (int k = 0; k <= PQnfields(result) && used < sizeof r->rows; k++) {
            size_t left = sizeof r->rows - used;
            if (k == PQnfields(result))
                used += (size_t)snprintf(r->rows + used, left, "\n");
            else if (k == 0 || tells_what_is_there(PQfname(result, k)))
                used += (size_t)snprintf(r->rows + used, left, "%s%s", k == 0 ? "" : " ",
                                         PQgetvalue(result, i, k));
        }
}

/* What a server says before the login is done libpq has as a text only. */
static void take_refusal(const char *text, struct reply *r)
{
    const char *hint = strstr(text, "HINT:  ");
    r->lost = hint == NULL;
    note(r->message, sizeof r->message, text);
    note(r->hint, sizeof r->hint, hint);
    note(r->sqlstate, sizeof r->sqlstate,
         strstr(text, "FATAL:  out of memory") != NULL ? "53200" : "08001");
}

struct reply server_ask(const struct server *s, const char *query)
{
    struct reply r = {.ok = false};
    const struct passwd *own = getpwuid(geteuid());
    const char *user = own == NULL ? "root" : own->pw_name;
    const char *const names[] = {"host", "port", "user", "dbname", "connect_timeout", NULL};
    const char *const values[] = {s->folder, "5432", user, "zenith", "10", NULL};
    PGconn *conn = PQconnectdbParams(names, values, 0);
    if (PQstatus(conn) != CONNECTION_OK) {
        take_refusal(PQerrorMessage(conn), &r);
        PQfinish(conn);
        return r;
    }
    (void)PQsetNoticeReceiver(conn, ignore, NULL);
    PGresult *result = PQexec(conn, query);
    ExecStatusType status = PQresultStatus(result);
    r.ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (r.ok) {
        take_rows(result, &r);
    } else {
        note(r.sqlstate, sizeof r.sqlstate, PQresultErrorField(result, PG_DIAG_SQLSTATE));
        note(r.message, sizeof r.message, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        note(r.hint, sizeof r.hint, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
        r.lost = r.sqlstate[0] == '\0';
    }
    PQclear(result);
    PQfinish(conn);
    return r;
}

struct reply server_ask_when_free(const struct server *s, const char *query)
{
    enum { PAUSE_US = 20000, TRIES = 1500 }; /* 30 s, and then it is a fault */
    struct reply r = server_ask(s, query);
    for (int i = 0; i < TRIES && strcmp(r.sqlstate, "55006") == 0; i++) {
        (void)usleep(PAUSE_US);
        r = server_ask(s, query);
    }
    return r;
}

bool server_restart_if_told(const struct server *s, const struct reply *r)
{
    bool told = !r->ok && strstr(r->hint, "start the server again") != NULL;
    if (told)
        server_restart(s);
    return told;
}

void server_must(const struct server *s, const char *query)
{
    struct reply r = server_ask_when_free(s, query);
    if (server_restart_if_told(s, &r))
        r = server_ask_when_free(s, query);
    CU_ASSERT(r.ok);
    if (!r.ok)
        (void)printf("%s: %.60s: %s %s\n", s->name, query, r.sqlstate, r.message);
}

/* ---- what it holds ------------------------------------------------------------------------ */

/* How many names a folder has, and those below, without the engine's folder. */
static unsigned names_in(const char *folder, const char *but)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *at; d != NULL && (at = readdir(d)) != NULL;) {
        char below[800];
        if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0 ||
            (but != NULL && strcmp(at->d_name, but) == 0))
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", folder, at->d_name);
        n += 1 + (at->d_type == DT_DIR ? names_in(below, NULL) : 0);
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static unsigned descriptors_of(int pid, const char *engine)
{
    char folder[64], link[400], target[512];
    unsigned n = 0;
    (void)snprintf(folder, sizeof folder, "/proc/%d/fd", pid);
    DIR *d = opendir(folder);
    for (const struct dirent *at; d != NULL && (at = readdir(d)) != NULL;) {
        (void)snprintf(link, sizeof link, "%s/%s", folder, at->d_name);
        ssize_t len = readlink(link, target, sizeof target - 1);
        if (len < 0)
            continue;
        target[len] = '\0';
        n += strncmp(target, engine, strlen(engine)) != 0;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static bool first_line(const char *path, char *out, int size)
{
    FILE *f = fopen(path, "re");
    bool read = f != NULL && fgets(out, size, f) != NULL;
    if (f != NULL)
        (void)fclose(f);
    return read;
}

static unsigned threads_of(int pid)
{
    char folder[64], path[400], name[64];
    unsigned n = 0;
    (void)snprintf(folder, sizeof folder, "/proc/%d/task", pid);
    DIR *d = opendir(folder);
    for (const struct dirent *at; d != NULL && (at = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s/comm", folder, at->d_name);
        n += first_line(path, name, sizeof name) && strncmp(name, "rocksdb:", 8) != 0;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static long anon_kib_of(int pid)
{
    char path[64], line[128];
    long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    if (f != NULL)
        (void)fclose(f);
    return kib;
}

struct holdings server_holdings(const struct server *s)
{
    char path[512], number[32], engine[512];
    struct holdings h = {.pid = 0};
    (void)snprintf(path, sizeof path, "%s/pageserver.pid", s->folder);
    if (first_line(path, number, sizeof number))
        h.pid = (int)strtol(number, NULL, 10);
    (void)snprintf(engine, sizeof engine, "%s/data/db/", s->folder);
    (void)snprintf(path, sizeof path, "%s/data/stage", s->folder);
    h.descriptors = descriptors_of(h.pid, engine);
    h.threads = threads_of(h.pid);
    h.stages = names_in(path, NULL);
    (void)snprintf(path, sizeof path, "%s/data", s->folder);
    h.others = names_in(path, "db") - h.stages;
    h.anon_kib = anon_kib_of(h.pid);
    return h;
}

const char *row_of(const struct reply *r, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    note(out, size, "");
    for (const char *line = r->rows; *line != '\0'; line += strcspn(line, "\n") + 1)
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            (void)snprintf(out, size, "%.*s", (int)(strcspn(line, "\n") - n - 1), line + n + 1);
    return out;
}

/* NOLINTEND(concurrency-mt-unsafe) */
