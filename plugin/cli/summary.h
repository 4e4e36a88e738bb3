/* summary.h - the sentence that a command ends with.
 * Pure: from the result row's values to text.  Threads: any. */
#ifndef ZS_CLI_SUMMARY_H
#define ZS_CLI_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What went where.  Texts are never NULL. */
struct transfer_summary {
    bool push; /* else pull */
    bool dry_run;
    const char *verdict, *branch, *origin, *far_branch, *from_lsn, *to_lsn;
    uint64_t records, raw_bytes, wire_bytes, milliseconds;
    bool resumed;
    uint64_t resumed_percent;
};

/* "main -> cloud:main  0/0..16/B374D848, 12,345 records, 96.4 MiB in 0.08 s (1.2 GiB/s)" */
void transfer_sentence(FILE *f, const struct transfer_summary *s);

/* A verification's good end.  origin NULL: of this side alone. */
struct verify_summary {
    const char *origin, *result, *branch, *far_branch, *last_lsn, *near_lsn, *far_lsn;
    uint64_t records, bytes, wire_bytes, milliseconds;
};

/* "main is sound up to 16/B374D848: 12,345 records, 96.4 MiB in 0.08 s (1.2 GiB/s)" */
void verify_sentence(FILE *f, const struct verify_summary *s);

struct import_summary {
    const char *branch, *result, *from_lsn, *to_lsn;
    uint64_t records, bytes, milliseconds;
};
void import_sentence(FILE *f, const struct import_summary *s);

struct export_summary {
    const char *branch, *lsn, *dir;
    uint64_t files, bytes, milliseconds;
};
void export_sentence(FILE *f, const struct export_summary *s);

#endif
