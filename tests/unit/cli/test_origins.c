/* test_origins.c - origins.toml in a repository: added, found, removed, kept private. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "cli/file.h"
#include "cli/origins.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
    char dir[32];
    struct repo repo;
};

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/.zenith/%s", dir, name);
    CLEANUP(file_close) FILE *f = fopen(path, "we");
    CU_ASSERT_FATAL(f != NULL);
    if (f != NULL)
        (void)fputs(text, f);
}

static void fixture_open(struct fixture *f)
{
    struct zs_error e = {0};
    char path[64];
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/test-origins-XXXXXX");
    f->repo.fd = -1;
    CU_ASSERT_FATAL(mkdtemp(f->dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/.zenith", f->dir);
    CU_ASSERT_FATAL(mkdir(path, 0700) == 0);
    write_file(f->dir, "version", "zenith-sync repository 1\n");
    ASSERT_OK(repo_find(f->dir, &f->repo, &e));
}

static void fixture_close(struct fixture *f)
{
    static const char *const names[] = {"version",   "origins.toml",   "origins.toml.lock",
                                        "real.toml", "pageserver.pid", ""};
    char path[128];
    repo_close(&f->repo);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/.zenith/%s", f->dir, names[i]);
        (void)remove(path);
    }
    (void)remove(f->dir); /* fails, and is seen in /tmp, if anything else was left */
    CU_ASSERT(access(f->dir, F_OK) != 0);
}

static void expect(const struct fixture *f, const char *name, const char *uri)
{
    struct zs_error e = {0};
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    const char *found = NULL;
    ASSERT_OK(origins_load(&f->repo, &origins, &e));
    if (uri == NULL) {
        ASSERT_FAILS(origins_find(origins, name, &found, &e), ZS_NO_SUCH_BRANCH);
        CU_ASSERT(e.hint[0] != '\0');
        return;
    }
    ASSERT_OK(origins_find(origins, name, &found, &e));
    ASSERT_TEXT(found, uri);
}

static void test_origins_come_and_go(void)
{
    CLEANUP(fixture_close) struct fixture f;
    struct zs_error e = {0};
    struct stat st;
    char path[PATH_MAX];
    fixture_open(&f);
    expect(&f, "a", NULL);
    ASSERT_OK(origins_add(&f.repo, "a", "x://u:s3cret@h", &e));
    ASSERT_OK(origins_add(&f.repo, "b.c", "y://h", &e));
    expect(&f, "a", "x://u:s3cret@h");
    expect(&f, "b.c", "y://h");
    ASSERT_OK(repo_path(&f.repo, "origins.toml", path, &e));
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    ASSERT_FAILS(origins_add(&f.repo, "a", "z://s3cret", &e), ZS_ALREADY_EXISTS);
    CU_ASSERT(strstr(e.hint, "remove a") != NULL && strstr(e.message, "s3cret") == NULL);
    ASSERT_OK(origins_remove(&f.repo, "a", &e));
    ASSERT_FAILS(origins_remove(&f.repo, "a", &e), ZS_NO_SUCH_BRANCH);
    ASSERT_TEXT(e.hint, "There are: b.c."); /* nobody who removes wants to add */
    expect(&f, "b.c", "y://h");
    ASSERT_OK(origins_remove(&f.repo, "b.c", &e));
    ASSERT_FAILS(origins_remove(&f.repo, "b.c", &e), ZS_NO_SUCH_BRANCH);
    ASSERT_TEXT(e.hint, "There are no origins here.");
}

static void test_a_broken_file_is_left_alone(void)
{
    static const char broken[] = "[origin.a\nuri = 's3cret'\n";
    CLEANUP(fixture_close) struct fixture f;
    struct zs_error e = {0};
    char path[PATH_MAX], text[100] = "";
    fixture_open(&f);
    write_file(f.dir, "origins.toml", broken);
    ASSERT_FAILS(origins_add(&f.repo, "b", "y://h", &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.message, "line 1") != NULL && strstr(e.detail, "s3cret") == NULL);
    ASSERT_OK(repo_path(&f.repo, "origins.toml", path, &e));
    CLEANUP(file_close) FILE *in = fopen(path, "re");
    CU_ASSERT(in != NULL && fread(text, 1, sizeof text - 1, in) == sizeof broken - 1);
    ASSERT_TEXT(text, broken);
    write_file(f.dir, "origins.toml", "[origin.a]\nnote = 1\n[origin]\nb = 2\n");
}

