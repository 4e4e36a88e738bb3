/* query.c - see query.h. */
#include "cli/query.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void query_close(struct query *q)
{
    free(q->text);
    *q = (struct query){0};
}

static void add(struct query *q, const char *bytes, size_t n)
{
    if (q->failed)
        return;
    if (q->room - q->len <= n) {
        size_t room = 2 * q->room + n + 256;
        char *grown = realloc(q->text, room);
        q->failed = grown == NULL;
        if (q->failed)
            return;
        q->text = grown;
        q->room = room;
    }
    memcpy(q->text + q->len, bytes, n);
    q->len += n;
    q->text[q->len] = '\0';
}

void query_add(struct query *q, const char *text)
{
    add(q, text, strlen(text));
}

void query_argument(struct query *q, const char *text)
{
    query_add(q, " '");
    for (const char *at = text, *quote; *at != '\0'; at = quote) {
        quote = strchrnul(at, '\'');
        quote += *quote != '\0';
        add(q, at, (size_t)(quote - at));
        if (quote[-1] == '\'')
            query_add(q, "'");
    }
    query_add(q, "'");
}

int query_text(const struct query *q, const char **text, struct zs_error *e)
{
    if (q->failed)
        return error_memory(e);
    *text = q->text == NULL ? "" : q->text;
    return ZS_OK;
}
