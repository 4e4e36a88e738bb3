/* rate.h - a rate in bytes per second, as people type it.  Pure.  Threads: any. */
#ifndef ZS_BASE_RATE_H
#define ZS_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* The least limit that a transfer takes. */
#define RATE_LEAST_BPS 16384u

/* "10M", "500k", "1.5G" bytes per second, powers of 1024; false if it is not one. */
bool rate_parse(const char *text, uint64_t *bps);

/* The same as a transfer's limit: 0 (none), or at least RATE_LEAST_BPS. */
bool rate_limit_parse(const char *text, uint64_t *bps);

#endif
