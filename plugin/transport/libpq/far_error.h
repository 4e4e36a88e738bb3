/* far_error.h - what the far server said, as a struct zs_error.
 * What it says to a command comes as it said it.  What it says at login reaches libpq's
 * callers as text only, which is taken apart here.  Pure.  Threads: any. */
#ifndef ZS_LIBPQ_FAR_ERROR_H
#define ZS_LIBPQ_FAR_ERROR_H

#include <libpq-fe.h>
#include <zenith-sync/types.h>

/* An error result: SQLSTATE, message, detail and hint untouched, but that of one over
 * there itself (its disk, its memory, its files, its roles, a branch in use, its end: 53, 55, 57,
 * 58, XX, 42501) names `far`, in front of the message, as it could be taken for one of this
 * server's.  One that libpq made itself (no SQLSTATE) is 08006 and names `far`, too.  Returns
 * ZS_FAIL. */
int far_error_result(const PGresult *result, const char *far, struct zs_error *e);
/* The same of an error's fields, "" where there is none. */
int far_error_fields(const char *sqlstate, const char *message, const char *detail,
                     const char *hint, const char *far, struct zs_error *e);

/* The connection broke; `text` is libpq's.  08006.  Returns ZS_FAIL. */
int far_error_lost(const char *text, const char *far, struct zs_error *e);

/* A connection that did not come about; `text` is PQerrorMessage at PQERRORS_VERBOSE.
 * 28P01 and 28000 not let in, else 08001.  Returns ZS_FAIL. */
int far_error_login(const char *text, int needs_password, const char *far, struct zs_error *e);

#endif
