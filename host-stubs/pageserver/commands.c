/* commands.c - see commands.h. */
#include "pageserver/commands.h"

#include "base/error.h"
#include "pageserver/users.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static char *skip_blanks(char *p)
{
    while (is_blank(*p))
        p++;
    return p;
}

static char *trim_end(char *start)
{
    char *end = start + strlen(start);
    while (end > start && is_blank(end[-1]))
        end--;
    *end = '\0';
    return end;
}

int query_split(char *text, struct query *out, struct zs_error *e)
{
    char *start = skip_blanks(text);
    char *end = trim_end(start);
    if (end > start && end[-1] == ';') {
        end[-1] = '\0';
        (void)trim_end(start);
    }
    size_t n = 0;
    while (is_word(start[n]))
        n++;
    if (n == 0 && *start != '\0') {
        error_set(e, ZS_SYNTAX_ERROR, "a query begins with the name of a command");
        return error_hint(e, "Type \"commands\" to see what there is.");
    }
    size_t kept = n < sizeof out->word ? n : sizeof out->word - 1;
    for (size_t i = 0; i < kept; i++)
        out->word[i] = (char)tolower((unsigned char)start[i]);
    out->word[kept] = '\0';
    out->args = skip_blanks(start + n);
    return ZS_OK;
}

static int usage_error(const char *what, const char *usage, struct zs_error *e)
{
    error_set(e, ZS_SYNTAX_ERROR, "%s", what);
    return error_hint(e, "Usage: %s", usage);
}

/* A quoted word at *at, which is behind its first quote; decoded in place. */
static bool unquote(char **at)
{
    char *out = *at;
    for (char *in = *at; *in != '\0'; in++) {
        if (*in == '\'' && in[1] == '\'')
            in++;
        else if (*in == '\'') {
            *out = '\0';
            *at = in + 1;
            return true;
        }
        *out++ = *in;
    }
    return false;
}

int args_split(char *args, const char **words, uint32_t min, uint32_t max, uint32_t *n,
               const char *usage, struct zs_error *e)
{
    *n = 0;
    for (char *at = skip_blanks(args); *at != '\0'; at = skip_blanks(at)) {
        if (*n == max)
            return usage_error("there are too many arguments", usage, e);
        bool quoted = *at == '\'';
        words[(*n)++] = quoted ? ++at : at;
        if (quoted) {
            if (!unquote(&at))
                return usage_error("a quote is not closed", usage, e);
            if (*at != '\0' && !is_blank(*at))
                return usage_error("a blank is missing behind a quote", usage, e);
        } else {
            while (*at != '\0' && !is_blank(*at))
                at++;
            if (*at != '\0')
                *at++ = '\0';
        }
    }
    return *n >= min ? ZS_OK : usage_error("an argument is missing", usage, e);
}

int command_check(const struct zs_command *theirs, struct zs_command *out, struct zs_error *e)
{
    uint32_t size = theirs->struct_size;
    if (size < sizeof *out || size > 65536)
        return error_set(e, ZS_BAD_VALUE, "a command's struct_size is %u, it must be at least %zu",
                         size, sizeof *out);
    memcpy(out, theirs, sizeof *out);
    out->struct_size = sizeof *out;
    if (out->name == NULL || out->name[0] == '\0' || strlen(out->name) > COMMAND_NAME_MAX ||
        strspn(out->name, "abcdefghijklmnopqrstuvwxyz_") != strlen(out->name))
        return error_set(e, ZS_BAD_VALUE, "a command's name is missing or is not [a-z_]");
    if (out->role < ZS_ROLE_READ || out->role > ZS_ROLE_ADMIN)
        return error_set(e, ZS_BAD_VALUE, "the command %s needs role %u, which there is not",
                         out->name, out->role);
    if (out->run == NULL || out->summary == NULL)
        return error_set(e, ZS_BAD_VALUE, "the command %s has no %s", out->name,
                         out->run == NULL ? "run" : "summary");
    return ZS_OK;
}

/* ---- the table -------------------------------------------------------------------------- */

int commands_init(struct commands *c, struct zs_error *e)
{
    c->first = NULL;
    int rc = pthread_mutex_init(&c->lock, NULL);
    return rc == 0 ? ZS_OK : error_errno(e, rc, "cannot make a lock");
}

void command_list_free(struct command *list)
{
    while (list != NULL) {
        struct command *next = list->next;
        free(list);
        list = next;
    }
}

