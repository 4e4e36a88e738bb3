/* test_commands.c - splitting queries, and the table of commands. */
#include "../../support/suite.h"

#include "pageserver/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_queries(void)
{
    static const struct {
        const char *text, *word, *args; /* word NULL: refused */
    } cases[] = {
        {"status", "status", ""},
        {"status;", "status", ""},
        {"  STATUS \n;  ", "status", ""},
        {"Branch_Push main 00", "branch_push", "main 00"},
        {"perform_push main 'postgresql://a;b@h' ;", "perform_push", "main 'postgresql://a;b@h'"},
        {"x;;", "x", ";"},
        {"x(a, b);", "x", "(a, b)"},
        {"", "", ""},
        {" \t\n", "", ""},
        {";", "", ""},
        {" ; ", "", ""},
        {"*", NULL, NULL},
        {"-- comment", NULL, NULL},
        {"'quoted'", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        struct query q;
        struct zs_error e = {0};
        (void)snprintf(text, sizeof text, "%s", cases[i].text);
        if (cases[i].word == NULL) {
            ASSERT_FAILS(query_split(text, &q, &e), "42601");
            continue;
        }
        ASSERT_OK(query_split(text, &q, &e));
        ASSERT_TEXT(q.word, cases[i].word);
        ASSERT_TEXT(q.args, cases[i].args);
    }
}

static void test_a_long_word_is_cut_and_not_copied_past_its_place(void)
{
    char text[300];
    struct query q;
    struct zs_error e = {0};
    memset(text, 'a', sizeof text);
    memcpy(text + 200, " rest", 6);
    ASSERT_OK(query_split(text, &q, &e));
    CU_ASSERT_EQUAL(strlen(q.word), COMMAND_NAME_MAX);
    ASSERT_TEXT(q.args, "rest");
}

static void test_arguments(void)
{
    static const struct {
        const char *text;
        uint32_t n; /* 9: refused */
        const char *first, *second;
    } cases[] = {
        {"main", 1, "main", NULL},     {"main '/a b'", 2, "main", "/a b"},
        {"'it''s' x", 2, "it's", "x"}, {"'' x", 2, "", "x"},
        {"'''' x", 2, "'", "x"},       {"  a\t\nb ", 2, "a", "b"},
        {"", 9, NULL, NULL},           {"a b c", 9, NULL, NULL},
        {"'open", 9, NULL, NULL},      {"'a'b", 9, NULL, NULL},
        {"'a''", 9, NULL, NULL},       {"'", 9, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = strdup(cases[i].text); /* of exactly its size */
        const char *words[2];
        uint32_t n = 0;
        struct zs_error e = {0};
        CU_ASSERT_FATAL(text != NULL);
        if (cases[i].n == 9) {
            ASSERT_FAILS(args_split(text, words, 1, 2, &n, "x A [B]", &e), "42601");
            ASSERT_TEXT(e.hint, "Usage: x A [B]");
        } else {
            ASSERT_OK(args_split(text, words, 1, 2, &n, "x A [B]", &e));
            CU_ASSERT_EQUAL(n, cases[i].n);
            ASSERT_TEXT(words[0], cases[i].first);
            if (n == 2)
                ASSERT_TEXT(words[1], cases[i].second);
        }
        free(text);
    }
}

static int32_t run_nothing(void *self, const struct zs_session *session, const char *args,
                           struct zs_error *e)
{
    (void)self;
    (void)session;
    (void)args;
    (void)e;
    return ZS_OK;
}

static struct zs_command good(void)
{
    return (struct zs_command){.struct_size = sizeof(struct zs_command),
                               .role = ZS_ROLE_WRITE,
                               .name = "branch_push",
                               .summary = "for peers",
                               .run = run_nothing};
}

static void test_offered_commands_are_checked(void)
{
    static const char *const names[] = {"", "Push", "push1", "push it", "push;", NULL};
    struct zs_command c = good();
    struct zs_command out;
    struct zs_error e = {0};
    ASSERT_OK(command_check(&c, &out, &e));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        c = good();
        c.name = names[i];
        ASSERT_FAILS(command_check(&c, &out, &e), "22023");
    }
    c = good();
    c.role = 0;
    ASSERT_FAILS(command_check(&c, &out, &e), "22023");
    c.role = 4;
    ASSERT_FAILS(command_check(&c, &out, &e), "22023");
    c = good();
    c.run = NULL;
    ASSERT_FAILS(command_check(&c, &out, &e), "22023");
    c = good();
    c.summary = NULL;
    ASSERT_FAILS(command_check(&c, &out, &e), "22023");
    c = good();
    c.struct_size--;
    ASSERT_FAILS(command_check(&c, &out, &e), "22023");
    c.struct_size = 1u << 20u;
    ASSERT_FAILS(command_check(&c, &out, &e), "22023");
}

/* ---- the table ------------------------------------------------------------------------ */

static unsigned drained;

static void on_drained(struct command_owner *owner)
{
    (void)owner;
    drained++;
}

static struct command *offer(struct command_owner *owner, const char *name, struct command *next)
{
    struct command *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->table = good();
    c->table.name = name;
    c->owner = owner;
    c->next = next;
    return c;
}

static void test_roles_are_enforced(void)
{
    static const struct {
        uint32_t role;
        const char *name, *sqlstate;
    } cases[] = {
        {ZS_ROLE_READ, "push", "42501"},   {ZS_ROLE_WRITE, "push", NULL},
        {ZS_ROLE_ADMIN, "push", NULL},     {ZS_ROLE_ADMIN, "pus", "42601"},
        {ZS_ROLE_ADMIN, "push_", "42601"},
    };
    struct commands table;
    struct command_owner owner = {.name = "m"};
    struct zs_error e = {0};
    ASSERT_OK(commands_init(&table, &e));
    ASSERT_OK(commands_add(&table, offer(&owner, "push", NULL), NULL, &e));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct command *c = NULL;
        if (cases[i].sqlstate != NULL) {
            ASSERT_FAILS(commands_enter(&table, cases[i].name, cases[i].role, &c, &e),
                         cases[i].sqlstate);
            CU_ASSERT(e.hint[0] != '\0' && c == NULL);
            continue;
        }
        ASSERT_OK(commands_enter(&table, cases[i].name, cases[i].role, &c, &e));
        commands_leave(&table, c);
    }
    commands_fini(&table);
}

