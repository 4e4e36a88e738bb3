/* rows.h - the rows that a server command gives, all values as text.
 * Flow: cli/server makes them from the server's messages; the subcommands read them.
 * What holds: every row has a value, or null, for every column.
 * Threads: none.  Memory: one buffer for all texts, one array of where they begin. */
#ifndef ZS_CLI_ROWS_H
#define ZS_CLI_ROWS_H

#include <stdint.h>
#include <zenith-sync/types.h>

struct rows;

/* The columns, from a RowDescription's body.  08P01 if that is none. */
int rows_open(const void *body, size_t len, struct rows **out, struct zs_error *e);
void rows_close(struct rows *rows); /* NULL is fine */

/* One more row, from a DataRow's body.  08P01. */
int rows_add(struct rows *rows, const void *body, size_t len, struct zs_error *e);

int rows_count(const struct rows *rows);
int rows_columns(const struct rows *rows);
const char *rows_name(const struct rows *rows, int column);

/* NULL: null. */
const char *rows_value(const struct rows *rows, int row, int column);

/* The value in a row by its column's name; "" if there is no such column or row, or
 * it is null. */
const char *row_text(const struct rows *rows, int row, const char *column);

/* The same as a number; 0 if it is none. */
uint64_t row_number(const struct rows *rows, int row, const char *column);

static inline void rows_close_ptr(struct rows **rows) /* CLEANUP(rows_close_ptr) */
{
    rows_close(*rows);
}

#endif
