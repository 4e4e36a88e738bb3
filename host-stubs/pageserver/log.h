/* log.h - one line per event, with its time and level, to one descriptor.
 * A line is one write(2), so lines of several threads and of a reopened file do not
 * mix.  Control characters are shown as \xNN: nobody forges a line.
 * Threads: any. */
#ifndef PAGESERVER_LOG_H
#define PAGESERVER_LOG_H

#include "base/error.h"

#include <zenith-sync/host.h>

struct log {
    int fd;         /* borrowed */
    uint32_t level; /* the least that is written: ZS_LOG_* */
};

void log_line(const struct log *log, uint32_t level, const char *format, ...) PRINTF_LIKE(3, 4);

/* An error as one line: SQLSTATE, message, detail and hint. */
void log_error(const struct log *log, uint32_t level, const char *what, const struct zs_error *e);

/* How loud a command's failure with this SQLSTATE is: an error if this server or its machine
 * is at fault, a warning if a peer or the way to it is, else for information. */
uint32_t log_failure_level(const char *sqlstate);

/* An error for a person at a terminal: "pageserver: message", DETAIL, HINT. */
void error_print(const struct zs_error *e);

#endif
