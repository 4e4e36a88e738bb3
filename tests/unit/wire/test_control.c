/* test_control.c - each control message to text and back, and texts that a peer chose. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"
#include "wire/control.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that a double cannot hold. */
#define LARGE (UINT64_MAX - 1)

static struct zs_point point(uint64_t n)
{
    return (struct zs_point){.lsn = n,
                             .digest = {.lo = LARGE - n, .hi = n},
                             .records = LARGE - n,
                             .bytes = (1ull << 53) + 1 + n};
}

static struct zs_timeline_id timeline(uint8_t n)
{
    struct zs_timeline_id id;
    memset(id.bytes, n, sizeof id.bytes);
    return id;
}

static void points_fill(struct point_list *list, uint32_t n)
{
    list->count = n;
    for (uint32_t i = 0; i < n; i++)
        list->at[i] = point(LARGE - i);
}

static bool point_same(const struct zs_point *a, const struct zs_point *b)
{
    return a->lsn == b->lsn && digest_equal(a->digest, b->digest) && a->records == b->records &&
           a->bytes == b->bytes;
}

static bool points_same(const struct point_list *a, const struct point_list *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = point_same(&a->at[i], &b->at[i]);
    return same;
}

static void test_state_reads_back_as_it_was(void)
{
    for (uint32_t n = 0; n <= CONTROL_MAX_POINTS; n += 32) {
        struct zs_error e = {0};
        struct state_message m = {.exists = n > 0,
                                  .digests = n == 32,
                                  .dry_run = n == 0,
                                  .encodings = UINT32_MAX,
                                  .encoding = 2,
                                  .max_rate_bps = LARGE,
                                  .timeline = timeline((uint8_t)n),
                                  .last = point(LARGE)};
        struct state_message back;
        char *text = NULL;
        points_fill(&m.points, n);
        ASSERT_OK(state_encode(&m, &text, &e));
        ASSERT_OK(state_decode(text, strlen(text), &back, &e));
        CU_ASSERT(back.exists == m.exists && back.digests == m.digests);
        CU_ASSERT(back.dry_run == m.dry_run && back.encodings == m.encodings);
        CU_ASSERT(back.encoding == m.encoding && back.max_rate_bps == m.max_rate_bps);
        CU_ASSERT(timeline_equal(back.timeline, m.timeline) && point_same(&back.last, &m.last));
        CU_ASSERT(points_same(&back.points, &m.points));
        CU_ASSERT(strlen(text) < 32768); /* a pull puts it into a command line */
        free(text);
    }
}

static void test_offer_reads_back_as_it_was(void)
{
    for (int verdict = VERDICT_ABSENT; verdict <= VERDICT_UNRELATED; verdict++)
        for (int mode = OFFER_SEND; mode <= OFFER_ASK; mode++) {
            struct zs_error e = {0};
            struct offer_message m = {.verdict = (enum verdict)verdict,
                                      .mode = (enum offer_mode)mode,
                                      .digests = mode == OFFER_SEND,
                                      .timeline = timeline(7),
                                      .from_lsn = 1,
                                      .to_lsn = LARGE,
                                      .common_lsn = LARGE - 1,
                                      .last = point(LARGE),
                                      .records = LARGE,
                                      .bytes = LARGE - 2};
            struct offer_message back;
            char *text = NULL;
            ASSERT_OK(offer_encode(&m, &text, &e));
            ASSERT_OK(offer_decode(text, strlen(text), &back, &e));
            CU_ASSERT(back.verdict == m.verdict && back.mode == m.mode);
            CU_ASSERT(back.digests == m.digests && timeline_equal(back.timeline, m.timeline));
            CU_ASSERT(back.from_lsn == m.from_lsn && back.to_lsn == m.to_lsn);
            CU_ASSERT(back.common_lsn == m.common_lsn && point_same(&back.last, &m.last));
            CU_ASSERT(back.records == m.records && back.bytes == m.bytes);
            free(text);
        }
}

