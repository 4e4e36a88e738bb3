/* log.c - see log.h. */
#include "pageserver/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static const char *level_name(uint32_t level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return level < sizeof names / sizeof *names ? names[level] : "error";
}

static size_t put_time(char *out, size_t size)
{
    struct timespec now;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm);
    int more = snprintf(out + n, size - n, ".%03dZ ", (int)(now.tv_nsec / 1000000));
    return n + (more > 0 ? (size_t)more : 0);
}

/* Copy text, control characters escaped; returns the new end. */
static size_t put_text(char *out, size_t at, size_t size, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && at + 5 < size; p++) {
        if (*p >= 0x20 && *p != 0x7f) {
            out[at++] = (char)*p;
            continue;
        }
        out[at++] = '\\';
        out[at++] = 'x';
        out[at++] = hex[*p >> 4u];
        out[at++] = hex[*p & 15u];
    }
    return at;
}

void log_line(const struct log *log, uint32_t level, const char *format, ...)
{
    if (level < log->level)
        return;
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);

    char line[LINE_MAX_BYTES + 128];
    size_t n = put_time(line, sizeof line);
    n = put_text(line, n, sizeof line, level_name(level));
    n = put_text(line, n, sizeof line, ": ");
    n = put_text(line, n, sizeof line - 1, text);
    line[n++] = '\n';
    ssize_t written = write(log->fd, line, n); /* a log that is full stops nobody */
    (void)written;
}

void log_error(const struct log *log, uint32_t level, const char *what, const struct zs_error *e)
{
    log_line(log, level, "%s: %s: %s%s%s%s%s", what, e->sqlstate, e->message,
             e->detail[0] != '\0' ? "; " : "", e->detail, e->hint[0] != '\0' ? "; " : "", e->hint);
}

uint32_t log_failure_level(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        uint32_t level;
    } known[] = {{"XX", ZS_LOG_ERROR},
                 {"58", ZS_LOG_ERROR},
                 {"53", ZS_LOG_ERROR},
                 {"08", ZS_LOG_WARNING},
                 {"28", ZS_LOG_WARNING}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(sqlstate, known[i].prefix, 2) == 0)
            return known[i].level;
    return ZS_LOG_INFO;
}

void error_print(const struct zs_error *e)
{
    (void)fprintf(stderr, "pageserver: %s\n", e->message);
    if (e->detail[0] != '\0')
        (void)fprintf(stderr, "DETAIL:  %s\n", e->detail);
    if (e->hint[0] != '\0')
        (void)fprintf(stderr, "HINT:  %s\n", e->hint);
}
