/* error.h - filling in a struct zs_error, once, where the failure arises.
 *
 *     if (n > ZS_VALUE_MAX)
 *         return error_set(e, ZS_VALUE_TOO_LARGE, "value of %u bytes is too large", n);
 *     TRY(store_ingest_put(store, ingest, records, n, e));
 *
 * Texts are whole sentences: no trailing full stop in the message and detail's
 * last sentence is optional; hints end with a full stop.  Texts too long are cut
 * at a character's border, and a byte that is no UTF-8 becomes '?'.  Threads: none of its own. */
#ifndef ZS_BASE_ERROR_H
#define ZS_BASE_ERROR_H

#include <zenith-sync/types.h>

#include <stdbool.h>

#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* Go up with an error that has been set below. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((call) != ZS_OK)                                                                       \
            return ZS_FAIL;                                                                        \
    } while (0)

/* Clear e and set its SQLSTATE, the retry class that goes with it, and the
 * message.  Returns ZS_FAIL, so that it can be returned. */
int error_set(struct zs_error *e, const char *sqlstate, const char *format, ...) PRINTF_LIKE(3, 4);

/* Add to an error that is set.  Both return ZS_FAIL. */
int error_detail(struct zs_error *e, const char *format, ...) PRINTF_LIKE(2, 3);
int error_hint(struct zs_error *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* For a failed system call: the SQLSTATE follows from errnum (ENOSPC and EDQUOT
 * 53100, ENOMEM 53200, EMFILE and ENFILE 53400, EACCES and EPERM 42501, else
 * 58030), and ": " and what errnum means are put behind the message; a full disk, too
 * little memory, too many open files and EIO get a hint, which error_hint replaces.
 * Returns ZS_FAIL. */
int error_errno(struct zs_error *e, int errnum, const char *format, ...) PRINTF_LIKE(3, 4);

/* 53200, "out of memory". Returns ZS_FAIL. */
int error_memory(struct zs_error *e);

/* Is an error set, and is it this one? */
bool error_is(const struct zs_error *e, const char *sqlstate);

/* Across a border: a callee that failed without setting e has a bug; say so
 * (XX000) and name it.  Returns rc if it is ZS_OK, else ZS_FAIL. */
int error_check(int rc, struct zs_error *e, const char *callee);

#endif