static void test_commit_and_done_read_back_as_they_were(void)
{
    struct zs_error e = {0};
    struct commit_message m = {.sum = {.lo = LARGE, .hi = 1},
                               .records = LARGE,
                               .bytes = LARGE - 1,
                               .end = point(LARGE),
                               .gc_cutoff_lsn = LARGE - 5};
    struct commit_message back;
    struct done_message done = {.verdict = VERDICT_DIVERGED,
                                .common_lsn = LARGE - 9,
                                .timeline = timeline(255),
                                .last = point(LARGE)};
    struct done_message done_back;
    char *text = NULL;
    points_fill(&m.points, CONTROL_MAX_POINTS);
    ASSERT_OK(commit_encode(&m, &text, &e));
    ASSERT_OK(commit_decode(text, strlen(text), &back, &e));
    CU_ASSERT(digest_equal(back.sum, m.sum) && back.records == m.records);
    CU_ASSERT(back.bytes == m.bytes && point_same(&back.end, &m.end));
    CU_ASSERT(back.gc_cutoff_lsn == m.gc_cutoff_lsn && points_same(&back.points, &m.points));
    ASSERT_TEXT(back.said, "");
    free(text);
    ASSERT_OK(done_encode(&done, &text, &e));
    ASSERT_OK(done_decode(text, strlen(text), &done_back, &e));
    CU_ASSERT(done_back.verdict == done.verdict && done_back.common_lsn == done.common_lsn);
    CU_ASSERT(timeline_equal(done_back.timeline, done.timeline));
    CU_ASSERT(point_same(&done_back.last, &done.last));
    free(text);
}

/* What a COMMIT says to a person is shown as it is, unless a terminal would obey it. */
static void test_what_a_commit_says_is_harmless(void)
{
    static char longer[2 * COMMIT_SAID_BYTES];
    memset(longer, 'x', sizeof longer - 1);
    longer[COMMIT_SAID_BYTES - 2] = '\xc3'; /* one character, across the end of what fits */
    longer[COMMIT_SAID_BYTES - 1] = '\xa4';
    static const struct {
        const char *said, *shown;
    } cases[] = {{"the map is gone: \xc3\xa4", "the map is gone: \xc3\xa4"},
                 {"\x1b[2Jone\ntwo\x7f", " [2Jone two "}};
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        bool cut = i == sizeof cases / sizeof *cases;
        struct zs_error e;
        struct commit_message back;
        CLEANUP(free_ptr) char *text = NULL;
        struct json_out j;
        json_out_open(&j);
        json_put_digest(&j, "sum", (struct zs_digest){0});
        json_put_u64(&j, "records", 1);
        json_put_u64(&j, "bytes", 1);
        json_put_point(&j, "end", &(struct zs_point){.lsn = 1});
        json_put_text(&j, "said", cut ? longer : cases[i].said);
        ASSERT_OK(json_out_text(&j, &text, &e));
        ASSERT_OK(commit_decode(text, strlen(text), &back, &e));
        if (!cut)
            ASSERT_TEXT(back.said, cases[i].shown);
        else
            CU_ASSERT(strlen(back.said) == COMMIT_SAID_BYTES - 2 &&
                      back.said[COMMIT_SAID_BYTES - 3] == 'x');
    }
}

/* ---- what a peer may send ------------------------------------------------------------------ */

#define ID     "\"00112233445566778899aabbccddeeff\""
#define P(lsn) "[\"" lsn "\",\"00000000000000000000000000000001\",\"18446744073709551615\",\"7\"]"
#define LAST   "\"last\":" P("0/10")

enum kind { STATE, OFFER, COMMIT, DONE };

static int decode(enum kind kind, const char *text, struct zs_error *e)
{
    struct state_message state;
    struct offer_message offer;
    struct commit_message commit;
    struct done_message done;
    size_t len = strlen(text);
    *e = (struct zs_error){0};
    switch (kind) {
    case STATE:
        return state_decode(text, len, &state, e);
    case OFFER:
        return offer_decode(text, len, &offer, e);
    case COMMIT:
        return commit_decode(text, len, &commit, e);
    case DONE:
        return done_decode(text, len, &done, e);
    }
    return ZS_FAIL;
}

