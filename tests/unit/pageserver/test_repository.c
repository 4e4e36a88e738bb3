/* test_repository.c - init, version, lock and pid file of a repository.
 * The calls that bring a new one to disk are seen here, and fail on demand: a program's come
 * before the C library's. */
#include "../../support/suite.h"

#include "pageserver/repository.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char trace[8192];  /* what was synced and renamed, one after the other: "fsync PATH\n" */
static const char *fails; /* the call that fails, as it stands there, or a part; NULL: none */

static int call(const char *name, const char *path)
{
    size_t used = strlen(trace);
    (void)snprintf(trace + used, sizeof trace - used, "%s %s\n", name, path);
    if (fails == NULL || strstr(trace + used, fails) == NULL)
        return 0;
    errno = EIO;
    return -1;
}

int fsync(int fd)
{
    char link[40];
    char path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    return call("fsync", path) == 0 ? (int)syscall(SYS_fsync, fd) : -1;
}

int rename(const char *from, const char *to)
{
    return call("rename", to) == 0 ? (int)syscall(SYS_rename, from, to) : -1;
}

static unsigned entries_of(const char *dir)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    if (d == NULL)
        abort();
    while (readdir(d) != NULL) /* NOLINT(concurrency-mt-unsafe): d is ours alone */
        n++;
    CU_ASSERT(closedir(d) == 0);
    return n - 2;
}

static void run(const char *format, const char *dir)
{
    char command[160];
    (void)snprintf(command, sizeof command, format, dir);
    CU_ASSERT(system(command) == 0); /* NOLINT(concurrency-mt-unsafe): a path of our own */
}

static bool is_traced(const char *format, const char *dir, const char **from)
{
    char want[160];
    (void)snprintf(want, sizeof want, format, dir);
    const char *at = strstr(*from, want);
    *from = at != NULL ? at : *from;
    return at != NULL;
}

static void test_init_is_durable(void)
{
    char dir[] = "/tmp/zs-init-XXXXXX";
    char inside[64];
    struct zs_error e = {0};
    struct repository r;
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    (void)snprintf(inside, sizeof inside, "%s/new", dir);
    trace[0] = '\0';
    ASSERT_OK(repository_create(inside, "", &e));
    const char *at = trace;
    CU_ASSERT(is_traced("fsync %s\n", dir, &at)); /* in which it was made */
    CU_ASSERT(is_traced("fsync %s/.zenith.", inside, &at));
    CU_ASSERT(is_traced("/data\n", "", &at));                         /* with db and stage in it */
    CU_ASSERT(is_traced("/version\nfsync %s/.zenith.", inside, &at)); /* with data in it */
    CU_ASSERT(is_traced("rename %s/.zenith\n", inside, &at));
    CU_ASSERT(is_traced("fsync %s\n", inside, &at));
    ASSERT_OK(repository_open(inside, &r, &e));
    CU_ASSERT_EQUAL(entries_of(inside), 1);
    run("rm -r '%s'", dir);
}

static void test_a_failed_init_leaves_nothing(void)
{
    static const char *const cases[] = {"/data\n", "/pageserver.toml\n", "/users\n", "/version\n",
                                        "rename "};
    char dir[] = "/tmp/zs-init-XXXXXX";
    struct zs_error e = {0};
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trace[0] = '\0';
        fails = cases[i];
        ASSERT_FAILS(repository_create(dir, "", &e), "58030");
        fails = NULL;
        CU_ASSERT_EQUAL(entries_of(dir), 0);
    }
    ASSERT_OK(repository_create(dir, "", &e));
    ASSERT_FAILS(repository_create(dir, "", &e), "42710");
    CU_ASSERT_EQUAL(entries_of(dir), 1);
    run("rm -r '%s'", dir);
}

