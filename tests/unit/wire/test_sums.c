/* test_sums.c - the messages of a comparison go there and back, and nothing that cannot be
 * is taken from a peer. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "model/key.h"
#include "wire/sums.h"

#include <cJSON.h>
#include <stdio.h>
#include <string.h>

static struct ask_message ask_for(uint8_t first, uint8_t last)
{
    struct ask_message ask = {.after_lsn = 0x10, .upto_lsn = 0x500000020};
    ask.first[0] = first;
    memset(ask.last, 0xff, sizeof ask.last);
    ask.last[0] = last;
    return ask;
}

static void test_ask(void)
{
    struct zs_error e = {0};
    struct ask_message ask = ask_for(1, 9), back;
    CLEANUP(free_ptr) char *text = NULL;
    CLEANUP(free_ptr) char *wrong = NULL;
    ASSERT_OK(ask_encode(&ask, &text, &e));
    ASSERT_OK(ask_decode(text, strlen(text), &back, &e));
    CU_ASSERT(memcmp(back.first, ask.first, ZS_KEY_BYTES) == 0 &&
              memcmp(back.last, ask.last, ZS_KEY_BYTES) == 0 && back.after_lsn == ask.after_lsn &&
              back.upto_lsn == ask.upto_lsn && !back.done);
    ask.first[0] = 10;
    ASSERT_OK(ask_encode(&ask, &wrong, &e));
    ASSERT_FAILS(ask_decode(wrong, strlen(wrong), &back, &e), ZS_PROTOCOL_VIOLATION);
}

static struct sums_message sums_of(bool listed, uint32_t n)
{
    struct sums_message m = {.listed = listed, .count = n, .bytes = 77, .has_told = true};
    for (uint32_t i = 0; i < n; i++) {
        struct zs_digest d = {.lo = i + 1, .hi = UINT64_MAX - i};
        m.sum = digest_plus(m.sum, d);
        m.records += listed ? 1 : i + 1;
        if (listed) {
            m.list[i] = (struct sum_record){.lsn = 0x11 + i, .sum = d};
            m.list[i].key[0] = (uint8_t)(1 + i / 128);
        } else {
            m.parts[i] = (struct sum_part){.records = i + 1, .sum = d};
            m.parts[i].last[0] = (uint8_t)(1 + i / 128);
            m.parts[i].last[1] = (uint8_t)i;
        }
    }
    return m;
}

static bool same_part(const struct sum_part *a, const struct sum_part *b)
{
    return memcmp(a->last, b->last, ZS_KEY_BYTES) == 0 && a->records == b->records &&
           digest_equal(a->sum, b->sum);
}

static bool same_record(const struct sum_record *a, const struct sum_record *b)
{
    return memcmp(a->key, b->key, ZS_KEY_BYTES) == 0 && a->lsn == b->lsn &&
           digest_equal(a->sum, b->sum);
}

static void test_sums(void)
{
    for (unsigned listed = 0; listed < 2; listed++)
        for (uint32_t n = listed != 0 ? 0 : 1; n <= SUMS_MAX; n += SUMS_MAX / 4 - (n == 1)) {
            struct zs_error e = {0};
            struct ask_message ask = ask_for(1, 9);
            static struct sums_message m, back;
            CLEANUP(free_ptr) char *text = NULL;
            m = sums_of(listed != 0, n);
            ASSERT_OK(sums_encode(&m, &text, &e));
            ASSERT_OK(sums_decode(text, strlen(text), &ask, &back, &e));
            CU_ASSERT(back.count == n && back.listed == m.listed && back.records == m.records &&
                      back.bytes == 77 && digest_equal(back.sum, m.sum) && back.has_told);
            for (uint32_t i = 0; i < n; i++)
                CU_ASSERT(listed != 0 ? same_record(&back.list[i], &m.list[i])
                                      : same_part(&back.parts[i], &m.parts[i]));
        }
}

/* What a peer may say that cannot be. */
static void spoil_list(struct sums_message *m, unsigned how)
{
    switch (how) {
    case 0:
        m->sum.lo++;
        break;
    case 1:
        m->records++;
        break;
    case 2: /* out of order */
        m->list[1] = m->list[0];
        break;
    case 3: /* in front of the range */
        m->list[0].key[0] = 0;
        break;
    case 4: /* behind it */
        m->list[m->count - 1].key[0] = 10;
        break;
    case 5:
        m->list[0].lsn = 0x10;
        break;
    case 6:
        m->list[m->count - 1].lsn = 0x500000021;
        break;
    default: /* a lower key behind a higher one, of a higher LSN */
        m->list[0].key[0] = 2;
        break;
    }
}

