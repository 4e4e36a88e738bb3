/* test_transport_odd.c - libpq's channel against far servers that behave as ours never do: a
 * copy that ends in odd ways, messages of no length or too much of it, a flood that nobody
 * asked for; and under TLS.  The far side is pg_peer. */
#include "odd_fixture.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <unistd.h>

/* ---- a copy that ends in odd ways ------------------------------------------------------- */

static void test_a_copy_ends_in_odd_ways(void)
{
    static const struct {
        const char *answer;
        size_t len;
        const char *sqlstate, *words; /* NULL: an end, after which may be sent: */
        const char *sent;             /* the sqlstate of sending on; NULL: it works */
    } cases[] = {
        {BYTES(COPY COPY_DONE), NULL, NULL, NULL},
        {BYTES(COPY COMPLETE READY), NULL, NULL, ZS_CONNECTION_LOST},
        {BYTES(COPY READY), NULL, NULL, ZS_CONNECTION_LOST},
        {BYTES(COPY "I\0\0\0\4" READY), NULL, NULL, ZS_CONNECTION_LOST},
        {BYTES(COPY COPY), ZS_PROTOCOL_VIOLATION, "another stream within the stream", NULL},
        {BYTES(COPY "H\0\0\0\7\0\0\0"), ZS_PROTOCOL_VIOLATION, "another stream", NULL},
        {BYTES(COPY COLUMN ROW), ZS_PROTOCOL_VIOLATION, "another stream", NULL},
        {BYTES(COPY "?\0\0\0\4"), ZS_CONNECTION_LOST, "unexpected response", NULL},
        {ERROR(ERROR_OF("\30", "22023")), "22023", "why", NULL},
        {ERROR(ERROR_OF("\30", "00000")), ZS_INTERNAL_ERROR, "why", NULL},
        {ERROR(ERROR_OF("\27", "2202")), ZS_INTERNAL_ERROR, "why", NULL},
        {ERROR(ERROR_OF("\31", "220230")), ZS_INTERNAL_ERROR, "why", NULL},
        {ERROR("\0\0\0\23SERROR\0C22023\0\0"), "22023", "did not say which", NULL},
    };
    struct odd t;
    odd_open(&t, PG_PEER_SCRIPT, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pg_script script = {.answer = cases[i].answer, .len = cases[i].len};
        struct zs_error e;
        pg_peer_follow(t.peer, &script);
        int rc = odd_connect(&t, "odd", &e);
        ASSERT_OK(rc);
        if (rc != ZS_OK)
            continue;
        const char *want = cases[i].sqlstate;
        for (int again = 0; again < 2; again++) {
            int32_t got = receive(&t, -1, &e);
            CU_ASSERT_EQUAL(got, want == NULL ? ZS_RECV_END : ZS_RECV_ERROR);
            if (want == NULL)
                continue;
            ASSERT_FAILS(got, want);
            expect_words(&e, cases[i].words);
        }
        rc = send_byte(&t, &e);
        if (want != NULL || cases[i].sent != NULL)
            ASSERT_FAILS(rc, want != NULL ? want : cases[i].sent);
        else
            ASSERT_OK(rc);
        for (int again = 0; again < 2; again++) {
            rc = t.ch.finish(t.ch.self, &e);
            if (want != NULL)
                ASSERT_FAILS(rc, want);
            else
                CU_ASSERT(rc == ZS_OK || cases[i].sent != NULL);
        }
        t.ch.close(t.ch.self);
        t.ch.self = NULL;
    }
    odd_close(&t);
}

/* libpq takes no more copy data by then. */
static void test_the_end_of_which_a_part_is_here(void)
{
    static const struct pg_script script = {.answer = COPY COLUMN, .len = sizeof(COPY COLUMN) - 1};
    struct odd t;
    struct zs_error e;
    if (odd_start(&t, PG_PEER_SCRIPT, &script, &e)) {
        CU_ASSERT_EQUAL(receive(&t, 50, &e), ZS_RECV_NOTHING);
        ASSERT_FAILS(send_byte(&t, &e), ZS_CONNECTION_LOST);
        ASSERT_FAILS(receive(&t, -1, &e), ZS_CONNECTION_LOST);
    }
    odd_close(&t);
}

