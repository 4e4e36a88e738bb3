/* test_lsn.c - text forms of LSNs, timeline ids and digests. */
#include "../../support/suite.h"

#include "model/lsn.h"

static void test_lsn_text_and_back(void)
{
    static const struct {
        zs_lsn lsn;
        const char *text;
    } cases[] = {
        {0, "0/0"},
        {1, "0/1"},
        {0x16B374D848, "16/B374D848"},
        {UINT64_MAX, "FFFFFFFF/FFFFFFFF"},
        {0x100000000, "1/0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zs_lsn back = 7;
        ASSERT_TEXT(lsn_text(cases[i].lsn).s, cases[i].text);
        CU_ASSERT(lsn_parse(cases[i].text, &back) && back == cases[i].lsn);
    }
}

static void test_lsn_that_is_none_is_refused(void)
{
    static const char *const bad[] = {"",      "/",    "1",           "1/",    "/1",
                                      "0/g",   "0/1 ", " 0/1",        "1/2/3", "123456789/0",
                                      "0x1/1", "-1/0", "0/123456789", "+1/1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zs_lsn out = 7;
        CU_ASSERT(!lsn_parse(bad[i], &out) && out == 7);
    }
}

static void test_ids_and_digests_round_trip(void)
{
    struct zs_timeline_id id;
    struct zs_digest d;
    CU_ASSERT(timeline_parse("00112233445566778899AABBCCDDEEFF", &id));
    ASSERT_TEXT(timeline_text(id).s, "00112233445566778899aabbccddeeff");
    CU_ASSERT(digest_parse("0123456789abcdef00000000000000ff", &d));
    CU_ASSERT(d.hi == 0x0123456789abcdef && d.lo == 0xff);
    ASSERT_TEXT(digest_text(d).s, "0123456789abcdef00000000000000ff");
    CU_ASSERT(!digest_parse("0123456789abcdef00000000000000f", &d));
    CU_ASSERT(!timeline_parse("00112233445566778899aabbccddeeff0", &id));
    CU_ASSERT(!timeline_parse("00112233445566778899aabbccddeefg", &id));
}

SUITE("model/lsn", {"an LSN's text reads back as the LSN", test_lsn_text_and_back},
      {"text that is no LSN is refused and leaves the output", test_lsn_that_is_none_is_refused},
      {"ids and digests read back as they were", test_ids_and_digests_round_trip})
