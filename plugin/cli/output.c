/* output.c - see output.h. */
#include "cli/output.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/format.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: above, a double skips integers */

/* Counts and sizes; other digits ("0/0", a digest, a version) are text. */
static bool is_count(const char *column)
{
    static const char *const counts[] = {
        "commits",    "change_maps",  "records", "bytes",           "wire_bytes",
        "raw_bytes",  "milliseconds", "files",   "total_records",   "total_bytes",
        "data_bytes", "id",           "pid",     "sessions",        "branches",
        "modules",    "age_seconds",  "percent", "resumed_percent", "left_seconds",
        "epochs",     "gaps",         "left_out"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (strcmp(column, counts[i]) == 0)
            return true;
    return false;
}

cJSON *value_json(const char *column, const char *text)
{
    if (text == NULL)
        return cJSON_CreateNull();
    if (strcmp(column, "resumed") == 0)
        return cJSON_CreateBool(strcmp(text, "true") == 0 || strcmp(text, "t") == 0);
    size_t len = strlen(text);
    if (is_count(column) && len > 0 && len <= 16 && strspn(text, "0123456789") == len) {
        double value = strtod(text, NULL);
        if (value < EXACT_MAX && (len == 1 || text[0] != '0'))
            return cJSON_CreateRaw(text); /* cJSON prints numbers with 15 digits */
    }
    return cJSON_CreateString(text);
}

/* Add, or free both if memory is short. */
static bool add(cJSON *object, const char *name, cJSON *value)
{
    if (value != NULL && cJSON_AddItemToObject(object, name, value) != 0)
        return true;
    cJSON_Delete(value);
    return false;
}

static bool add_columns(cJSON *object, const struct rows *rows, int row)
{
    for (int c = 0; c < rows_columns(rows); c++) {
        const char *name = rows_name(rows, c);
        const char *text = rows_value(rows, row, c);
        if (!add(object, name, value_json(name, text)))
            return false;
    }
    return true;
}

cJSON *row_json(const struct rows *rows, int row)
{
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && add_columns(object, rows, row))
        return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *rows_json(const struct rows *rows)
{
    cJSON *array = cJSON_CreateArray();
    for (int row = 0; array != NULL && row < rows_count(rows); row++) {
        cJSON *object = row_json(rows, row);
        if (object == NULL || cJSON_AddItemToArray(array, object) == 0) {
            cJSON_Delete(object);
            cJSON_Delete(array);
            return NULL;
        }
    }
    return array;
}

void json_layout(char *text)
{
    bool in_string = false;
    for (char *p = text; *p != '\0'; p++) {
        if (in_string && *p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '"')
            in_string = !in_string;
        else if (*p == '\t' && !in_string)
            *p = ' ';
    }
}

int print_json(cJSON *json, struct zs_error *e)
{
    char *text = json == NULL ? NULL : cJSON_Print(json);
    cJSON_Delete(json);
    if (text == NULL)
        return error_memory(e);
    json_layout(text);
    (void)puts(text);
    free(text);
    return ZS_OK;
}

cJSON *result_json(const struct rows *rows)
{
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && cJSON_AddTrueToObject(object, "ok") != NULL &&
        (rows_count(rows) == 0 || add_columns(object, rows, 0)))
        return object;
    cJSON_Delete(object);
    return NULL;
}

int print_result_json(const struct rows *rows, struct zs_error *e)
{
    return print_json(result_json(rows), e);
}

void print_clean(FILE *f, const char *text)
{
    CLEANUP(free_ptr) char *copy = strdup(text);
    if (copy == NULL)
        return;
    clean_text(copy);
    (void)fputs(copy, f);
}

