/* format.h - numbers as people read them, and text that a terminal can take.
 * Pure.  Results are values, to be used in one expression: bytes_text(n).s
 * Threads: any. */
#ifndef ZS_CLI_FORMAT_H
#define ZS_CLI_FORMAT_H

#include <stdint.h>

struct amount {
    char s[32];
};

struct amount bytes_text(uint64_t bytes);             /* "1 byte", "96.4 MiB" */
struct amount rate_text(uint64_t bytes, uint64_t ms); /* "1.2 GiB/s"; 0 ms counts as 1 */
struct amount count_text(uint64_t n);                 /* "12,345" */
struct amount duration_text(uint64_t ms);             /* "0.08 s", "12.3 s", "3 min 20 s" */
struct amount clock_text(uint64_t seconds);           /* "0:05", "12:34", "1:02:03" */

/* Text from elsewhere, made fit for a terminal, in place: control characters
 * (escape sequences need one), C1 too, and bytes that are no UTF-8 become '?';
 * a newline or tab becomes a blank. */
void clean_text(char *text);

#endif