static void test_versions(void)
{
    static const struct {
        const char *text;
        int ok;
    } cases[] = {
        {"zenith-sync repository 1\n", 1},
        {"zenith-sync repository 1", 1},
        {"zenith-sync repository 2\n", 0},
        {"zenith-sync repository 10\n", 0},
        {"zenith-sync repository ", 0},
        {"", 0},
        {"something else", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        int rc = repository_version_check(cases[i].text, "/r/.zenith", &e);
        if (cases[i].ok)
            ASSERT_OK(rc);
        else
            ASSERT_FAILS(rc, "22023");
    }
}

struct place {
    char dir[64];
    struct repository r;
};

/* A repository without a store: enough for what is tested here. */
static void place_make(struct place *p)
{
    char folder[128];
    char file[160];
    struct zs_error e;
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/zs-repo-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(p->dir) != NULL);
    ASSERT_FAILS(repository_open(p->dir, &p->r, &e), "22023");
    CU_ASSERT(strstr(e.hint, "zenith init") != NULL);
    (void)snprintf(folder, sizeof folder, "%s/.zenith", p->dir);
    CU_ASSERT_FATAL(mkdir(folder, 0700) == 0);
    (void)snprintf(file, sizeof file, "%s/version", folder);
    ASSERT_OK(file_write(file, REPOSITORY_VERSION "\n", strlen(REPOSITORY_VERSION) + 1, &e));
    ASSERT_OK(repository_open(p->dir, &p->r, &e));
}

static void place_remove(struct place *p)
{
    char file[FILE_PATH_MAX + 16];
    (void)snprintf(file, sizeof file, "%s/version", p->r.path);
    (void)unlink(file);
    (void)rmdir(p->r.path);
    (void)rmdir(p->dir);
}

static void test_one_server_at_a_time(void)
{
    struct place p;
    struct repository second;
    struct zs_error e = {0};
    pid_t stale = -1;
    char mine[32];
    place_make(&p);
    ASSERT_OK(repository_lock(&p.r, &stale, &e));
    CU_ASSERT_EQUAL(stale, 0);
    ASSERT_OK(repository_publish(&p.r, "127.0.0.1:5433", &e));
    ASSERT_OK(repository_open(p.dir, &second, &e));
    ASSERT_FAILS(repository_lock(&second, &stale, &e), "55006");
    (void)snprintf(mine, sizeof mine, "process %d", (int)getpid());
    CU_ASSERT(strstr(e.message, mine) != NULL);
    repository_unlock(&p.r);
    CU_ASSERT(access(p.r.pid_file, F_OK) != 0);
    ASSERT_OK(repository_lock(&second, &stale, &e));
    CU_ASSERT_EQUAL(stale, 0);
    repository_unlock(&second);
    place_remove(&p);
}

/* A server that was killed leaves its pid file and no lock. */
static void test_a_pid_that_was_left_behind_stops_nobody(void)
{
    struct place p;
    struct zs_error e = {0};
    pid_t stale = 0;
    char *text = NULL;
    char want[64];
    place_make(&p);
    pid_t child = fork();
    if (child == 0) {
        if (repository_lock(&p.r, &stale, &e) != ZS_OK ||
            repository_publish(&p.r, "127.0.0.1:1", &e) != ZS_OK)
            _exit(1);
        _exit(0);
    }
    int status = -1;
    CU_ASSERT_FATAL(waitpid(child, &status, 0) == child && status == 0);
    ASSERT_OK(repository_lock(&p.r, &stale, &e));
    CU_ASSERT_EQUAL(stale, child);
    ASSERT_OK(repository_publish(&p.r, "[::1]:5433", &e));
    ASSERT_OK(file_read(p.r.pid_file, 1024, &text, &e));
    (void)snprintf(want, sizeof want, "%d\n[::1]:5433\n", (int)getpid());
    ASSERT_TEXT(text, want);
    free(text);
    repository_unlock(&p.r);
    place_remove(&p);
}

static void test_a_socket_path_that_is_too_long(void)
{
    char dir[] = "/tmp/zs-long-XXXXXX";
    char path[256];
    struct repository r;
    struct zs_error e = {0};
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/%0100d", dir, 0);
    CU_ASSERT_FATAL(mkdir(path, 0700) == 0);
    ASSERT_FAILS(repository_open(path, &r, &e), "22023");
    CU_ASSERT(strstr(e.message, "too long") != NULL && e.hint[0] != '\0');
    (void)rmdir(path);
    (void)rmdir(dir);
}

SUITE("pageserver/repository", {"a new repository is on disk", test_init_is_durable},
      {"one that could not be made leaves nothing", test_a_failed_init_leaves_nothing},
      {"another version is refused", test_versions},
      {"a repository has one server at a time", test_one_server_at_a_time},
      {"a pid that was left behind stops nobody", test_a_pid_that_was_left_behind_stops_nobody},
      {"a path too long for a socket is refused", test_a_socket_path_that_is_too_long})
