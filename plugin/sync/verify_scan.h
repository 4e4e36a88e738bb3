/* verify_scan.h - every record of a snapshot that can be read, and what cannot.
 * Flow: sync/verify -> here -> store/'s iterators.
 *
 * A range that cannot be read is found out to the key: what was handed on in front of it
 * is read again one by one, then the next key behind it that can be read is searched for,
 * by steps that double and a bisection back.  Between two ranges that are damaged, what
 * can be read may be counted to them, too.
 * Memory: one buffer.  Threads: the caller's. */
#ifndef ZS_SYNC_VERIFY_SCAN_H
#define ZS_SYNC_VERIFY_SCAN_H

#include "store/store.h"

/* So many ranges that cannot be read, and no more is looked at. */
#define VERIFY_SCAN_MAX_GAPS 256u

/* What cannot be read: from behind `after` (NULL: from the start) to in front of `before`
 * (NULL: to the end). */
struct scan_gap {
    const uint8_t *after, *before; /* keys */
    zs_lsn after_lsn;              /* the last version of `after` that could be read */
    bool last;                     /* the scan ends here, though more may be there */
    const struct zs_error *why;
};

struct scan_visitor {
    void *context;
    void (*records)(void *context, const struct zs_record *records, uint64_t n);
    void (*gap)(void *context, const struct scan_gap *gap);
};

/* Damage goes to the visitor; what else fails, fails here.  57014. */
int verify_scan(const struct snapshot *s, zs_lsn after_lsn, zs_lsn upto_lsn,
                const struct zs_cancel *cancel, const struct scan_visitor *visitor,
                struct zs_error *e);

#endif
