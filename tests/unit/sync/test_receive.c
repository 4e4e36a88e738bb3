/* test_receive.c - the receiving half: an honest sender is believed, messages are taken in
 * the grammar's order and in no other.  Lies: test_receive_lies.c. */
#include "receive_fixture.h"

static void test_an_honest_sender_is_believed(void)
{
    for (int i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        scene_open(&s, i % 2 == 1);
        s.beside_bytes = i < 2 ? 1 : 0; /* a commit in a thread of its own, and not */
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
    s.offer.records = 7;
    s.offer.bytes = 70;
    say_offer(&s);
    ASSERT_OK(receive(&s, true, &o, &e));
    CU_ASSERT(o.verdict == VERDICT_BEHIND && o.records == 7 && o.raw_bytes == 70);
    CU_ASSERT(unchanged(&s));
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

static int32_t cannot_open(void *self, const char *branch, struct zs_branch_info *info,
                           struct zs_snapshot **out, struct zs_error *e)
{
    (void)self, (void)branch, (void)info, (void)out;
    return error_set(e, ZS_IO_ERROR, "the disk does not answer");
}

/* Only a branch that is not there is none. */
static void test_a_branch_that_cannot_be_read_is_not_a_new_one(void)
{
    struct scene s;
    struct zs_error e = {0};
    struct state_message state;
    scene_open(&s, true);
    struct zs_store table = *stub_store_table(s.store);
    table.snapshot_open = cannot_open;
    ASSERT_FAILS(receive_state(&table, "main", &state, &e), ZS_IO_ERROR);
    ASSERT_TEXT(e.message, "the disk does not answer");
    scene_close(&s);
}

/* A channel whose messages can be kept: each has memory of its own. */
struct keeper {
    struct zs_channel pipe;
    void *last;
    unsigned kept, held;
    struct stub_store *store; /* that must be free to be written when DONE is heard; NULL: none */
};

/* Whoever hears DONE writes the branch at once. */
static void write_at_once(struct stub_store *store)
{
    CLEANUP(ingest_close) struct ingest in = {0};
    struct zs_error e = {0};
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = THERE, .target_lsn = THERE + 1};
    ASSERT_OK(ingest_begin(stub_store_table(store), &spec, &in, &e));
}

static int32_t keeper_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct keeper *k = self;
    if (k->store != NULL && *(const char *)msg == MESSAGE_DONE)
        write_at_once(k->store);
    return k->pipe.send(k->pipe.self, msg, len, e);
}

static int32_t keeper_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                           struct zs_error *e)
{
    struct keeper *k = self;
    free(k->last);
    k->last = NULL;
    int32_t got = k->pipe.recv(k->pipe.self, timeout_ms, msg, len, e);
    if (got != ZS_RECV_MESSAGE)
        return got;
    k->last = malloc(*len + 1);
    if (k->last == NULL)
        abort();
    *msg = memcpy(k->last, *msg, *len);
    return got;
}

static int32_t keeper_finish(void *self, struct zs_error *e)
{
    struct keeper *k = self;
    return k->pipe.finish(k->pipe.self, e);
}

static void keeper_close(void *self)
{
    struct keeper *k = self;
    free(k->last);
    k->pipe.close(k->pipe.self);
}

static void *keeper_keep(void *self)
{
    struct keeper *k = self;
    void *kept = k->last;
    k->last = NULL;
    k->kept++;
    k->held++;
    return kept;
}

static void keeper_release(void *self, void *kept)
{
    struct keeper *k = self;
    free(kept);
    k->held--;
}

/* Batches that are stored by another thread are kept as they are, and given back. */
static void test_messages_are_kept_for_the_thread_that_stores(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, true);
    s.batches = 3;
    s.inline_batches = 1;
    struct keeper k = {.pipe = s.conn.channel, .store = s.store};
    s.conn.channel = (struct zs_channel){.struct_size = sizeof s.conn.channel,
                                         .self = &k,
                                         .send = keeper_send,
                                         .recv = keeper_recv,
                                         .finish = keeper_finish,
                                         .close = keeper_close,
                                         .keep = keeper_keep,
                                         .release = keeper_release};
    say_all(&s);
    ASSERT_OK(receive(&s, false, &o, &e));
    CU_ASSERT(o.records == 3 && o.raw_bytes == 15);
    CU_ASSERT(k.kept == 2 && k.held == 0); /* all but the first */
    scene_close(&s);
}

SUITE("sync/receive",
      {"a branch that cannot be read is not a new one",
       test_a_branch_that_cannot_be_read_is_not_a_new_one},
      {"messages are kept for the thread that stores them",
       test_messages_are_kept_for_the_thread_that_stores},
      {"a second offer that differs is refused", test_another_second_offer_is_refused},
      {"an honest sender is believed", test_an_honest_sender_is_believed},
      {"records for a dry run are refused", test_records_for_a_dry_run_are_refused},
      {"messages out of turn are refused", test_messages_out_of_turn_are_refused})
