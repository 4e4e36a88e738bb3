/* test_receive_sums.c - a receiver of batches whose values only their records' sum guards. */
#include "receive_fixture.h"

#include "wire/batch_format.h"

/* Three batches of a record each; the first of them as it was before there were sums, if `plain`,
 * and a value of one of them damaged on its way, unless `damaged` is none of them. */
static void say_summed(struct scene *s, bool plain, uint32_t damaged)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    must(batch_writer_open(BATCH_NONE, &w, &e), &e);
    for (uint32_t i = 0; i < 3; i++) {
        const void *message = NULL;
        uint64_t bytes = 0;
        uint8_t copy[256];
        bool added = false;
        batch_writer_sums(w, i > 0 || !plain);
        must(batch_add(w, &s->records[i], &added, &e), &e);
        must(batch_finish(w, &message, &bytes, &e), &e);
        CU_ASSERT_FATAL(bytes <= sizeof copy);
        memcpy(copy, message, bytes);
        copy[BATCH_HEAD + 2] ^= i == damaged ? 4 : 0;
        say(s, copy, bytes);
    }
    batch_writer_close(w);
}

static const struct {
    unsigned options;
    uint32_t inline_batches; /* 1: the first batch is put by the caller's thread, the others by
                                another */
    bool plain;
} ways[] = {{0, 0, false},
            {0, 1, false},
            {0, 0, true},
            {STUB_STORE_NO_DIGEST, 0, false},
            {STUB_STORE_NO_DIGEST, 1, true}};

static void way_open(struct scene *s, size_t way)
{
    scene_open_with(s, false, ways[way].options);
    s->inline_batches = ways[way].inline_batches;
    s->sync_bytes = 1; /* a stage is kept behind each batch */
    say_offer(s);
}

static void test_batches_that_come_to_their_sum_are_taken(void)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        way_open(&s, i);
        say_summed(&s, ways[i].plain, 3);
        say_commit(&s);
        ASSERT_OK(receive(&s, false, &o, &e));
        must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
        CU_ASSERT(now.last_valid_lsn == THERE && o.records == 3 && o.raw_bytes == 15);
        scene_close(&s);
    }
}

/* Nothing of it is visible, and what a stage keeps ends before it. */
static void test_a_value_that_was_damaged_is_not_kept(void)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (uint32_t damaged = ways[i].plain ? 1 : 0; damaged < 3; damaged++) {
            struct scene s;
            struct outcome o;
            struct zs_error e;
            struct state_message state;
            char detail[64];
            way_open(&s, i);
            say_summed(&s, ways[i].plain, damaged);
            say_commit(&s);
            ASSERT_FAILS(receive(&s, false, &o, &e), ZS_CORRUPT);
            CU_ASSERT(strstr(e.message, "a batch was damaged on its way") != NULL);
            (void)snprintf(detail, sizeof detail, "Batch %u of 5 bytes.", damaged);
            CU_ASSERT(strstr(e.detail, detail) != NULL);
            CU_ASSERT(unchanged(&s));
            must(receive_state(stub_store_table(s.store), "main", &state, &e), &e);
            bool stages = ways[i].options == 0;
            CU_ASSERT(state.resume.present == (stages && damaged > 0));
            CU_ASSERT(!state.resume.present || state.resume.records == damaged);
            scene_close(&s);
        }
}

/* Records that come to another sum than COMMIT's are refused there, as ever. */
static void test_a_sum_of_other_records_is_not_the_range_s(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, false);
    say_offer(&s);
    s.records[1].value = "valuE";
    say_summed(&s, false, 3);
    say_commit(&s);
    ASSERT_FAILS(receive(&s, false, &o, &e), ZS_CORRUPT);
    CU_ASSERT(strstr(e.message, "what was received is not") != NULL);
    CU_ASSERT(unchanged(&s));
    scene_close(&s);
}

SUITE("sync/receive_sums",
      {"batches that come to their sum are taken", test_batches_that_come_to_their_sum_are_taken},
      {"a value that was damaged is not kept", test_a_value_that_was_damaged_is_not_kept},
      {"a sum of other records is not the range's", test_a_sum_of_other_records_is_not_the_range_s})
