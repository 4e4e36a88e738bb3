/* test_sync_status.c - the rows of sync_status on both sides, and errors before a transfer. */
#include "fixture.h"

static void test_rows_tell_of_both_sides(void)
{
    static const struct {
        const char *line, *near, *far;
        char near_side;
    } ways[] = {{"perform_push main stub://user:secret@b/x", "perform_push", "branch_push", 'a'},
                {"perform_pull main stub://user:secret@a/x", "perform_pull", "branch_pull", 'b'}};
    for (int i = 0; i < 2; i++) {
        struct world w;
        struct client c;
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 300);
        struct side *near = side_of(&w, ways[i].near_side);
        struct side *far = near == &w.a ? &w.b : &w.a;
        RUN_OK(near, ways[i].line, "absent");
        for (int k = 0; k < 2; k++) {
            client_open(&c);
            client_run(&c, k == 0 ? near : far, "sync_status");
            CU_ASSERT_FATAL(c.rc == ZS_OK && c.s.columns == 17 && c.s.rows == 1);
            ASSERT_TEXT(cell(&c, "id"), "1");
            ASSERT_TEXT(cell(&c, "command"), k == 0 ? ways[i].near : ways[i].far);
            ASSERT_TEXT(cell(&c, "branch"), "main");
            ASSERT_TEXT(cell(&c, "peer"), k == 1 ? "stub" : i == 0 ? "stub://b" : "stub://a");
            ASSERT_TEXT(cell(&c, "state"), "done");
            ASSERT_TEXT(cell(&c, "phase"), "done");
            ASSERT_TEXT(cell(&c, "verdict"), "absent");
            ASSERT_TEXT(cell(&c, "from_lsn"), "0/0");
            ASSERT_TEXT(cell(&c, "to_lsn"), lsn_text(last_lsn(&w.a, "main")).s);
            ASSERT_TEXT(cell(&c, "records"), "300");
            ASSERT_TEXT(cell(&c, "total_records"), "300");
            ASSERT_TEXT(cell(&c, "bytes"), cell(&c, "total_bytes"));
            CU_ASSERT(strtoull(cell(&c, "wire_bytes"), NULL, 10) > 10000);
            CU_ASSERT(strlen(cell(&c, "started")) == 20);
            ASSERT_TEXT(cell(&c, "error"), "(null)");
            client_close(&c);
        }
        world_close(&w);
    }
}

static void test_failures_stay_to_be_seen(void)
{
    struct world w;
    struct client c;
    world_open(&w);
    RUN_REFUSED(&w, &w.a, "perform_push main stub://b", ZS_NO_SUCH_BRANCH);
    RUN_REFUSED(&w, &w.a, "perform_pull main stub://b", ZS_NO_SUCH_BRANCH);
    branch_make(&w.a, "main");
    RUN_REFUSED(&w, &w.a, "perform_push main stub://u:secret@nowhere", ZS_CANNOT_CONNECT);
    client_open(&c);
    client_run(&c, &w.a, "sync_status");
    CU_ASSERT_FATAL(c.rc == ZS_OK && c.s.rows == 3);
    ASSERT_TEXT(cell(&c, "id"), "3"); /* the newest first */
    ASSERT_TEXT(cell(&c, "state"), "failed");
    ASSERT_TEXT(cell(&c, "verdict"), "(null)");
    ASSERT_TEXT(cell(&c, "total_bytes"), "(null)");
    ASSERT_TEXT(cell(&c, "error"), "08001: there is no stub host \"nowhere\"");
    for (uint32_t row = 0; row < c.s.rows; row++)
        for (uint32_t i = 0; i < c.s.columns; i++) {
            const char *value = stub_session_value(&c.s, row, c.s.names[i]);
            CU_ASSERT(value == NULL || strstr(value, "secret") == NULL);
        }
    client_close(&c);
    client_open(&c);
    ASSERT_TEXT(client_run(&c, &w.a, "sync_status now") == ZS_OK ? "" : c.e.sqlstate,
                ZS_SYNTAX_ERROR);
    client_close(&c);
    world_close(&w);
}

/* All that can be wrong before anybody connects; nothing of it is listed, nothing moves,
 * and no error shows the password. */
