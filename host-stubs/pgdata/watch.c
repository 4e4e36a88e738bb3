/* watch.c - see watch.h. */
#include "pgdata/watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static bool past(int64_t deadline_ns)
{
    struct timespec now;
    if (deadline_ns == 0 || clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return false;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= deadline_ns;
}

int watch_poll(const struct pgdata_watch *watch, struct zs_error *e)
{
    const struct zs_cancel *cancel = watch == NULL ? NULL : watch->cancel;
    if (cancel == NULL)
        return ZS_OK;
    if (cancel->requested(cancel->self) || past(cancel->deadline_ns)) {
        error_set(e, ZS_CANCELLED, "cancelled on request");
        return error_hint(e, "Nothing was changed; give the command again.");
    }
    return ZS_OK;
}

void watch_note(const struct pgdata_watch *watch, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    if (watch == NULL || watch->note == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    watch->note(watch->context, sentence);
}

void watch_progress(const struct pgdata_watch *watch, uint64_t done, uint64_t total)
{
    if (watch != NULL && watch->progress != NULL)
        watch->progress(watch->context, total == 0 || done < total ? done : total, total);
}
