/* test_receive_resume.c - a receiver that kept a stage: an honest sender goes on with it, one
 * that lies about it is refused, and what comes after it in the same command is held to the
 * same rules. */
#include "receive_fixture.h"

/* Take the first two records, lose the connection, and connect again. */
static void cut_after_two(struct scene *s)
{
    struct zs_error e = {0};
    struct state_message state;
    struct outcome o;
    struct batch_writer *w = NULL;
    struct transfer *t = transfer_begin(s->list, "test", "main", "far");
    struct progress progress = {.transfer = t};
    struct receive_job job = {.store = stub_store_table(s->store),
                              .branch = "main",
                              .conn = &s->conn,
                              .transfer = t,
                              .progress = &progress,
                              .sync_bytes = 1};
    must(receive_state(job.store, "main", &state, &e), &e);
    CU_ASSERT(!state.resume.present);
    say_offer(s);
    must(batch_writer_open(BATCH_NONE, &w, &e), &e);
    say_batch(s, w, 0, 2);
    batch_writer_close(w);
    must(s->far.finish(s->far.self, &e), &e);
    ASSERT_FAILS(receive_run(&job, &state, false, &o, &e), ZS_CONNECTION_LOST);
    CU_ASSERT(strstr(e.hint, "goes on from") != NULL);
    transfer_end(t, &e);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    conn_init(&s->conn);
    must(stub_pipe_open(0, NULL, NULL, &s->conn.channel, &s->far, &e), &e);
}

static void say_the_rest(struct scene *s)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    say_offer(s);
    must(batch_writer_open(BATCH_NONE, &w, &e), &e);
    say_batch(s, w, 2, 1);
    batch_writer_close(w);
    say_commit(s);
}

static void scene_cut(struct scene *s, bool exists)
{
    scene_open(s, exists);
    s->offer.bytes = 15;
    cut_after_two(s);
    s->offer.resume = true;
}

static void test_an_honest_sender_goes_on(void)
{
    for (int exists = 0; exists < 2; exists++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        scene_cut(&s, exists == 1);
        CU_ASSERT(unchanged(&s));
        say_the_rest(&s);
        ASSERT_OK(receive(&s, false, &o, &e));
        CU_ASSERT(o.resumed && o.resumed_percent == 66 && o.records == 1 && o.raw_bytes == 5);
        must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
        CU_ASSERT(now.last_valid_lsn == THERE && digest_equal(now.digest, s.commit.end.digest));
        CU_ASSERT(now.records == s.before.records + 3 && now.bytes == s.before.bytes + 15);
        scene_close(&s);
    }
}

static void lie_another_end(struct scene *s)
{
    s->offer.to_lsn--;
    s->offer.last.lsn--;
}
static void lie_another_digest(struct scene *s)
{
    s->offer.last.digest.hi++;
}
static void lie_no_digests(struct scene *s)
{
    s->offer.digests = false;
    s->offer.timeline = s->before.timeline; /* then this is what tells histories apart */
    s->offer.last.digest.lo++;
}
static void lie_sent_again(struct scene *s) /* what was kept comes once more */
{
    s->records[2] = s->records[1];
}
static void lie_order(struct scene *s)
{
    s->records[2].key[0] = 0;
    s->records[2].key[17] = 0;
}

static void test_a_sender_that_lies_about_it_is_refused(void)
{
    static const struct {
        void (*lie)(struct scene *s);
        const char *says;
    } lies[] = {
        {lie_another_end, "not begun here"}, {lie_another_digest, "not begun here"},
        {lie_no_digests, "not begun here"},  {lie_sent_again, "out of order"},
        {lie_order, "out of order"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_cut(&s, true);
        lies[i].lie(&s);
        say_the_rest(&s);
        ASSERT_FAILS(receive(&s, false, &o, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.message, lies[i].says) != NULL);
        CU_ASSERT(unchanged(&s));
        scene_close(&s);
    }
}

static void test_it_may_start_again_instead(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_cut(&s, true);
    s.offer.resume = false; /* its history was collected, say */
    say_all(&s);
    ASSERT_OK(receive(&s, false, &o, &e));
    CU_ASSERT(!o.resumed && o.records == 3);
    scene_close(&s);
}

/* It goes on, finds at the end that the parts do not fit, and offers all of it again. */
static void test_it_may_start_again_in_the_middle(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_cut(&s, true);
    say_offer(&s);
    s.offer.resume = false;
    say_all(&s);
    ASSERT_OK(receive(&s, false, &o, &e));
    CU_ASSERT(!o.resumed && o.records == 3 && o.raw_bytes == 15);
    scene_close(&s);
}

/* "more": once what was kept is complete, a second range follows in the same command. */
static void test_newer_records_may_follow(void)
{
    enum { HONEST, NOTHING, ELSEWHERE, OUT_OF_TURN, GARBAGE, SILENCE, LOST_ONE, CASES };
    for (int which = 0; which < CASES; which++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        scene_cut(&s, true);
        s.offer.more = true;
        say_the_rest(&s);
        records_make(s.records, THERE);
        s.offer.resume = s.offer.more = false;
        s.offer.from_lsn = which == ELSEWHERE ? HERE : THERE;
        s.offer.to_lsn = THERE + 0x10;
        s.offer.mode = which == NOTHING ? OFFER_NONE : OFFER_SEND;
        s.commit.sum = (struct zs_digest){0};
        digest_add_records(&s.commit.sum, s.records, 3);
        s.commit.end = (struct zs_point){.lsn = THERE + 0x10,
                                         .digest = digest_plus(s.commit.end.digest, s.commit.sum),
                                         .records = s.commit.end.records + 3,
                                         .bytes = s.commit.end.bytes + 15};
        s.offer.last = s.commit.end;
        if (which == LOST_ONE)
            s.commit.sum.lo++;
        if (which == OUT_OF_TURN)
            say(&s, "D{}", 3);
        else if (which == GARBAGE)
            say(&s, "O{\"protocol\":1}", 15);
        else if (which != SILENCE)
            say_all(&s);
        int rc = receive(&s, false, &o, &e);
        must(store_branch_find(stub_store_table(s.store), "main", &now, &(struct zs_error){0}), &e);
        if (which == HONEST) {
            ASSERT_OK(rc);
            CU_ASSERT(o.resumed && o.records == 4 && o.raw_bytes == 20);
            CU_ASSERT(o.to_lsn == THERE + 0x10 && o.far_lsn == THERE + 0x10);
            CU_ASSERT(now.last_valid_lsn == THERE + 0x10);
            CU_ASSERT(digest_equal(now.digest, s.commit.end.digest));
        } else {
            ASSERT_FAILS(rc, which == SILENCE    ? ZS_CONNECTION_LOST
                             : which == LOST_ONE ? ZS_CORRUPT
                                                 : ZS_PROTOCOL_VIOLATION);
            CU_ASSERT(now.last_valid_lsn == THERE); /* what was complete stays */
        }
        scene_close(&s);
    }
}

SUITE("sync/receive_resume", {"an honest sender goes on", test_an_honest_sender_goes_on},
      {"a sender that lies about it is refused", test_a_sender_that_lies_about_it_is_refused},
      {"it may start again instead", test_it_may_start_again_instead},
      {"it may start again in the middle", test_it_may_start_again_in_the_middle},
      {"newer records may follow", test_newer_records_may_follow})
