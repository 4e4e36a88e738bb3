/* test_throttle.c - the booking of bytes, in simulated time. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_cancel.h"
#include "sync/cancel.h"
#include "sync/throttle.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000000)

enum { MOST = 400000 };

struct sent {
    int64_t at;
    uint64_t bytes;
};

/* The most, and the least, that goes within any ten seconds. */
static uint64_t most_in_ten(const struct sent *sent, size_t n)
{
    uint64_t window = 0, most = 0;
    for (size_t first = 0, last = 0; last < n; last++) {
        window += sent[last].bytes;
        while (sent[last].at - sent[first].at > 10 * SECOND)
            window -= sent[first++].bytes;
        most = window > most ? window : most;
    }
    return most;
}

static uint64_t least_in_ten(const struct sent *sent, size_t n, int64_t end)
{
    uint64_t window = 0, least = UINT64_MAX;
    for (size_t first = 0, last = 0; first < n && sent[first].at + 10 * SECOND < end; first++) {
        while (last < n && sent[last].at - sent[first].at <= 10 * SECOND)
            window += sent[last++].bytes;
        window -= sent[first].bytes;
        least = window < least ? window : least;
    }
    return least;
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x >> 16;
}

/* Batches of every size up to what they should have, senders that wake up late, stores that
 * stall for long, KEEPALIVEs beside: for two minutes of simulated time. */
static void test_the_rate_holds_over_any_ten_seconds(void)
{
    static const struct {
        uint64_t rate;
        int64_t late;      /* a wait takes up to so much longer */
        int64_t stall;     /* now and then nothing is ready for up to so long */
        bool full, beside; /* each batch has all it may; other messages go in between */
    } cases[] = {
        {170000, 0, 0, true, false},
        {170000, 20000000, 0, true, true},
        {1048576, 0, 0, true, false},
        {1048576, 0, 0, false, false},
        {1048576, 60000000, 0, true, true},
        {1048576, 60000000, 0, false, true},
        {1048576, 3 * SECOND, 20 * SECOND, false, true},
        {1048576, 0, 9 * SECOND, true, false},
        {52428800, 1000000, SECOND / 2, false, true},
        {52428800, 0, 0, true, false},
        {2000000000, 100000, 0, true, false},
        {2000000000, 0, SECOND, false, false},
    };
    struct sent *sent = calloc(MOST, sizeof *sent);
    uint64_t x = 88172645463325252u;
    if (sent == NULL)
        abort();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct throttle t = {.rate_bps = cases[i].rate};
        uint64_t most = throttle_batch_bytes(&t);
        int64_t now = 77 * SECOND, end = now + 120 * SECOND;
        size_t n = 0;
        while (now < end && n + 1 < MOST) {
            uint64_t bytes = cases[i].full ? most : 1 + next_random(&x) % most;
            if (cases[i].stall > 0 && next_random(&x) % 50 == 0)
                now += (int64_t)(next_random(&x) % (uint64_t)cases[i].stall);
            if (cases[i].beside && next_random(&x) % 8 == 0) {
                sent[n++] = (struct sent){.at = now, .bytes = 400};
                throttle_note(&t, 400, now);
            }
            int64_t turn = throttle_book(&t, bytes, now);
            CU_ASSERT(turn >= now);
            now = turn;
            if (cases[i].late > 0)
                now += (int64_t)(next_random(&x) % (uint64_t)cases[i].late);
            sent[n++] = (struct sent){.at = now, .bytes = bytes};
        }
        CU_ASSERT_FATAL(n + 1 < MOST || cases[i].rate > 1000000000);
        double ten = (double)cases[i].rate * 10, over = (double)most_in_ten(sent, n) / ten;
        CU_ASSERT(over <= 1.05);
        bool ready = cases[i].stall == 0 && (cases[i].full || cases[i].late == 0);
        double under = ready ? (double)least_in_ten(sent, n, sent[n - 1].at) / ten : 1;
        CU_ASSERT(under >= 0.95);
        if (over > 1.05 || under < 0.95)
            (void)printf("case %zu: %.4f to %.4f of the rate\n", i, under, over);
    }
    free(sent);
}