static void spoil_parts(struct sums_message *m, unsigned how)
{
    switch (how) {
    case 0:
        m->sum.hi++;
        break;
    case 1:
        m->records--;
        break;
    case 2:
        m->parts[1] = m->parts[0];
        break;
    case 3:
        m->parts[0].last[0] = 0;
        break;
    case 4:
        m->parts[m->count - 1].last[0] = 10;
        break;
    case 5:
        m->parts[0].records = 0;
        break;
    case 6:
        m->parts[0].records += m->records;
        break;
    default:
        m->parts[0].last[0] = 2;
        break;
    }
}

static void test_what_cannot_be(void)
{
    for (unsigned how = 0; how <= 7; how++)
        for (unsigned listed = 0; listed < 2; listed++) {
            struct zs_error e = {0};
            struct ask_message ask = ask_for(1, 9);
            static struct sums_message m, back;
            CLEANUP(free_ptr) char *text = NULL;
            m = sums_of(listed != 0, 3);
            if (listed != 0)
                spoil_list(&m, how);
            else
                spoil_parts(&m, how);
            ASSERT_OK(sums_encode(&m, &text, &e));
            ASSERT_FAILS(sums_decode(text, strlen(text), &ask, &back, &e), ZS_PROTOCOL_VIOLATION);
        }
}

static void test_bounds(void)
{
    struct zs_error e = {0};
    struct ask_message ask = ask_for(1, 9);
    static struct sums_message m, back;
    CLEANUP(free_ptr) char *text = NULL;
    m = sums_of(false, SUMS_MAX);
    ASSERT_OK(sums_encode(&m, &text, &e));
    cJSON *root = cJSON_Parse(text);
    cJSON *parts = cJSON_GetObjectItemCaseSensitive(root, "parts");
    const char *const one[] = {"09ffffffffffffffffffffffffffffffffff", "1",
                               "00000000000000000000000000000001"};
    (void)cJSON_AddItemToArray(parts, cJSON_CreateStringArray(one, 3)); /* and one part more */
    cJSON_DeleteItemFromObjectCaseSensitive(root, "check");             /* it may be left away */
    CLEANUP(free_ptr) char *longer = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    ASSERT_FAILS(sums_decode(longer, strlen(longer), &ask, &back, &e), ZS_PROTOCOL_VIOLATION);
    ASSERT_FAILS(sums_decode("{\"protocol\":1}", 14, &ask, &back, &e), ZS_PROTOCOL_VIOLATION);
}

/* Nothing is a list of nothing; no parts leave open where a difference is to be looked for. */
static void test_no_parts(void)
{
    for (uint64_t records = 0; records < 2; records++) {
        struct zs_error e = {0};
        struct ask_message ask = ask_for(1, 9);
        static struct sums_message m, back;
        CLEANUP(free_ptr) char *text = NULL;
        m = (struct sums_message){.records = records};
        ASSERT_OK(sums_encode(&m, &text, &e));
        ASSERT_FAILS(sums_decode(text, strlen(text), &ask, &back, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.detail, "\"parts\"") != NULL);
    }
}

/* The text with a member replaced by this JSON, or without it. */
static char *with_member(const char *text, const char *name, const char *json)
{
    cJSON *root = cJSON_Parse(text);
    cJSON_DeleteItemFromObjectCaseSensitive(root, "check"); /* it may be left away */
    cJSON_DeleteItemFromObjectCaseSensitive(root, name);
    if (json != NULL)
        (void)cJSON_AddItemToObject(root, name, cJSON_Parse(json));
    char *out = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return out;
}

