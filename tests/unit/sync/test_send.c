/* test_send.c - the sending half against a receiver that says what it likes, and what the
 * stream looks like: batches that are full, the encoding and the rate that were asked for. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/history.h"
#include "sync/send.h"
#include "wire/batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAGES       300u
#define PAGES_BYTES ((uint64_t)PAGES * 8192)

struct scene {
    struct stub_store *store;
    struct snapshot snapshot;
    struct zs_channel far; /* the receiver's end */
    struct conn conn;
    struct transfer_list *list;
    struct zs_channel near;     /* what conn sends through, see hear_and_answer */
    struct state_message state; /* of a receiver that has nothing */
    struct done_message done;   /* what an honest one says at the end */
    char answer_to;             /* the message that the receiver ends after; 0: none */
    bool answers;               /* and whether with DONE */
    bool fails;                 /* instead its command fails, with far_failure */
    bool ended;                 /* it has */
};

/* What a far server says of a command that it cancels itself. */
static const struct zs_error far_failure = {.sqlstate = ZS_CANCELLED,
                                            .message = "the server is shutting down",
                                            .detail = "Nothing was changed there.",
                                            .hint = "Wait for it to come back."};

static void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("%s %s\n", e->sqlstate, e->message);
        abort();
    }
}

static void say(struct scene *s, char type, const char *text)
{
    struct zs_error e = {0};
    char whole[16384];
    int n = snprintf(whole, sizeof whole, "%c%s", type, text);
    must(s->far.send(s->far.self, whole, (uint64_t)n, &e), &e);
}

static void say_done(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(done_encode(&s->done, &text, &e), &e);
    say(s, 'D', text);
}

/* The receiver answers when it has all: not before, or the sender would take it amiss. */
static int32_t hear_and_answer(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct scene *s = self;
    TRY(s->near.send(s->near.self, msg, len, e));
    if (*(const char *)msg != s->answer_to)
        return ZS_OK;
    s->ended = s->fails;
    if (s->fails)
        return ZS_OK;
    if (s->answers)
        say_done(s);
    return s->far.finish(s->far.self, e);
}

static int32_t pass_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    const struct scene *s = self;
    if (s->ended) {
        *e = far_failure;
        return ZS_RECV_ERROR;
    }
    return s->near.recv(s->near.self, timeout_ms, msg, len, e);
}

static int32_t pass_finish(void *self, struct zs_error *e)
{
    const struct scene *s = self;
    return s->near.finish(s->near.self, e);
}

static void pass_close(void *self)
{
    const struct scene *s = self;
    s->near.close(s->near.self);
}

/* A branch of PAGES pages, up to 0/1000. */
static void scene_open(struct scene *s, unsigned options)
{
    struct zs_error e = {0};
    static uint8_t pages[PAGES][8192];
    struct zs_record records[PAGES];
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < PAGES; i++)
        memset(pages[i], 1 + (int)(i % 255), sizeof pages[i]);
    must(stub_store_open(options, &s->store, &e), &e);
    must(transfer_list_open(&s->list, &e), &e);
    conn_init(&s->conn);
    must(stub_pipe_open(64u << 20, NULL, NULL, &s->near, &s->far, &e), &e);
    s->conn.channel = (struct zs_channel){.struct_size = sizeof s->conn.channel,
                                          .self = s,
                                          .send = hear_and_answer,
                                          .recv = pass_recv,
                                          .finish = pass_finish,
                                          .close = pass_close};
    s->answer_to = 'C';
    s->answers = true;
    for (uint32_t i = 0; i < PAGES; i++) {
        records[i] = (struct zs_record){
            .kind = ZS_KIND_IMAGE, .len = sizeof pages[i], .value = pages[i], .lsn = i + 1};
        put_u32be(records[i].key + 14, i);
    }
    must(stub_store_branch_create(s->store, "main", NULL, NULL, &e), &e);
    must(stub_store_write(s->store, "main", records, PAGES, 0x1000, &e), &e);
    must(snapshot_open(stub_store_table(s->store), "main", &s->snapshot, &e), &e);
    s->state = (struct state_message){.digests = true, .encodings = 7};
    s->done = (struct done_message){.verdict = VERDICT_ABSENT,
                                    .timeline = s->snapshot.info.timeline,
                                    .last = history_last(&s->snapshot)};
}

