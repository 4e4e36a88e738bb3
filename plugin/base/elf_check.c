/* elf_check.c - see elf_check.h. */
#include "base/elf_check.h"

#include <elf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#else
#error "name this machine's ELF number"
#endif

/* ELF_WHOLE; `otherwise` if the file ends before. */
static enum elf_verdict read_at(int fd, uint64_t offset, void *out, size_t n,
                                enum elf_verdict otherwise)
{
    ssize_t got = pread(fd, out, n, (off_t)offset);
    return got < 0 ? ELF_UNREADABLE : (size_t)got < n ? otherwise : ELF_WHOLE;
}

static enum elf_verdict check_segments(int fd, const Elf64_Ehdr *header, uint64_t size)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        uint64_t at = header->e_phoff + (uint64_t)i * sizeof segment;
        if (!elf_within(at, sizeof segment, size))
            return ELF_SHORT;
        enum elf_verdict read = read_at(fd, at, &segment, sizeof segment, ELF_SHORT);
        if (read != ELF_WHOLE)
            return read;
        if (segment.p_type != PT_NULL && segment.p_type != PT_GNU_STACK &&
            !elf_within(segment.p_offset, segment.p_filesz, size))
            return ELF_SHORT;
    }
    return ELF_WHOLE;
}

enum elf_verdict elf_check(int fd)
{
    struct stat st;
    Elf64_Ehdr header;
    if (fstat(fd, &st) != 0)
        return ELF_UNREADABLE;
    if (!S_ISREG(st.st_mode))
        return ELF_NONE;
    uint64_t size = (uint64_t)st.st_size;
    char magic[SELFMAG];
    enum elf_verdict read = read_at(fd, 0, magic, sizeof magic, ELF_NONE);
    if (read == ELF_WHOLE && memcmp(magic, ELFMAG, SELFMAG) != 0)
        read = ELF_NONE;
    if (read == ELF_WHOLE)
        read = read_at(fd, 0, &header, sizeof header, ELF_SHORT);
    if (read != ELF_WHOLE)
        return read;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_type != ET_DYN || header.e_machine != MACHINE ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > size)
        return ELF_NONE;
    return check_segments(fd, &header, size);
}

bool dlopen_lacked_memory(const char *why)
{
    static const char *const said[] = {"annot allocate", "out of memory",
                                       "cannot create shared object descriptor"};
    for (size_t i = 0; why != NULL && i < sizeof said / sizeof *said; i++)
        if (strstr(why, said[i]) != NULL)
            return true;
    /* Without a reason behind it: the loader found no room for the file's name. */
    static const char end[] = "cannot open shared object file";
    size_t len = why == NULL ? 0 : strlen(why);
    return len >= sizeof end - 1 && strcmp(why + len - (sizeof end - 1), end) == 0;
}
