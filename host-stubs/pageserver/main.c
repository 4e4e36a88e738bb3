/* main.c - the pageserver program: init, run, user.
 * Flow: options -> one function per verb.  Signals are blocked before any thread
 * exists, and read from a descriptor by the loop that accepts clients. */
#include "base/cleanup.h"
#include "base/error.h"
#include "pageserver/daemon.h"
#include "pageserver/options.h"
#include "pageserver/password.h"
#include "pageserver/server.h"
#include "pageserver/users.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int fail(const struct zs_error *e)
{
    error_print(e);
    return EXIT_FAILURE;
}

/* The status, unless what was printed has got lost. */
static int printed(int status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    (void)fputs("pageserver: cannot write to standard output\n", stderr);
    return EXIT_FAILURE;
}

/* libpq would send this server's own PGPASSWORD to wherever a client makes it
 * connect; nothing of the kind is left in the environment. */
static void scrub_environment(void)
{
    char name[256];
    for (char **at = environ; *at != NULL;) {
        size_t n = strcspn(*at, "=");
        if (strncmp(*at, "PG", 2) != 0 || n >= sizeof name) {
            at++;
            continue;
        }
        memcpy(name, *at, n);
        name[n] = '\0';
        (void)unsetenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread */
        at = environ;
    }
}

/* glibc raises the size from which memory is mapped, and given back when freed, to whatever was
 * freed last; values of 8 MiB that pass through several threads then stay in each thread's
 * arena (290 MiB after a push of 38 of them, and 25 with this).  Batches stay below it, and as
 * much is kept of an arena's end when it is freed: else a pull, for whose every batch libpq asks
 * malloc, has each one's pages zeroed by the kernel anew (1.5 GB: 1.44 s in place of 1.15).  That
 * is so much in each arena, of which glibc makes eight per core: eight in all are enough, as
 * sessions mostly wait. */
#define MAPPED_FROM_BYTES (2 << 20)
#define ARENAS            8

static void tell_malloc(void)
{
    // NOLINTBEGIN(concurrency-mt-unsafe): before any thread
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MAPPED_FROM_BYTES);
    (void)mallopt(M_ARENA_MAX, ARENAS);
    // NOLINTEND(concurrency-mt-unsafe)
}

/* ---- init and user -------------------------------------------------------------------- */

static int verb_init(const struct options *o)
{
    struct zs_error e;
    struct repository r;
    CLEANUP(free_ptr) char *text = config_default_text(o->listen, o->port, &e);
    if (text == NULL || repository_create(o->dir, text, &e) != ZS_OK ||
        repository_open(o->dir, &r, &e) != ZS_OK)
        return fail(&e);
    (void)printf("made the repository %s\n", r.path);
    return EXIT_SUCCESS;
}

static int print_user(void *context, const char *name, uint32_t role)
{
    (void)context;
    (void)printf("%s %s\n", name, role_name(role));
    return 0;
}

static int verb_user(const struct options *o)
{
    struct zs_error e;
    struct repository r;
    char password[PASSWORD_MAX];
    if (repository_open(o->dir, &r, &e) != ZS_OK)
        return fail(&e);
    int rc = ZS_FAIL;
    switch (o->verb) {
    case VERB_USER_ADD:
        rc = user_name_check(o->name, &e);
        if (rc == ZS_OK)
            rc = password_read(password, &e);
        if (rc == ZS_OK)
            rc = users_add(r.users, o->name, o->role, password, &e);
        password_wipe(password);
        break;
    case VERB_USER_LIST:
        rc = users_list(r.users, print_user, NULL, &e);
        break;
    case VERB_USER_REMOVE:
        rc = users_remove(r.users, o->name, &e);
        break;
    case VERB_INIT:
    case VERB_RUN:
        break;
    }
    return rc == ZS_OK ? EXIT_SUCCESS : fail(&e);
}

/* ---- run ---------------------------------------------------------------------------------- */

static int open_signals(int *fd, struct zs_error *e)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (rc != 0 || *fd < 0)
        return error_errno(e, rc != 0 ? rc : errno, "cannot set up signals");
    return ZS_OK;
}

static int open_log(struct server *s, bool background, struct zs_error *e)
{
    s->log = (struct log){.fd = STDERR_FILENO, .level = ZS_LOG_INFO};
    if (!background)
        return ZS_OK;
    s->log.fd = open(s->repository.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return s->log.fd >= 0 ? ZS_OK : error_errno(e, errno, "cannot open %s", s->repository.log_file);
}

static int lock_aloud(struct server *s, struct zs_error *e)
{
    pid_t stale = 0;
    TRY(repository_lock(&s->repository, &stale, e));
    if (stale != 0)
        (void)fprintf(stderr,
                      "pageserver: process %d left its pid file behind when it ended; starting\n",
                      (int)stale);
    return ZS_OK;
}

static int start(struct server *s, struct daemon *d, int *signals, struct zs_error *e)
{
    TRY(open_signals(signals, e));
    TRY(open_log(s, d->ready_fd >= 0, e));
    TRY(lock_aloud(s, e));
    TRY(server_start(s, e));
    log_line(&s->log, ZS_LOG_INFO, "serving %s on %s%s%s, process %d", s->repository.path,
             s->listener.address, s->listener.address[0] != '\0' ? " and " : "",
             s->repository.socket, (int)getpid());
    return daemon_ready(d, s->log.fd, e);
}

static int verb_run(const struct options *o)
{
    struct zs_error e;
    struct daemon d = {.ready_fd = -1};
    int signals = -1;
    /* One server per process; static, as it is too large for comfort on a stack. */
    static struct server server;
    if (repository_open(o->dir, &server.repository, &e) != ZS_OK ||
        (o->background && daemon_fork(&d, &e) != ZS_OK))
        return fail(&e);
    if (start(&server, &d, &signals, &e) != ZS_OK) {
        repository_unlock(&server.repository);
        return fail(&e);
    }
    listener_run(&server, signals);
    log_line(&server.log, ZS_LOG_INFO, "stopping");
    bool clean = server_stop(&server);
    log_line(&server.log, ZS_LOG_INFO, "stopped");
    repository_unlock(&server.repository);
    if (!clean) /* a command still runs in there: no destructors under its feet */
        _exit(EXIT_FAILURE);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options o;
    int status = options_read(argc, argv, &o);
    if (status >= 0)
        return printed(status);
    (void)umask(077);
    tell_malloc();
    scrub_environment();
    switch (o.verb) {
    case VERB_INIT:
        return printed(verb_init(&o));
    case VERB_RUN:
        return verb_run(&o);
    case VERB_USER_ADD:
    case VERB_USER_LIST:
    case VERB_USER_REMOVE:
        break;
    }
    return printed(verb_user(&o));
}