static void test_a_length_that_cannot_be(void)
{
    static const struct pg_script script = {BYTES(COPY), BYTES("d\0\0\0\2"), false};
    struct odd t;
    struct zs_error e;
    if (odd_start(&t, PG_PEER_SCRIPT, &script, &e)) {
        ASSERT_OK(send_byte(&t, &e));
        ASSERT_FAILS(receive(&t, -1, &e), ZS_CONNECTION_LOST);
        expect_words(&e, "lost synchronization");
    }
    odd_close(&t);
}

/* One that only sends sees the end of the other direction on its way. */
static void test_a_sender_passes_over_the_far_end(void)
{
    static const struct pg_script script = {.answer = COPY COPY_DONE, .len = 13};
    struct odd t;
    struct zs_error e;
    if (odd_start(&t, PG_PEER_SCRIPT, &script, &e)) {
        for (int i = 0; i < 3; i++)
            ASSERT_OK(send_byte(&t, &e));
        ASSERT_OK(t.ch.finish(t.ch.self, &e));
        CU_ASSERT_EQUAL(receive(&t, -1, &e), ZS_RECV_END);
    }
    odd_close(&t);
}

/* ---- lengths ------------------------------------------------------------------------------ */

static void test_what_may_not_be_sent(void)
{
    static char message[ZS_MESSAGE_MAX + 1];
    struct odd t;
    struct zs_error e;
    if (odd_start(&t, PG_PEER_SERVES, NULL, &e)) {
        ASSERT_FAILS(t.ch.send(t.ch.self, message, 0, &e), ZS_INTERNAL_ERROR);
        ASSERT_FAILS(t.ch.send(t.ch.self, message, sizeof message, &e), ZS_INTERNAL_ERROR);
        ASSERT_OK(send_byte(&t, &e)); /* nothing is lost by it */
        CU_ASSERT_EQUAL(receive(&t, -1, &e), ZS_RECV_MESSAGE);
        ASSERT_OK(t.ch.finish(t.ch.self, &e));
        ASSERT_OK(t.ch.finish(t.ch.self, &e));
        ASSERT_FAILS(send_byte(&t, &e), ZS_INTERNAL_ERROR);
        expect_words(&e, "after the last");
    }
    odd_close(&t);
}

static char *room(size_t len)
{
    char *bytes = calloc(1, len);
    if (bytes == NULL)
        abort();
    return bytes;
}

/* COPY, then n messages of `each` bytes; the caller's to free. */
static char *flood(size_t n, size_t each, size_t *len)
{
    const size_t head = sizeof COPY - 1;
    char *bytes = room(head + n * (each + 5));
    memcpy(bytes, COPY, head);
    for (size_t i = 0; i < n; i++) {
        char *at = bytes + head + i * (each + 5);
        at[0] = 'd';
        put_u32be((uint8_t *)at + 1, (uint32_t)each + 4);
    }
    *len = head + n * (each + 5);
    return bytes;
}

static void test_a_message_that_is_one_byte_too_long(void)
{
    for (size_t over = 0; over < 2; over++) {
        struct odd t;
        struct zs_error e;
        struct pg_script script = {0};
        CLEANUP(free_ptr) char *bytes = flood(1, ZS_MESSAGE_MAX + over, &script.len);
        script.answer = bytes;
        if (odd_start(&t, PG_PEER_SCRIPT, &script, &e)) {
            int32_t got = receive(&t, -1, &e);
            CU_ASSERT_EQUAL(got, over > 0 ? ZS_RECV_ERROR : ZS_RECV_MESSAGE);
            if (got == ZS_RECV_ERROR) {
                ASSERT_FAILS(got, ZS_PROTOCOL_VIOLATION);
                expect_words(&e, "a message of more than 16777216 bytes");
            }
        }
        odd_close(&t);
    }
}

static void test_a_message_without_end_stops_a_sender(void)
{
    struct odd t;
    struct zs_error e;
    if (odd_start(&t, PG_PEER_HUGE, NULL, &e)) {
        int rc = ZS_OK;
        for (int i = 0; i < 10000000 && rc == ZS_OK; i++)
            rc = send_byte(&t, &e);
        ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
    }
    odd_close(&t);
}

