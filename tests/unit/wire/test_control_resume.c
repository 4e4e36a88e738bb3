/* test_control_resume.c - what control messages say of a transfer that goes on: the resume
 * point in a STATE, the flags of an OFFER, ACK; and single values that are wrong. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"
#include "wire/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct resume_point kept = {
    .present = true,
    .to = {.lsn = 0x20, .digest = {.lo = 1, .hi = 2}, .records = 3, .bytes = UINT64_MAX},
    .key = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0xFE, 0xDC},
    .lsn = 0x20,
    .sum = {.lo = UINT64_MAX, .hi = 5},
    .records = UINT64_MAX - 1,
    .bytes = 7};

static void test_a_resume_point_reads_back_as_it_was(void)
{
    struct zs_error e = {0};
    struct state_message m = {.exists = true, .branch = "release/1.0", .resume = kept}, back;
    CLEANUP(free_ptr) char *text = NULL;
    ASSERT_OK(state_encode(&m, &text, &e));
    ASSERT_OK(state_decode(text, strlen(text), &back, &e));
    ASSERT_TEXT(back.branch, "release/1.0");
    const struct resume_point *r = &back.resume;
    CU_ASSERT(r->present && r->to.lsn == 0x20 && digest_equal(r->to.digest, kept.to.digest));
    CU_ASSERT(r->to.records == 3 && r->to.bytes == UINT64_MAX && r->lsn == 0x20);
    CU_ASSERT(memcmp(r->key, kept.key, ZS_KEY_BYTES) == 0 && digest_equal(r->sum, kept.sum));
    CU_ASSERT(r->records == UINT64_MAX - 1 && r->bytes == 7);
    m.resume.present = false;
    free(text);
    ASSERT_OK(state_encode(&m, &text, &e));
    CU_ASSERT(strstr(text, "resume") == NULL);
    ASSERT_OK(state_decode(text, strlen(text), &back, &e));
    CU_ASSERT(!back.resume.present && back.resume.lsn == 0);
}

static void test_each_flag_of_an_offer_is_its_own(void)
{
    for (unsigned flags = 0; flags < 16; flags++) {
        struct zs_error e = {0};
        struct offer_message m = {.mode = OFFER_SEND,
                                  .digests = (flags & 1) != 0,
                                  .resume = (flags & 2) != 0,
                                  .more = (flags & 4) != 0,
                                  .acks = (flags & 8) != 0,
                                  .timeline = {.bytes = {1}}};
        struct offer_message back;
        CLEANUP(free_ptr) char *text = NULL;
        ASSERT_OK(offer_encode(&m, &text, &e));
        ASSERT_OK(offer_decode(text, strlen(text), &back, &e));
        CU_ASSERT(back.digests == m.digests && back.resume == m.resume);
        CU_ASSERT(back.more == m.more && back.acks == m.acks);
    }
}

static void test_an_ack_reads_back_as_it_was(void)
{
    struct zs_error e = {0};
    struct ack_message m = {.records = UINT64_MAX, .bytes = 1ull << 53 | 1}, back;
    CLEANUP(free_ptr) char *text = NULL;
    ASSERT_OK(ack_encode(&m, &text, &e));
    ASSERT_OK(ack_decode(text, strlen(text), &back, &e));
    CU_ASSERT(back.records == UINT64_MAX && back.bytes == (1ull << 53 | 1));
    ASSERT_FAILS(ack_decode("{\"protocol\":1,\"records\":\"1\"}", 28, &back, &e),
                 ZS_PROTOCOL_VIOLATION);
    ASSERT_TEXT(e.detail, "Its member \"bytes\" is missing or wrong.");
}

/* ---- texts that a peer chose --------------------------------------------------------------- */

#define ID    "\"00112233445566778899aabbccddeeff\""
#define POINT "[\"0/20\"," ID ",\"1\",\"7\"]"
#define BASE  "{\"protocol\":1,\"timeline\":" ID ",\"last\":" POINT
#define RESUME(key, end, lsn, to)                                                                  \
    BASE ",\"resume\":true,\"resume_key\":" key ",\"resume_key_end\":" end ",\"resume_to\":" to    \
         ",\"resume_lsn\":\"" lsn "\",\"resume_sum\":" ID                                          \
         ",\"resume_records\":\"1\",\"resume_bytes\":\"2\"}"

