/* inbox.h - messages that have come in and that nobody has asked for yet, in order.
 * A sender that has to wait puts them here; recv takes them out.  Threads: the owner's
 * lock guards it.  Owns its messages, which are libpq's memory (PQfreemem). */
#ifndef ZS_LIBPQ_INBOX_H
#define ZS_LIBPQ_INBOX_H

#include <stdbool.h>
#include <stddef.h>

struct inbox_message;

struct inbox {
    struct inbox_message *first, *last;
    size_t bytes; /* of the messages, and of what each costs besides */
};

/* Takes bytes, also when it fails: false is out of memory. */
bool inbox_push(struct inbox *in, char *bytes, size_t len);

/* The oldest one, the caller's from now on; NULL if there is none. */
char *inbox_pop(struct inbox *in, size_t *len);

void inbox_clear(struct inbox *in);

#endif
