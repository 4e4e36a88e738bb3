/* inbox.c - see inbox.h. */
#include "transport/libpq/inbox.h"

#include <libpq-fe.h>
#include <stdlib.h>

struct inbox_message {
    struct inbox_message *next;
    char *bytes;
    size_t len;
};

bool inbox_push(struct inbox *in, char *bytes, size_t len)
{
    struct inbox_message *m = malloc(sizeof *m);
    if (m == NULL) {
        PQfreemem(bytes);
        return false;
    }
    *m = (struct inbox_message){.bytes = bytes, .len = len};
    if (in->last == NULL)
        in->first = m;
    else
        in->last->next = m;
    in->last = m;
    in->bytes += len + sizeof *m;
    return true;
}

char *inbox_pop(struct inbox *in, size_t *len)
{
    struct inbox_message *m = in->first;
    if (m == NULL)
        return NULL;
    char *bytes = m->bytes;
    *len = m->len;
    in->bytes -= m->len + sizeof *m;
    in->first = m->next;
    if (in->first == NULL)
        in->last = NULL;
    free(m);
    return bytes;
}

void inbox_clear(struct inbox *in)
{
    size_t len;
    for (char *bytes = inbox_pop(in, &len); bytes != NULL; bytes = inbox_pop(in, &len))
        PQfreemem(bytes);
}
