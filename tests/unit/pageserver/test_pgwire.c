/* test_pgwire.c - headers in, messages out. */
#include "../../support/suite.h"

#include "pageserver/pgwire.h"

#include "base/bytes.h"

#include <string.h>

static void test_headers(void)
{
    static const struct {
        enum wire_phase phase;
        uint8_t type;
        uint32_t len;
        int ok, discard;
    } cases[] = {
        {WIRE_STARTUP, 0, 8, 1, 0},
        {WIRE_STARTUP, 0, 4 + WIRE_LOGIN_MAX, 1, 0},
        {WIRE_STARTUP, 0, 4 + WIRE_LOGIN_MAX + 1, 0, 0},
        {WIRE_STARTUP, 0, 3, 0, 0},
        {WIRE_STARTUP, 0, 0, 0, 0},
        {WIRE_STARTUP, 0, 0x80000000, 0, 0},
        {WIRE_STARTUP, 0, UINT32_MAX, 0, 0},
        {WIRE_LOGIN, 'p', 4, 1, 0},
        {WIRE_LOGIN, 'p', 4 + WIRE_LOGIN_MAX + 1, 0, 0},
        {WIRE_LOGIN, 'd', 4 + WIRE_LOGIN_MAX + 1, 0, 0},
        {WIRE_COMMAND, 'Q', 5, 1, 0},
        {WIRE_COMMAND, 'Q', 4 + WIRE_QUERY_MAX, 1, 0},
        {WIRE_COMMAND, 'Q', 4 + WIRE_QUERY_MAX + 1, 0, 0},
        {WIRE_COMMAND, 'Q', 3, 0, 0},
        {WIRE_COMMAND, 'd', 4 + ZS_MESSAGE_MAX, 1, 1},
        {WIRE_COMMAND, 'd', 4 + ZS_MESSAGE_MAX + 1, 0, 0},
        {WIRE_COMMAND, 'f', 100, 1, 1},
        {WIRE_COMMAND, 'z', 4, 0, 0},
        {WIRE_COMMAND, 0, 4, 0, 0},
        {WIRE_COMMAND, 0xff, 4, 0, 0},
        {WIRE_COPY, 'd', 4 + ZS_MESSAGE_MAX, 1, 0},
        {WIRE_COPY, 'd', 4 + ZS_MESSAGE_MAX + 1, 0, 0},
        {WIRE_COPY, 'd', UINT32_MAX, 0, 0},
        {WIRE_COPY, 'f', 4 + WIRE_QUERY_MAX + 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[5] = {cases[i].type};
        struct wire_header h;
        struct zs_error e = {0};
        put_u32be(bytes + (cases[i].phase == WIRE_STARTUP ? 0 : 1), cases[i].len);
        if (!cases[i].ok) {
            ASSERT_FAILS(wire_header_parse(cases[i].phase, bytes, &h, &e), "08P01");
            continue;
        }
        ASSERT_OK(wire_header_parse(cases[i].phase, bytes, &h, &e));
        CU_ASSERT_EQUAL(h.len, cases[i].len - 4);
        CU_ASSERT_EQUAL(h.type, cases[i].phase == WIRE_STARTUP ? 0 : cases[i].type);
        CU_ASSERT_EQUAL(h.discard, cases[i].discard);
    }
}

static void test_an_error_has_its_fields(void)
{
    struct zs_error e = {
        .sqlstate = "42704", .message = "no branch", .detail = "d", .hint = "look"};
    static const char want[] = "SERROR\0VERROR\0C42704\0Mno branch\0Dd\0Hlook\0";
    struct wire_buf b = {0};
    wire_error(&b, "ERROR", &e);
    CU_ASSERT_FATAL(!b.failed && b.len == 5 + sizeof want);
    CU_ASSERT(b.data[0] == 'E' && get_u32be(b.data + 1) == b.len - 1);
    CU_ASSERT(memcmp(b.data + 5, want, sizeof want) == 0);
    wire_buf_fini(&b);
}

static void test_an_empty_error_is_said_to_be_one(void)
{
    struct zs_error e = {0};
    struct wire_buf b = {0};
    wire_error(&b, "ERROR", &e);
    static const char want[] = "SERROR\0VERROR\0CXX000\0M";
    CU_ASSERT_FATAL(b.len > 5 + sizeof want);
    CU_ASSERT(memcmp(b.data + 5, want, sizeof want - 1) == 0);
    wire_buf_fini(&b);
}

static void test_a_warning_is_told_from_a_notice(void)
{
    static const struct {
        const char *sqlstate, *severity;
    } cases[] = {{"00000", "NOTICE"}, {"01000", "WARNING"}, {"01004", "WARNING"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {.message = "m"};
        struct wire_buf b = {0};
        memcpy(e.sqlstate, cases[i].sqlstate, 6);
        wire_notice(&b, &e);
        CU_ASSERT(b.data[0] == 'N');
        ASSERT_TEXT((const char *)b.data + 6, cases[i].severity);
        wire_buf_fini(&b);
    }
}

static void test_rows(void)
{
    const char *const values[] = {"ab", NULL, ""};
    static const uint8_t want[] = {'D', 0,   0,    0,    20,   0,    3, 0, 0, 0, 2,
                                   'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    struct wire_buf b = {0};
    wire_data_row(&b, values, 3);
    CU_ASSERT(b.len == sizeof want && memcmp(b.data, want, sizeof want) == 0);
    wire_buf_fini(&b);
}

SUITE("pageserver/pgwire", {"a header's length is checked against its phase", test_headers},
      {"an error carries its fields in order", test_an_error_has_its_fields},
      {"an error that is not set is the callee's bug", test_an_empty_error_is_said_to_be_one},
      {"class 01 is a warning, the rest a notice", test_a_warning_is_told_from_a_notice},
      {"a row's NULL is not its empty text", test_rows})
