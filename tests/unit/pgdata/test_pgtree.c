/* test_pgtree.c - what an export may take away again is only what it wrote.
 * The calls that look into a folder fail here on demand: those of a program come before the
 * C library's. */
#include "../../support/suite.h"

#include "base/error.h"
#include "pgdata/pgtree.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned fdopendir_fails, readdir_fails; /* the n-th call from now; 0: none */

static const char *opened; /* locked by another at the next flock; NULL: none */
static int flock_errno;    /* of each flock; 0: it is tried */

static bool is_due(unsigned *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

DIR *fdopendir(int fd)
{
    DIR *(*real)(int) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "fdopendir");
    memcpy(&real, &symbol, sizeof real);
    if (!is_due(&fdopendir_fails))
        return real(fd);
    errno = ENOMEM;
    return NULL;
}

struct dirent *readdir(DIR *d)
{
    struct dirent *(*real)(DIR *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "readdir");
    memcpy(&real, &symbol, sizeof real);
    if (!is_due(&readdir_fails))
        return real(d);
    errno = EIO;
    return NULL;
}

int flock(int fd, int how)
{
    if (opened != NULL) {
        int other = open(opened, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
        CU_ASSERT(other >= 0 && syscall(SYS_flock, other, LOCK_EX) == 0);
        long rc = syscall(SYS_flock, fd, how);
        int errnum = errno;
        CU_ASSERT(close(other) == 0);
        errno = errnum;
        return (int)rc;
    }
    errno = flock_errno;
    return flock_errno != 0 ? -1 : (int)syscall(SYS_flock, fd, how);
}

/* A folder of its own, and what is in it. */
struct place {
    char dir[40], out[64], file[80];
};

static void place_open(struct place *p)
{
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/zenith-pgtree-XXXXXX");
    if (mkdtemp(p->dir) == NULL)
        abort();
    (void)snprintf(p->out, sizeof p->out, "%s/out", p->dir);
    (void)snprintf(p->file, sizeof p->file, "%s/theirs", p->out);
}

static void place_close(const struct place *p)
{
    char command[80];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    CU_ASSERT(system(command) == 0); /* NOLINT(concurrency-mt-unsafe): a path of our own */
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void put_theirs(const struct place *p)
{
    CU_ASSERT(mkdir(p->out, 0755) == 0);
    FILE *f = fopen(p->file, "we");
    CU_ASSERT_FATAL(f != NULL);
    CU_ASSERT(fputs("theirs", f) >= 0 && fclose(f) == 0);
}

static void assert_untouched(const struct place *p)
{
    struct stat st;
    CU_ASSERT(stat(p->file, &st) == 0 && st.st_size == 6);
    CU_ASSERT(stat(p->out, &st) == 0 && (st.st_mode & 0777) == 0755);
}

/* At "." and ".." already, or at the name behind them. */
static void test_a_failed_look_leaves_all(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct place p;
    place_open(&p);
    put_theirs(&p);
    fdopendir_fails = 1;
    ASSERT_FAILS(pgtree_open(p.out, NULL, &t, &e), ZS_OUT_OF_MEMORY);
    assert_untouched(&p);
    for (unsigned n = 1; n <= 3; n++) {
        readdir_fails = n;
        (void)pgtree_open(p.out, NULL, &t, &e);
        readdir_fails = 0;
        assert_untouched(&p);
    }
    readdir_fails = 1;
    ASSERT_FAILS(pgtree_open(p.out, NULL, &t, &e), ZS_IO_ERROR);
    place_close(&p);
}

/* One that was made here goes with a failed look. */
static void test_a_failed_look_leaves_no_new_directory(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct place p;
    place_open(&p);
    fdopendir_fails = 1;
    ASSERT_FAILS(pgtree_open(p.out, NULL, &t, &e), ZS_OUT_OF_MEMORY);
    CU_ASSERT(!is_there(p.out));
    place_close(&p);
}

static void test_what_was_written_goes(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct place p;
    place_open(&p);
    CU_ASSERT(mkdir(p.out, 0755) == 0);
    for (int again = 0; again < 2; again++) {
        ASSERT_OK(pgtree_open(p.out, NULL, &t, &e));
        ASSERT_OK(pgtree_folder(t, "base", &e));
        ASSERT_OK(pgtree_file(t, "base/1", false, &e));
        ASSERT_OK(pgtree_write(t, "ours", 4, &e));
        pgtree_close(t);
        CU_ASSERT(is_there(p.out) && rmdir(p.out) == 0); /* as it was: empty */
        if (again == 0)
            CU_ASSERT(mkdir(p.out, 0755) == 0);
    }
    ASSERT_OK(pgtree_open(p.out, NULL, &t, &e));
    ASSERT_OK(pgtree_file(t, "1", false, &e));
    pgtree_close(t);
    CU_ASSERT(!is_there(p.out));
    place_close(&p);
}

/* A folder that cannot be read to its end has files that are not on disk. */
static void test_a_sync_that_misses_files_fails(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct place p;
    place_open(&p);
    ASSERT_OK(pgtree_open(p.out, NULL, &t, &e));
    ASSERT_OK(pgtree_file(t, "1", false, &e));
    readdir_fails = 1;
    ASSERT_FAILS(pgtree_sync(t, &e), ZS_IO_ERROR);
    ASSERT_OK(pgtree_sync(t, &e));
    pgtree_close(t);
    place_close(&p);
}

/* The one that came too late finds nothing yet, and is not to take the other's away. */
static void test_one_export_at_a_time(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct pgtree *second = NULL;
    struct place p;
    place_open(&p);
    ASSERT_OK(pgtree_open(p.out, NULL, &t, &e));
    ASSERT_FAILS(pgtree_open(p.out, NULL, &second, &e), ZS_BUSY);
    CU_ASSERT(strstr(e.message, p.out) != NULL && e.hint[0] != '\0');
    ASSERT_OK(pgtree_folder(t, "global", &e));
    ASSERT_FAILS(pgtree_open(p.out, NULL, &second, &e), ZS_BUSY);
    ASSERT_OK(pgtree_seal(t, "global", "pg_control", "ours", 4, &e));
    pgtree_close(t);
    ASSERT_FAILS(pgtree_open(p.out, NULL, &second, &e), ZS_ALREADY_EXISTS);
    (void)snprintf(p.file, sizeof p.file, "%.40s/global/pg_control", p.out);
    CU_ASSERT(is_there(p.file));
    place_close(&p);
}

/* Two made it at once: the one that lost leaves the directory to the other. */
static void test_the_loser_leaves_the_directory(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct place p;
    place_open(&p);
    opened = p.out;
    ASSERT_FAILS(pgtree_open(p.out, NULL, &t, &e), ZS_BUSY);
    opened = NULL;
    CU_ASSERT(is_there(p.out));
    ASSERT_OK(pgtree_open(p.out, NULL, &t, &e));
    pgtree_close(t);
    place_close(&p);
}

/* Some file systems lock no directories: NFS. */
static void test_a_disk_without_locks(void)
{
    struct zs_error e = {0};
    struct pgtree *t = NULL;
    struct place p;
    place_open(&p);
    flock_errno = EBADF;
    ASSERT_OK(pgtree_open(p.out, NULL, &t, &e));
    flock_errno = 0;
    pgtree_close(t);
    CU_ASSERT(!is_there(p.out));
    place_close(&p);
}

SUITE("pgdata/pgtree",
      {"a directory that cannot be looked into is left alone", test_a_failed_look_leaves_all},
      {"but for one that was made just then", test_a_failed_look_leaves_no_new_directory},
      {"what was written goes unless it was sealed", test_what_was_written_goes},
      {"a sync that cannot see all files fails", test_a_sync_that_misses_files_fails},
      {"a second export into the same directory is refused", test_one_export_at_a_time},
      {"and leaves it, even if it made it", test_the_loser_leaves_the_directory},
      {"a disk without locks takes an export", test_a_disk_without_locks})
