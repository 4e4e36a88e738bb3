/* test_receive.c - the receiving half: an honest sender is believed, messages are taken in
 * the grammar's order and in no other.  Lies: test_receive_lies.c. */
#include "receive_fixture.h"

static void test_an_honest_sender_is_believed(void)
{
    for (int exists = 0; exists < 2; exists++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        scene_open(&s, exists == 1);
        say_all(&s);
        ASSERT_OK(receive(&s, false, &o, &e));
        CU_ASSERT(o.records == 3 && o.raw_bytes == 15 && o.to_lsn == THERE);
        must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
        CU_ASSERT(now.last_valid_lsn == THERE && digest_equal(now.digest, s.commit.end.digest));
        CU_ASSERT(now.records == s.commit.end.records);
        scene_close(&s);
    }
}

static void test_records_for_a_dry_run_are_refused(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, true);
    say_all(&s);
    ASSERT_FAILS(receive(&s, true, &o, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(unchanged(&s));
    scene_close(&s);
    scene_open(&s, true); /* and without records it is answered */
    s.offer.mode = OFFER_NONE;
    say_offer(&s);
    ASSERT_OK(receive(&s, true, &o, &e));
    CU_ASSERT(o.verdict == VERDICT_BEHIND && unchanged(&s));
    scene_close(&s);
}

/* Messages in another order than the grammar's; each letter is one of them. */
static void test_messages_out_of_turn_are_refused(void)
{
    static const struct {
        const char *said, *sqlstate;
    } cases[] = {
        {"", ZS_CONNECTION_LOST},       {"B", ZS_PROTOCOL_VIOLATION},
        {"C", ZS_PROTOCOL_VIOLATION},   {"S", ZS_PROTOCOL_VIOLATION},
        {"D", ZS_PROTOCOL_VIOLATION},   {"O", ZS_CONNECTION_LOST},
        {"OO", ZS_CONNECTION_LOST},     {"OB", ZS_CONNECTION_LOST},
        {"OBB", ZS_PROTOCOL_VIOLATION}, {"OBO", ZS_CONNECTION_LOST},
        {"OBD", ZS_PROTOCOL_VIOLATION}, {"OC", ZS_CORRUPT},
        {"OBx", ZS_PROTOCOL_VIOLATION}, {"KOKK", ZS_CONNECTION_LOST},
        {"OOO", ZS_PROTOCOL_VIOLATION}, {"OBOBO", ZS_PROTOCOL_VIOLATION},
        {"OBOC", ZS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, true);
        for (const char *c = cases[i].said; *c != '\0'; c++) {
            if (*c == 'O')
                say_offer(&s);
            else if (*c == 'B')
                say_records(&s);
            else if (*c == 'C')
                say_commit(&s);
            else
                say(&s, c, 1);
        }
        int rc = receive(&s, false, &o, &e);
        assert_fails(rc, &e, cases[i].sqlstate, cases[i].said, __FILE__, __LINE__);
        CU_ASSERT(unchanged(&s));
        scene_close(&s);
    }
}

/* A sender may begin again once, with the very same offer. */
static void test_another_second_offer_is_refused(void)
{
    static const char others[] = "=ftrdng"; /* = is the same */
    for (const char *how = others; *how != '\0'; how++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, true);
        say_offer(&s);
        struct offer_message honest = s.offer;
        s.offer.from_lsn -= *how == 'f';
        s.offer.to_lsn -= *how == 't';
        s.offer.last.lsn -= *how == 't';
        s.offer.resume = *how == 'r';
        s.offer.mode = *how == 'n' ? OFFER_NONE : OFFER_SEND;
        s.offer.last.digest.hi += *how == 'd';
        if (*how == 'g')
            say(&s, "Ogarbage", 8);
        else
            say_offer(&s);
        s.offer = honest;
        say_records(&s);
        say_commit(&s);
        int rc = receive(&s, false, &o, &e);
        if (*how == '=') {
            ASSERT_OK(rc);
            CU_ASSERT(o.records == 3);
        } else {
            ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
            CU_ASSERT((strstr(e.message, "changed its offer") != NULL) == (*how != 'g'));
            CU_ASSERT(unchanged(&s));
        }
        scene_close(&s);
    }
}

SUITE("sync/receive",
      {"a second offer that differs is refused", test_another_second_offer_is_refused},
      {"an honest sender is believed", test_an_honest_sender_is_believed},
      {"records for a dry run are refused", test_records_for_a_dry_run_are_refused},
      {"messages out of turn are refused", test_messages_out_of_turn_are_refused})
