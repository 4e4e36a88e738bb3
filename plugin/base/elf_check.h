/* elf_check.h - is a file a whole shared object for this machine?
 * The loader maps a file without asking whether all of it is there: one that was cut
 * short kills the process (SIGBUS) instead of failing.  So headers and segments are
 * checked before it sees the file.  Threads: none of its own. */
#ifndef ZS_BASE_ELF_CHECK_H
#define ZS_BASE_ELF_CHECK_H

#include <stdbool.h>
#include <stdint.h>

enum elf_verdict {
    ELF_WHOLE,
    ELF_NONE,       /* not a 64-bit shared object of this machine */
    ELF_SHORT,      /* one, but parts of it are missing */
    ELF_UNREADABLE, /* errno says why */
};

/* Over an open regular file. */
enum elf_verdict elf_check(int fd);

/* Did dlopen fail, by what dlerror says (or NULL), for want of memory?  glibc tells it in
 * words only.  Pure. */
bool dlopen_lacked_memory(const char *why);

/* Do n bytes at `offset` lie within `size`?  Pure. */
static inline bool elf_within(uint64_t offset, uint64_t n, uint64_t size)
{
    return offset <= size && n <= size - offset;
}

#endif