static void test_an_answer_without_end(void)
{
    struct pg_script script = {.len = 20 * MIB};
    CLEANUP(free_ptr) char *bytes = room(script.len);
    struct odd t;
    struct zs_error e;
    bytes[0] = 'T';
    bytes[1] = '\x40'; /* 1 GiB, they say */
    script.answer = bytes;
    odd_open(&t, PG_PEER_SCRIPT, "");
    pg_peer_follow(t.peer, &script);
    ASSERT_FAILS(odd_connect(&t, "odd", &e), ZS_PROTOCOL_VIOLATION);
    expect_words(&e, "a message of more than");
    odd_close(&t);
}

/* ---- floods -------------------------------------------------------------------------------- */

static void test_a_far_side_that_sends_and_does_not_read(void)
{
    struct pg_script script = {0};
    CLEANUP(free_ptr) char *bytes = flood(40, MIB, &script.len);
    CLEANUP(free_ptr) char *mine = room(MIB);
    struct odd t;
    struct zs_error e;
    script.answer = bytes;
    if (odd_start(&t, PG_PEER_SCRIPT, &script, &e)) {
        int rc = ZS_OK;
        for (int i = 0; i < 1000 && rc == ZS_OK; i++)
            rc = t.ch.send(t.ch.self, mine, MIB, &e);
        ASSERT_FAILS(rc, ZS_LIMIT_EXCEEDED);
        expect_words(&e, "sends and does not read");
        /* What had come may still be taken, 32 MiB and what was just coming, in messages with a
         * few bytes of their own; then the same is said again. */
        int32_t got;
        unsigned n = 0;
        while ((got = receive(&t, -1, &e)) == ZS_RECV_MESSAGE)
            n++;
        CU_ASSERT(n >= 32 && n <= 40);
        ASSERT_FAILS(got, ZS_LIMIT_EXCEEDED);
    }
    odd_close(&t);
}

/* ---- before the copy --------------------------------------------------------------------- */

static void test_a_far_side_that_hangs_up(void)
{
    static const struct {
        const char *answer;
        size_t len;
        const char *sqlstate;
    } cases[] = {
        {"", 0, ZS_CONNECTION_LOST},
        {BYTES("T\0\0\0\32\0"), ZS_CONNECTION_LOST},
        {BYTES("E" ERROR_OF("\30", "42704")), "42704"},
        {BYTES(COMPLETE READY), ZS_PROTOCOL_VIOLATION},
        {BYTES("H\0\0\0\7\0\0\0"), ZS_PROTOCOL_VIOLATION},
    };
    struct odd t;
    odd_open(&t, PG_PEER_SCRIPT, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pg_script script = {cases[i].answer, cases[i].len, NULL, 0, true};
        struct zs_error e;
        pg_peer_follow(t.peer, &script);
        ASSERT_FAILS(odd_connect(&t, "odd", &e), cases[i].sqlstate);
        CU_ASSERT(e.message[0] != '\0' && strstr(e.message, "sesame") == NULL);
    }
    odd_close(&t);
}

static void test_a_login_that_does_not_end(void)
{
    struct odd t;
    struct zs_error e;
    odd_open(&t, PG_PEER_CHATTY, "");
    ASSERT_FAILS(odd_connect(&t, "odd", &e), ZS_PROTOCOL_VIOLATION);
    expect_words(&e, "too much before the login was over");
    odd_close(&t);
}

static void test_a_command_larger_than_any_buffer(void)
{
    struct odd t;
    struct zs_error e;
    CLEANUP(free_ptr) char *command = room(15 * MIB);
    memset(command, 'x', 15 * MIB - 1);
    odd_open(&t, PG_PEER_SERVES, "?connect_timeout=0");
    ASSERT_OK(odd_connect(&t, command, &e));
    odd_close(&t);
}

