/* watch.h - asking the watcher of a transfer, and telling it.
 * Every member of a struct pgdata_watch, and the watch itself, may be NULL.
 * Threads: as pgdata.h. */
#ifndef HOST_STUBS_PGDATA_WATCH_H
#define HOST_STUBS_PGDATA_WATCH_H

#include "pgdata/pgdata.h"

#include "base/error.h"

/* 57014 if a stop is asked for or the deadline is past. */
int watch_poll(const struct pgdata_watch *watch, struct zs_error *e);

void watch_note(const struct pgdata_watch *watch, const char *format, ...) PRINTF_LIKE(2, 3);

/* done is cut at total; a total of 0 is unknown. */
void watch_progress(const struct pgdata_watch *watch, uint64_t done, uint64_t total);

#endif
