/* test_elf_check.c - files that the loader must not see. */
#include "../../support/suite.h"

#include "base/elf_check.h"

#include <elf.h>
#include <errno.h>
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

/* One field of the header each that the loader could not use, or must not believe. */
static void test_headers_that_are_another_machines(void)
{
    enum { CLASS, ORDER, TYPE, CPU, ENTRY, TABLE, SEGMENT, TABLE_END, CASES };
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    static char bytes[8192];
    Elf64_Phdr segments[64];
    CU_ASSERT_FATAL(self >= 0 && read(self, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    Elf64_Ehdr good;
    memcpy(&good, bytes, sizeof good);
    CU_ASSERT_FATAL(good.e_phnum <= 64 && good.e_phoff + sizeof segments < sizeof bytes);
    for (int which = 0; which < CASES; which++) {
        char name[] = "/tmp/zs-elf-XXXXXX";
        int fd = mkstemp(name);
        struct stat st;
        Elf64_Ehdr h = good;
        CU_ASSERT_FATAL(fd >= 0 && fstat(self, &st) == 0 && ftruncate(fd, st.st_size) == 0);
        memcpy(segments, bytes + good.e_phoff, sizeof segments);
        if (which == CLASS)
            h.e_ident[EI_CLASS] = ELFCLASS32;
        if (which == ORDER)
            h.e_ident[EI_DATA] = ELFDATA2MSB;
        if (which == TYPE)
            h.e_type = ET_REL;
        if (which == CPU)
            h.e_machine = EM_SPARC;
        if (which == ENTRY)
            h.e_phentsize = sizeof(Elf32_Phdr);
        if (which == TABLE)
            h.e_phoff = (Elf64_Off)st.st_size + 1;
        if (which == TABLE_END)
            h.e_phoff = (Elf64_Off)st.st_size;
        CU_ASSERT(pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
        CU_ASSERT(elf_check(fd) == ELF_WHOLE);
        if (which == SEGMENT)
            segments[0].p_filesz = (Elf64_Xword)st.st_size + 1;
        CU_ASSERT(pwrite(fd, segments, sizeof segments, (off_t)good.e_phoff) ==
                  (ssize_t)sizeof segments);
        CU_ASSERT(pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h);
        CU_ASSERT_EQUAL(elf_check(fd), which >= SEGMENT ? ELF_SHORT : ELF_NONE);
        if (which == SEGMENT) { /* one that is not used may lie anywhere */
            segments[0].p_type = PT_NULL;
            CU_ASSERT(pwrite(fd, segments, sizeof segments, (off_t)good.e_phoff) ==
                      (ssize_t)sizeof segments);
            CU_ASSERT_EQUAL(elf_check(fd), ELF_WHOLE);
        }
        (void)unlink(name);
        (void)close(fd);
    }
    (void)close(self);
}

static void test_a_file_that_cannot_be_read(void)
{
    int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    CU_ASSERT(elf_check(fd) == ELF_UNREADABLE && errno == EBADF);
    (void)close(fd);
    CU_ASSERT(elf_check(-1) == ELF_UNREADABLE && errno == EBADF);
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

static void test_what_the_loader_says_without_memory(void)
{
    static const struct {
        const char *why;
        bool memory;
    } cases[] = {
        {NULL, false},
        {"/a.so: cannot allocate symbol search list: Cannot allocate memory", true},
        {"/a.so: cannot create shared object descriptor", true},
        {"/a.so: cannot open shared object file", true},
        {"b.so: cannot open shared object file: No such file or directory", false},
        {"/a.so: undefined symbol: b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(dlopen_lacked_memory(cases[i].why) == cases[i].memory);
}

SUITE("base/elf_check", {"a range is within a file or not", test_ranges},
      {"a shared object cut anywhere is found out", test_a_file_that_is_cut_anywhere},
      {"a header that does not fit this machine is none", test_headers_that_are_another_machines},
      {"what is no shared object is none", test_other_kinds},
      {"one that cannot be read is not taken for another thing", test_a_file_that_cannot_be_read},
      {"what the loader says without memory is known", test_what_the_loader_says_without_memory})