static void test_an_origin_without_a_uri_names_its_line(void)
{
    CLEANUP(fixture_close) struct fixture f;
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    struct zs_error e = {0};
    const char *uri = NULL;
    fixture_open(&f);
    write_file(f.dir, "origins.toml", "\n[origin.a]\nnote = 1\n[origin.b]\nuri = 7\n");
    ASSERT_OK(origins_load(&f.repo, &origins, &e));
    ASSERT_FAILS(origins_find(origins, "a", &uri, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.message, "line 2") != NULL && e.hint[0] != '\0');
    ASSERT_FAILS(origins_find(origins, "b", &uri, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.message, "line 5") != NULL);
}

static void test_a_link_is_followed(void)
{
    CLEANUP(fixture_close) struct fixture f;
    struct zs_error e = {0};
    struct stat st;
    char path[PATH_MAX];
    fixture_open(&f);
    write_file(f.dir, "real.toml", "# kept\n");
    ASSERT_OK(repo_path(&f.repo, "origins.toml", path, &e));
    CU_ASSERT(symlink("real.toml", path) == 0);
    ASSERT_OK(origins_add(&f.repo, "a", "x://h", &e));
    CU_ASSERT(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
    expect(&f, "a", "x://h");
}

static void test_a_repository_is_found_and_its_version_read(void)
{
    CLEANUP(fixture_close) struct fixture f;
    CLEANUP(repo_close) struct repo up = {.fd = -1};
    struct zs_error e = {0};
    char path[128];
    fixture_open(&f);
    (void)snprintf(path, sizeof path, "%s/.zenith", f.dir);
    ASSERT_OK(repo_find(path, &up, &e)); /* from the inside, too */
    ASSERT_TEXT(up.dir, f.repo.dir);
    repo_close(&up);
    ASSERT_FAILS(repo_find("/proc", &up, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.hint, "zenith init") != NULL);
    ASSERT_FAILS(repo_find("/nonexistent", &up, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.message, "/nonexistent") != NULL && strstr(e.hint, "-D") != NULL);
    write_file(f.dir, "version", "zenith-sync repository 99\n");
    ASSERT_FAILS(repo_find(f.dir, &up, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.detail, "99") != NULL && up.fd == -1);
}

static void test_pid_files_are_read(void)
{
    static const struct {
        const char *text;
        int pid;
        const char *listen;
    } cases[] = {{"123\n127.0.0.1:5433\n", 123, "127.0.0.1:5433"},
                 {"123", 123, ""},
                 {"123\n\n", 123, ""},
                 {"", 0, ""},
                 {"-1\nx\n", 0, ""},
                 {"1\nx\n", 0, ""},
                 {"12x\n", 0, ""},
                 {"99999999999999999999\n", 0, ""}};
    CLEANUP(fixture_close) struct fixture f;
    struct zs_error e = {0};
    struct pid_file file;
    pid_t pid = 7;
    fixture_open(&f);
    ASSERT_OK(repo_pid_file(&f.repo, &file, &e));
    CU_ASSERT(file.pid == 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(f.dir, "pageserver.pid", cases[i].text);
        ASSERT_OK(repo_pid_file(&f.repo, &file, &e));
        CU_ASSERT(file.pid == cases[i].pid);
        ASSERT_TEXT(file.listen, cases[i].listen);
        ASSERT_OK(repo_server_pid(&f.repo, &pid, &e)); /* nobody has it locked */
        CU_ASSERT(pid == 0);
    }
}

SUITE("cli/origins", {"origins come and go", test_origins_come_and_go},
      {"a broken file is left alone", test_a_broken_file_is_left_alone},
      {"an origin without a URI names its line", test_an_origin_without_a_uri_names_its_line},
      {"a link is followed", test_a_link_is_followed},
      {"a repository is found and its version read",
       test_a_repository_is_found_and_its_version_read},
      {"pid files are read; a lock alone says that a server runs", test_pid_files_are_read})