static void test_members_of_a_newer_version_are_skipped(void)
{
    static const struct {
        enum kind kind;
        const char *text;
    } cases[] = {
        {STATE, "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"future\":{\"a\":[1,null]}}"},
        {STATE, " {\"later\":1, \"protocol\" : 1, \"timeline\":" ID "," LAST "} \n"},
        {OFFER, "{\"protocol\":1,\"verdict\":\"equal\",\"mode\":\"none\",\"timeline\":" ID
                ",\"from_lsn\":\"0/1\",\"to_lsn\":\"0/10\"," LAST ",\"x\":\"y\"}"},
        {COMMIT, "{\"protocol\":1,\"sum\":" ID
                 ",\"records\":\"1\",\"bytes\":\"2\",\"end\":" P("0/10") ",\"x\":false}"},
        {DONE, "{\"protocol\":1,\"verdict\":\"ahead\",\"timeline\":" ID "," LAST ",\"x\":1e99}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        ASSERT_OK(decode(cases[i].kind, cases[i].text, &e));
    }
}

/* Each text is refused with 08P01, and the detail names the member. */
static void test_a_wrong_member_is_named(void)
{
    static const struct {
        enum kind kind;
        const char *text, *member;
    } cases[] = {
        {STATE, "{\"protocol\":\"1\"}", "protocol"},
        {STATE, "{\"protocol\":-1}", "protocol"},
        {STATE, "{\"protocol\":1.5}", "protocol"},
        {STATE, "{\"protocol\":4294967296}", "protocol"},
        {STATE, "{\"protocol\":1e999}", "protocol"},
        {STATE, "{\"protocol\":1," LAST "}", "timeline"},
        {STATE, "{\"protocol\":1,\"timeline\":7," LAST "}", "timeline"},
        {STATE, "{\"protocol\":1,\"timeline\":\"00\"," LAST "}", "timeline"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID "}", "last"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"last\":[]}", "last"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"last\":[\"0/1\",1,\"1\",\"1\"]}", "last"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"last\":" P("0/G") "}", "last"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"exists\":1," LAST "}", "exists"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"dry_run\":\"yes\"," LAST "}", "dry_run"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"encodings\":-1," LAST "}", "encodings"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"encoding\":\"lz4\"," LAST "}", "encoding"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"max_rate\":5," LAST "}", "max_rate"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"max_rate\":\"-5\"," LAST "}", "max_rate"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID ",\"max_rate\":\" 5\"," LAST "}", "max_rate"},
        {STATE,
         "{\"protocol\":1,\"timeline\":" ID ",\"max_rate\":\"18446744073709551616\"," LAST "}",
         "max_rate"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"points\":{}}", "points"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"points\":[1]}", "points"},
        {STATE, "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"points\":[" P("0/0") "]}",
         "points"},
        {STATE,
         "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"points\":[" P("0/1") "," P("0/2") "]}",
         "points"},
        {STATE,
         "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"points\":[" P("0/2") "," P("0/2") "]}",
         "points"},
        {OFFER,
         "{\"protocol\":1,\"mode\":\"none\",\"timeline\":" ID
         ",\"from_lsn\":\"0/1\",\"to_lsn\":\"0/10\"," LAST "}",
         "verdict"},
        {OFFER,
         "{\"protocol\":1,\"verdict\":\"better\",\"mode\":\"none\",\"timeline\":" ID
         ",\"from_lsn\":\"0/1\",\"to_lsn\":\"0/10\"," LAST "}",
         "verdict"},
        {OFFER,
         "{\"protocol\":1,\"verdict\":\"equal\",\"mode\":2,\"timeline\":" ID
         ",\"from_lsn\":\"0/1\",\"to_lsn\":\"0/10\"," LAST "}",
         "mode"},
        {OFFER,
         "{\"protocol\":1,\"verdict\":\"equal\",\"mode\":\"none\",\"timeline\":" ID
         ",\"to_lsn\":\"0/10\"," LAST "}",
         "from_lsn"},
        {OFFER,
         "{\"protocol\":1,\"verdict\":\"equal\",\"mode\":\"none\",\"timeline\":" ID
         ",\"from_lsn\":\"0/1\",\"to_lsn\":16," LAST "}",
         "to_lsn"},
        {OFFER,
         "{\"protocol\":1,\"verdict\":\"equal\",\"mode\":\"none\",\"timeline\":" ID
         ",\"from_lsn\":\"0/1\",\"to_lsn\":\"0/10\",\"common_lsn\":\"\"," LAST "}",
         "common_lsn"},
        {COMMIT, "{\"protocol\":1,\"records\":\"1\",\"bytes\":\"2\",\"end\":" P("0/10") "}", "sum"},
        {COMMIT,
         "{\"protocol\":1,\"sum\":\"1\",\"records\":\"1\",\"bytes\":\"2\",\"end\":" P("0/10") "}",
         "sum"},
        {COMMIT, "{\"protocol\":1,\"sum\":" ID ",\"bytes\":\"2\",\"end\":" P("0/10") "}",
         "records"},
        {COMMIT,
         "{\"protocol\":1,\"sum\":" ID ",\"records\":\"1\",\"bytes\":2,\"end\":" P("0/10") "}",
         "bytes"},
        {COMMIT, "{\"protocol\":1,\"sum\":" ID ",\"records\":\"1\",\"bytes\":\"2\"}", "end"},
        {DONE, "{\"protocol\":1,\"timeline\":" ID "," LAST "}", "verdict"},
        {DONE, "{\"protocol\":1,\"verdict\":\"ahead\"," LAST "}", "timeline"},
        {DONE, "{\"protocol\":1,\"verdict\":\"ahead\",\"timeline\":" ID "}", "last"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        char named[40];
        (void)snprintf(named, sizeof named, "\"%s\"", cases[i].member);
        ASSERT_FAILS(decode(cases[i].kind, cases[i].text, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.detail, named) != NULL);
        if (strstr(e.detail, named) == NULL)
            printf("case %zu: \"%s\" is not in \"%s\"\n", i, named, e.detail);
    }
}

static void test_more_points_than_may_be_are_refused(void)
{
    for (uint32_t n = CONTROL_MAX_POINTS; n <= CONTROL_MAX_POINTS + 1; n++) {
        struct zs_error e;
        char *text = malloc(65536);
        size_t used =
            (size_t)sprintf(text, "{\"protocol\":1,\"timeline\":" ID "," LAST ",\"points\":[");
        for (uint32_t i = 0; i < n; i++)
            used += (size_t)sprintf(text + used,
                                    "%s[\"1/%X\",\"00000000000000000000000000000001\",\"1\",\"1\"]",
                                    i == 0 ? "" : ",", 1000 - i);
        (void)sprintf(text + used, "]}");
        if (n == CONTROL_MAX_POINTS)
            ASSERT_OK(decode(STATE, text, &e));
        else
            ASSERT_FAILS(decode(STATE, text, &e), ZS_PROTOCOL_VIOLATION);
        free(text);
    }
}

SUITE("wire/control", {"a STATE reads back as it was", test_state_reads_back_as_it_was},
      {"an OFFER reads back as it was", test_offer_reads_back_as_it_was},
      {"COMMIT and DONE read back as they were", test_commit_and_done_read_back_as_they_were},
      {"what a COMMIT says is harmless", test_what_a_commit_says_is_harmless},
      {"members of a newer version are skipped", test_members_of_a_newer_version_are_skipped},
      {"a wrong member is named", test_a_wrong_member_is_named},
      {"more points than may be are refused", test_more_points_than_may_be_are_refused})
