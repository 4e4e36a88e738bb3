/* test_send_ends.c - how a sending ends: with a receiver that says what it likes, or one that is
 * gone. */
#include "send_fixture.h"

#include "sync/lease.h"

static void test_a_dry_run_of_either_side_sends_no_record(void)
{
    for (int theirs = 0; theirs < 2; theirs++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        s.state.dry_run = theirs == 1;
        s.done.last = (struct zs_point){0};
        s.answer_to = 'O';
        ASSERT_OK(run(&s, (struct send_job){.dry_run = theirs == 0}, true, &o, &e));
        ASSERT_TEXT(listen(&s).types, "O");
        CU_ASSERT(o.verdict == VERDICT_ABSENT && o.records == PAGES);
        scene_close(&s);
    }
}

/* A receiver that stands above: only it can tell, and all that it may say is a refusal. */
static void test_an_asked_receiver_can_only_refuse(void)
{
    static const struct {
        enum verdict said;
        const char *sqlstate; /* NULL: it is the outcome */
    } cases[] = {{VERDICT_AHEAD, NULL},
                 {VERDICT_DIVERGED, NULL},
                 {VERDICT_UNRELATED, NULL},
                 {VERDICT_ABSENT, ZS_MOVED_MEANWHILE},
                 {VERDICT_BEHIND, ZS_MOVED_MEANWHILE},
                 {VERDICT_EQUAL, ZS_MOVED_MEANWHILE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        s.state.exists = true;
        s.state.last = (struct zs_point){.lsn = 0x2000, .digest = {.lo = 5}};
        s.done.verdict = cases[i].said;
        s.answer_to = 'O';
        int rc = run(&s, (struct send_job){0}, true, &o, &e);
        struct heard h = listen(&s);
        ASSERT_TEXT(h.types, "O");
        CU_ASSERT(h.offer.mode == OFFER_ASK);
        if (cases[i].sqlstate == NULL) {
            ASSERT_OK(rc);
            CU_ASSERT(o.verdict == cases[i].said);
        } else {
            ASSERT_FAILS(rc, cases[i].sqlstate);
        }
        scene_close(&s);
    }
}

static void test_a_receiver_that_ends_elsewhere_is_an_error(void)
{
    for (int i = 0; i < 2; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        if (i == 0)
            s.done.last.lsn--;
        else
            s.done.last.digest.hi++;
        ASSERT_FAILS(run(&s, (struct send_job){0}, true, &o, &e), ZS_CORRUPT);
        scene_close(&s);
    }
}

/* What the receiver says instead of STATE and DONE. */
static void test_messages_out_of_turn_are_refused(void)
{
    static const struct {
        const char *said, *sqlstate;
    } cases[] = {
        {"", ZS_CONNECTION_LOST},
        {"D", ZS_PROTOCOL_VIOLATION},
        {"O{}", ZS_PROTOCOL_VIOLATION},
        {"S", ZS_PROTOCOL_VIOLATION},
        {"Snonsense", ZS_PROTOCOL_VIOLATION},
        {"S{\"protocol\":7}", ZS_NOT_SUPPORTED},
        {"?", ZS_PROTOCOL_VIOLATION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        if (cases[i].said[0] != '\0')
            say(&s, cases[i].said[0], cases[i].said + 1);
        s.answer_to = 0;
        must(s.far.finish(s.far.self, &e), &e); /* who waits for more hears the end */
        int rc = run(&s, (struct send_job){0}, false, &o, &e);
        assert_fails(rc, &e, cases[i].sqlstate, cases[i].said, __FILE__, __LINE__);
        ASSERT_TEXT(listen(&s).types, ""); /* nothing is told to it */
        scene_close(&s);
    }
}

/* In the middle of the records a receiver that speaks is heard before the next batch. */
static void test_a_receiver_that_speaks_in_between_is_heard(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, 0);
    say(&s, 'K', "");
    say(&s, 'S', "{}");
    ASSERT_FAILS(run(&s, (struct send_job){0}, true, &o, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "STATE") != NULL);
    ASSERT_TEXT(listen(&s).types, "O");
    scene_close(&s);
}

/* The receiver is gone after COMMIT: nobody knows whether it is complete, and it is said. */
static void test_a_connection_lost_after_the_commit_says_what_is_open(void)
{
    struct scene s;
    struct shield shield;
    struct outcome o;
    struct zs_error e;
    for (int committed = 0; committed < 2; committed++) {
        scene_open(&s, 0);
        shield_init(&shield, NULL);
        s.answer_to = committed ? 'C' : 'B';
        s.answers = false;
        ASSERT_FAILS(run(&s, (struct send_job){.shield = &shield}, true, &o, &e),
                     ZS_CONNECTION_LOST);
        CU_ASSERT((strstr(e.detail, "either complete or as it was") != NULL) == (committed == 1));
        CU_ASSERT((shield.up_since_ns != 0) == (committed == 1));
        scene_close(&s);
    }
}

/* The far side's word about its own end is final: it is not made a guess of. */
static void test_a_far_cancel_after_the_commit_is_told_as_it_was_said(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e = {0};
    scene_open(&s, 0);
    s.fails = true;
    say_state(&s);
    ASSERT_FAILS(run(&s, (struct send_job){0}, false, &o, &e), ZS_CANCELLED);
    ASSERT_TEXT(e.message, far_failure.message);
    ASSERT_TEXT(e.detail, far_failure.detail);
    ASSERT_TEXT(e.hint, far_failure.hint);
    scene_close(&s);
}

/* A receiver that is lost keeps a part as soon as a record was sent: what it lacks stays there
 * for it. */
static void test_a_receiver_with_a_part_gets_a_lease(void)
{
    static const struct {
        uint32_t pages;
        char lost_after;
        bool kept;
    } cases[] = {{PAGES, 'O', false}, {PAGES, 'B', true}, {1, 'B', true}, {1, 'C', true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct lease_list *leases = NULL;
        struct lease_facts facts[LEASES_MAX];
        struct outcome o;
        struct zs_error e;
        scene_open_small(&s, 0, cases[i].pages);
        must(lease_list_open(INT64_C(3600000000000), &leases, &e), &e);
        s.answer_to = cases[i].lost_after;
        s.answers = false;
        ASSERT_FAILS(run(&s, (struct send_job){.leases = leases}, true, &o, &e),
                     ZS_CONNECTION_LOST);
        CU_ASSERT(lease_list_look(leases, facts) == cases[i].kept);
        if (cases[i].kept)
            CU_ASSERT(facts[0].from_lsn == 0 && facts[0].to_lsn == 0x1000);
        lease_list_close(leases);
        scene_close(&s);
    }
}

SUITE("sync/send_ends",
      {"a receiver with a part gets a lease", test_a_receiver_with_a_part_gets_a_lease},
      {"a far cancel after the commit is told as it was said",
       test_a_far_cancel_after_the_commit_is_told_as_it_was_said},
      {"a dry run of either side sends no record", test_a_dry_run_of_either_side_sends_no_record},
      {"an asked receiver can only refuse", test_an_asked_receiver_can_only_refuse},
      {"a receiver that ends elsewhere is an error",
       test_a_receiver_that_ends_elsewhere_is_an_error},
      {"messages out of turn are refused", test_messages_out_of_turn_are_refused},
      {"a receiver that speaks in between is heard",
       test_a_receiver_that_speaks_in_between_is_heard},
      {"a connection lost after the commit says what is open",
       test_a_connection_lost_after_the_commit_says_what_is_open})
