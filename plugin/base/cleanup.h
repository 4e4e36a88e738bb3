/* cleanup.h - owners that clean up when their scope ends.
 * CLEANUP(fn) calls fn(&variable) on every way out of the variable's scope, so
 * that an early return stays right.  Hand ownership on by setting it to NULL. */
#ifndef ZS_BASE_CLEANUP_H
#define ZS_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines fn_ptr(), the CLEANUP of a pointer whose closer is fn(pointer).
 * NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses */
#define CLEANUP_POINTER(type, fn)                                                                  \
    static inline void fn##_ptr(type **p)                                                          \
    {                                                                                              \
        if (*p != NULL)                                                                            \
            fn(*p);                                                                                \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* CLEANUP(free_ptr) char *p: for anything from malloc. */
static inline void free_ptr(void *p)
{
    free(*(void **)p);
}

/* CLEANUP(fd_close) int fd = -1.  NOLINTNEXTLINE(readability-non-const-parameter) */
static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* CLEANUP(file_close) FILE *f = NULL */
static inline void file_close(FILE **f)
{
    if (*f != NULL)
        (void)fclose(*f);
}

#endif
