/* test_send.c - what the sender's stream looks like: batches that are full, the encoding and the
 * rate that were asked for. */
#include "send_fixture.h"

#include "stub/stub_cancel.h"

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
        {BATCH_NONE, 3, 7, BATCH_NONE},          {BATCH_NONE, 77, 7, BATCH_NONE},
        {BATCH_NONE, BATCH_NONE, 8, 3},          {BATCH_NONE, 77, UINT32_MAX, 3},
        {BATCH_LZ4, BATCH_NONE, 15, BATCH_LZ4},  {BATCH_ZSTD, BATCH_NONE, 9, 3},
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

/* Who waits asks for a cancel every so often, and a machine that is busy asks less often: so the
 * polls bound from above how long was to be waited.  Each byte is waited for once. */
static void test_each_byte_is_waited_for_once(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    struct stub_cancel c;
    scene_open(&s, STUB_STORE_COPIES);
    must(stub_cancel_init(&c, &e), &e);
    ASSERT_OK(run(&s,
                  (struct send_job){
                      .max_rate_bps = 8u << 20, .inline_batches = UINT32_MAX, .cancel = &c.token},
                  true, &o, &e));
    CU_ASSERT(atomic_load(&c.polls) <= 42); /* 34; 50 if a batch counts before and after, too */
    stub_cancel_fini(&c);
    scene_close(&s);
}

SUITE("sync/send", {"each byte is waited for once", test_each_byte_is_waited_for_once},
      {"batches are full", test_batches_are_full},
      {"a thread is started after so many batches", test_a_thread_is_started_after_so_many_batches},
      {"the encoding is one that the receiver reads",
       test_the_encoding_is_one_that_the_receiver_reads},
      {"the lower rate holds", test_the_lower_rate_holds})