/* Characters, for alignment: bytes that do not continue one. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xC0u) != 0x80u;
    return n;
}

static void pad(size_t n)
{
    while (n-- > 0)
        (void)putchar(' ');
}

void table_add(struct table *t, const char *text)
{
    if (t->cells == t->room && !t->failed) {
        size_t room = t->room == 0 ? 64 : t->room * 2;
        char **grown = reallocarray(t->texts, room, sizeof *grown);
        t->failed = grown == NULL;
        t->texts = grown == NULL ? t->texts : grown;
        t->room = grown == NULL ? t->room : room;
    }
    char *copy = t->failed ? NULL : strdup(text);
    if (copy == NULL) {
        t->failed = true;
        return;
    }
    clean_text(copy);
    t->texts[t->cells++] = copy;
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->cells; i++)
        free(t->texts[i]);
    free(t->texts);
}

int table_print(const struct table *t, const bool *right, struct zs_error *e)
{
    size_t widest[TABLE_COLUMNS_MAX] = {0};
    if (t->failed)
        return error_memory(e);
    for (size_t i = 0; i < t->cells; i++)
        if (width_of(t->texts[i]) > widest[i % t->columns])
            widest[i % t->columns] = width_of(t->texts[i]);
    for (size_t i = 0; i < t->cells; i++) {
        size_t c = i % t->columns, gap = widest[c] - width_of(t->texts[i]);
        if (t->below && c + 1 == t->columns) {
            (void)putchar('\n');
            if (t->texts[i][0] != '\0')
                (void)printf("    %s\n", t->texts[i]);
            continue;
        }
        pad((c > 0 ? 2 : 0) + (right[c] ? gap : 0));
        (void)fputs(t->texts[i], stdout);
        if (c + 1 == t->columns)
            (void)putchar('\n');
        else if (!right[c])
            pad(gap);
    }
    return ZS_OK;
}

static void print_part(const char *head, const char *text)
{
    if (text[0] == '\0')
        return;
    (void)fputs(head, stderr);
    print_clean(stderr, text);
    (void)fputc('\n', stderr);
}

void print_error(const struct zs_error *e)
{
    print_part("zenith: ", e->message);
    print_part("  detail: ", e->detail);
    print_part("  hint: ", e->hint);
}

void print_notice(const struct zs_error *notice)
{
    print_error(notice);
}

/* The error as an object, NULL if memory is short. */
static cJSON *error_json(struct zs_error e)
{
    clean_text(e.message); /* the texts are cut at a size, and JSON has to be UTF-8 */
    clean_text(e.detail);
    clean_text(e.hint);
    cJSON *error = cJSON_CreateObject();
    if (error != NULL && cJSON_AddStringToObject(error, "sqlstate", e.sqlstate) != NULL &&
        cJSON_AddStringToObject(error, "message", e.message) != NULL &&
        cJSON_AddStringToObject(error, "detail", e.detail) != NULL &&
        cJSON_AddStringToObject(error, "hint", e.hint) != NULL)
        return error;
    cJSON_Delete(error);
    return NULL;
}

void print_failure_json(const struct zs_error *e, const char *name, cJSON *more)
{
    struct zs_error ignored;
    cJSON *root = cJSON_CreateObject();
    bool told = root != NULL && cJSON_AddFalseToObject(root, "ok") != NULL &&
                add(root, "error", error_json(*e));
    if (!told)
        cJSON_Delete(more);
    else if (more != NULL)
        told = add(root, name, more);
    if (!told)
        cJSON_Delete(root);
    if (!told || print_json(root, &ignored) != ZS_OK)
        print_error(e);
}

void print_error_json(const struct zs_error *e)
{
    print_failure_json(e, NULL, NULL);
}

/* Standard output is a pipe that nobody reads any more; keeps errno. */
static bool reader_left(void)
{
    int before = errno;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    bool left = poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
    errno = before;
    return left;
}

bool output_finish(void)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0)
        failed = true;
    if (!failed)
        return true;
    if (reader_left()) /* it has seen enough */
        return false;
    (void)fprintf(stderr, "zenith: cannot write to standard output%s%s\n", errno == 0 ? "" : ": ",
                  errno == 0 ? "" : strerrordesc_np(errno));
    return false;
}
