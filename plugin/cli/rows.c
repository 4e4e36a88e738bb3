/* rows.c - see rows.h. */
#include "cli/rows.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

#define NOTHING SIZE_MAX /* null */

struct rows {
    char *text;
    size_t text_len, text_room;
    size_t *at; /* in text: the columns' names, then row by row the values */
    size_t n, room;
    uint32_t columns;
};

static int not_rows(struct zs_error *e)
{
    return error_set(e, ZS_PROTOCOL_VIOLATION, "the server sent rows that cannot be read");
}

/* One more text of `len` bytes; NULL: null. */
static int add(struct rows *rows, const void *text, size_t len, struct zs_error *e)
{
    if (rows->n == rows->room) {
        size_t room = rows->room == 0 ? 32 : 2 * rows->room;
        size_t *at = reallocarray(rows->at, room, sizeof *at);
        if (at == NULL)
            return error_memory(e);
        rows->at = at;
        rows->room = room;
    }
    if (text == NULL) {
        rows->at[rows->n++] = NOTHING;
        return ZS_OK;
    }
    if (rows->text_room - rows->text_len <= len) {
        size_t room = 2 * (rows->text_len + len + 256);
        char *grown = realloc(rows->text, room);
        if (grown == NULL)
            return error_memory(e);
        rows->text = grown;
        rows->text_room = room;
    }
    rows->at[rows->n++] = rows->text_len;
    memcpy(rows->text + rows->text_len, text, len);
    rows->text[rows->text_len + len] = '\0';
    rows->text_len += len + 1;
    return ZS_OK;
}

int rows_open(const void *body, size_t len, struct rows **out, struct zs_error *e)
{
    CLEANUP(rows_close_ptr) struct rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL)
        return error_memory(e);
    struct reader r = reader_over(body, len);
    rows->columns = reader_u16be(&r);
    for (uint32_t c = 0; c < rows->columns; c++) {
        const char *name = reader_cstring(&r);
        (void)reader_take(&r, 18); /* table, column, type, size, modifier, format */
        if (r.failed)
            return not_rows(e);
        TRY(add(rows, name, strlen(name), e));
    }
    if (r.failed || reader_left(&r) > 0)
        return not_rows(e);
    *out = rows;
    rows = NULL;
    return ZS_OK;
}

void rows_close(struct rows *rows)
{
    if (rows == NULL)
        return;
    free(rows->text);
    free(rows->at);
    free(rows);
}

int rows_add(struct rows *rows, const void *body, size_t len, struct zs_error *e)
{
    struct reader r = reader_over(body, len);
    if (reader_u16be(&r) != rows->columns)
        return not_rows(e);
    for (uint32_t c = 0; c < rows->columns; c++) {
        uint32_t bytes = reader_u32be(&r);
        const uint8_t *value = bytes == UINT32_MAX ? NULL : reader_take(&r, bytes);
        if (r.failed)
            return not_rows(e);
        TRY(add(rows, value, bytes, e));
    }
    return r.failed || reader_left(&r) > 0 ? not_rows(e) : ZS_OK;
}

int rows_count(const struct rows *rows)
{
    return rows->columns == 0 ? 0 : (int)(rows->n / rows->columns) - 1;
}

int rows_columns(const struct rows *rows)
{
    return (int)rows->columns;
}

static const char *text_at(const struct rows *rows, size_t i)
{
    return rows->at[i] == NOTHING ? NULL : rows->text + rows->at[i];
}

const char *rows_name(const struct rows *rows, int column)
{
    return text_at(rows, (size_t)column);
}

const char *rows_value(const struct rows *rows, int row, int column)
{
    return text_at(rows, (size_t)(row + 1) * rows->columns + (size_t)column);
}

const char *row_text(const struct rows *rows, int row, const char *column)
{
    if (row >= rows_count(rows))
        return "";
    for (int c = 0; c < rows_columns(rows); c++) {
        const char *value =
            strcmp(rows_name(rows, c), column) == 0 ? rows_value(rows, row, c) : NULL;
        if (value != NULL)
            return value;
    }
    return "";
}

uint64_t row_number(const struct rows *rows, int row, const char *column)
{
    const char *text = row_text(rows, row, column);
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return 0;
    return strtoull(text, NULL, 10);
}
