/* alloc.c - see alloc.h. */
#include "alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *(*malloc_fn)(size_t);
typedef void *(*calloc_fn)(size_t, size_t);
typedef void *(*realloc_fn)(void *, size_t);
typedef int (*memalign_fn)(void **, size_t, size_t);

static struct {
    malloc_fn malloc;
    calloc_fn calloc;
    realloc_fn realloc;
    memalign_fn memalign;
} real;

static atomic_ullong calls, fail_first, fail_end, failures;
static _Atomic(void *) failed_at;
static uintptr_t spared_from, spared_to; /* CRoaring's code */
static _Thread_local bool sparing;
static atomic_bool here_alone;               /* what others allocate is not counted */
static atomic_bool thread_alone;             /* nor what other threads do */
static _Thread_local bool is_here;           /* it is this thread that is */
extern const char __executable_start, etext; /* the program's own code, from the linker */

static int find_spared(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    if (strstr(info->dlpi_name, "libroaring") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
            spared_from = info->dlpi_addr + p->p_vaddr;
            spared_to = spared_from + p->p_memsz;
        }
    }
    return 1;
}

static bool is_spared(uintptr_t caller)
{
    return sparing || (caller >= spared_from && caller < spared_to);
}

/* What this thread's own code asks for, not a library that it calls. */
static bool is_own(uintptr_t caller)
{
    return is_here && caller >= (uintptr_t)&__executable_start && caller < (uintptr_t)&etext;
}

/* At the first allocation, before any thread of the program's own and before a sanitizer is
 * up (this file is built without); dlsym allocates nothing when it finds. */
static void find_real(void)
{
    real.calloc = (calloc_fn)(uintptr_t)dlsym(RTLD_NEXT, "calloc");
    real.realloc = (realloc_fn)(uintptr_t)dlsym(RTLD_NEXT, "realloc");
    real.memalign = (memalign_fn)(uintptr_t)dlsym(RTLD_NEXT, "posix_memalign");
    real.malloc = (malloc_fn)(uintptr_t)dlsym(RTLD_NEXT, "malloc");
}

static bool due(void *caller)
{
    if (real.malloc == NULL)
        find_real();
    uint64_t end = atomic_load(&fail_end);
    if (end == 0 || is_spared((uintptr_t)caller) || (atomic_load(&thread_alone) && !is_here) ||
        (atomic_load(&here_alone) && !is_own((uintptr_t)caller)))
        return false;
    uint64_t n = atomic_fetch_add(&calls, 1) + 1;
    if (n < atomic_load(&fail_first) || n >= end)
        return false;
    if (atomic_fetch_add(&failures, 1) == 0)
        atomic_store(&failed_at, caller);
    errno = ENOMEM;
    return true;
}

#define CALLER __builtin_return_address(0)
#define PUBLIC __attribute__((visibility("default"), noinline))

PUBLIC void *malloc(size_t size)
{
    return due(CALLER) ? NULL : real.malloc(size);
}

PUBLIC void *calloc(size_t n, size_t size)
{
    return due(CALLER) ? NULL : real.calloc(n, size);
}

PUBLIC void *realloc(void *p, size_t size)
{
    return due(CALLER) ? NULL : real.realloc(p, size);
}

PUBLIC void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (due(CALLER))
        return NULL;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return real.realloc(p, bytes);
}

PUBLIC int posix_memalign(void **out, size_t alignment, size_t size)
{
    return due(CALLER) ? ENOMEM : real.memalign(out, alignment, size);
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
    void *p = NULL;
    errno = due(CALLER) ? ENOMEM : real.memalign(&p, alignment, size);
    return p;
}

/* A sanitizer's own strdup would get its memory behind our back. */
PUBLIC char *strndup(const char *text, size_t most)
{
    size_t n = strnlen(text, most);
    char *copy = due(CALLER) ? NULL : real.malloc(n + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

PUBLIC char *strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = due(CALLER) ? NULL : real.malloc(n);
    return copy == NULL ? NULL : memcpy(copy, text, n);
}

/* By this a sanitizer learns of a new thread's stack; without memory for it, it gives up. */
PUBLIC int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    typedef int (*getattr_fn)(pthread_t, pthread_attr_t *);
    sparing = true;
    int rc = ((getattr_fn)(uintptr_t)dlsym(RTLD_NEXT, "pthread_getattr_np"))(thread, attr);
    sparing = false;
    return rc;
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static atomic_ullong threads_asked, thread_fails;

PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *context)
{
    typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (atomic_fetch_add(&threads_asked, 1) + 1 == atomic_load(&thread_fails))
        return EAGAIN;
    return ((create_fn)(uintptr_t)dlsym(RTLD_NEXT, "pthread_create"))(thread, attr, run, context);
}

void thread_fail(uint64_t n)
{
    atomic_store(&threads_asked, 0);
    atomic_store(&thread_fails, n);
}

bool thread_failed(void)
{
    bool failed = atomic_load(&threads_asked) >= atomic_load(&thread_fails);
    atomic_store(&thread_fails, 0);
    return failed;
}

/* ---- plans --------------------------------------------------------------------------------------
 */

static void arm(uint64_t n, uint64_t times)
{
    if (spared_to == 0)
        (void)dl_iterate_phdr(find_spared, NULL);
    atomic_store(&fail_end, 0);
    atomic_store(&failed_at, NULL);
    atomic_store(&failures, 0);
    atomic_store(&calls, 0);
    atomic_store(&fail_first, n == 0 ? UINT64_MAX : n);
    atomic_store(&fail_end, n == 0 ? UINT64_MAX : n + times);
}

void alloc_fail_from(uint64_t n, uint64_t times)
{
    atomic_store(&here_alone, false);
    atomic_store(&thread_alone, false);
    arm(n, times);
}

void alloc_fail_thread(uint64_t n, uint64_t times)
{
    is_here = true;
    atomic_store(&here_alone, false);
    atomic_store(&thread_alone, true);
    arm(n, times);
}

void alloc_fail_here(uint64_t n)
{
    is_here = true;
    atomic_store(&here_alone, true);
    arm(n, 1);
}

bool alloc_failed(void)
{
    atomic_store(&fail_end, 0);
    return atomic_load(&failures) > 0;
}

uint64_t alloc_count(void)
{
    return atomic_load(&calls);
}

const char *alloc_failed_at(char *text, uint64_t size)
{
    Dl_info info = {0};
    void *at = atomic_load(&failed_at);
    if (at == NULL || dladdr(at, &info) == 0)
        (void)snprintf(text, size, "nowhere");
    else
        (void)snprintf(text, size, "%s+0x%zx (%s)", info.dli_fname,
                       (size_t)((uintptr_t)at - (uintptr_t)info.dli_fbase),
                       info.dli_sname != NULL ? info.dli_sname : "?");
    return text;
}
