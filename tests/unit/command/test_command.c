/* test_command.c - commands in the sessions that a host may make: older, newer, with less. */
#include "fixture.h"

#include "wire/control.h"

#include <zenith-sync/transport.h>

/* One session of a host's own making, with what a newer host.h may append. */
struct odd_session {
    struct zs_session session;
    char later[16];
};

/* Run `line`'s command of side a in `s`, past the stub host, which makes sessions whole. */
static int run(struct world *w, const char *name, const char *args, const struct odd_session *s,
               struct zs_error *e)
{
    const struct zs_command *c = stub_host_command(w->a.host, name);
    memset(e, 0, sizeof *e);
    if (c == NULL)
        return error_set(e, ZS_INTERNAL_ERROR, "there is no command \"%s\"", name);
    return c->run(c->self, &s->session, args, e);
}

static void test_a_session_that_lacks_something_is_told_what(void)
{
    enum { GOOD, NEWER, NO_SIZE, SMALL, NONSENSE, NO_COLUMNS, NO_ROW, NO_NOTICE, CASES };
    static const char *const says[] = {
        [NO_SIZE] = "has 0 bytes",   [SMALL] = "has 71 bytes", [NONSENSE] = "has 65537 bytes",
        [NO_COLUMNS] = "is missing", [NO_ROW] = "is missing",  [NO_NOTICE] = "is missing",
    };
    struct world w;
    world_open(&w);
    branch_make(&w.a, "main");
    for (int which = 0; which < CASES; which++) {
        struct zs_error e;
        struct client c;
        client_open(&c);
        struct odd_session odd = {.session = c.s.session, .later = "later members"};
        uint32_t *size = &odd.session.struct_size;
        *size = which == NEWER      ? (uint32_t)sizeof odd
                : which == NO_SIZE  ? 0
                : which == SMALL    ? ZS_SESSION_SIZE_V1 - 1
                : which == NONSENSE ? 65537
                                    : ZS_SESSION_SIZE_V1;
        if (which == NO_COLUMNS)
            odd.session.columns = NULL;
        if (which == NO_ROW)
            odd.session.row = NULL;
        if (which == NO_NOTICE)
            odd.session.notice = NULL;
        int rc = run(&w, "verify", "main", &odd, &e);
        if (which == GOOD || which == NEWER) {
            ASSERT_OK(rc);
            ASSERT_TEXT(cell(&c, "result"), "sound");
        } else {
            ASSERT_FAILS(rc, ZS_NOT_SUPPORTED);
            CU_ASSERT(strstr(e.message, says[which]) != NULL && c.s.rows == 0);
        }
        client_close(&c);
    }
    world_close(&w);
}

static void test_a_token_that_cannot_be_asked_is_refused(void)
{
    struct world w;
    world_open(&w);
    branch_make(&w.a, "main");
    for (int which = 0; which < 3; which++) {
        struct zs_error e;
        struct client c;
        client_open(&c);
        struct zs_cancel cancel = c.s.cancel.token;
        struct odd_session odd = {.session = c.s.session};
        odd.session.cancel = &cancel;
        if (which == 1)
            cancel.struct_size = 31;
        if (which == 2)
            cancel.requested = NULL;
        int rc = run(&w, "verify", "main", &odd, &e);
        if (which == 0) {
            ASSERT_OK(rc);
        } else {
            ASSERT_FAILS(rc, ZS_NOT_SUPPORTED);
            CU_ASSERT(strstr(e.message, "zs_cancel") != NULL);
        }
        client_close(&c);
    }
    world_close(&w);
}

/* What a host does not know of its client, or cannot do for it. */
static void test_what_a_session_may_leave_away(void)
{
    static const struct {
        const char *name, *args;
    } commands[] = {
        {"perform_push", "main stub://b"},
        {"verify", "main"},
        {"sync_status", ""},
    };
    struct world w;
    world_open(&w);
    branch_make(&w.a, "main");
    grow(&w.a, "main", 1, 30);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct zs_error e;
        struct client c;
        client_open(&c);
        struct odd_session odd = {.session = c.s.session};
        odd.session.cancel = NULL;
        odd.session.user = NULL;
        odd.session.peer = NULL;
        odd.session.copy_both = NULL;
        ASSERT_OK(run(&w, commands[i].name, commands[i].args, &odd, &e));
        client_close(&c);
    }
    world_close(&w);
}

static void test_a_peer_without_a_name_or_a_stream(void)
{
    static const char call[] = "main 00000000000000000000000000000000 '{\"protocol\":1}'";
    struct world w;
    struct zs_error e;
    struct client c;
    world_open(&w);
    client_open(&c);
    struct odd_session odd = {.session = c.s.session};
    odd.session.peer = NULL;
    odd.session.copy_both = NULL;
    ASSERT_FAILS(run(&w, "branch_push", call, &odd, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "stream") != NULL);
    ASSERT_OK(run(&w, "sync_status", "", &odd, &e));
    ASSERT_TEXT(cell(&c, "command"), "branch_push");
    ASSERT_TEXT(cell(&c, "peer"), "");
    client_close(&c);
    world_close(&w);
}

/* What transport.h promises of the command that a transport hands on: the longest there is. */
static void test_a_command_for_a_far_server_is_short_and_printable(void)
{
    struct zs_error e = {0};
    struct state_message state = {.exists = true, .digests = true, .encodings = UINT32_MAX};
    static char line[2 * ZS_COMMAND_MAX];
    CLEANUP(free_ptr) char *json = NULL;
    const struct zs_point widest = {UINT64_MAX, {UINT64_MAX, UINT64_MAX}, UINT64_MAX, UINT64_MAX};
    memset(state.branch, '~', ZS_BRANCH_NAME_MAX);
    memset(&state.timeline, 0xff, sizeof state.timeline);
    state.last = widest;
    for (state.points.count = 0; state.points.count < CONTROL_MAX_POINTS; state.points.count++) {
        state.points.at[state.points.count] = widest;
        state.points.at[state.points.count].lsn -= state.points.count;
    }
    state.resume = (struct resume_point){
        .present = true, .to = widest, .lsn = UINT64_MAX, .sum = widest.digest, .records = 1};
    ASSERT_OK(state_encode(&state, &json, &e));
    size_t used = (size_t)sprintf(line, "branch_verify ");
    CU_ASSERT(argument_quote(line, sizeof line, &used, state.branch));
    used += (size_t)sprintf(line + used, " %s ", timeline_text(state.timeline).s);
    CU_ASSERT(argument_quote(line, sizeof line, &used, json));
    CU_ASSERT(used > 4000 && used <= ZS_COMMAND_MAX);
    for (size_t i = 0; i < used; i++)
        CU_ASSERT(line[i] >= 0x20 && line[i] <= 0x7e);
}

SUITE("command/command",
      {"a session that lacks something is told what",
       test_a_session_that_lacks_something_is_told_what},
      {"a token that cannot be asked is refused", test_a_token_that_cannot_be_asked_is_refused},
      {"a session may have no token, user, peer or stream", test_what_a_session_may_leave_away},
      {"a peer without a name or a stream is told", test_a_peer_without_a_name_or_a_stream},
      {"a command for a far server is short and printable",
       test_a_command_for_a_far_server_is_short_and_printable})
