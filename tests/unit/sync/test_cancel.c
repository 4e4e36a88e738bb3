/* test_cancel.c - tokens waited for, and held back by a shield. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_cancel.h"
#include "sync/cancel.h"

static void test_a_sleep_ends_with_a_request(void)
{
    struct zs_error e = {0};
    struct stub_cancel c;
    CU_ASSERT_FATAL(stub_cancel_init(&c, &e) == ZS_OK);
    int64_t before = clock_now_ns();
    ASSERT_OK(cancel_sleep(&c.token, 20000000, &e));
    CU_ASSERT(clock_now_ns() - before >= 20000000);
    ASSERT_OK(cancel_sleep(&c.token, 0, &e));
    ASSERT_OK(cancel_sleep(&c.token, -5, &e));
    ASSERT_OK(cancel_sleep(NULL, 1000, &e));
    stub_cancel_at_poll(&c, 8);
    ASSERT_FAILS(cancel_sleep(&c.token, INT64_C(3600000000000), &e), ZS_CANCELLED);
    stub_cancel_fini(&c);
}

/* Yes, once 10 ms have passed. */
struct late {
    int64_t from_ns;
    unsigned asked;
};

static int32_t late_requested(void *self)
{
    struct late *l = self;
    l->asked++;
    return clock_now_ns() >= l->from_ns;
}

/* Without anything to wait on it asks now and then: neither all the time nor at the end alone. */
static void test_a_long_sleep_asks_now_and_then(void)
{
    struct zs_error e = {0};
    struct late l = {.from_ns = clock_now_ns() + 10000000};
    const struct zs_cancel token = {
        .struct_size = sizeof token, .fd = -1, .self = &l, .requested = late_requested};
    ASSERT_FAILS(cancel_sleep(&token, INT64_C(3600000000000), &e), ZS_CANCELLED);
    CU_ASSERT(l.asked <= 3);
}

static void test_a_shield_holds_requests_while_it_is_up(void)
{
    struct zs_error e = {0};
    struct stub_cancel c;
    struct shield s;
    CU_ASSERT_FATAL(stub_cancel_init(&c, &e) == ZS_OK);
    shield_init(&s, &c.token);
    CU_ASSERT(s.token.fd == -1 && !cancel_requested(&s.token));
    shield_up(&s);
    stub_cancel_request(&c);
    CU_ASSERT(cancel_requested(&c.token) && !cancel_requested(&s.token));
    shield_down(&s);
    CU_ASSERT(cancel_requested(&s.token));
    shield_up(&s);
    CU_ASSERT(!cancel_requested(&s.token));
    /* Past the grace it comes through although the shield is up. */
    s.up_since_ns = clock_now_ns() - SHIELD_GRACE_MS * INT64_C(1000000);
    CU_ASSERT(cancel_requested(&s.token));
    stub_cancel_fini(&c);
}

static void test_a_shield_holds_a_deadline_too(void)
{
    struct zs_error e = {0};
    struct stub_cancel c;
    struct shield s;
    CU_ASSERT_FATAL(stub_cancel_init(&c, &e) == ZS_OK);
    c.token.deadline_ns = 1;
    shield_init(&s, &c.token);
    CU_ASSERT(cancel_requested(&s.token));
    shield_up(&s);
    CU_ASSERT(!cancel_requested(&s.token));
    stub_cancel_fini(&c);
}

static void test_a_shield_over_nothing_never_asks(void)
{
    struct shield s;
    shield_init(&s, NULL);
    CU_ASSERT(!cancel_requested(&s.token));
    shield_up(&s);
    CU_ASSERT(!cancel_requested(&s.token));
}

SUITE("sync/cancel", {"a sleep ends with a request", test_a_sleep_ends_with_a_request},
      {"a long sleep asks now and then", test_a_long_sleep_asks_now_and_then},
      {"a shield holds requests while it is up", test_a_shield_holds_requests_while_it_is_up},
      {"a shield holds a deadline too", test_a_shield_holds_a_deadline_too},
      {"a shield over nothing never asks", test_a_shield_over_nothing_never_asks})
