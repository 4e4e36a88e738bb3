/* test_json.c - which texts are a control message at all. */
#include "../../support/suite.h"

#include "base/error.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

static int open_text(const char *text, size_t len, struct zs_error *e)
{
    struct json_in j;
    *e = (struct zs_error){0};
    /* Memory of exactly that size: a parser that trusts in a NUL is seen. */
    char *exact = malloc(len == 0 ? 1 : len);
    if (exact == NULL)
        abort();
    memcpy(exact, text, len);
    int rc = json_in_open(&j, "STATE", exact, len, e);
    if (rc == ZS_OK) {
        rc = json_in_check(&j, e);
        json_in_close(&j);
    }
    free(exact);
    return rc;
}

static void test_a_text_that_is_no_object_is_refused(void)
{
    static const struct {
        const char *text, *sqlstate; /* NULL: it is one */
    } cases[] = {
        {"{\"protocol\":1}", NULL},
        {" \t\r\n{\"protocol\":1} \t\r\n", NULL},
        {"{\"protocol\":2}", ZS_NOT_SUPPORTED},
        {"{\"protocol\":0}", ZS_NOT_SUPPORTED},
        {"{}", ZS_NOT_SUPPORTED},
        {"", ZS_PROTOCOL_VIOLATION},
        {" ", ZS_PROTOCOL_VIOLATION},
        {"{", ZS_PROTOCOL_VIOLATION},
        {"[]", ZS_PROTOCOL_VIOLATION},
        {"1", ZS_PROTOCOL_VIOLATION},
        {"null", ZS_PROTOCOL_VIOLATION},
        {"\"protocol\"", ZS_PROTOCOL_VIOLATION},
        {"{\"protocol\":1", ZS_PROTOCOL_VIOLATION},
        {"{\"protocol\":1}}", ZS_PROTOCOL_VIOLATION},
        {"{\"protocol\":1}{\"protocol\":1}", ZS_PROTOCOL_VIOLATION},
        {"{\"protocol\":1} x", ZS_PROTOCOL_VIOLATION},
        {"{\"protocol\":1,}", ZS_PROTOCOL_VIOLATION},
        {"{protocol:1}", ZS_PROTOCOL_VIOLATION},
        {"\xff\xfe", ZS_PROTOCOL_VIOLATION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        int rc = open_text(cases[i].text, strlen(cases[i].text), &e);
        if (cases[i].sqlstate == NULL)
            ASSERT_OK(rc);
        else
            ASSERT_FAILS(rc, cases[i].sqlstate);
    }
    struct zs_error e;
    ASSERT_FAILS(open_text("{\"protocol\":1}\0", 15, &e), ZS_PROTOCOL_VIOLATION);
}

static void test_another_protocol_is_said_with_a_hint(void)
{
    struct zs_error e;
    ASSERT_FAILS(open_text("{\"protocol\":2}", 14, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "protocol 2") != NULL && e.hint[0] != '\0');
}

static void test_a_text_of_64_kib_is_the_most(void)
{
    static const size_t most = 65536;
    struct zs_error e;
    char *text = malloc(most + 1);
    if (text == NULL)
        abort();
    memset(text, ' ', most + 1);
    memcpy(text, "{\"protocol\":1}", sizeof "{\"protocol\":1}" - 1); /* no NUL: blanks follow */
    ASSERT_OK(open_text(text, most, &e));
    ASSERT_FAILS(open_text(text, most + 1, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "STATE") != NULL && strstr(e.message, "65537") != NULL);
    free(text);
}

static void test_deep_nesting_is_refused(void)
{
    static const size_t deep = 60000;
    struct zs_error e;
    char *text = malloc(deep);
    if (text == NULL)
        abort();
    memset(text, '[', deep);
    ASSERT_FAILS(open_text(text, deep, &e), ZS_PROTOCOL_VIOLATION);
    free(text);
}

static void test_every_truncation_and_flipped_bit_is_survived(void)
{
    static const char good[] =
        "{\"protocol\":1,\"exists\":true,\"points\":[[\"0/1\",\"\\u00e4\",\"2\"]]}";
    char text[sizeof good];
    struct zs_error e;
    for (size_t len = 0; len < sizeof good - 1; len++)
        ASSERT_FAILS(open_text(good, len, &e), ZS_PROTOCOL_VIOLATION);
    for (size_t bit = 0; bit < (sizeof good - 1) * 8; bit++) {
        memcpy(text, good, sizeof good);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        int rc = open_text(text, sizeof good - 1, &e);
        CU_ASSERT(rc == ZS_OK || e.message[0] != '\0');
    }
}

/* A text as it is written, and what becomes of it when one bit, or one byte, is another. */
static void test_what_is_damaged_says_so(void)
{
    struct json_out out;
    struct zs_error e = {0};
    char *good = NULL;
    json_out_open(&out);
    json_put_u64(&out, "records", 1234567890123);
    json_put_text(&out, "verdict", "behind");
    ASSERT_OK(json_out_text(&out, &good, &e));
    size_t len = strlen(good), check = len - strlen(",\"check\":\"0123456789abcdef\"}");
    ASSERT_OK(open_text(good, len, &e));
    CU_ASSERT(strncmp(good + check, ",\"check\":\"", 10) == 0);
    for (size_t at = 0; at < len; at++)
        for (unsigned flip = 1; flip < 256; flip++) {
            good[at] = (char)(good[at] ^ (int)flip);
            int rc = open_text(good, len, &e);
            bool told = rc != ZS_OK && error_is(&e, ZS_CORRUPT) && e.hint[0] != '\0' &&
                        strstr(e.message, "STATE was damaged on the way") != NULL;
            /* What hits the name of the check leaves the rest as it was. */
            bool name = at >= check && (at < check + 10 || at >= len - 2);
            CU_ASSERT(name ? !told : told);
            good[at] = (char)(good[at] ^ (int)flip);
        }
    free(good);
}

static void test_a_text_without_a_check_is_an_older_peers(void)
{
    static const char *const texts[] = {
        "{\"protocol\":1}",
        "{\"protocol\":1,\"check\":\"0\"}",
        "{\"check\":\"0123456789abcdef\",\"protocol\":1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct zs_error e;
        ASSERT_OK(open_text(texts[i], strlen(texts[i]), &e));
    }
}

/* A decoder reads all members in a row: each that is wrong is zero, and the first is named. */
static void test_what_is_wrong_is_zero(void)
{
    static const char *const texts[] = {"{\"protocol\":1}", "{\"protocol\":1,\"m\":\"x\"}",
                                        "{\"protocol\":1,\"m\":\"\"}"};
    static const char *const words[] = {"a", "b", NULL};
    enum { U64, U64_OR, SMALL_OR, LSN, LSN_OR, POINTS, DIGEST, TIMELINE, POINT, WORD, MEMBERS };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int which = 0; which < MEMBERS; which++) {
            struct zs_error e = {0};
            struct json_in j;
            struct zs_point point, points[2];
            uint64_t value = 0, missing = 0;
            ASSERT_OK(json_in_open(&j, "STATE", texts[i], strlen(texts[i]), &e));
            switch (which) {
            case U64:
                value = json_u64(&j, "m");
                break;
            case U64_OR:
                value = json_u64_or(&j, "m", missing = 7);
                break;
            case SMALL_OR:
                value = json_small_or(&j, "m", (uint32_t)(missing = 7));
                break;
            case LSN:
                value = json_lsn(&j, "m");
                break;
            case LSN_OR:
                value = json_lsn_or(&j, "m", missing = 7);
                break;
            case POINTS:
                value = json_points(&j, "m", points, 2);
                break;
            case DIGEST:
                value = json_digest(&j, "m").lo;
                break;
            case TIMELINE:
                value = json_timeline(&j, "m").bytes[0];
                break;
            case POINT:
                point = json_point(&j, "m");
                value = point.lsn | point.records | point.bytes;
                break;
            default:
                value = (uint64_t)json_word(&j, "m", words);
                break;
            }
            bool may_miss = i == 0 && (missing != 0 || which == POINTS);
            CU_ASSERT(value == (i == 0 ? missing : 0));
            int rc = json_in_check(&j, &e);
            if (may_miss) {
                ASSERT_OK(rc);
            } else {
                ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
                CU_ASSERT(strstr(e.message, "\"m\"") != NULL || strstr(e.detail, "\"m\"") != NULL);
            }
            json_in_close(&j);
        }
}

SUITE("wire/json", {"what is wrong is zero, and named", test_what_is_wrong_is_zero},
      {"what is damaged says so", test_what_is_damaged_says_so},
      {"a text without a check is an older peer's", test_a_text_without_a_check_is_an_older_peers},
      {"a text that is no object is refused", test_a_text_that_is_no_object_is_refused},
      {"another protocol is said, with a hint", test_another_protocol_is_said_with_a_hint},
      {"a text of 64 KiB is the most", test_a_text_of_64_kib_is_the_most},
      {"deep nesting is refused", test_deep_nesting_is_refused},
      {"every truncation and flipped bit is survived",
       test_every_truncation_and_flipped_bit_is_survived})
