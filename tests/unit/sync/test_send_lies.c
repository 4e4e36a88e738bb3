/* test_send_lies.c - the sending half against a receiver that lies: each lie is refused by name,
 * the branch that is sent stays as it is, and nobody waits for ever. */
#include "send_fixture.h"

#include "sync/answers.h"
#include "sync/lease.h"

/* ---- what a receiver says, and when --------------------------------------------------------- */

struct lie {
    const char *what;
    void (*tell)(struct scene *s); /* of its STATE; NULL: an honest one, of nothing */
    int behind;                    /* the message of the sender's that it speaks behind */
    unsigned nth;                  /* and which of them, from 1 */
    void (*say)(struct scene *s);
    const char *sqlstate, *says;
    bool dry_run;
};

static const struct lie *lying; /* a test's own */
static unsigned passed;

static int32_t pass_and_lie(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct scene *s = self;
    TRY(s->near.send(s->near.self, msg, len, e));
    if (*(const char *)msg == lying->behind && ++passed == lying->nth)
        lying->say(s);
    return ZS_OK;
}

static void say_ack(struct scene *s, uint64_t records, uint64_t bytes)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(ack_encode(&(struct ack_message){.records = records, .bytes = bytes}, &text, &e), &e);
    say(s, 'A', text);
}

static void end(struct scene *s)
{
    struct zs_error e = {0};
    must(s->far.finish(s->far.self, &e), &e);
}

/* ---- of its STATE ---------------------------------------------------------------------------- */

static void absent_and_at_an_lsn(struct scene *s)
{
    s->state.last.lsn = 0x800;
}
static void absent_and_with_a_history(struct scene *s)
{
    s->state.points = (struct point_list){.count = 1, .at = {{.lsn = 0x800}}};
}
static void at_800(struct scene *s)
{
    s->state.exists = true;
    s->state.timeline = s->snapshot.info.timeline;
    s->state.last = (struct zs_point){.lsn = 0x800};
}
static void history_beyond_its_lsn(struct scene *s)
{
    at_800(s);
    s->state.points = (struct point_list){.count = 1, .at = {{.lsn = 0x801}}};
}
static void history_goes_up(struct scene *s)
{
    at_800(s);
    s->state.points = (struct point_list){.count = 2, .at = {{.lsn = 0x10}, {.lsn = 0x20}}};
}
static void a_point_twice(struct scene *s)
{
    at_800(s);
    s->state.points = (struct point_list){.count = 2, .at = {{.lsn = 0x10}, {.lsn = 0x10}}};
}
static void a_point_at_zero(struct scene *s)
{
    at_800(s);
    s->state.points = (struct point_list){.count = 1};
}
static void goes_on_beyond_its_end(struct scene *s)
{
    s->state.resume = (struct resume_point){.present = true, .to = {.lsn = 0x10}, .lsn = 0x11};
}
static void goes_on(struct scene *s)
{
    s->state.resume = (struct resume_point){
        .present = true, .to = history_last(&s->snapshot), .lsn = 1, .records = 1, .bytes = 8192};
}
static void farther_than_the_sender(struct scene *s)
{
    at_800(s);
    s->state.last.lsn = UINT64_MAX;
}

/* ---- of ACKs -----------------------------------------------------------------------------------
 */

static void ack_a_record_more(struct scene *s)
{
    say_ack(s, 127, 8192);
}
static void ack_a_byte_more(struct scene *s)
{
    say_ack(s, 126, (uint64_t)126 * 8192 + 1);
}
static void ack_the_largest(struct scene *s)
{
    say_ack(s, UINT64_MAX, UINT64_MAX);
}
static void ack_nothing(struct scene *s)
{
    say_ack(s, 0, 0);
}
static void ack_twice(struct scene *s)
{
    say_ack(s, 100, 100);
    say_ack(s, 100, 100);
}
static void ack_backwards(struct scene *s)
{
    say_ack(s, 100, 100);
    say_ack(s, 99, 100);
}
static void ack_fewer_bytes(struct scene *s)
{
    say_ack(s, 100, 100);
    say_ack(s, 101, 99);
}
static void ack_one(struct scene *s)
{
    say_ack(s, 1, 1);
}
static void ack_malformed(struct scene *s)
{
    say(s, 'A', "{\"protocol\":1,\"records\":\"1\"}");
}
static void ack_then_end(struct scene *s)
{
    say_ack(s, PAGES, PAGES_BYTES);
    end(s);
}

