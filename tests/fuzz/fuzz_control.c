/* fuzz_control.c - the JSON messages of the stream (wire/control.h).
 * Input: a byte that chooses the message, then its text, which no NUL ends.
 * Holds: what decodes keeps to the limits, and encodes to a text that decodes to the
 * same. */
#include "support.h"

#include "wire/control.h"

#include <stdlib.h>
#include <string.h>

static void check_points(const struct point_list *list)
{
    HOLDS(list->count <= CONTROL_MAX_POINTS);
    for (uint32_t i = 0; i < list->count; i++)
        HOLDS(list->at[i].lsn != 0 && (i == 0 || list->at[i].lsn < list->at[i - 1].lsn));
}

static void check_offer(const struct offer_message *m)
{
    HOLDS((unsigned)m->verdict <= VERDICT_UNRELATED && (unsigned)m->mode <= OFFER_ASK);
}

static void check_done(const struct done_message *m)
{
    HOLDS((unsigned)m->verdict <= VERDICT_UNRELATED);
}

static void check_state(const struct state_message *m)
{
    check_points(&m->points);
}

static void check_ack(const struct ack_message *m)
{
    (void)m; /* any counts */
}

static void check_commit(const struct commit_message *m)
{
    check_points(&m->points);
}

/* Decode; check; encode, decode, encode: both texts are one. */
#define DEFINE_RUN(kind)                                                                           \
    static void run_##kind(const char *text, size_t len)                                           \
    {                                                                                              \
        struct kind##_message m, again;                                                            \
        struct zs_error e;                                                                         \
        char *first = NULL, *second = NULL;                                                        \
        fuzz_error_before(&e);                                                                     \
        if (!fuzz_error_after(kind##_decode(text, len, &m, &e), &e))                               \
            return;                                                                                \
        check_##kind(&m);                                                                          \
        HOLDS(kind##_encode(&m, &first, &e) == ZS_OK);                                             \
        HOLDS(kind##_decode(first, strlen(first), &again, &e) == ZS_OK);                           \
        HOLDS(kind##_encode(&again, &second, &e) == ZS_OK);                                        \
        HOLDS(strcmp(first, second) == 0);                                                         \
        free(first);                                                                               \
        free(second);                                                                              \
    }
DEFINE_RUN(state)
DEFINE_RUN(offer)
DEFINE_RUN(commit)
DEFINE_RUN(done)
DEFINE_RUN(ack)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const run[])(const char *, size_t) = {run_state, run_offer, run_commit, run_done,
                                                        run_ack};
    if (size < 1 || size > FUZZ_INPUT_MAX)
        return 0;
    run[data[0] % 5]((const char *)fuzz_bytes(0, data + 1, size - 1), size - 1);
    return 0;
}
