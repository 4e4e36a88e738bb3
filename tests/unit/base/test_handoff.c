/* test_handoff.c - slots between two threads: in order, bounded, the first failure to both. */
#include "../../support/suite.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/handoff.h"

#include <stdatomic.h>
#include <string.h>

enum { SLOTS = 3, SIZE = 100, MANY = 5000 };

struct bench {
    struct handoff *h;
    uint64_t numbers[SLOTS]; /* what is handed over: plain memory, ordered by the handoff */
    uint64_t sum;
    uint64_t taken;
    bool in_order;
    uint64_t fail_at; /* 0: never */
    atomic_uint on_the_way, most;
};

static void bench_open(struct bench *b, uint64_t max_bytes)
{
    struct zs_error e = {0};
    *b = (struct bench){.in_order = true};
    ASSERT_OK(handoff_open(SLOTS, max_bytes, &b->h, &e));
}

static void count_one(struct bench *b)
{
    unsigned now = atomic_fetch_add(&b->on_the_way, 1) + 1;
    if (now > atomic_load(&b->most))
        atomic_store(&b->most, now); /* by the giver alone */
}

static int give(struct bench *b, uint64_t number, uint64_t bytes, struct zs_error *e)
{
    uint32_t slot = 0;
    if (handoff_room(b->h, -1, &slot, e) != HANDOFF_SLOT)
        return ZS_FAIL;
    b->numbers[slot] = number;
    count_one(b);
    handoff_give(b->h, bytes);
    return ZS_OK;
}

static int take_all(void *context, struct handoff *h, struct zs_error *e)
{
    struct bench *b = context;
    for (;;) {
        uint32_t slot = 0;
        enum handoff_got got = handoff_take(h, -1, &slot, e);
        if (got != HANDOFF_SLOT)
            return got == HANDOFF_END ? ZS_OK : ZS_FAIL;
        b->taken++;
        b->in_order = b->in_order && b->numbers[slot] == b->taken;
        b->sum += b->numbers[slot];
        if (b->taken == b->fail_at)
            return error_set(e, ZS_DISK_FULL, "the taker fails");
        atomic_fetch_sub(&b->on_the_way, 1);
        handoff_done(h);
    }
}

static int give_all(void *context, struct handoff *h, struct zs_error *e)
{
    for (uint64_t i = 1; i <= MANY; i++)
        TRY(give(context, i, SIZE, e));
    handoff_end(h);
    return ZS_OK;
}

static void test_all_comes_in_order_whoever_has_the_thread(void)
{
    struct zs_error e = {0};
    struct bench b;
    bench_open(&b, UINT64_MAX);
    CU_ASSERT_FATAL(handoff_start(b.h, take_all, &b));
    for (uint64_t i = 1; i <= MANY; i++)
        ASSERT_OK(give(&b, i, SIZE, &e));
    while (handoff_rest(b.h, 10, &e) == HANDOFF_NOTHING)
        ;
    uint64_t given = 0, done = 0;
    ASSERT_OK(handoff_look(b.h, &given, &done, &e));
    CU_ASSERT(given == MANY && done == MANY && b.taken == MANY && b.in_order);
    CU_ASSERT(b.sum == (uint64_t)MANY * (MANY + 1) / 2);
    CU_ASSERT(atomic_load(&b.most) <= SLOTS);
    handoff_close(b.h);

    bench_open(&b, UINT64_MAX);
    CU_ASSERT_FATAL(handoff_start(b.h, give_all, &b));
    ASSERT_OK(take_all(&b, b.h, &e));
    CU_ASSERT(b.taken == MANY && b.in_order);
    CU_ASSERT(atomic_load(&b.most) <= SLOTS);
    handoff_close(b.h);
}

