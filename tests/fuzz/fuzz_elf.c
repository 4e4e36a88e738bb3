/* fuzz_elf.c - is a file a module that the loader may see? (base/elf_check.h)
 * Input: the file.
 * Holds: whole is only what has a header for 64-bit shared objects and all its segments
 * within the file; one byte less than its last segment needs, and it is short. */
#include "support.h"

#include "base/elf_check.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where the last byte that the headers speak of ends. */
static uint64_t end_of(const uint8_t *data, size_t size)
{
    Elf64_Ehdr header;
    memcpy(&header, data, sizeof header);
    uint64_t end = sizeof header;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        uint64_t at = header.e_phoff + i * sizeof segment;
        HOLDS(at <= size && sizeof segment <= size - at);
        memcpy(&segment, data + at, sizeof segment);
        uint64_t last = at + sizeof segment;
        if (segment.p_type != PT_NULL && segment.p_type != PT_GNU_STACK) {
            HOLDS(segment.p_offset <= size && segment.p_filesz <= size - segment.p_offset);
            last = segment.p_offset + segment.p_filesz > last ? segment.p_offset + segment.p_filesz
                                                              : last;
        }
        end = last > end ? last : end;
    }
    return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("module", MFD_CLOEXEC);
    HOLDS(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    if (elf_check(fd) != ELF_WHOLE)
        return 0;
    HOLDS(size >= sizeof(Elf64_Ehdr) && memcmp(data, ELFMAG, SELFMAG) == 0);
    HOLDS(data[EI_CLASS] == ELFCLASS64);
    uint64_t end = end_of(data, size);
    HOLDS(end <= size && ftruncate(fd, (off_t)end - 1) == 0 && elf_check(fd) == ELF_SHORT);
    return 0;
}
