/* own_commands.h - the server's own commands: what their files share.
 * The table of them stands in command_info.c; adding one touches one row there. */
#ifndef PAGESERVER_OWN_COMMANDS_H
#define PAGESERVER_OWN_COMMANDS_H

#include "pageserver/server.h"

#define OWN_ARGS_MAX 4

/* A command's arguments, decoded; the words live in text. */
struct own_args {
    char *text;
    const char *words[OWN_ARGS_MAX];
    uint32_t n;
};

int own_args_split(struct own_args *a, const char *args, uint32_t min, uint32_t max,
                   const char *usage, struct zs_error *e);
void own_args_fini(struct own_args *a); /* also a CLEANUP */

int no_args(const char *args, const char *usage, struct zs_error *e);

/* A number as a value, to be used in one expression: number_text(n).s */
struct number_text {
    char s[24];
};
struct number_text number_text(uint64_t n);

int32_t run_branch_list(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e);
int32_t run_branch_create(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e);
int32_t run_branch_delete(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e);
int32_t run_import(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e);
int32_t run_export(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e);

#endif
