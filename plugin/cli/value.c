/* value.c - see value.h. */
#include "cli/value.h"

#include "base/error.h"
#include "base/rate.h"

#include <string.h>

int value_check_max_rate(const char *text, struct zs_error *e)
{
    uint64_t bps = 0;
    if (text == NULL || rate_limit_parse(text, &bps))
        return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "\"%.60s\" is not a rate that --max-rate takes", text);
    return error_hint(e,
                      "Type bytes per second, at least %uk, such as 500k, 10M or 1.5G; 0 is "
                      "no limit.",
                      RATE_LEAST_BPS / 1024);
}

int value_check_compression(const char *text, struct zs_error *e)
{
    static const char *const methods[] = {"auto", "none", "lz4", "zstd"};
    if (text == NULL)
        return ZS_OK;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(text, methods[i]) == 0)
            return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "\"%.60s\" is not a method that --compression takes", text);
    return error_hint(e, "Type auto, none, lz4 or zstd.");
}
