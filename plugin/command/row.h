/* row.h - a command's result: columns, rows, and numbers as text.
 * Flow: a command -> here -> the session's columns and row.  Threads: the session's. */
#ifndef ZS_COMMAND_ROW_H
#define ZS_COMMAND_ROW_H

#include <zenith-sync/host.h>

struct number_text {
    char s[21];
};
struct number_text number_text(uint64_t value);

/* The columns, once, then each row; a value that is NULL is SQL's null.  Errors: the host's. */
int row_columns(const struct zs_session *session, const char *const *names, uint32_t n,
                struct zs_error *e);
int row_write(const struct zs_session *session, const char *const *values, uint32_t n,
              struct zs_error *e);

/* A result of one row. */
int row_only(const struct zs_session *session, const char *const *names, const char *const *values,
             uint32_t n, struct zs_error *e);

#endif
