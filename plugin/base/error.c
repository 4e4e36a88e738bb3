/* error.c - see error.h. */
#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_HINT "Try again when the server has more free memory."

/* Which SQLSTATEs may go away by themselves: class 08 cut off in the middle can
 * be resumed; busy, moved, full and down may be better later. */
static uint8_t retry_class(const char *sqlstate)
{
    static const struct {
        char sqlstate[6];
        uint8_t retry;
    } classes[] = {
        {ZS_BUSY, ZS_RETRY_LATER},           {ZS_MOVED_MEANWHILE, ZS_RETRY_LATER},
        {ZS_CANNOT_CONNECT, ZS_RETRY_LATER}, {ZS_DISK_FULL, ZS_RETRY_LATER},
        {ZS_OUT_OF_MEMORY, ZS_RETRY_LATER},  {ZS_LIMIT_EXCEEDED, ZS_RETRY_LATER},
        {ZS_CANCELLED, ZS_RETRY_RESUME},     {ZS_CONNECTION_LOST, ZS_RETRY_RESUME},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i].sqlstate, sqlstate) == 0)
            return classes[i].retry;
    return ZS_RETRY_NEVER;
}

/* Whoever reads an error reads UTF-8: a byte that belongs to no character becomes '?'.  A
 * character that the array's end (it is `cut`) left in two is dropped. */
static void mend(char *text, bool cut)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0';) {
        size_t len = utf8_length(p);
        if (len == 0 && cut && strlen((const char *)p) < 4 && *p >= 0xC0) {
            *p = '\0';
            return;
        }
        if (len == 0)
            *p = '?';
        p += len == 0 ? 1 : len;
    }
}

static void print(char *text, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(text, size, format, args);
    mend(text, n < 0 || (size_t)n >= size);
}

static void reset(struct zs_error *e, const char *sqlstate)
{
    memset(e, 0, sizeof *e);
    memcpy(e->sqlstate, sqlstate, 5);
    e->retry = retry_class(e->sqlstate);
}

int error_set(struct zs_error *e, const char *sqlstate, const char *format, ...)
{
    struct zs_error fresh; /* the arguments may point into *e */
    reset(&fresh, sqlstate);
    va_list args;
    va_start(args, format);
    print(fresh.message, sizeof fresh.message, format, args);
    va_end(args);
    *e = fresh;
    return ZS_FAIL;
}

int error_detail(struct zs_error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(e->detail, sizeof e->detail, format, args);
    va_end(args);
    return ZS_FAIL;
}

int error_hint(struct zs_error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(e->hint, sizeof e->hint, format, args);
    va_end(args);
    return ZS_FAIL;
}

static const char *errno_sqlstate(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return ZS_DISK_FULL;
    case ENOMEM:
        return ZS_OUT_OF_MEMORY;
    case EMFILE:
    case ENFILE:
    case EAGAIN: /* of a thread that cannot be started; what would wait is nobody's error */
        return ZS_LIMIT_EXCEEDED;
    case EACCES:
    case EPERM:
        return ZS_NO_PERMISSION;
    default:
        return ZS_IO_ERROR;
    }
}

/* What helps whatever was being done; a caller who knows better replaces it. */
static const char *errno_hint(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return "Free space on that disk and try again.";
    case ENOMEM:
        return MEMORY_HINT;
    case EMFILE:
    case ENFILE:
        return "Raise the limit of open files (ulimit -n) and start the server again.";
    case EAGAIN:
        return "Wait until less runs here, or raise the limit of processes (ulimit -u).";
    case EIO:
        return "See that the disk is sound; the kernel's log says more about it.";
    case EACCES:
    case EPERM:
        return "Give the user that runs this the right to it and try again.";
    default:
        return "";
    }
}

int error_errno(struct zs_error *e, int errnum, const char *format, ...)
{
    reset(e, errno_sqlstate(errnum));
    va_list args;
    va_start(args, format);
    print(e->message, sizeof e->message, format, args);
    va_end(args);
    size_t used = strlen(e->message);
    int n = snprintf(e->message + used, sizeof e->message - used, ": %s", strerrordesc_np(errnum));
    mend(e->message + used, n < 0 || (size_t)n >= sizeof e->message - used);
    return error_hint(e, "%s", errno_hint(errnum));
}

int error_memory(struct zs_error *e)
{
    error_set(e, ZS_OUT_OF_MEMORY, "out of memory");
    return error_hint(e, MEMORY_HINT);
}

bool error_is(const struct zs_error *e, const char *sqlstate)
{
    return strcmp(e->sqlstate, sqlstate) == 0;
}

int error_check(int rc, struct zs_error *e, const char *callee)
{
    if (rc == ZS_OK)
        return ZS_OK;
    if (e->sqlstate[0] == '\0')
        return error_set(e, ZS_INTERNAL_ERROR, "%s failed and did not say why", callee);
    return ZS_FAIL;
}
