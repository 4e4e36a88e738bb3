/* output.h - rows as JSON, tables for people, errors in either form.
 * A failed write to standard output is found at the end, by output_finish.
 * Threads: none. */
#ifndef ZS_CLI_OUTPUT_H
#define ZS_CLI_OUTPUT_H

#include "cli/rows.h"
#include <cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <zenith-sync/types.h>

/* A row as an object: counts as numbers (text from 2^53 on), true and false as
 * such, everything else as text.  NULL if memory is short. */
cJSON *row_json(const struct rows *rows, int row);

/* All rows as an array of such objects. */
cJSON *rows_json(const struct rows *rows);

/* A column's text as a value; pure, for row_json. */
cJSON *value_json(const char *column, const char *text);

/* cJSON lays out with tabs, behind colons too: each becomes one blank.  In place. */
void json_layout(char *text);

/* Print and free.  NULL is out of memory: 53200. */
int print_json(cJSON *json, struct zs_error *e);

/* An object with "ok": true in front of the first row's members, if there is a row.
 * NULL if memory is short. */
cJSON *result_json(const struct rows *rows);
int print_result_json(const struct rows *rows, struct zs_error *e);

/* Text from elsewhere to a stream, cleaned. */
void print_clean(FILE *f, const char *text);

#define TABLE_COLUMNS_MAX 10

/* Cells in aligned columns, filled line by line, the first one with the heads. */
struct table {
    size_t columns, cells, room;
    char **texts;
    bool below;  /* the last column has no head, and stands below its line */
    bool failed; /* memory was short */
};

void table_add(struct table *t, const char *text); /* copies, and cleans */
/* right[c]: a column of numbers. */
int table_print(const struct table *t, const bool *right, struct zs_error *e);
void table_fini(struct table *t); /* CLEANUP(table_fini) struct table t = {.columns = 5} */

/* "zenith: message", "  detail: ", "  hint: " on standard error. */
void print_error(const struct zs_error *e);

/* {"ok":false,"error":{...}} on standard output. */
void print_error_json(const struct zs_error *e);

/* The same with a member more: an array of what was found on the way, taken over. */
void print_failure_json(const struct zs_error *e, const char *name, cJSON *more);

/* A notice for people. */
void print_notice(const struct zs_error *notice);

/* Flush standard output.  False, and said, if not all of it could be written. */
bool output_finish(void);

#endif