/* ---- of DONE -----------------------------------------------------------------------------------
 */

static void done_elsewhere(struct scene *s)
{
    s->done.last.lsn++;
    say_done(s);
}
static void done_with_another_digest(struct scene *s)
{
    s->done.last.digest.lo++;
    say_done(s);
}
static void done_with_another_verdict(struct scene *s)
{
    s->done.verdict = VERDICT_EQUAL;
    say_done(s);
}
static void done_as_if_sent(struct scene *s) /* though it was a dry run */
{
    say_done(s);
}
static void done_of_nothing_with_a_digest(struct scene *s)
{
    s->done.last = (struct zs_point){.digest = {.lo = 1}};
    say_done(s);
}
static void done_malformed(struct scene *s)
{
    say(s, 'D', "{\"protocol\":1,\"verdict\":\"absent\"}");
}
static void other_message(struct scene *s)
{
    say(s, 'M', "{}");
}
static void state_again(struct scene *s)
{
    say_state(s);
}
static void alive(struct scene *s)
{
    s->conn.silence_ms = 60000;
    s->conn.work_ms = 1;
    say(s, 'K', "");
}
static void alive_where_nothing_is_to_do(struct scene *s)
{
    s->conn.silence_ms = 1;
    s->conn.work_ms = 60000;
    say(s, 'K', "");
}
static void silent(struct scene *s)
{
    s->conn.silence_ms = 1;
}

#define REFUSED ZS_PROTOCOL_VIOLATION

static const struct lie lies[] = {
    {"not there, and at an LSN", absent_and_at_an_lsn, 0, 0, NULL, REFUSED, "no such branch", 0},
    {"not there, with a history", absent_and_with_a_history, 0, 0, NULL, REFUSED, "no such branch",
     0},
    {"a history beyond its LSN", history_beyond_its_lsn, 0, 0, NULL, REFUSED, "a history up to", 0},
    {"a history that goes up", history_goes_up, 0, 0, NULL, REFUSED, "malformed STATE", 0},
    {"a point twice", a_point_twice, 0, 0, NULL, REFUSED, "malformed STATE", 0},
    {"a point at zero", a_point_at_zero, 0, 0, NULL, REFUSED, "malformed STATE", 0},
    {"it goes on beyond its end", goes_on_beyond_its_end, 0, 0, NULL, REFUSED, "malformed STATE",
     0},
    {"farther, and then absent", farther_than_the_sender, 'O', 1, done_as_if_sent,
     ZS_MOVED_MEANWHILE, "went back", 0},
    {"an ACK of a record more", NULL, 'B', 1, ack_a_record_more, REFUSED, "more than was sent", 0},
    {"an ACK of a byte more", NULL, 'B', 1, ack_a_byte_more, REFUSED, "more than was sent", 0},
    {"an ACK of everything", NULL, 'B', 2, ack_the_largest, REFUSED, "more than was sent", 0},
    {"an ACK before any record", NULL, 'O', 1, ack_one, REFUSED, "more than was sent", 0},
    {"an ACK of nothing", NULL, 'B', 1, ack_nothing, REFUSED, "no more than", 0},
    {"an ACK twice", NULL, 'B', 1, ack_twice, REFUSED, "no more than", 0},
    {"an ACK of fewer records", NULL, 'B', 2, ack_backwards, REFUSED, "no more than", 0},
    {"an ACK of fewer bytes", NULL, 'B', 2, ack_fewer_bytes, REFUSED, "no more than", 0},
    {"an ACK that is none", NULL, 'B', 1, ack_malformed, REFUSED, "malformed ACK", 0},
    {"an ACK of more behind COMMIT", NULL, 'C', 1, ack_the_largest, REFUSED, "more than was sent",
     0},
    {"ACKs that repeat behind COMMIT", NULL, 'C', 1, ack_twice, REFUSED, "no more than", 0},
    {"an ACK where nothing was sent", NULL, 'O', 1, ack_one, REFUSED, "ACK where DONE", true},
    {"it kept more than it said", goes_on, 'O', 1, ack_a_record_more, REFUSED, "said 1 of", 0},
    {"it keeps silent of what it kept", goes_on, 'O', 1, alive, ZS_CONNECTION_LOST,
     "ACK of what was kept is due", 0},
    {"DONE for what it kept", goes_on, 'O', 1, done_as_if_sent, REFUSED, "DONE where ACK", 0},
    {"DONE before any record", NULL, 'O', 1, done_as_if_sent, REFUSED, "sent DONE in the middle",
     0},
    {"DONE between records", NULL, 'B', 2, done_as_if_sent, REFUSED, "sent DONE in the middle", 0},
    {"DONE before COMMIT", NULL, 'B', 3, done_as_if_sent, REFUSED, "sent DONE in the middle", 0},
    {"DONE at another LSN", NULL, 'C', 1, done_elsewhere, ZS_CORRUPT, "says that it is at", 0},
    {"DONE with another digest", NULL, 'C', 1, done_with_another_digest, ZS_CORRUPT,
     "says that it is at", 0},
    {"DONE with another verdict", NULL, 'C', 1, done_with_another_verdict, REFUSED,
     "calls its branch equal", 0},
    {"DONE that is none", NULL, 'C', 1, done_malformed, REFUSED, "malformed DONE", 0},
    {"another message for DONE", NULL, 'C', 1, other_message, REFUSED, "SUMS where DONE", 0},
    {"STATE once more", NULL, 'C', 1, state_again, REFUSED, "STATE where DONE", 0},
    {"no DONE", NULL, 'C', 1, end, ZS_CONNECTION_LOST, "ended the stream", 0},
    {"an ACK of all, and no DONE", NULL, 'C', 1, ack_then_end, ZS_CONNECTION_LOST,
     "ended the stream", 0},
    {"silence for DONE", NULL, 'C', 1, silent, ZS_CONNECTION_LOST, "DONE is due", 0},
    {"KEEPALIVE for DONE", NULL, 'C', 1, alive, ZS_CONNECTION_LOST, "but KEEPALIVE", 0},
    {"KEEPALIVE where nothing is to do", NULL, 'O', 1, alive_where_nothing_is_to_do,
     ZS_CONNECTION_LOST, "but KEEPALIVE", true},
    {"DONE as if it had been sent", NULL, 'O', 1, done_as_if_sent, REFUSED, "not at 0/0 as it said",
     true},
    {"another digest of nothing", NULL, 'O', 1, done_of_nothing_with_a_digest, REFUSED,
     "as it said before", true},
    {"another verdict of nothing", NULL, 'O', 1, done_with_another_verdict, REFUSED,
     "calls its branch equal", true},
};

