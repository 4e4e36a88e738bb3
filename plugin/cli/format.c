/* format.c - see format.h. */
#include "cli/format.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static struct amount scaled(double value, const char *tail)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct amount a;
    size_t unit = 0;
    /* 1023.95 KiB would print as 1024.0 KiB. */
    for (; value >= (unit == 0 ? 1023.5 : 1023.95) && unit + 1 < sizeof units / sizeof *units;
         unit++)
        value /= 1024;
    if (unit == 0)
        (void)snprintf(a.s, sizeof a.s, "%.0f %s%s", value,
                       value >= 0.5 && value < 1.5 ? "byte" : units[0], tail);
    else
        (void)snprintf(a.s, sizeof a.s, "%.1f %s%s", value, units[unit], tail);
    return a;
}

struct amount bytes_text(uint64_t bytes)
{
    return scaled((double)bytes, "");
}

struct amount rate_text(uint64_t bytes, uint64_t ms)
{
    return scaled((double)bytes * 1000.0 / (double)(ms == 0 ? 1 : ms), "/s");
}

struct amount count_text(uint64_t n)
{
    struct amount a;
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n), to = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            a.s[to++] = ',';
        a.s[to++] = digits[i];
    }
    a.s[to] = '\0';
    return a;
}

struct amount duration_text(uint64_t ms)
{
    struct amount a;
    uint64_t seconds = ms / 1000 + (ms % 1000 >= 500);
    if (ms < 9995)
        (void)snprintf(a.s, sizeof a.s, "%.2f s", (double)ms / 1000);
    else if (ms < 59950)
        (void)snprintf(a.s, sizeof a.s, "%.1f s", (double)ms / 1000);
    else if (seconds < 3600)
        (void)snprintf(a.s, sizeof a.s, "%" PRIu64 " min %02u s", seconds / 60,
                       (unsigned)(seconds % 60));
    else
        (void)snprintf(a.s, sizeof a.s, "%" PRIu64 " h %02u min", seconds / 3600,
                       (unsigned)(seconds / 60 % 60));
    return a;
}

struct amount clock_text(uint64_t seconds)
{
    struct amount a;
    if (seconds < 3600)
        (void)snprintf(a.s, sizeof a.s, "%u:%02u", (unsigned)(seconds / 60),
                       (unsigned)(seconds % 60));
    else
        (void)snprintf(a.s, sizeof a.s, "%" PRIu64 ":%02u:%02u", seconds / 3600,
                       (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
    return a;
}

void clean_text(char *text)
{
    unsigned char *from = (unsigned char *)text, *to = from;
    while (*from != '\0') {
        size_t len = utf8_length(from);
        if (len == 1 && (*from < 0x20 || *from == 0x7f)) {
            *to++ = *from == '\n' || *from == '\t' || *from == '\r' ? ' ' : '?';
            from++;
        } else if (len == 0 || (from[0] == 0xC2 && from[1] < 0xA0)) {
            *to++ = '?';
            from += len == 0 ? 1 : len;
        } else {
            while (len-- > 0)
                *to++ = *from++;
        }
    }
    *to = '\0';
}
