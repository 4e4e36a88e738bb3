/* test_outcome.c - what a person is told when a transfer is refused. */
#include "../../support/suite.h"

#include "base/error.h"
#include "sync/outcome.h"

#include <string.h>

static void test_each_verdict_has_its_answer(void)
{
    static const struct {
        enum verdict verdict;
        enum direction direction;
        const char *sqlstate; /* NULL: records flow */
        const char *message, *detail, *hint;
    } cases[] = {
        {VERDICT_ABSENT, DIRECTION_PUSH, NULL, NULL, NULL, NULL},
        {VERDICT_BEHIND, DIRECTION_PUSH, NULL, NULL, NULL, NULL},
        {VERDICT_EQUAL, DIRECTION_PUSH, NULL, NULL, NULL, NULL},
        {VERDICT_ABSENT, DIRECTION_PULL, NULL, NULL, NULL, NULL},
        {VERDICT_BEHIND, DIRECTION_PULL, NULL, NULL, NULL, NULL},
        {VERDICT_EQUAL, DIRECTION_PULL, NULL, NULL, NULL, NULL},
        {VERDICT_AHEAD, DIRECTION_PUSH, "ZS001", "the far branch \"there\" is ahead",
         "It stands at 0/20, the branch here at 0/10.",
         "Pull instead: zenith pull here ORIGIN:there"},
        {VERDICT_AHEAD, DIRECTION_PULL, "ZS001", "this branch \"here\" is ahead",
         "It stands at 0/10, the far branch at 0/20.",
         "Push instead: zenith push here ORIGIN:there"},
        {VERDICT_DIVERGED, DIRECTION_PUSH, "ZS002",
         "branch \"here\" here and \"there\" on the far side have diverged",
         "Both were changed after 0/5; here it is at 0/10, over there at 0/20.",
         "Push under another name: zenith push here ORIGIN:NEW_NAME"},
        {VERDICT_DIVERGED, DIRECTION_PULL, "ZS002",
         "branch \"here\" here and \"there\" on the far side have diverged",
         "Both were changed after 0/5; here it is at 0/10, over there at 0/20.",
         "Pull under another name: zenith pull NEW_NAME ORIGIN:there"},
        {VERDICT_UNRELATED, DIRECTION_PUSH, "ZS003",
         "branch \"here\" here and \"there\" on the far side have no common history",
         "Here it is at 0/10, over there at 0/20.",
         "Push under another name: zenith push here ORIGIN:NEW_NAME"},
        {VERDICT_UNRELATED, DIRECTION_PULL, "ZS003",
         "branch \"here\" here and \"there\" on the far side have no common history",
         "Here it is at 0/10, over there at 0/20.",
         "Pull under another name: zenith pull NEW_NAME ORIGIN:there"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct outcome o = {
            .verdict = cases[i].verdict, .near_lsn = 0x10, .far_lsn = 0x20, .common_lsn = 5};
        int rc = outcome_refusal(&o, cases[i].direction, "here", "there", &e);
        if (cases[i].sqlstate == NULL) {
            ASSERT_OK(rc);
            CU_ASSERT(e.sqlstate[0] == '\0');
            continue;
        }
        ASSERT_FAILS(rc, cases[i].sqlstate);
        ASSERT_TEXT(e.message, cases[i].message);
        ASSERT_TEXT(e.detail, cases[i].detail);
        ASSERT_TEXT(e.hint, cases[i].hint);
        CU_ASSERT(e.retry == ZS_RETRY_NEVER);
    }
}

SUITE("sync/outcome", {"each verdict has its answer", test_each_verdict_has_its_answer})