static void test_each_lie_is_refused_and_changes_nothing(void)
{
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info before, now;
        struct send_job job = {.dry_run = lies[i].dry_run};
        scene_open(&s, 0);
        lying = &lies[i];
        passed = 0;
        s.conn.channel.send = pass_and_lie;
        if (lies[i].tell != NULL)
            lies[i].tell(&s);
        say_state(&s);
        if (lies[i].say == NULL)
            end(&s); /* whoever waits for more hears it */
        must(store_branch_find(stub_store_table(s.store), "main", &before, &e), &e);
        int rc = run(&s, job, false, &o, &e);
        assert_fails(rc, &e, lies[i].sqlstate, lies[i].what, __FILE__, __LINE__);
        if (strstr(e.message, lies[i].says) == NULL)
            (void)printf("%s: %s\n", lies[i].what, e.message);
        CU_ASSERT(strstr(e.message, lies[i].says) != NULL);
        must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
        CU_ASSERT(memcmp(&now, &before, sizeof now) == 0);
        scene_close(&s);
    }
}

/* Nobody listens any more. */
static void done_and_more(struct scene *s)
{
    say_done(s);
    done_with_another_digest(s);
    ack_the_largest(s);
    end(s);
}

static void test_what_comes_behind_done_changes_nothing(void)
{
    static const struct lie all = {.behind = 'C', .nth = 1, .say = done_and_more};
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, 0);
    lying = &all;
    passed = 0;
    s.conn.channel.send = pass_and_lie;
    ASSERT_OK(run(&s, (struct send_job){0}, true, &o, &e));
    CU_ASSERT(o.records == PAGES);
    scene_close(&s);
}

/* A receiver whose stage is taken says so before records come. */
static bool kept_is_taken; /* the test's own */

static int32_t keep_and_answer(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    TRY(hear_and_answer(self, msg, len, e));
    if (*(const char *)msg == 'O' && passed++ == 0 && kept_is_taken)
        say_ack(self, 1, 8192);
    return ZS_OK;
}

