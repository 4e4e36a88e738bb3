/* test_resume.c - tokens: what was written is read, what was changed is not. */
#include "../../support/suite.h"

#include "base/error.h"
#include "sync/resume.h"

#include <string.h>

static const struct resume_token token = {
    .from = {.lsn = 5, .digest = {1, 2}, .records = 3, .bytes = 100},
    .at = {.present = true,
           .to = {.lsn = 0x16B3DB8, .digest = {7, 8}, .records = 9, .bytes = 1100},
           .key = "0123456789abcdefg",
           .lsn = 0x77,
           .sum = {11, 12},
           .records = 13,
           .bytes = 430}};

static void test_round_trip(void)
{
    uint8_t bytes[RESUME_TOKEN_BYTES], again[RESUME_TOKEN_BYTES];
    struct resume_token t;
    resume_token_encode(&token, bytes);
    CU_ASSERT(resume_token_decode(bytes, sizeof bytes, &t));
    CU_ASSERT(t.from.lsn == 5 && t.at.to.lsn == 0x16B3DB8 && t.at.lsn == 0x77 && t.at.present);
    CU_ASSERT(t.at.sum.hi == 12 && t.at.records == 13 && t.at.bytes == 430);
    CU_ASSERT(memcmp(t.at.key, token.at.key, ZS_KEY_BYTES) == 0);
    resume_token_encode(&t, again);
    CU_ASSERT(memcmp(bytes, again, sizeof bytes) == 0);
    CU_ASSERT_EQUAL(resume_total_bytes(&t), 1000);
}

static void test_every_flipped_bit_and_length(void)
{
    uint8_t bytes[RESUME_TOKEN_BYTES + 1] = {0};
    struct resume_token t;
    resume_token_encode(&token, bytes);
    for (size_t bit = 0; bit < (size_t)RESUME_TOKEN_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT(!resume_token_decode(bytes, RESUME_TOKEN_BYTES, &t) && !t.at.present);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < RESUME_TOKEN_BYTES; len++)
        CU_ASSERT(!resume_token_decode(bytes, len, &t));
    CU_ASSERT(!resume_token_decode(bytes, sizeof bytes, &t));
}

static void test_tokens_that_cannot_be(void)
{
    struct resume_token bad[] = {token, token};
    uint8_t bytes[RESUME_TOKEN_BYTES];
    struct resume_token t;
    bad[0].at.lsn = bad[0].from.lsn;      /* not behind what was there */
    bad[1].at.lsn = bad[1].at.to.lsn + 1; /* behind the end */
    for (size_t i = 0; i < 2; i++) {
        resume_token_encode(&bad[i], bytes);
        CU_ASSERT(!resume_token_decode(bytes, sizeof bytes, &t));
    }
}

static void test_percent(void)
{
    static const struct {
        uint64_t bytes, total;
        unsigned percent;
    } cases[] = {{0, 0, 0},     {5, 0, 0},      {0, 10, 0},     {43, 100, 43},
                 {99, 100, 99}, {100, 100, 99}, {500, 100, 99}, {UINT64_MAX / 2, UINT64_MAX, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_EQUAL(resume_percent(cases[i].bytes, cases[i].total), cases[i].percent);
    const struct resume_token shrunk = {.from.bytes = 5, .at.to.bytes = 4}; /* collected since */
    CU_ASSERT_EQUAL(resume_total_bytes(&shrunk), 0);
}

static void test_hints(void)
{
    static const struct {
        const char *sqlstate, *hint, *wanted;
    } cases[] = {
        {ZS_CANCELLED, "",
         "Nothing was changed; what arrived is kept, and the same command goes on from 43 %."},
        {ZS_CONNECTION_LOST, "Old",
         "Nothing was changed; what arrived is kept, and the same command goes on from 43 %."},
        {ZS_IO_ERROR, "",
         "Nothing was changed; what arrived is kept, and the same command goes on from 43 %."},
        {ZS_IO_ERROR, "See the disk.", "See the disk."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        error_set(&e, cases[i].sqlstate, "it failed");
        if (cases[i].hint[0] != '\0')
            error_hint(&e, "%s", cases[i].hint);
        resume_hint(&e, 43);
        ASSERT_TEXT(e.hint, cases[i].wanted);
    }
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"a token is read as it was written", test_round_trip},
        {"a flipped bit or another length is no token", test_every_flipped_bit_and_length},
        {"a position outside of its range is no token", test_tokens_that_cannot_be},
        {"percentages end at 99", test_percent},
        {"a hint does not displace a better one", test_hints},
    };
    return suite_main("sync/resume", tests, sizeof tests / sizeof *tests, argc, argv);
}