static void scene_close(struct scene *s)
{
    snapshot_close(&s->snapshot);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    transfer_list_close(s->list);
    CU_ASSERT(stub_store_open_handles(s->store) == 0);
    stub_store_close(s->store);
}

static void say_state(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(state_encode(&s->state, &text, &e), &e);
    say(s, 'S', text);
}

/* Run the sender; `told`: the STATE came with the command. */
static int run(struct scene *s, struct send_job job, bool told, struct outcome *o,
               struct zs_error *e)
{
    struct transfer *t = transfer_begin(s->list, "test", "main", "far");
    struct progress progress = {.transfer = t};
    *e = (struct zs_error){0};
    job.snapshot = &s->snapshot;
    job.conn = &s->conn;
    job.transfer = t;
    job.progress = &progress;
    int rc = send_run(&job, told ? &s->state : NULL, o, e);
    transfer_end(t, rc == ZS_OK ? NULL : e);
    return rc;
}

/* What came over: a letter per message. */
struct heard {
    char types[64];
    uint32_t batches, records, smallest, largest; /* records of all batches but the last */
    uint8_t encoding;
    struct zs_digest sum; /* of what came */
    struct offer_message offer;
    struct commit_message commit;
};

static struct heard listen(struct scene *s)
{
    struct zs_error e = {0};
    struct heard h = {.smallest = UINT32_MAX};
    struct batch_reader *reader = NULL;
    const void *m = NULL;
    uint64_t len = 0;
    uint32_t last = 0;
    must(batch_reader_open(&reader, &e), &e);
    for (size_t i = 0; s->far.recv(s->far.self, 0, &m, &len, &e) == ZS_RECV_MESSAGE; i++) {
        const char *text = m;
        CU_ASSERT_FATAL(i < sizeof h.types - 1);
        h.types[i] = text[0];
        if (text[0] == 'O')
            ASSERT_OK(offer_decode(text + 1, len - 1, &h.offer, &e));
        if (text[0] == 'C')
            ASSERT_OK(commit_decode(text + 1, len - 1, &h.commit, &e));
        if (text[0] != 'B')
            continue;
        const struct zs_record *records = NULL;
        uint32_t n = 0;
        h.encoding = ((const uint8_t *)m)[1];
        ASSERT_OK(batch_decode(reader, m, len, &records, &n, &e));
        if (h.batches > 0) {
            h.smallest = last < h.smallest ? last : h.smallest;
            h.largest = last > h.largest ? last : h.largest;
        }
        last = n;
        digest_add_records(&h.sum, records, n);
        h.batches++;
        h.records += n;
    }
    batch_reader_close(reader);
    return h;
}

/* 126 pages fit into a batch; one that goes alone wastes a send each. */
static void test_batches_are_full(void)
{
    static const unsigned options[] = {0, STUB_STORE_COPIES,
                                       STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS};
    for (size_t i = 0; i < 3; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, options[i]);
        ASSERT_OK(run(&s, (struct send_job){0}, true, &o, &e));
        struct heard h = listen(&s);
        ASSERT_TEXT(h.types, "OBBBC");
        CU_ASSERT(h.records == PAGES && h.smallest == 126 && h.largest == 126);
        CU_ASSERT(h.offer.verdict == VERDICT_ABSENT && h.offer.mode == OFFER_SEND);
        CU_ASSERT(h.offer.records == PAGES && h.offer.bytes == PAGES_BYTES);
        CU_ASSERT(h.commit.records == PAGES && h.commit.bytes == PAGES_BYTES);
        CU_ASSERT(digest_equal(h.commit.end.digest, s.snapshot.info.digest));
        CU_ASSERT(o.records == PAGES && o.raw_bytes == PAGES_BYTES && o.to_lsn == 0x1000);
        CU_ASSERT(o.wire_bytes > PAGES_BYTES && o.wire_bytes < PAGES_BYTES + 40000);
        scene_close(&s);
    }
}

static const struct zs_store *counted;
static pthread_t caller; /* of the store below; a test's own */
static unsigned read_by_others;