static void test_slots_and_bytes_are_bounded(void)
{
    struct zs_error e = {0};
    struct bench b;
    uint32_t slot = 0;
    bench_open(&b, 2ul * SIZE);
    ASSERT_OK(give(&b, 1, SIZE, &e));
    CU_ASSERT(handoff_room(b.h, 0, &slot, &e) == HANDOFF_SLOT); /* asking takes nothing */
    ASSERT_OK(give(&b, 2, SIZE, &e));
    CU_ASSERT(handoff_room(b.h, 1, &slot, &e) == HANDOFF_NOTHING); /* the bytes are full */
    CU_ASSERT(handoff_rest(b.h, 0, &e) == HANDOFF_NOTHING);
    CU_ASSERT(handoff_take(b.h, 0, &slot, &e) == HANDOFF_SLOT && b.numbers[slot] == 1);
    CU_ASSERT(handoff_room(b.h, 1, &slot, &e) == HANDOFF_NOTHING); /* taken is not done */
    handoff_done(b.h);
    ASSERT_OK(give(&b, 3, 50ul * SIZE, &e)); /* one message may be as large as it likes */
    CU_ASSERT(handoff_room(b.h, 1, &slot, &e) == HANDOFF_NOTHING);
    for (uint64_t i = 2; i <= 3; i++) {
        CU_ASSERT(handoff_take(b.h, 0, &slot, &e) == HANDOFF_SLOT && b.numbers[slot] == i);
        handoff_done(b.h);
    }
    CU_ASSERT(handoff_rest(b.h, 0, &e) == HANDOFF_SLOT);
    for (uint64_t i = 4; i < 4 + SLOTS; i++)
        ASSERT_OK(give(&b, i, 0, &e));
    CU_ASSERT(handoff_room(b.h, 1, &slot, &e) == HANDOFF_NOTHING); /* the slots are full */
    handoff_close(b.h);
}

static void test_the_end_comes_after_the_last(void)
{
    struct zs_error e = {0};
    struct bench b;
    uint32_t slot = 0;
    bench_open(&b, UINT64_MAX);
    CU_ASSERT(handoff_take(b.h, 1, &slot, &e) == HANDOFF_NOTHING);
    ASSERT_OK(give(&b, 1, SIZE, &e));
    handoff_end(b.h);
    CU_ASSERT(handoff_take(b.h, 0, &slot, &e) == HANDOFF_SLOT && b.numbers[slot] == 1);
    CU_ASSERT(handoff_take(b.h, 0, &slot, &e) == HANDOFF_END);
    CU_ASSERT(handoff_take(b.h, -1, &slot, &e) == HANDOFF_END); /* and stays */
    handoff_close(b.h);
}

static void test_the_first_failure_is_told_to_both(void)
{
    struct zs_error e = {0};
    struct bench b;
    uint64_t given = 0, done = 0;
    bench_open(&b, UINT64_MAX);
    b.fail_at = 3;
    CU_ASSERT_FATAL(handoff_start(b.h, take_all, &b));
    int rc = ZS_OK;
    for (uint64_t i = 1; rc == ZS_OK && i <= MANY; i++)
        rc = give(&b, i, SIZE, &e);
    CU_ASSERT(rc != ZS_OK);
    ASSERT_TEXT(e.sqlstate, ZS_DISK_FULL);
    ASSERT_TEXT(e.message, "the taker fails");
    struct zs_error mine = {0};
    error_set(&mine, ZS_CONNECTION_LOST, "too late");
    handoff_fail(b.h, &mine);
    ASSERT_TEXT(mine.message, "the taker fails"); /* the first one stays the first */
    ASSERT_FAILS(handoff_look(b.h, &given, &done, &e), ZS_DISK_FULL);
    CU_ASSERT(done == 2);
    handoff_close(b.h);

    bench_open(&b, UINT64_MAX);
    error_set(&mine, ZS_CONNECTION_LOST, "the opener fails");
    CU_ASSERT_FATAL(handoff_start(b.h, take_all, &b));
    handoff_fail(b.h, &mine);
    ASSERT_TEXT(mine.message, "the opener fails");
    handoff_close(b.h); /* the thread has heard of it, or hears of the close */
}

/* Nobody gives or takes: a thread that waits must not keep the close from returning. */
static void test_a_close_ends_a_thread_that_waits(void)
{
    struct bench b;
    bench_open(&b, UINT64_MAX);
    CU_ASSERT_FATAL(handoff_start(b.h, take_all, &b));
    handoff_close(b.h);
    bench_open(&b, UINT64_MAX);
    CU_ASSERT_FATAL(handoff_start(b.h, give_all, &b)); /* stands still when the slots are full */
    handoff_close(b.h);
    handoff_close(NULL);
}

SUITE("base/handoff",
      {"all comes in order, whoever has the thread",
       test_all_comes_in_order_whoever_has_the_thread},
      {"slots and bytes are bounded", test_slots_and_bytes_are_bounded},
      {"the end comes after the last", test_the_end_comes_after_the_last},
      {"the first failure is told to both", test_the_first_failure_is_told_to_both},
      {"a close ends a thread that waits", test_a_close_ends_a_thread_that_waits})