static void test_what_is_wrong_is_said_before_anyone_connects(void)
{
    static const struct {
        const char *line, *sqlstate;
    } cases[] = {
        {"perform_push", ZS_SYNTAX_ERROR},
        {"perform_push main", ZS_SYNTAX_ERROR},
        {"perform_push main stub://u:secret@b x y", ZS_SYNTAX_ERROR},
        {"perform_push main stub://u:secret@b 'x", ZS_SYNTAX_ERROR},
        {"perform_push main stub://u:secret@b (color red)", ZS_SYNTAX_ERROR},
        {"perform_push main stub://u:secret@b (max_rate 1)", ZS_BAD_VALUE},
        {"perform_push stub://u:secret@b main", ZS_BAD_VALUE},
        {"perform_push main main", ZS_BAD_VALUE},
        {"perform_push ../x stub://u:secret@b", ZS_BAD_VALUE},
        {"perform_push main stub://u:secret@b -x", ZS_BAD_VALUE},
        {"perform_push main none://u:secret@b", ZS_NOT_SUPPORTED},
        {"perform_push main stub://u:secret@", ZS_BAD_VALUE},
        {"perform_push nothing stub://u:secret@b", ZS_NO_SUCH_BRANCH},
        {"perform_pull main", ZS_SYNTAX_ERROR},
        {"perform_pull main stub://u:secret@b 'x y'", ZS_BAD_VALUE},
        {"branch_push main", ZS_SYNTAX_ERROR},
        {"branch_push main 0 '{\"protocol\":1}'", ZS_BAD_VALUE},
        {"branch_push .. 00112233445566778899aabbccddeeff '{\"protocol\":1}'", ZS_BAD_VALUE},
        {"branch_push main 00112233445566778899aabbccddeeff '{\"protocol\":2}'", ZS_NOT_SUPPORTED},
        {"branch_push main 00112233445566778899aabbccddeeff hello", ZS_PROTOCOL_VIOLATION},
        {"branch_push main 00112233445566778899aabbccddeeff '{\"protocol\":1}'",
         ZS_NOT_SUPPORTED}, /* this client cannot copy */
        {"branch_pull main 00112233445566778899aabbccddeeff '{\"protocol\":1}'",
         ZS_PROTOCOL_VIOLATION}, /* no STATE */
    };
    struct world w;
    world_open(&w);
    branch_make(&w.a, "main");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(free_ptr) char *before = picture(&w.b);
        struct client c;
        client_open(&c);
        client_run(&c, &w.a, cases[i].line);
        assert_fails(c.rc, &c.e, cases[i].sqlstate, cases[i].line, __FILE__, __LINE__);
        CU_ASSERT(strstr(c.e.message, "secret") == NULL && strstr(c.e.detail, "secret") == NULL);
        CU_ASSERT(strstr(c.e.hint, "secret") == NULL);
        client_close(&c);
        CLEANUP(free_ptr) char *after = picture(&w.b);
        ASSERT_TEXT(after, before);
    }
    CU_ASSERT(stub_network_connects(w.net) == 0);
    world_close(&w);
}

/* Who called may be gone right behind the last message: what it asked for is done all the same. */
static void test_a_transfer_is_done_though_its_end_is_not_heard(void)
{
    static const struct {
        const char *line, *far;
        char near_side;
    } ways[] = {{"perform_push main stub://b", "branch_push", 'a'},
                {"perform_pull main stub://a", "branch_pull", 'b'},
                {"perform_verify main stub://b", "branch_verify", 'a'}};
    static const enum stub_fault_kind kinds[] = {STUB_FAULT_FAIL, STUB_FAULT_FAIL_AFTER};
    for (size_t i = 0; i < 6; i++) {
        struct world w;
        struct client c;
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 30);
        if (i % 3 == 2)
            RUN_OK(&w.a, ways[0].line, "absent");
        struct side *near = side_of(&w, ways[i % 3].near_side);
        struct side *far = near == &w.a ? &w.b : &w.a;
        stub_faults_arm(&w.far_net, &(struct stub_fault){
                                        .operation = "finish", .nth = 1, .kind = kinds[i / 3]});
        stub_network_faults(w.net, NULL, &w.far_net);
        client_open(&c);
        client_run(&c, near, ways[i % 3].line);
        assert_ok(c.rc, &c.e, ways[i % 3].line, __FILE__, __LINE__);
        CU_ASSERT(stub_faults_fired(&w.far_net));
        stub_network_faults(w.net, NULL, NULL);
        client_close(&c);
        client_open(&c);
        client_run(&c, far, "sync_status");
        ASSERT_TEXT(cell(&c, "command"), ways[i % 3].far);
        ASSERT_TEXT(cell(&c, "state"), "done");
        ASSERT_TEXT(cell(&c, "error"), "(null)");
        client_close(&c);
        world_close(&w);
    }
}

static void test_roles_are_the_least_that_each_command_needs(void)
{
    static const struct {
        const char *line;
        uint32_t role;
    } cases[] = {{"perform_push main stub://b", ZS_ROLE_ADMIN},
                 {"perform_pull main stub://b", ZS_ROLE_ADMIN},
                 {"branch_push main", ZS_ROLE_WRITE},
                 {"branch_pull main", ZS_ROLE_READ},
                 {"sync_status", ZS_ROLE_READ}};
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint32_t role = 0; role <= ZS_ROLE_ADMIN; role++) {
            struct client c;
            client_open(&c);
            c.s.session.role = role;
            client_run(&c, &w.a, cases[i].line);
            CU_ASSERT((role < cases[i].role) == (c.rc != ZS_OK && error_is(&c.e, "42501")));
            client_close(&c);
        }
    world_close(&w);
}

SUITE("command/sync_status", {"rows tell of both sides", test_rows_tell_of_both_sides},
      {"failures stay to be seen", test_failures_stay_to_be_seen},
      {"what is wrong is said before anyone connects",
       test_what_is_wrong_is_said_before_anyone_connects},
      {"a transfer is done though its end is not heard",
       test_a_transfer_is_done_though_its_end_is_not_heard},
      {"roles are the least that each command needs",
       test_roles_are_the_least_that_each_command_needs})
