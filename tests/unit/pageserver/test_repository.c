/* test_repository.c - version, lock and pid file of a repository. */
#include "../../support/suite.h"

#include "pageserver/repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

SUITE("pageserver/repository", {"another version is refused", test_versions},
      {"a repository has one server at a time", test_one_server_at_a_time},
      {"a pid that was left behind stops nobody", test_a_pid_that_was_left_behind_stops_nobody},
      {"a path too long for a socket is refused", test_a_socket_path_that_is_too_long})
