/* test_verdict.c - the table of verdicts, and who must be asked for what. */
#include "../../support/suite.h"

#include "sync/verdict.h"

#include <stdio.h>

/* What a side's digest at a point is called here: histories A and B differ everywhere
 * but at their common points. */
enum { NO = 0, A = 1, B = 2 };

struct scene {
    const char *what;
    bool exists, digests, same_timeline;
    zs_lsn x, y;            /* the receiver's and the sender's last_valid_lsn */
    int receiver, sender;   /* whose D(X) and D(Y) */
    int sender_at_receiver; /* NO: not known */
    int receiver_at_sender;
    zs_lsn common;
    enum verdict_need need;
    enum verdict verdict; /* with VERDICT_DECIDED */
};

static struct zs_digest digest(int history, zs_lsn lsn)
{
    return (struct zs_digest){.lo = (uint64_t)history * 1000 + lsn, .hi = (uint64_t)history};
}

static struct maybe_digest maybe(int history, zs_lsn lsn)
{
    return (struct maybe_digest){.known = history != NO, .digest = digest(history, lsn)};
}

#define DECIDED  VERDICT_DECIDED
#define SENDER   VERDICT_NEEDS_SENDER
#define RECEIVER VERDICT_NEEDS_RECEIVER

static const struct scene scenes[] = {
    {"the receiver has no such branch", false, true, false, 0, 50, NO, A, NO, NO, 0, DECIDED,
     VERDICT_ABSENT},
    {"no such branch, and an empty sender", false, true, false, 0, 0, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_ABSENT},
    {"no such branch, no digests", false, false, false, 0, 50, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_ABSENT},

    {"behind, same history", true, true, false, 10, 50, A, A, A, NO, 10, DECIDED, VERDICT_BEHIND},
    {"behind, the point summed", true, true, false, 10, 50, A, A, A, NO, 0, DECIDED,
     VERDICT_BEHIND},
    {"behind by LSN, other history", true, true, true, 10, 50, B, A, A, NO, 5, DECIDED,
     VERDICT_DIVERGED},
    {"behind by LSN, nothing in common", true, true, true, 10, 50, B, A, A, NO, 0, DECIDED,
     VERDICT_UNRELATED},
    {"behind, the sender must look", true, true, false, 10, 50, A, A, NO, NO, 0, SENDER, 0},
    {"behind, the receiver's digest is of no help", true, true, false, 10, 50, A, A, NO, A, 0,
     SENDER, 0},

    {"equal", true, true, false, 50, 50, A, A, NO, NO, 50, DECIDED, VERDICT_EQUAL},
    {"same LSN, other history", true, true, true, 50, 50, B, A, NO, NO, 20, DECIDED,
     VERDICT_DIVERGED},
    {"same LSN, nothing in common", true, true, true, 50, 50, B, A, NO, NO, 0, DECIDED,
     VERDICT_UNRELATED},

    {"ahead", true, true, false, 50, 10, A, A, NO, A, 10, DECIDED, VERDICT_AHEAD},
    {"ahead by LSN, other history", true, true, true, 50, 10, B, A, NO, B, 5, DECIDED,
     VERDICT_DIVERGED},
    {"ahead by LSN, nothing in common", true, true, true, 50, 10, B, A, NO, B, 0, DECIDED,
     VERDICT_UNRELATED},
    {"ahead, the receiver must look", true, true, false, 50, 10, A, A, NO, NO, 0, RECEIVER, 0},
    {"ahead, the sender's digest is of no help", true, true, false, 50, 10, A, A, A, NO, 0,
     RECEIVER, 0},

    {"both empty", true, true, false, 0, 0, NO, NO, NO, NO, 0, DECIDED, VERDICT_EQUAL},
    {"an empty receiver takes what comes", true, true, false, 0, 50, NO, A, NO, NO, 0, DECIDED,
     VERDICT_BEHIND},
    {"an empty sender is behind", true, true, false, 50, 0, A, NO, NO, NO, 0, DECIDED,
     VERDICT_AHEAD},
    {"(0, 0) makes nobody related", true, true, false, 10, 50, B, A, A, NO, 0, DECIDED,
     VERDICT_UNRELATED},

    {"no digests, same timeline, behind", true, false, true, 10, 50, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_BEHIND},
    {"no digests, same timeline, equal", true, false, true, 50, 50, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_EQUAL},
    {"no digests, same timeline, ahead", true, false, true, 50, 10, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_AHEAD},
    {"no digests, other timeline", true, false, false, 50, 50, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_UNRELATED},
    {"no digests, other timeline, empty", true, false, false, 0, 50, NO, NO, NO, NO, 0, DECIDED,
     VERDICT_UNRELATED},
};

static void test_every_scene_has_its_verdict(void)
{
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        const struct scene *s = &scenes[i];
        struct verdict_input in = {
            .exists = s->exists,
            .digests = s->digests,
            .same_timeline = s->same_timeline,
            .receiver = {.lsn = s->x, .digest = digest(s->receiver, s->x)},
            .sender = {.lsn = s->y, .digest = digest(s->sender, s->y)},
            .sender_at_receiver = maybe(s->sender_at_receiver, s->x),
            .receiver_at_sender = maybe(s->receiver_at_sender, s->y),
            .common_lsn = s->common,
        };
        enum verdict verdict = VERDICT_UNRELATED;
        enum verdict_need need = verdict_decide(&in, &verdict);
        bool good = need == s->need && (need != VERDICT_DECIDED || verdict == s->verdict);
        CU_ASSERT(good);
        if (!good)
            printf("%s: got need %d, verdict %s\n", s->what, (int)need, verdict_name(verdict));
    }
}

SUITE("sync/verdict", {"every scene has its verdict", test_every_scene_has_its_verdict})