static void test_a_resume_point_that_cannot_be_is_refused(void)
{
    static const struct {
        const char *text, *member; /* NULL: fine */
    } cases[] = {
        {RESUME(ID, "65535", "0/20", POINT), NULL},
        {RESUME(ID, "0", "0/1", POINT), NULL},
        {BASE ",\"resume\":false,\"resume_key\":7}", NULL}, /* not looked at */
        {RESUME(ID, "65536", "0/20", POINT), "resume"},
        {RESUME(ID, "1", "0/0", POINT), "resume"},
        {RESUME(ID, "1", "0/21", POINT), "resume"},
        {RESUME("7", "1", "0/20", POINT), "resume_key"},
        {RESUME(ID, "-1", "0/20", POINT), "resume_key_end"},
        {RESUME(ID, "1", "20", POINT), "resume_lsn"},
        {RESUME(ID, "1", "0/20", "[]"), "resume_to"},
        {BASE ",\"resume\":true}", "resume_key"},
        {BASE ",\"resume\":1}", "resume"},
        /* one value each */
        {BASE ",\"branch\":7}", "branch"},
        {BASE ",\"max_rate\":\"5k\"}", "max_rate"},
        {BASE ",\"max_rate\":\"\"}", "max_rate"},
        {BASE ",\"max_rate\":\"/5\"}", "max_rate"},
        {BASE ",\"max_rate\":\":5\"}", "max_rate"},
        {BASE ",\"max_rate\":\"0\"}", NULL},
        {BASE ",\"max_rate\":\"9\"}", "max_rate"}, /* a page would take a quarter of an hour */
        {BASE ",\"max_rate\":\"16383\"}", "max_rate"},
        {BASE ",\"max_rate\":\"16384\"}", NULL},
        {BASE ",\"max_rate\":\"16399\"}", NULL},
        {BASE ",\"encodings\":0}", NULL},
        {BASE ",\"encodings\":4294967295}", NULL},
        {BASE ",\"encodings\":4294967296}", "encodings"},
        {BASE ",\"encodings\":1.5}", "encodings"},
        {BASE ",\"points\":[[\"0/1\"," ID ",\"x\",\"7\"]]}", "points"},
        {BASE ",\"points\":[[\"0/1\"," ID ",\"1\",\"-7\"]]}", "points"},
        {BASE ",\"points\":[[\"0/1\",\"1\",\"1\",\"7\"]]}", "points"},
        {BASE ",\"points\":[[\"0/1\"," ID ",\"1\"]]}", "points"},
        {BASE ",\"points\":[[\"0/1\"," ID ",\"1\",\"7\",\"8\"]]}", "points"},
        {BASE ",\"points\":[7," POINT "]}", "points"},
        {BASE ",\"exists\":2,\"points\":[[\"0/0\"," ID ",\"1\",\"7\"]]}", "exists"},
        {BASE ",\"exists\":2,\"resume\":true}", "exists"}, /* the first one is named */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct state_message m;
        char detail[80];
        int rc = state_decode(cases[i].text, strlen(cases[i].text), &m, &e);
        if (cases[i].member == NULL) {
            ASSERT_OK(rc);
            continue;
        }
        ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
        (void)snprintf(detail, sizeof detail, "Its member \"%s\" is missing or wrong.",
                       cases[i].member);
        ASSERT_TEXT(e.detail, detail);
    }
}

/* What an older peer does not say. */
static void test_what_is_not_said_is_no(void)
{
    static const char offer[] =
        "{\"protocol\":1,\"verdict\":\"equal\",\"mode\":\"none\",\"timeline\":" ID
        ",\"from_lsn\":\"0/1\",\"to_lsn\":\"0/10\",\"last\":" POINT "}";
    struct zs_error e = {0};
    struct state_message m;
    struct offer_message o;
    ASSERT_OK(state_decode(BASE "}", strlen(BASE "}"), &m, &e));
    CU_ASSERT(!m.exists && !m.digests && !m.dry_run && m.max_rate_bps == 0);
    CU_ASSERT(m.encodings == 1 && m.encoding == 0 && m.points.count == 0 && !m.resume.present);
    ASSERT_OK(offer_decode(offer, strlen(offer), &o, &e));
    CU_ASSERT(!o.digests && !o.resume && !o.more && !o.acks);
    CU_ASSERT(o.common_lsn == 0 && o.records == 0 && o.bytes == 0);
}

static void test_a_branch_name_has_room_for_255_bytes(void)
{
    char text[1024], name[ZS_BRANCH_NAME_MAX + 2];
    struct zs_error e = {0};
    struct state_message m;
    memset(name, 'b', sizeof name);
    name[ZS_BRANCH_NAME_MAX + 1] = '\0';
    int n = snprintf(text, sizeof text, BASE ",\"branch\":\"%s\"}", name);
    ASSERT_FAILS(state_decode(text, (size_t)n, &m, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(m.branch[0] == '\0');
    name[ZS_BRANCH_NAME_MAX] = '\0';
    n = snprintf(text, sizeof text, BASE ",\"branch\":\"%s\"}", name);
    ASSERT_OK(state_decode(text, (size_t)n, &m, &e));
    ASSERT_TEXT(m.branch, name);
}

SUITE("wire/control_resume",
      {"a resume point reads back as it was", test_a_resume_point_reads_back_as_it_was},
      {"each flag of an OFFER is its own", test_each_flag_of_an_offer_is_its_own},
      {"an ACK reads back as it was", test_an_ack_reads_back_as_it_was},
      {"a resume point that cannot be is refused", test_a_resume_point_that_cannot_be_is_refused},
      {"what is not said is no", test_what_is_not_said_is_no},
      {"a branch name has room for 255 bytes", test_a_branch_name_has_room_for_255_bytes})
