/* test_folder.c - each name once, and why there is no more. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void test_names(void)
{
    struct zs_error e = {0};
    char dir[] = "/tmp/zenith-folder-XXXXXX";
    unsigned names = 0;
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, dir, O_NOFOLLOW);
    if (d == NULL)
        abort();
    CU_ASSERT(mkdirat(dirfd(d), "a", 0700) == 0 && mkdirat(dirfd(d), "...", 0700) == 0);
    for (const char *name = folder_next(d); name != NULL; name = folder_next(d))
        names += strcmp(name, "a") == 0 ? 1 : strcmp(name, "...") == 0 ? 10 : 100;
    ASSERT_OK(folder_end(dir, &e));
    CU_ASSERT_EQUAL(names, 11);
    CLEANUP(folder_close) DIR *inside = folder_open(dirfd(d), "a", 0);
    CU_ASSERT(inside != NULL && folder_next(inside) == NULL && errno == 0);
    CU_ASSERT(unlinkat(dirfd(d), "a", AT_REMOVEDIR) == 0);
    CU_ASSERT(unlinkat(dirfd(d), "...", AT_REMOVEDIR) == 0 && rmdir(dir) == 0);
}

static void test_what_cannot_be_read(void)
{
    struct zs_error e = {0};
    CU_ASSERT(folder_open(AT_FDCWD, "/no/such", 0) == NULL && errno == ENOENT);
    CU_ASSERT(folder_open(AT_FDCWD, "/proc/self/cwd", O_NOFOLLOW) == NULL && errno == ENOTDIR);
    CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, "/", 0);
    if (d == NULL)
        abort();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CU_ASSERT(dup3(fd, dirfd(d), O_CLOEXEC) >= 0 && close(fd) == 0); /* no folder any more */
    CU_ASSERT(folder_next(d) == NULL);
    ASSERT_FAILS(folder_end("/", &e), ZS_IO_ERROR);
    CU_ASSERT(strstr(e.message, "\"/\"") != NULL);
}

SUITE("base/folder", {"each name once, but for . and ..", test_names},
      {"what cannot be read is not empty", test_what_cannot_be_read})