/* The last OFFER and COMMIT of those that came. */
static void last_words(struct scene *s, struct offer_message *offer, struct commit_message *commit)
{
    struct zs_error e = {0};
    const void *m = NULL;
    uint64_t len = 0;
    while (s->far.recv(s->far.self, 0, &m, &len, &e) == ZS_RECV_MESSAGE) {
        const char *text = m;
        if (*text == 'O')
            ASSERT_OK(offer_decode(text + 1, len - 1, offer, &e));
        if (*text == 'C')
            ASSERT_OK(commit_decode(text + 1, len - 1, commit, &e));
    }
}

/* What it says that it kept decides how much is sent, and never whether it is right: all of
 * it comes again. */
static void test_lies_about_what_was_kept_cost_the_liar_the_rest(void)
{
    enum { SUM, TO_LSN, TO_DIGEST, KEY, RECORDS, BYTES, TOO_FAR, LIES };
    for (int lie = 0; lie < LIES; lie++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        struct resume_point *r = &s.state.resume;
        *r = (struct resume_point){.present = true,
                                   .to = history_last(&s.snapshot),
                                   .lsn = 1,
                                   .records = 1,
                                   .bytes = 8192};
        r->sum.lo = lie == SUM;
        r->to.lsn -= lie == TO_LSN;
        r->to.digest.hi += lie == TO_DIGEST;
        r->key[0] = lie == KEY ? 0xff : 0;
        r->records = lie == RECORDS ? UINT64_MAX : 1;
        r->bytes = lie == BYTES ? UINT64_MAX : 8192;
        r->to.lsn += lie == TOO_FAR;
        passed = 0;
        kept_is_taken = lie == SUM || lie == KEY; /* which nothing tells before all was read */
        s.conn.channel.send = keep_and_answer;
        ASSERT_OK(run(&s, (struct send_job){0}, true, &o, &e));
        struct offer_message offer = {.resume = true};
        struct commit_message commit = {0};
        last_words(&s, &offer, &commit);
        CU_ASSERT(commit.records == PAGES && commit.bytes == PAGES_BYTES);
        CU_ASSERT(digest_equal(commit.sum, commit.end.digest));
        CU_ASSERT(!offer.resume && !o.resumed && o.records == PAGES);
        scene_close(&s);
    }
}

static void test_acks(void)
{
    static const struct {
        struct answers before;
        uint64_t records, bytes; /* 10 records of 100 bytes were sent */
        bool good, again;
    } cases[] = {
        {{0}, 1, 0, true, false}, /* a tombstone */
        {{0}, 10, 100, true, false},
        {{0}, 11, 100, false, false},
        {{0}, 10, 101, false, false},
        {{0}, 0, 0, false, false},
        {{.records = 5, .bytes = 50}, 6, 50, true, false},
        {{.records = 5, .bytes = 50}, 6, 49, false, false},
        {{.records = 5, .bytes = 50}, 5, 51, false, false},
        {{.records = 5, .bytes = 50, .again = true}, 6, 60, true, true}, /* still of the first */
        {{.records = 5, .bytes = 50, .again = true}, 1, 10, true, false},
        {{.records = 5, .bytes = 50, .again = true}, 0, 0, false, true},
        {{.before_records = 4, .before_bytes = 40}, 6, 60, true, false},
        {{.before_records = 4, .before_bytes = 40}, 7, 60, false, false},
        {{.before_records = 4, .before_bytes = 40}, 6, 61, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct answers a = cases[i].before;
        struct ack_message ack = {.records = cases[i].records, .bytes = cases[i].bytes};
        int rc = answers_ack(&a, &ack, 10, 100, &e);
        CU_ASSERT((rc == ZS_OK) == cases[i].good && a.again == cases[i].again);
        CU_ASSERT(a.records == (cases[i].good ? ack.records : cases[i].before.records));
        if (rc != ZS_OK) {
            ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
            CU_ASSERT(e.detail[0] != '\0' && e.hint[0] != '\0');
        }
    }
}

SUITE("sync/send_lies",
      {"each lie is refused and changes nothing", test_each_lie_is_refused_and_changes_nothing},
      {"what comes behind DONE changes nothing", test_what_comes_behind_done_changes_nothing},
      {"lies about what was kept cost the liar the rest",
       test_lies_about_what_was_kept_cost_the_liar_the_rest},
      {"ACKs go forward, and not beyond what was sent", test_acks})
