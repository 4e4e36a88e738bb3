/* alloc.h - the n-th allocation of a test program fails, or its n-th thread.
 * alloc.c defines malloc, calloc, realloc and the like, and pthread_create, in the program itself,
 * where they come before the C library's, and before a sanitizer's: whatever the program
 * and its libraries allocate passes through here, from any thread.
 *
 *     for (n = 1;; n++) {
 *         alloc_fail_from(n, 1);
 *         ... run the operation ...
 *         if (!alloc_failed())
 *             break;                    it makes fewer than n: each of them was failed
 *     }
 *
 * CRoaring 0.2.66 uses what it got without a look, and has no hook for an allocator: what
 * it asks for itself is neither counted nor failed.  Threads: any. */
#ifndef TESTS_CRASH_ALLOC_H
#define TESTS_CRASH_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* Count from 0, and fail the n-th allocation from here on (0: none) and the times - 1 ones
 * behind it. */
void alloc_fail_from(uint64_t n, uint64_t times);

/* The same, but counted is only what this thread asks for: those of a library's own may take
 * want of memory for the end of all. */
void alloc_fail_thread(uint64_t n, uint64_t times);

/* And only what this thread asks for from the program's own code, which
 * the libraries that it calls are not: libpq 15 that lacks memory for an answer waits for more. */
void alloc_fail_here(uint64_t n);

/* No more fails.  Has one? */
bool alloc_failed(void);

/* How many there were since. */
uint64_t alloc_count(void);

/* The same for threads: the n-th that is asked for from here on cannot be had (0: none). */
void thread_fail(uint64_t n);
bool thread_failed(void);

/* "library+offset" of the one that failed first, to be looked up with addr2line. */
const char *alloc_failed_at(char *text, uint64_t size);

#endif