void commands_fini(struct commands *c)
{
    command_list_free(c->first);
    (void)pthread_mutex_destroy(&c->lock);
}

static struct command *find(const struct commands *c, const char *name)
{
    for (struct command *p = c->first; p != NULL; p = p->next)
        if (strcmp(p->table.name, name) == 0)
            return p;
    return NULL;
}

static void insert(struct commands *c, struct command *command)
{
    struct command **at = &c->first;
    while (*at != NULL && strcmp((*at)->table.name, command->table.name) < 0)
        at = &(*at)->next;
    command->next = *at;
    *at = command;
}

/* Take out all of the owner's, which keeps them: someone may still be in one. */
static void retire(struct commands *c, struct command_owner *owner)
{
    for (struct command **at = &c->first; *at != NULL;) {
        struct command *p = *at;
        if (p->owner != owner) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = owner->retired_commands;
        owner->retired_commands = p;
    }
    owner->retired = true;
}

static int name_is_taken(const char *name, const char *holder, struct zs_error *e)
{
    error_set(e, ZS_ALREADY_EXISTS, "the command %s is taken: %s has it", name, holder);
    return error_hint(e, "Load only one of the modules that have this command.");
}

int commands_name_is_free(struct commands *c, const struct command *offered, const char *name,
                          const char *owner, struct zs_error *e)
{
    int rc = ZS_OK;
    for (const struct command *p = offered; p != NULL; p = p->next)
        if (strcmp(p->table.name, name) == 0)
            return name_is_taken(name, p->owner->name, e);
    (void)pthread_mutex_lock(&c->lock);
    const struct command *holder = find(c, name);
    if (holder != NULL && strcmp(holder->owner->name, owner) != 0)
        rc = name_is_taken(name, holder->owner->name, e);
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}

int commands_add(struct commands *c, struct command *list, struct command_owner *replaced,
                 struct zs_error *e)
{
    int rc = ZS_OK;
    bool drained = false;
    (void)pthread_mutex_lock(&c->lock);
    for (struct command *p = list; p != NULL && rc == ZS_OK; p = p->next) {
        const struct command *holder = find(c, p->table.name);
        if (holder != NULL && holder->owner != replaced)
            rc = name_is_taken(p->table.name, holder->owner->name, e);
    }
    if (rc == ZS_OK) {
        if (replaced != NULL) {
            retire(c, replaced);
            drained = replaced->running == 0;
        }
        while (list != NULL) {
            struct command *next = list->next;
            insert(c, list);
            list = next;
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (drained && replaced->drained != NULL)
        replaced->drained(replaced);
    return rc;
}

int commands_enter(struct commands *c, const char *name, uint32_t role, struct command **out,
                   struct zs_error *e)
{
    int rc = ZS_OK;
    (void)pthread_mutex_lock(&c->lock);
    struct command *p = find(c, name);
    if (p == NULL) {
        (void)error_set(e, ZS_SYNTAX_ERROR, "there is no command \"%.80s\"", name);
        rc = error_hint(e, "Type \"commands\" to see what there is.");
    } else if (role < p->table.role) {
        (void)error_set(e, ZS_NO_PERMISSION, "%s needs the role %s, you have %s", name,
                        role_name(p->table.role), role_name(role));
        rc = error_hint(
            e,
            "Log in as a user with that role; where the server runs, \"zenith user add NAME "
            "--role %s\" makes one.",
            role_name(p->table.role));
    } else {
        p->owner->running++;
        *out = p;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}

bool commands_hold(struct commands *c, struct command_owner *owner)
{
    (void)pthread_mutex_lock(&c->lock);
    bool held = !owner->retired;
    owner->running += held;
    (void)pthread_mutex_unlock(&c->lock);
    return held;
}

void commands_release(struct commands *c, struct command_owner *owner)
{
    (void)pthread_mutex_lock(&c->lock);
    bool drained = --owner->running == 0 && owner->retired;
    (void)pthread_mutex_unlock(&c->lock);
    if (drained && owner->drained != NULL)
        owner->drained(owner);
}

void commands_leave(struct commands *c, struct command *command)
{
    commands_release(c, command->owner);
}

int commands_list(struct commands *c, commands_visit visit, void *context)
{
    int rc = 0;
    (void)pthread_mutex_lock(&c->lock);
    for (struct command *p = c->first; p != NULL && rc == 0; p = p->next)
        rc = visit(context, p);
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}