/* Records larger than a batch, among pages, with stalls: the header's bound, for any window. */
static void test_a_large_record_is_one_message_more_and_no_further(void)
{
    static const struct {
        uint64_t rate, large;
    } cases[] = {{16384, 8271}, {1048576, 8388655}, {20971520, 8388655}, {100, 5000000}};
    struct sent *sent = calloc(MOST, sizeof *sent);
    uint64_t x = 88172645463325252u;
    if (sent == NULL)
        abort();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct throttle t = {.rate_bps = cases[i].rate};
        int64_t now = SECOND;
        size_t n = 0;
        for (; n < 2000; n++) {
            uint64_t bytes = next_random(&x) % 4 == 0 ? throttle_batch_bytes(&t) : cases[i].large;
            if (next_random(&x) % 20 == 0)
                now += (int64_t)(next_random(&x) % (uint64_t)(60 * SECOND));
            now = throttle_book(&t, bytes, now);
            sent[n] = (struct sent){.at = now, .bytes = bytes};
        }
        double credit = (double)THROTTLE_CREDIT_NS / (double)SECOND;
        double bound = (double)cases[i].rate * (10 + credit) + (double)cases[i].large;
        CU_ASSERT((double)most_in_ten(sent, n) <= bound + 1);
        if (i == 2)
            CU_ASSERT((double)most_in_ten(sent, n) <= 1.05 * 10 * (double)cases[i].rate);
    }
    free(sent);
}

static void test_all_of_a_message_is_paid_for_before_it_goes(void)
{
    struct throttle t = {.rate_bps = 1048576};
    int64_t turn = throttle_book(&t, 8388608, SECOND);
    CU_ASSERT(turn == 9 * SECOND - THROTTLE_CREDIT_NS);
    CU_ASSERT(throttle_book(&t, 8388608, turn) == turn + 8 * SECOND);
}

static void test_idle_time_is_saved_up_for_a_moment_only(void)
{
    struct throttle t = {.rate_bps = 1000};
    int64_t credit = THROTTLE_CREDIT_NS, later = 1000 * SECOND;
    CU_ASSERT(throttle_book(&t, 1000, SECOND) == 2 * SECOND - credit);
    CU_ASSERT(throttle_book(&t, 100, later) == later); /* at once, and then no burst */
    CU_ASSERT(throttle_book(&t, 500, later) == later + SECOND / 2);
    CU_ASSERT(throttle_book(&t, 1, later) == later + SECOND / 2 + SECOND / 1000);
    throttle_note(&t, 999, later);
    CU_ASSERT(throttle_book(&t, 1, later) == later + SECOND + SECOND / 2 + SECOND / 1000);
}

static void test_without_a_rate_nothing_waits(void)
{
    struct throttle t = {.rate_bps = 0};
    struct zs_error e = {0};
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT(throttle_book(&t, UINT64_MAX, 5) == 5);
        ASSERT_OK(throttle_wait(&t, UINT64_MAX, NULL, NULL, NULL, &e));
    }
}

static void test_batches_are_a_twentieth_of_a_second_within_bounds(void)
{
    static const struct {
        uint64_t rate;
        uint32_t bytes;
    } cases[] = {
        {0, UINT32_MAX}, {1, 8271},           {165420, 8271},
        {200000, 10000}, {20971520, 1048576}, {UINT64_MAX, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(throttle_batch_bytes(&(struct throttle){.rate_bps = cases[i].rate}) ==
                  cases[i].bytes);
}

static void test_a_wait_ends_with_a_cancel(void)
{
    struct throttle t = {.rate_bps = 1};
    struct zs_error e = {0};
    struct stub_cancel cancel;
    CU_ASSERT_FATAL(stub_cancel_init(&cancel, &e) == ZS_OK);
    stub_cancel_at_poll(&cancel, 3);
    ASSERT_FAILS(throttle_wait(&t, 3600, &cancel.token, NULL, NULL, &e), ZS_CANCELLED);
    stub_cancel_fini(&cancel);
}

static int line_is_cut(void *context, struct zs_error *e)
{
    ++*(int *)context;
    return error_set(e, ZS_CONNECTION_LOST, "cut");
}

static void test_a_wait_sees_to_the_line(void)
{
    struct throttle t = {.rate_bps = 100};
    struct zs_error e = {0};
    int looks = 0;
    ASSERT_OK(throttle_wait(&t, 1, NULL, line_is_cut, &looks, &e)); /* at once */
    CU_ASSERT(looks == 0);
    ASSERT_FAILS(throttle_wait(&t, 100000, NULL, line_is_cut, &looks, &e), ZS_CONNECTION_LOST);
    CU_ASSERT(looks == 1);
}

SUITE("sync/throttle",
      {"a wait sees to the line, and ends when that is cut", test_a_wait_sees_to_the_line},
      {"the rate holds over any ten seconds", test_the_rate_holds_over_any_ten_seconds},
      {"a large record is one message more and no further",
       test_a_large_record_is_one_message_more_and_no_further},
      {"all of a message is paid for before it goes",
       test_all_of_a_message_is_paid_for_before_it_goes},
      {"idle time is saved up for a moment only", test_idle_time_is_saved_up_for_a_moment_only},
      {"without a rate nothing waits", test_without_a_rate_nothing_waits},
      {"batches are a twentieth of a second within bounds",
       test_batches_are_a_twentieth_of_a_second_within_bounds},
      {"a wait ends with a cancel", test_a_wait_ends_with_a_cancel})