static void test_a_taken_name_changes_nothing(void)
{
    struct commands table;
    struct command_owner one = {.name = "one"};
    struct command_owner two = {.name = "two"};
    struct zs_error e = {0};
    struct command *c = NULL;
    ASSERT_OK(commands_init(&table, &e));
    ASSERT_OK(commands_add(&table, offer(&one, "push", NULL), NULL, &e));
    struct command *list = offer(&two, "fetch", offer(&two, "push", NULL));
    ASSERT_FAILS(commands_add(&table, list, NULL, &e), "42710");
    CU_ASSERT(strstr(e.message, "one") != NULL);
    ASSERT_FAILS(commands_enter(&table, "fetch", ZS_ROLE_ADMIN, &c, &e), "42601");
    ASSERT_FAILS(commands_name_is_free(&table, NULL, "push", "two", &e), "42710");
    ASSERT_FAILS(commands_name_is_free(&table, list, "fetch", "two", &e), "42710");
    ASSERT_OK(commands_name_is_free(&table, NULL, "push", "one", &e));
    command_list_free(list);
    commands_fini(&table);
}

static void test_a_replaced_owner_drains(void)
{
    struct commands table;
    struct command_owner old = {.name = "m", .drained = on_drained};
    struct command_owner new = {.name = "m", .drained = on_drained};
    struct zs_error e = {0};
    struct command *running = NULL;
    struct command *c = NULL;
    drained = 0;
    ASSERT_OK(commands_init(&table, &e));
    ASSERT_OK(commands_add(&table, offer(&old, "push", offer(&old, "gone", NULL)), NULL, &e));
    ASSERT_OK(commands_enter(&table, "push", ZS_ROLE_ADMIN, &running, &e));
    ASSERT_OK(commands_add(&table, offer(&new, "push", NULL), &old, &e));
    CU_ASSERT(drained == 0 && running->owner == &old);
    ASSERT_FAILS(commands_enter(&table, "gone", ZS_ROLE_ADMIN, &c, &e), "42601");
    ASSERT_OK(commands_enter(&table, "push", ZS_ROLE_ADMIN, &c, &e));
    CU_ASSERT(c->owner == &new);
    commands_leave(&table, c);
    CU_ASSERT(drained == 0);
    commands_leave(&table, running);
    CU_ASSERT(drained == 1);
    command_list_free(old.retired_commands);
    commands_fini(&table);
}

SUITE("pageserver/commands", {"a query is a word and what follows", test_queries},
      {"a long word is cut", test_a_long_word_is_cut_and_not_copied_past_its_place},
      {"arguments are words or quoted", test_arguments},
      {"an offered command is checked", test_offered_commands_are_checked},
      {"a command is found by name and role", test_roles_are_enforced},
      {"a name that is taken changes nothing", test_a_taken_name_changes_nothing},
      {"a replaced owner is told when nobody is in it", test_a_replaced_owner_drains})