static void test_notices_go_to_the_log(void)
{
    static const struct pg_script script = {
        BYTES("N\0\0\0\24SNOTICE\0C00000\0\0"
              "N\0\0\0\35SNOTICE\0C00000\0Mlook up\0\0" COPY COPY_DONE),
        NULL, 0, false};
    for (int listens = 0; listens < 2; listens++) {
        struct odd t;
        struct zs_error e;
        odd_open(&t, PG_PEER_SCRIPT, "");
        t.host.log = listens ? keep_line : NULL;
        pg_peer_follow(t.peer, &script);
        ASSERT_OK(odd_connect(&t, "odd", &e));
        CU_ASSERT_EQUAL(t.notices, (unsigned)listens);
        ASSERT_TEXT(t.said, listens ? "the far server says: look up" : "");
        odd_close(&t);
    }
}

static void test_the_second_place_is_the_one_that_refuses(void)
{
    struct odd t;
    struct zs_error e;
    unsigned port = 0;
    int closed = pg_peer_closed_port(&port);
    odd_open(&t, PG_PEER_REFUSES, "");
    (void)snprintf(t.uri, sizeof t.uri, "postgresql://ann:sesame@127.0.0.1:%u,127.0.0.1:%u/", port,
                   pg_peer_port(t.peer));
    ASSERT_FAILS(odd_connect(&t, "odd", &e), ZS_WRONG_PASSWORD);
    expect_words(&e, "refused the login");
    odd_close(&t);
    (void)close(closed);
}

/* ---- cancelled before, and TLS ------------------------------------------------------------- */

static void test_a_cancel_before_a_call(void)
{
    for (int sends = 0; sends < 2; sends++) {
        struct odd t;
        struct zs_error e;
        if (odd_start(&t, PG_PEER_SERVES, NULL, &e)) {
            contract_cancel_pull(&t.cancel);
            ASSERT_FAILS(sends ? send_byte(&t, &e) : receive(&t, -1, &e), ZS_CANCELLED);
            ASSERT_FAILS(receive(&t, -1, &e), ZS_CANCELLED);
            ASSERT_FAILS(t.ch.finish(t.ch.self, &e), ZS_CANCELLED);
        }
        odd_close(&t);
    }
}

static void test_the_contract_under_tls(void)
{
    static void (*const tests[])(const struct transport_subject *) = {
        transport_contract_echo,       transport_contract_both_send, transport_contract_two_threads,
        transport_contract_failure,    transport_contract_vanished,  transport_contract_ends,
        transport_contract_cancel_recv};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        struct odd t;
        odd_open(&t, PG_PEER_TLS, "?sslmode=require");
        tests[i](&t.subject);
        odd_close(&t);
    }
    struct odd t;
    struct zs_error e;
    odd_open(&t, PG_PEER_SERVES, "?sslmode=require");
    ASSERT_FAILS(odd_connect(&t, "echo", &e), ZS_CANNOT_CONNECT);
    expect_words(&e, "does not support SSL");
    odd_close(&t);
}

SUITE("contract/transport_odd", {"a copy ends in odd ways", test_a_copy_ends_in_odd_ways},
      {"an end of which a part is here stops a sender", test_the_end_of_which_a_part_is_here},
      {"a length that cannot be is an end", test_a_length_that_cannot_be},
      {"a sender passes over the far side's end", test_a_sender_passes_over_the_far_end},
      {"what may not be sent is refused, and nothing is lost", test_what_may_not_be_sent},
      {"a message of one byte too much is refused", test_a_message_that_is_one_byte_too_long},
      {"a message without end stops a sender", test_a_message_without_end_stops_a_sender},
      {"an answer without end is refused", test_an_answer_without_end},
      {"a far side that sends and does not read is refused",
       test_a_far_side_that_sends_and_does_not_read},
      {"a far side that hangs up in place of the copy", test_a_far_side_that_hangs_up},
      {"a login that does not end is refused", test_a_login_that_does_not_end},
      {"a command larger than any buffer arrives", test_a_command_larger_than_any_buffer},
      {"what the far server says besides goes to the log", test_notices_go_to_the_log},
      {"the refusal of the second place is told", test_the_second_place_is_the_one_that_refuses},
      {"a cancel before a call ends it", test_a_cancel_before_a_call},
      {"the contract holds under TLS", test_the_contract_under_tls})