static void test_a_question_that_cannot_be(void)
{
    static const struct {
        const char *member, *json;
    } cases[] = {{"first", NULL},        {"first", "7"},          {"last", "\"zz\""},
                 {"after_lsn", "\"x\""}, {"upto_lsn", "\"0/F\""}, /* below after_lsn */
                 {"done", "\"no\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct ask_message ask = ask_for(1, 9), back;
        CLEANUP(free_ptr) char *text = NULL;
        ASSERT_OK(ask_encode(&ask, &text, &e));
        CLEANUP(free_ptr) char *wrong = with_member(text, cases[i].member, cases[i].json);
        ASSERT_FAILS(ask_decode(wrong, strlen(wrong), &back, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.message, cases[i].member) != NULL ||
                  strstr(e.detail, cases[i].member) != NULL);
    }
}

#define A_KEY "\"010000000000000000000000000000000000\""
#define A_SUM "\"00000000000000000000000000000001\""

/* One piece of an answer: [key, records or LSN, sum]. */
static void test_a_piece_that_cannot_be(void)
{
    static const struct {
        const char *list, *parts;
    } cases[] = {
        {"7", "7"}, /* none at all */
        {"[7]", "[7]"},
        {"[[]]", "[[]]"},
        {"[[7,\"0/11\"," A_SUM "]]", "[[7,\"1\"," A_SUM "]]"},
        {"[[\"01\",\"0/11\"," A_SUM "]]", "[[\"01\",\"1\"," A_SUM "]]"},
        {"[[" A_KEY ",\"0/11\",7]]", "[[" A_KEY ",\"1\",7]]"},
        {"[[" A_KEY ",\"0/11\",\"1\"]]", "[[" A_KEY ",\"1\",\"1\"]]"},
        {"[[" A_KEY ",7," A_SUM "]]", "[[" A_KEY ",1," A_SUM "]]"},
        {"[[" A_KEY ",\"11\"," A_SUM "]]", "[[" A_KEY ",\"\"," A_SUM "]]"},
        {"[[" A_KEY ",\"0/x\"," A_SUM "]]", "[[" A_KEY ",\"1x\"," A_SUM "]]"},
        {"[[" A_KEY ",\"\"," A_SUM "]]", "[[" A_KEY ",\"00000000000000000001\"," A_SUM "]]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned listed = 0; listed < 2; listed++) {
            struct zs_error e = {0};
            struct ask_message ask = ask_for(1, 9);
            static struct sums_message m, back;
            CLEANUP(free_ptr) char *text = NULL;
            m = sums_of(listed != 0, 1);
            ASSERT_OK(sums_encode(&m, &text, &e));
            CLEANUP(free_ptr)
            char *wrong = with_member(text, listed ? "list" : "parts",
                                      listed ? cases[i].list : cases[i].parts);
            assert_fails(sums_decode(wrong, strlen(wrong), &ask, &back, &e), &e,
                         ZS_PROTOCOL_VIOLATION, wrong, __FILE__, __LINE__);
            CU_ASSERT(strstr(e.detail, "\"sum\"") == NULL); /* that it does not add up is not it */
        }
}

/* A list that is longer than any may be. */
static void test_a_list_too_long(void)
{
    struct zs_error e = {0};
    struct ask_message ask = ask_for(1, 9);
    static struct sums_message m, back;
    CLEANUP(free_ptr) char *text = NULL;
    m = sums_of(true, SUMS_MAX);
    ASSERT_OK(sums_encode(&m, &text, &e));
    cJSON *root = cJSON_Parse(text);
    cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "list");
    const char *const one[] = {"09ffffffffffffffffffffffffffffffffff", "5/20",
                               "00000000000000000000000000000000"};
    (void)cJSON_AddItemToArray(list, cJSON_CreateStringArray(one, 3));
    cJSON_DeleteItemFromObjectCaseSensitive(root, "check");
    CLEANUP(free_ptr) char *longer = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    ASSERT_FAILS(sums_decode(longer, strlen(longer), &ask, &back, &e), ZS_PROTOCOL_VIOLATION);
}

SUITE("wire/sums", {"a question that cannot be is refused", test_a_question_that_cannot_be},
      {"so is a piece of an answer", test_a_piece_that_cannot_be},
      {"and a list that is too long", test_a_list_too_long},
      {"questions go there and back", test_ask}, {"answers do", test_sums},
      {"an answer that cannot be is refused", test_what_cannot_be},
      {"and one that is too long, or empty", test_bounds}, {"and one of no parts", test_no_parts})
