/* commands.h - the one table of commands: the server's own, and the modules'.
 * Flow: session splits a query, enters a command, runs it, leaves it.  Modules add
 * and replace.
 * A command that was taken out of the table goes on for who is in it; when nobody is
 * in any command of its owner any more, the owner is told (drained).
 * Threads: any. */
#ifndef PAGESERVER_COMMANDS_H
#define PAGESERVER_COMMANDS_H

#include <pthread.h>
#include <stdbool.h>
#include <zenith-sync/host.h>

#define COMMAND_NAME_MAX 63

/* Who brought a command: the server or a module. */
struct command_owner {
    const char *name; /* for messages; PROCESS */
    uint32_t running; /* under the table's lock, as is `retired` */
    bool retired;
    struct command *retired_commands;             /* owned; may be freed once it is drained */
    void (*drained)(struct command_owner *owner); /* called once, from any thread; may be NULL */
};

struct command {
    struct zs_command table;
    struct command_owner *owner;
    struct command *next;
};

struct commands {
    pthread_mutex_t lock;
    struct command *first; /* in name order */
};

int commands_init(struct commands *c, struct zs_error *e);
void commands_fini(struct commands *c);

struct query {
    char word[COMMAND_NAME_MAX + 1]; /* lower case; "" for an empty query */
    char *args;                      /* a view into the text */
};

/* A query as typed: its first word, and what stands behind it without blanks around
 * and without one trailing ';'.  `text` is changed.  Pure.  42601 if it begins with
 * something else than a word. */
int query_split(char *text, struct query *out, struct zs_error *e);

/* Arguments of the server's own commands: words, or '...' with '' for a quote.  The
 * views point into `args`, which is changed.  Pure.  42601: too few, too many (with
 * the usage as a hint), a quote that does not end. */
int args_split(char *args, const char **words, uint32_t min, uint32_t max, uint32_t *n,
               const char *usage, struct zs_error *e);

/* Copy and check what a module offers: name, role, summary, run.  Pure.  22023. */
int command_check(const struct zs_command *theirs, struct zs_command *out, struct zs_error *e);

/* May an owner of this name, who offers a list already, have the command?  42710 if
 * someone else has it, or the list. */
int commands_name_is_free(struct commands *c, const struct command *offered, const char *name,
                          const char *owner, struct zs_error *e);

/* Add all of `list` (linked, from malloc; taken over on success) in place of all that
 * `replaced` (or NULL) has, at once.  42710 if another owner has such a name, and then
 * nothing is changed. */
int commands_add(struct commands *c, struct command *list, struct command_owner *replaced,
                 struct zs_error *e);
void command_list_free(struct command *list);

/* Find one and be in it.  42601 unknown; 42501 if the role does not suffice. */
int commands_enter(struct commands *c, const char *name, uint32_t role, struct command **out,
                   struct zs_error *e);
void commands_leave(struct commands *c, struct command *command);

/* Keep an owner from being drained, as somebody in one of its commands does; false if
 * it is retired.  End with commands_release. */
bool commands_hold(struct commands *c, struct command_owner *owner);
void commands_release(struct commands *c, struct command_owner *owner);

typedef int (*commands_visit)(void *context, const struct command *command);
int commands_list(struct commands *c, commands_visit visit, void *context);

#endif
