/* test_cancel.c - a token is asked: for its request, and for its deadline. */
#include "../../support/suite.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

#include <string.h>

static int32_t asked(void *self)
{
    return *(const int32_t *)self;
}

static void test_a_request_and_a_deadline_are_errors_with_a_hint(void)
{
    const int64_t hour_ns = INT64_C(3600000000000);
    static const struct {
        bool none; /* no token at all */
        int32_t asked;
        int hours; /* the deadline, from now on; 0 none */
        const char *says;
    } cases[] = {
        {true, 0, 0, NULL},
        {false, 0, 0, NULL},
        {false, 0, 1, NULL},
        {false, 1, 0, "was cancelled"},
        {false, 1, 1, "was cancelled"},
        {false, 0, -1, "its time is up"},
        {false, 1, -1, "was cancelled"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        int32_t now = cases[i].asked;
        const struct zs_cancel token = {
            .struct_size = sizeof token,
            .fd = -1,
            .deadline_ns = cases[i].hours == 0 ? 0 : clock_now_ns() + cases[i].hours * hour_ns,
            .self = &now,
            .requested = asked};
        const struct zs_cancel *cancel = cases[i].none ? NULL : &token;
        CU_ASSERT(cancel_requested(cancel) == (cases[i].says != NULL));
        if (cases[i].says == NULL) {
            ASSERT_OK(cancel_check(cancel, &e));
            continue;
        }
        ASSERT_FAILS(cancel_check(cancel, &e), ZS_CANCELLED);
        CU_ASSERT(strstr(e.message, cases[i].says) != NULL);
        CU_ASSERT(e.hint[0] != '\0' && e.retry == ZS_RETRY_RESUME);
    }
}

SUITE("base/cancel", {"a request and a deadline are errors with a hint",
                      test_a_request_and_a_deadline_are_errors_with_a_hint})
