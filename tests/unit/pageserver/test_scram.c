/* test_scram.c - SCRAM-SHA-256, the server's half, against RFC 7677's example. */
#include "../../support/suite.h"

#include "pageserver/scram.h"

#include <stdio.h>
#include <string.h>

#define CLIENT_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define NONCE        "rOprNGfwEbeRWgbNEkqO" SERVER_NONCE
#define SALT         "W22ZaJ0SNY7soEsUEjb6gQ=="
#define KEYS                                                                                       \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static struct scram rfc_login(const char *password)
{
    struct zs_error e;
    struct scram s = {.known = true};
    uint8_t salt[SCRAM_SALT_MAX];
    size_t n = 0;
    CU_ASSERT_FATAL(base64_decode(SALT, strlen(SALT), salt, sizeof salt, &n));
    ASSERT_OK(scram_verifier_make(password, 4096, salt, (uint32_t)n, &s.verifier, &e));
    return s;
}

static void test_rfc_example(void)
{
    struct zs_error e;
    char reply[SCRAM_MESSAGE_MAX];
    struct scram s = rfc_login("pencil");
    ASSERT_OK(scram_first(&s, CLIENT_FIRST, SERVER_NONCE, reply, &e));
    ASSERT_TEXT(reply, "r=" NONCE ",s=" SALT ",i=4096");
    ASSERT_OK(scram_final(&s, "c=biws,r=" NONCE ",p=" PROOF, reply, &e));
    ASSERT_TEXT(reply, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static void test_wrong_password_and_unknown_user(void)
{
    struct zs_error wrong;
    struct zs_error e;
    char reply[SCRAM_MESSAGE_MAX];
    struct scram s = rfc_login("pencils");
    ASSERT_OK(scram_first(&s, CLIENT_FIRST, SERVER_NONCE, reply, &e));
    ASSERT_FAILS(scram_final(&s, "c=biws,r=" NONCE ",p=" PROOF, reply, &e), "28P01");
    wrong = e;
    /* Even what would be the right proof. */
    s = rfc_login("pencil");
    s.known = false;
    ASSERT_OK(scram_first(&s, CLIENT_FIRST, SERVER_NONCE, reply, &e));
    ASSERT_FAILS(scram_final(&s, "c=biws,r=" NONCE ",p=" PROOF, reply, &e), "28P01");
    CU_ASSERT(memcmp(&wrong, &e, sizeof e) == 0);
}

static void test_first_messages(void)
{
    static const struct {
        const char *message, *sqlstate; /* NULL: fine */
    } cases[] = {
        {"n,,n=user,r=abc", NULL},
        {"n,,n=,r=abc", NULL}, /* libpq's */
        {"y,,n=,r=abc", NULL},
        {"n,,n=,r=abc,x=later", NULL},
        {"p=tls-server-end-point,,n=,r=abc", "0A000"},
        {"n,a=other,n=,r=abc", "08P01"},
        {"n,,m=ext,n=,r=abc", "08P01"},
        {"n,,n=", "08P01"},
        {"n,,n=,r=", "08P01"},
        {"n,,n=,r=a b", "08P01"},
        {"n,,n=,r=\x01", "08P01"},
        {"n,,r=abc", "08P01"},
        {"", "08P01"},
        {"n", "08P01"},
        {"n,", "08P01"},
        {"x,,n=,r=abc", "08P01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        char reply[SCRAM_MESSAGE_MAX];
        struct scram s = rfc_login("pencil");
        if (cases[i].sqlstate == NULL)
            ASSERT_OK(scram_first(&s, cases[i].message, "srv", reply, &e));
        else
            ASSERT_FAILS(scram_first(&s, cases[i].message, "srv", reply, &e), cases[i].sqlstate);
    }
}

static void test_final_messages_malformed(void)
{
    static const char *const bad[] = {
        "",
        "c=biws",
        "c=biws,r=",
        "c=biws,r=" NONCE,
        "c=biws,r=" NONCE ",p=",
        "c=biws,r=" NONCE ",p=AAAA",
        "c=biws,r=" NONCE ",p=" PROOF "=",
        "c=biws,r=" NONCE "x,p=" PROOF,
        "c=biws,r=other,p=" PROOF,
        "c=eSws,r=" NONCE ",p=" PROOF, /* the first message said n */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_error e = {0};
        char reply[SCRAM_MESSAGE_MAX];
        struct scram s = rfc_login("pencil");
        ASSERT_OK(scram_first(&s, CLIENT_FIRST, SERVER_NONCE, reply, &e));
        ASSERT_FAILS(scram_final(&s, bad[i], reply, &e), "08P01");
    }
}

static void test_messages_that_are_too_long(void)
{
    struct zs_error e = {0};
    char reply[SCRAM_MESSAGE_MAX];
    char message[4096];
    struct scram s = rfc_login("pencil");
    (void)snprintf(message, sizeof message, "n,,n=,r=%0900d", 0);
    ASSERT_FAILS(scram_first(&s, message, "srv", reply, &e), "08P01");
    (void)snprintf(message, sizeof message, "n,,n=%03000d,r=abc", 0);
    ASSERT_FAILS(scram_first(&s, message, "srv", reply, &e), "08P01");
    ASSERT_OK(scram_first(&s, CLIENT_FIRST, SERVER_NONCE, reply, &e));
    (void)snprintf(message, sizeof message, "c=biws,r=%s,x=%03000d,p=%s", NONCE, 0, PROOF);
    ASSERT_FAILS(scram_final(&s, message, reply, &e), "08P01");
}

static void test_verifier_text(void)
{
    /* What PostgreSQL 15 stores for the RFC's password and salt. */
    static const char text[] = "SCRAM-SHA-256$4096:" SALT "$" KEYS;
    char out[SCRAM_VERIFIER_TEXT];
    struct scram_verifier v;
    struct scram s = rfc_login("pencil");
    scram_verifier_format(&s.verifier, out);
    ASSERT_TEXT(out, text);
    CU_ASSERT(scram_verifier_parse(text, &v));
    CU_ASSERT(memcmp(&v, &s.verifier, sizeof v) == 0);
    static const char *const bad[] = {
        "",
        "md5abc",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$-1:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$99999999999999:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==",
        ("SCRAM-SHA-256$4096:" SALT "$WG5d:wfPL"),
        ("SCRAM-SHA-256$4096:" SALT "$" KEYS "A"),
        ("SCRAM-SHA-256$4096:$" KEYS),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(!scram_verifier_parse(bad[i], &v));
}

static void test_mock_is_steady(void)
{
    static const uint8_t key[SCRAM_KEY_BYTES] = {1, 2, 3};
    struct zs_error e;
    struct scram_verifier a;
    struct scram_verifier b;
    struct scram_verifier other;
    ASSERT_OK(scram_verifier_mock(key, "bob", &a, &e));
    ASSERT_OK(scram_verifier_mock(key, "bob", &b, &e));
    ASSERT_OK(scram_verifier_mock(key, "eve", &other, &e));
    CU_ASSERT(memcmp(&a, &b, sizeof a) == 0);
    CU_ASSERT(memcmp(a.salt, other.salt, SCRAM_SALT_BYTES) != 0);
    CU_ASSERT(a.iterations == SCRAM_ITERATIONS && a.salt_len == SCRAM_SALT_BYTES);
}

static void test_base64(void)
{
    static const char *const bad[] = {
        "", "A", "AA", "AAA", "A===", "====", "AA=A", "AA A", "AA\nA", "AAA*"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[8];
        size_t n = 77;
        CU_ASSERT(!base64_decode(bad[i], strlen(bad[i]), out, sizeof out, &n) && n == 77);
    }
    for (size_t len = 1; len < 9; len++) {
        uint8_t in[9] = {0xff, 0xfe, 0, 0x7f, 1, 2, 3, 0x80, 0x55};
        char text[32];
        uint8_t out[9] = {0};
        size_t n = 0;
        base64_encode(in, len, text);
        CU_ASSERT(base64_decode(text, strlen(text), out, len, &n) && n == len);
        CU_ASSERT(memcmp(in, out, len) == 0);
        CU_ASSERT(!base64_decode(text, strlen(text), out, len - 1, &n));
    }
}

SUITE("pageserver/scram", {"RFC 7677's example is answered as it says", test_rfc_example},
      {"a wrong password and an unknown user get one answer", test_wrong_password_and_unknown_user},
      {"a first message is taken or refused", test_first_messages},
      {"a malformed final message is refused", test_final_messages_malformed},
      {"a message that is too long is refused", test_messages_that_are_too_long},
      {"a verifier reads and writes as PostgreSQL's", test_verifier_text},
      {"an unknown user is asked with the same salt each time", test_mock_is_steady},
      {"base64 is strict and round trips", test_base64})
