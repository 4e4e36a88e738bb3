/* rate.c - see rate.h. */
#include "base/rate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool rate_parse(const char *text, uint64_t *bps)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*text))
        return false;
    double value = strtod(text, &end);
    double unit = 1;
    size_t number = (size_t)(end - text); /* not 0x10 or 1e5, which strtod reads too */
    size_t digits = strspn(text, "0123456789.");
    switch (*end) {
    case 'k':
    case 'K':
        unit = 1024.0;
        break;
    case 'm':
    case 'M':
        unit = 1024.0 * 1024;
        break;
    case 'g':
    case 'G':
        unit = 1024.0 * 1024 * 1024;
        break;
    default:
        break;
    }
    end += unit > 1;
    if (*end != '\0' || digits != number || !(value * unit <= 1e15))
        return false;
    if (value > 0 && value * unit < 1) /* 0 is no limit at all */
        return false;
    *bps = (uint64_t)(value * unit);
    return true;
}

bool rate_limit_parse(const char *text, uint64_t *bps)
{
    uint64_t value = 0;
    if (!rate_parse(text, &value) || (value != 0 && value < RATE_LEAST_BPS))
        return false;
    *bps = value;
    return true;
}
