/* meter.h - how far a command is, on standard error.
 * Flow: server.c hands over notices; meter_notice takes those that are progress and
 * draws one line on a terminal, or prints a line every few seconds elsewhere.
 * The line itself is made by pure functions.  Threads: none; one per command. */
#ifndef ZS_CLI_METER_H
#define ZS_CLI_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zenith-sync/types.h>

#define METER_LINE_EVERY_MS 3000 /* not on a terminal */
#define METER_LINE_MAX      256

/* One progress notice.  A total of 0 is not known. */
struct progress {
    char phase[16];
    uint64_t records, total_records, bytes, total_bytes, wire_bytes;
};

/* Read a notice's detail.  False if it is not progress. */
bool progress_parse(const char *detail, struct progress *out);

/* "main: sending  [####....]  34 %  33.1 MiB of 96.4 MiB  120.0 MiB/s  0:05 left", at
 * most `columns` wide; the bar (terminals alone) gives way first, then the tail.
 * rate_bps 0: not known yet. */
void progress_line(const struct progress *p, const char *label, uint64_t rate_bps, bool bar,
                   size_t columns, char *line, size_t size);

struct meter {
    bool wanted, terminal, drawn;
    const char *label; /* what travels: the branch */
    char phase[16];
    int64_t open_ns, phase_ns; /* when it was opened; when the phase began */
    int64_t line_ns;           /* when a line was last printed; 0 none yet */
    uint64_t phase_bytes;      /* bytes when it began */
};

/* `wanted` false: nothing is ever shown. */
void meter_open(struct meter *m, const char *label, bool wanted);

/* Show it if it is progress.  False if it is not: the caller prints it. */
bool meter_notice(struct meter *m, const struct zs_error *notice);

/* Take the line off the terminal, before something else is printed. */
void meter_clear(struct meter *m);

#endif
