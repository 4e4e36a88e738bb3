/* test_elf_check.c - files that the loader must not see. */
#include "../../support/suite.h"

#include "base/elf_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_ranges(void)
{
    CU_ASSERT(elf_within(0, 10, 10));
    CU_ASSERT(elf_within(10, 0, 10));
    CU_ASSERT(!elf_within(1, 10, 10));
    CU_ASSERT(!elf_within(11, 0, 10));
    CU_ASSERT(!elf_within(UINT64_MAX, 2, 10));
    CU_ASSERT(!elf_within(2, UINT64_MAX, 10));
}

/* This program, built as position-independent as a shared object is, cut at every 97th
 * byte of its first part and at some beyond. */
static void test_a_file_that_is_cut_anywhere(void)
{
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char name[] = "/tmp/zs-elf-XXXXXX";
    int fd = mkstemp(name);
    struct stat st;
    static char bytes[8192];
    CU_ASSERT_FATAL(self >= 0 && fd >= 0 && fstat(self, &st) == 0);
    CU_ASSERT(elf_check(self) == ELF_WHOLE);
    CU_ASSERT_FATAL(read(self, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    for (size_t n = 0; n < sizeof bytes; n += 97) {
        CU_ASSERT_FATAL(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, n, 0) == (ssize_t)n);
        CU_ASSERT_EQUAL(elf_check(fd), n < 4 ? ELF_NONE : ELF_SHORT);
    }
    (void)unlink(name);
    (void)close(fd);
    (void)close(self);
}

static void test_other_kinds(void)
{
    static const char *const paths[] = {"/dev/null", "/etc/passwd", "/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT(elf_check(fd) == ELF_NONE);
        (void)close(fd);
    }
}

SUITE("base/elf_check", {"a range is within a file or not", test_ranges},
      {"a shared object cut anywhere is found out", test_a_file_that_is_cut_anywhere},
      {"what is no shared object is none", test_other_kinds})
