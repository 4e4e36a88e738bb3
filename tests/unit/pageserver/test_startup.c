/* test_startup.c - first packets. */
#include "../../support/suite.h"

#include "pageserver/startup.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

/* A packet of a code and bytes, in memory of exactly its size, so that a sanitizer sees
 * a read behind it. */
static int parse(uint32_t code, const char *bytes, size_t n, struct startup *out,
                 struct zs_error *e)
{
    uint8_t *packet = malloc(4 + n);
    if (packet == NULL)
        abort();
    put_u32be(packet, code);
    if (n > 0)
        memcpy(packet + 4, bytes, n);
    int rc = startup_parse(packet, (uint32_t)(4 + n), out, e);
    free(packet);
    return rc;
}

#define BYTES(text) (text), sizeof(text) - 1
#define V3          WIRE_CODE(3, 0)

static void test_packets(void)
{
    static const struct {
        uint32_t code;
        const char *bytes;
        size_t n;
        const char *sqlstate; /* NULL: fine */
    } cases[] = {
        {V3, BYTES("user\0alice\0\0"), NULL},
        {V3, BYTES("user\0alice\0database\0x\0application_name\0psql\0\0"), NULL},
        {V3, BYTES("user\0alice\0replication\0off\0\0"), NULL},
        {V3, BYTES("user\0alice\0replication\0database\0\0"), "0A000"},
        {V3, BYTES("user\0alice\0"), "08P01"},
        {V3, BYTES("user\0alice"), "08P01"},
        {V3, BYTES("user\0"), "08P01"},
        {V3, BYTES("user"), "08P01"},
        {V3, BYTES("user\0alice\0\0x"), "08P01"},
        {V3, BYTES("\0"), "28000"},
        {V3, BYTES("user\0\0\0"), "28000"},
        {V3, "", 0, "08P01"},
        {V3, BYTES("user\0a23456789012345678901234567890123456789012345678901234567890123456\0\0"),
         "08P01"},
        {WIRE_CODE(2, 0), BYTES("whatever"), "0A000"},
        {WIRE_CODE(4, 0), BYTES("user\0a\0\0"), "0A000"},
        {WIRE_CODE(1234, 1), "", 0, "0A000"},
        {WIRE_SSL_CODE, BYTES("x"), "08P01"},
        {WIRE_GSSENC_CODE, BYTES("x"), "08P01"},
        {WIRE_CANCEL_CODE, BYTES("\0\0\0\1\0\0\0"), "08P01"},
        {WIRE_CANCEL_CODE, BYTES("\0\0\0\1\0\0\0\2\0"), "08P01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct startup s;
        struct zs_error e = {0};
        if (cases[i].sqlstate == NULL) {
            ASSERT_OK(parse(cases[i].code, cases[i].bytes, cases[i].n, &s, &e));
            ASSERT_TEXT(s.user, "alice");
            CU_ASSERT(s.negotiate.len == 0);
        } else {
            ASSERT_FAILS(parse(cases[i].code, cases[i].bytes, cases[i].n, &s, &e),
                         cases[i].sqlstate);
        }
        startup_fini(&s);
    }
    struct startup s;
    struct zs_error e = {0};
    ASSERT_FAILS(startup_parse((const uint8_t *)"\0\0\3", 3, &s, &e), "08P01");
}

static void test_requests(void)
{
    struct startup s;
    struct zs_error e = {0};
    ASSERT_OK(parse(WIRE_SSL_CODE, "", 0, &s, &e));
    CU_ASSERT(s.kind == STARTUP_TLS);
    ASSERT_OK(parse(WIRE_GSSENC_CODE, "", 0, &s, &e));
    CU_ASSERT(s.kind == STARTUP_GSSENC);
    ASSERT_OK(parse(WIRE_CANCEL_CODE, "\0\0\0\7\xde\xad\xbe\xef", 8, &s, &e));
    CU_ASSERT(s.kind == STARTUP_CANCEL && s.cancel_id == 7 && s.cancel_key == 0xdeadbeef);
}

static void test_newer_minor_is_negotiated(void)
{
    static const char want[] = "v\0\0\0\30\0\3\0\0\0\0\0\1_pq_.ladder\0";
    struct startup s;
    struct zs_error e = {0};
    ASSERT_OK(parse(WIRE_CODE(3, 2), BYTES("user\0a\0_pq_.ladder\0up\0\0"), &s, &e));
    CU_ASSERT(s.kind == STARTUP_SESSION);
    CU_ASSERT(s.negotiate.len == sizeof want - 1 &&
              memcmp(s.negotiate.data, want, s.negotiate.len) == 0);
    startup_fini(&s);
    ASSERT_OK(parse(WIRE_CODE(3, 99), BYTES("user\0a\0\0"), &s, &e));
    CU_ASSERT(s.negotiate.len == 13);
    startup_fini(&s);
}

SUITE("pageserver/startup", {"a startup packet is taken or refused", test_packets},
      {"requests for TLS, GSS and a cancel are told apart", test_requests},
      {"a newer minor version and its options are answered", test_newer_minor_is_negotiated})
