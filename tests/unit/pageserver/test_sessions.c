/* test_sessions.c - limits, cancel keys, shutdown. */
#include "../../support/suite.h"

#include "pageserver/sessions.h"

#include <poll.h>
#include <string.h>

struct one {
    struct session_entry entry;
    struct cancel cancel;
};

static void enter(struct sessions *s, struct one *one)
{
    struct zs_error e;
    ASSERT_OK(sessions_reserve(s, false, &e));
    ASSERT_OK(cancel_init(&one->cancel, -1, &e));
    one->entry = (struct session_entry){.cancel = &one->cancel, .fd = -1};
    ASSERT_OK(sessions_enter(s, &one->entry, &e));
}

static void leave(struct sessions *s, struct one *one)
{
    sessions_leave_begin(s, &one->entry);
    cancel_fini(&one->cancel);
    sessions_leave_end(s, one->entry.logged_in);
}

static void test_limits(void)
{
    struct sessions s;
    struct one a;
    struct one b;
    struct zs_error e = {0};
    ASSERT_OK(sessions_init(&s, 2, 1, &e));
    enter(&s, &a);
    enter(&s, &b);
    ASSERT_FAILS(sessions_reserve(&s, false, &e), "53300");
    ASSERT_OK(sessions_reserve(&s, true, &e)); /* local */
    sessions_release(&s);
    ASSERT_OK(sessions_promote(&s, &a.entry, false, &e));
    ASSERT_FAILS(sessions_promote(&s, &b.entry, true, &e), "53300");
    ASSERT_OK(sessions_reserve(&s, false, &e));
    sessions_release(&s);
    CU_ASSERT_EQUAL(sessions_count(&s), 1);
    leave(&s, &a);
    ASSERT_OK(sessions_promote(&s, &b.entry, true, &e));
    leave(&s, &b);
    CU_ASSERT(sessions_wait(&s, 0));
    sessions_fini(&s);
}

static void test_the_last_places_are_for_admins(void)
{
    static const struct {
        uint32_t max, others;
    } cases[] = {{1, 1}, {2, 1}, {3, 2}, {5, 3}, {6, 3}, {7, 4}, {9, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sessions s;
        struct one all[10];
        struct zs_error e = {0};
        uint32_t n = 0;
        ASSERT_OK(sessions_init(&s, 10, cases[i].max, &e));
        for (uint32_t k = 0; k <= cases[i].max; k++)
            enter(&s, &all[k]);
        while (n < cases[i].max && sessions_promote(&s, &all[n].entry, false, &e) == ZS_OK)
            n++;
        CU_ASSERT_EQUAL(n, cases[i].others);
        ASSERT_FAILS(sessions_promote(&s, &all[n].entry, false, &e), "53300");
        CU_ASSERT(strstr(e.hint, "max_connections") != NULL);
        for (; n < cases[i].max; n++)
            ASSERT_OK(sessions_promote(&s, &all[n].entry, true, &e));
        ASSERT_FAILS(sessions_promote(&s, &all[n].entry, true, &e), "53300");
        for (uint32_t k = 0; k <= cases[i].max; k++)
            leave(&s, &all[k]);
        sessions_fini(&s);
    }
}

static void test_a_cancel_request_needs_key_and_command(void)
{
    struct sessions s;
    struct one a;
    struct one b;
    struct zs_error e = {0};
    ASSERT_OK(sessions_init(&s, 2, 2, &e));
    enter(&s, &a);
    enter(&s, &b);
    CU_ASSERT(!sessions_cancel(&s, a.entry.id, a.entry.key)); /* nothing runs */
    sessions_command_begin(&s, &a.entry);
    sessions_command_begin(&s, &b.entry);
    CU_ASSERT(!sessions_cancel(&s, a.entry.id, a.entry.key + 1));
    CU_ASSERT(!sessions_cancel(&s, a.entry.id + 9, a.entry.key));
    CU_ASSERT(!cancel_is_set(&a.cancel));
    CU_ASSERT(sessions_cancel(&s, a.entry.id, a.entry.key));
    CU_ASSERT(cancel_is_set(&a.cancel) && !cancel_is_set(&b.cancel));
    struct pollfd fd = {.fd = a.cancel.view.fd, .events = POLLIN};
    CU_ASSERT(poll(&fd, 1, 0) == 1);
    CU_ASSERT(a.cancel.view.requested(a.cancel.view.self) == 1);
    /* The next command begins unharmed. */
    sessions_command_end(&s, &a.entry);
    sessions_command_begin(&s, &a.entry);
    CU_ASSERT(!cancel_is_set(&a.cancel) && poll(&fd, 1, 0) == 0);
    leave(&s, &a);
    leave(&s, &b);
    sessions_fini(&s);
}

static void test_a_shutdown_reaches_all_and_stays(void)
{
    struct sessions s;
    struct one a;
    struct one late;
    struct zs_error e = {0};
    ASSERT_OK(sessions_init(&s, 2, 2, &e));
    enter(&s, &a);
    sessions_command_begin(&s, &a.entry);
    CU_ASSERT(sessions_cancel(&s, a.entry.id, a.entry.key));
    sessions_stop(&s); /* comes second, and counts */
    sessions_command_end(&s, &a.entry);
    CU_ASSERT(cancel_is_set(&a.cancel));
    ASSERT_FAILS(cancel_error(&a.cancel, &e), "57014");
    enter(&s, &late);
    CU_ASSERT(cancel_is_set(&late.cancel));
    CU_ASSERT(!sessions_wait(&s, 0));
    leave(&s, &a);
    leave(&s, &late);
    CU_ASSERT(sessions_wait(&s, 0));
    sessions_fini(&s);
}

SUITE("pageserver/sessions", {"too many are refused", test_limits},
      {"the last places are for admins", test_the_last_places_are_for_admins},
      {"a cancel needs the key and a running command", test_a_cancel_request_needs_key_and_command},
      {"a shutdown reaches all sessions and stays", test_a_shutdown_reaches_all_and_stays})
