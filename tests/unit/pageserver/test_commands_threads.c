/* test_commands_threads.c - modules take each other's place while sessions run commands: a
 * command's owner is never gone while somebody is in it.  Run under ThreadSanitizer, too. */
#include "../../support/suite.h"

#include "base/error.h"
#include "pageserver/commands.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SESSIONS 4
#define MODULES  400

struct module {
    struct command_owner owner;
    atomic_int inside;  /* sessions that are in its command */
    atomic_int drained; /* how often it was told that nobody is, any more */
    atomic_bool early;  /* somebody was in it then */
};

static struct world {
    struct commands table;
    struct module modules[MODULES];
    atomic_bool ending;
    atomic_int entered;
} w;

static struct module *module_of(struct command_owner *owner)
{
    return (struct module *)owner; /* the owner is its first member */
}

static void on_drained(struct command_owner *owner)
{
    struct module *m = module_of(owner);
    m->drained++;
    if (m->inside != 0)
        m->early = true;
}

static int32_t run(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e)
{
    (void)self;
    (void)session;
    (void)args;
    (void)e;
    return ZS_OK;
}

static struct command *offer(struct module *m)
{
    struct command *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->table = (struct zs_command){.struct_size = sizeof c->table,
                                   .role = ZS_ROLE_READ,
                                   .name = "push",
                                   .summary = "does nothing",
                                   .run = run};
    c->owner = &m->owner;
    return c;
}

static void *session_run(void *unused)
{
    (void)unused;
    while (!w.ending) {
        struct zs_error e = {0};
        struct command *c = NULL;
        if (commands_enter(&w.table, "push", ZS_ROLE_READ, &c, &e) != ZS_OK)
            continue; /* counted by what is not entered */
        struct module *m = module_of(c->owner);
        m->inside++;
        w.entered++;
        m->inside--;
        commands_leave(&w.table, c);
        struct command_owner *last = &w.modules[MODULES - 1].owner;
        if (commands_hold(&w.table, last))
            commands_release(&w.table, last);
    }
    return NULL;
}

static void test_an_owner_stays_while_somebody_is_in_its_commands(void)
{
    struct zs_error e = {0};
    pthread_t sessions[SESSIONS];
    ASSERT_OK(commands_init(&w.table, &e));
    for (int i = 0; i < MODULES; i++)
        w.modules[i].owner = (struct command_owner){.name = "m", .drained = on_drained};
    ASSERT_OK(commands_add(&w.table, offer(&w.modules[0]), NULL, &e));
    for (int i = 0; i < SESSIONS; i++)
        if (pthread_create(&sessions[i], NULL, session_run, NULL) != 0)
            abort();
    for (int i = 1; i < MODULES; i++) {
        int before = w.entered;
        ASSERT_OK(commands_add(&w.table, offer(&w.modules[i]), &w.modules[i - 1].owner, &e));
        while (w.entered == before) { /* somebody has seen this one */
        }
    }
    w.ending = true;
    for (int i = 0; i < SESSIONS; i++)
        (void)pthread_join(sessions[i], NULL);
    for (int i = 0; i < MODULES; i++) {
        CU_ASSERT(w.modules[i].inside == 0 && !w.modules[i].early);
        CU_ASSERT(w.modules[i].drained == (i + 1 < MODULES ? 1 : 0));
        command_list_free(w.modules[i].owner.retired_commands);
    }
    commands_fini(&w.table);
}

SUITE("pageserver/commands_threads", {"a module stays while somebody is in one of its commands",
                                      test_an_owner_stays_while_somebody_is_in_its_commands})
