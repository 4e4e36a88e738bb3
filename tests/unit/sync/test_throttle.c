/* test_throttle.c - the booking of bytes, in simulated time. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_cancel.h"
#include "sync/cancel.h"
#include "sync/throttle.h"
#include "wire/batch.h"

#include <stdlib.h>

#define SECOND INT64_C(1000000000)

/* What a batch of `values` bytes of 8 KiB pages has around it. */
static uint64_t on_the_wire(uint32_t values)
{
    return 32 + values + (values / 8192 + 1) * 31;
}

/* Send batches for a minute, as fast as booked; in any 10 s no more than the rate allows,
 * and no less. */
static void test_the_rate_holds_over_any_ten_seconds(void)
{
    static const struct {
        uint64_t rate;
        double most_over, most_under;
    } cases[] = {
        /* A page is the least that can go at once: at slow rates it is more than 1 %. */
        {8192, 0.11, 0.11},    {20000, 0.05, 0.05},    {100000, 0.02, 0.02},
        {1048576, 0.02, 0.02}, {52428800, 0.02, 0.02}, {2000000000, 0.02, 0.02},
    };
    enum { MOST = 400000 };
    struct sent {
        int64_t at;
        uint64_t bytes;
    } *sent = calloc(MOST, sizeof *sent);
    if (sent == NULL)
        abort();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct throttle t = {.rate_bps = cases[i].rate};
        uint64_t bytes = on_the_wire(throttle_batch_bytes(&t));
        int64_t now = 77 * SECOND, end = now + 60 * SECOND;
        size_t n = 0;
        while (now < end && n < MOST) {
            now = throttle_book(&t, bytes, now); /* sent at once, when booked */
            sent[n++] = (struct sent){.at = now, .bytes = bytes};
        }
        CU_ASSERT_FATAL(n < MOST);
        double most = (double)cases[i].rate * 10 * (1 + cases[i].most_over);
        double least = (double)cases[i].rate * 10 * (1 - cases[i].most_under);
        uint64_t window = 0;
        for (size_t first = 0, last = 0; last < n; last++) {
            window += sent[last].bytes;
            while (sent[last].at - sent[first].at > 10 * SECOND)
                window -= sent[first++].bytes;
            CU_ASSERT((double)window <= most);
            if (sent[last].at >= 90 * SECOND)
                CU_ASSERT((double)window >= least);
        }
    }
    free(sent);
}

static void test_idle_time_is_not_saved_up(void)
{
    struct throttle t = {.rate_bps = 1000};
    CU_ASSERT(throttle_book(&t, 100, SECOND) == SECOND);
    int64_t later = 1000 * SECOND;
    CU_ASSERT(throttle_book(&t, 1000, later) == later); /* at once, and then no burst */
    CU_ASSERT(throttle_book(&t, 500, later) == later + SECOND);
    CU_ASSERT(throttle_book(&t, 1, later) == later + SECOND + SECOND / 2);
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

static void test_batches_are_a_tenth_of_a_second_within_bounds(void)
{
    static const struct {
        uint64_t rate;
        uint32_t bytes;
    } cases[] = {
        {0, BATCH_VALUES_BYTES},
        {1, 8192},
        {81920, 8192},
        {100000, 10000},
        {10ull * BATCH_VALUES_BYTES, BATCH_VALUES_BYTES},
        {UINT64_MAX, BATCH_VALUES_BYTES},
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
    ASSERT_OK(
        throttle_wait(&t, 3600, &cancel.token, NULL, NULL, &e)); /* at once; the next in an hour */
    stub_cancel_at_poll(&cancel, 3);
    ASSERT_FAILS(throttle_wait(&t, 1, &cancel.token, NULL, NULL, &e), ZS_CANCELLED);
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
    ASSERT_OK(throttle_wait(&t, 100000, NULL, line_is_cut, &looks, &e)); /* at once */
    CU_ASSERT(looks == 0);
    ASSERT_FAILS(throttle_wait(&t, 1, NULL, line_is_cut, &looks, &e), ZS_CONNECTION_LOST);
    CU_ASSERT(looks == 1);
}

SUITE("sync/throttle",
      {"a wait sees to the line, and ends when that is cut", test_a_wait_sees_to_the_line},
      {"the rate holds over any ten seconds", test_the_rate_holds_over_any_ten_seconds},
      {"idle time is not saved up", test_idle_time_is_not_saved_up},
      {"without a rate nothing waits", test_without_a_rate_nothing_waits},
      {"batches are a tenth of a second within bounds",
       test_batches_are_a_tenth_of_a_second_within_bounds},
      {"a wait ends with a cancel", test_a_wait_ends_with_a_cancel})