static int32_t counting_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                             uint64_t buf_bytes, uint64_t *count, uint32_t *more,
                             struct zs_error *e)
{
    read_by_others += pthread_equal(caller, pthread_self()) == 0;
    return counted->iter_next(iter, records, n, buf, buf_bytes, count, more, e);
}

/* Of three batches so many go without a thread; what is left then is another thread's. */
static void test_a_thread_is_started_after_so_many_batches(void)
{
    static const struct {
        uint32_t inline_batches;
        bool thread;
    } cases[] = {{1, true}, {2, true}, {4, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, STUB_STORE_COPIES);
        counted = s.snapshot.store;
        struct zs_store table = *counted;
        table.iter_next = counting_next;
        s.snapshot.store = &table;
        caller = pthread_self();
        read_by_others = 0;
        ASSERT_OK(
            run(&s, (struct send_job){.inline_batches = cases[i].inline_batches}, true, &o, &e));
        CU_ASSERT((read_by_others > 0) == cases[i].thread);
        s.snapshot.store = counted;
        scene_close(&s);
    }
}

static void test_the_encoding_is_one_that_the_receiver_reads(void)
{
    static const struct {
        uint32_t mine, asked, reads;
        uint8_t used;
    } cases[] = {
        {BATCH_NONE, BATCH_NONE, 7, BATCH_NONE}, {BATCH_LZ4, BATCH_NONE, 7, BATCH_LZ4},
        {BATCH_NONE, BATCH_ZSTD, 7, BATCH_ZSTD}, {BATCH_LZ4, BATCH_ZSTD, 7, BATCH_LZ4},
        {BATCH_ZSTD, BATCH_NONE, 3, BATCH_NONE}, {BATCH_NONE, BATCH_LZ4, 1, BATCH_NONE},
        {BATCH_NONE, 3, UINT32_MAX, BATCH_NONE}, {BATCH_NONE, 77, UINT32_MAX, BATCH_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        s.state.encoding = cases[i].asked;
        s.state.encodings = cases[i].reads;
        say_state(&s);
        ASSERT_OK(run(&s, (struct send_job){.encoding = cases[i].mine}, false, &o, &e));
        CU_ASSERT(listen(&s).encoding == cases[i].used);
        scene_close(&s);
    }
}

/* A rate makes batches small; the lower of both sides' holds. */
static void test_the_lower_rate_holds(void)
{
    static const struct {
        uint64_t mine, theirs;
        uint32_t largest; /* pages in a batch */
    } cases[] = {{100u << 20, 400u << 20, 126},
                 {8u << 20, 0, 51},
                 {0, 8u << 20, 51},
                 {8u << 20, 100u << 20, 51},
                 {100u << 20, 8u << 20, 51}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, STUB_STORE_COPIES);
        s.state.max_rate_bps = cases[i].theirs;
        ASSERT_OK(run(&s, (struct send_job){.max_rate_bps = cases[i].mine}, true, &o, &e));
        struct heard h = listen(&s);
        CU_ASSERT(h.records == PAGES && h.largest == cases[i].largest);
        CU_ASSERT(digest_equal(h.sum, h.commit.sum));
        scene_close(&s);
    }
}

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

SUITE("sync/send",
      {"a far cancel after the commit is told as it was said",
       test_a_far_cancel_after_the_commit_is_told_as_it_was_said},
      {"batches are full", test_batches_are_full},
      {"a thread is started after so many batches", test_a_thread_is_started_after_so_many_batches},
      {"the encoding is one that the receiver reads",
       test_the_encoding_is_one_that_the_receiver_reads},
      {"the lower rate holds", test_the_lower_rate_holds},
      {"a dry run of either side sends no record", test_a_dry_run_of_either_side_sends_no_record},
      {"an asked receiver can only refuse", test_an_asked_receiver_can_only_refuse},
      {"a receiver that ends elsewhere is an error",
       test_a_receiver_that_ends_elsewhere_is_an_error},
      {"messages out of turn are refused", test_messages_out_of_turn_are_refused},
      {"a receiver that speaks in between is heard",
       test_a_receiver_that_speaks_in_between_is_heard},
      {"a connection lost after the commit says what is open",
       test_a_connection_lost_after_the_commit_says_what_is_open})
