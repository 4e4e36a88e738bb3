/* test_far_error.c - a failed login, as libpq's text has it. */
#include "../../support/suite.h"

#include "transport/libpq/far_error.h"

#include <string.h>

#define AT "connection to server at \"h\" (10.0.0.1), port 5433 failed: "

static void test_login_texts(void)
{
    static const struct {
        const char *text;
        int needs_password;
        const char *sqlstate, *message, *detail, *hint;
    } cases[] = {
        {AT "FATAL:  28P01: password authentication failed for user \"u\"\nLOCATION:  f, a.c:1\n",
         0, ZS_WRONG_PASSWORD,
         "h:1 refused the login: password authentication failed for user \"u\"", "",
         "Give the right user and password in the URI."},
        {AT "FATAL:  28000: no role\nDETAIL:  It is not there.\nHINT:  Make it.\n", 0,
         ZS_NOT_AUTHORIZED, "h:1 refused the login: no role", "It is not there.", "Make it."},
        {AT "SCHWERWIEGEND:  28P01: falsch\n", 0, ZS_WRONG_PASSWORD,
         "h:1 refused the login: falsch", "", "Give the right user and password in the URI."},
        {AT "FATAL:  53300: too many\n", 0, ZS_CANNOT_CONNECT,
         "h:1 does not accept the connection: too many", "SQLSTATE 53300.", "Try again later."},
        {AT "FATAL:  3D000: database \"zenith\" does not exist\n", 0, ZS_CANNOT_CONNECT,
         "h:1 does not accept the connection: database \"zenith\" does not exist",
         "SQLSTATE 3D000.",
         "PostgreSQL itself may listen there, and no pageserver: check the host and the port in "
         "the URI."},
        {AT "FATAL:  42501: not allowed in\n", 0, ZS_NOT_AUTHORIZED,
         "h:1 refused the login: not allowed in", "",
         "Ask who runs the far server to let this user in."},
        {AT "fe_sendauth: no password supplied\n", 1, ZS_WRONG_PASSWORD,
         "h:1 asks for a password, and the URI has none", "",
         "Write the URI as postgresql://USER:PASSWORD@HOST:PORT."},
        {AT "Connection refused\n\tIs the server running on that host?\n", 0, ZS_CANNOT_CONNECT,
         "could not connect to h:1: Connection refused", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
        {AT "SSL error: certificate verify failed\n", 0, ZS_CANNOT_CONNECT,
         "could not connect to h:1: SSL error: certificate verify failed", "",
         "Check sslmode, sslrootcert and the host's name in the URI."},
        {AT "server sent an error response during SSL exchange\n", 0, ZS_CANNOT_CONNECT,
         "h:1 turned the connection away before the login", "",
         "Too many clients may be logging in there at once: try again, or see its log."},
        {"invalid x\n", 0, ZS_CANNOT_CONNECT, "could not connect to h:1: invalid x", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
        {AT "FATAL:  53300: too many\nDETAIL:  All 3.\nHINT:  Wait.\n", 0, ZS_CANNOT_CONNECT,
         "h:1 does not accept the connection: too many", "All 3.  SQLSTATE 53300.", "Wait."},
        {AT "FATAL:  28P01:no blank\n", 0, ZS_CANNOT_CONNECT,
         "could not connect to h:1: FATAL:  28P01:no blank", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
        {"no line end and failed: so", 0, ZS_CANNOT_CONNECT, "could not connect to h:1: so", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
        {"the first line\nand the second failed: no", 0, ZS_CANNOT_CONNECT,
         "could not connect to h:1: the first line", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
        {AT "certificate expired\n", 0, ZS_CANNOT_CONNECT,
         "could not connect to h:1: certificate expired", "",
         "Check sslmode, sslrootcert and the host's name in the URI."},
        {"", 0, ZS_CANNOT_CONNECT, "could not connect to h:1: no reason was given", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
        {AT "FATAL:  2800: short\n", 0, ZS_CANNOT_CONNECT,
         "could not connect to h:1: FATAL:  2800: short", "",
         "Check that a pageserver runs there, and the host and the port in the URI."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        CU_ASSERT_EQUAL(far_error_login(cases[i].text, cases[i].needs_password, "h:1", &e),
                        ZS_FAIL);
        ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        ASSERT_TEXT(e.message, cases[i].message);
        ASSERT_TEXT(e.detail, cases[i].detail);
        ASSERT_TEXT(e.hint, cases[i].hint);
    }
}

/* Whose disk is full must be told to the one who typed the command. */
static void test_what_a_far_server_says_of_itself_names_it(void)
{
    static const struct {
        const char *sqlstate, *message, *hint, *want_sqlstate, *want, *want_hint;
    } cases[] = {
        {"53100", "the disk is full", "Free space.", "53100",
         "the far server h:1: the disk is full", "On the far server: Free space."},
        {"58030", "could not read", "", "58030", "the far server h:1: could not read", ""},
        {"XX001", "damaged", "Check.", "XX001", "the far server h:1: damaged",
         "On the far server: Check."},
        {"42501", "a role is missing", "", "42501", "the far server h:1: a role is missing", ""},
        {"55006", "in use", "Wait.", "55006", "the far server h:1: in use",
         "On the far server: Wait."},
        {"57014", "stopped", "", "57014", "the far server h:1: stopped", ""},
        {"42704", "no branch", "", "42704", "no branch", ""},
        {"53200", "", "", "53200", "h:1 reported an error and did not say which", ""},
        {"ZS001", "the far branch is ahead", "Pull.", "ZS001", "the far branch is ahead", "Pull."},
        {"5310", "short", "", "XX000", "short", ""},
        {"00000", "success?", "", "XX000", "success?", ""},
        {"42601", "what?", "", "42601", "what?",
         "PostgreSQL itself may listen there, and no pageserver: check the host and the port in "
         "the URI."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        CU_ASSERT_EQUAL(far_error_fields(cases[i].sqlstate, cases[i].message, "of it",
                                         cases[i].hint, "h:1", &e),
                        ZS_FAIL);
        ASSERT_TEXT(e.sqlstate, cases[i].want_sqlstate);
        ASSERT_TEXT(e.message, cases[i].want);
        ASSERT_TEXT(e.detail, "of it");
        ASSERT_TEXT(e.hint, cases[i].want_hint);
    }
}

static void test_result_without_fields(void)
{
    struct zs_error e = {0};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    CU_ASSERT_EQUAL(far_error_result(result, "h:1", &e), ZS_FAIL);
    ASSERT_TEXT(e.sqlstate, ZS_CONNECTION_LOST);
    ASSERT_TEXT(e.message, "the connection to h:1 was lost");
    PQclear(result);
}

static void test_long_text_is_cut_at_a_character(void)
{
    struct zs_error e = {0};
    char text[1001];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[1000] = '\0';
    CU_ASSERT_EQUAL(far_error_lost(text, "h:1", &e), ZS_FAIL);
    CU_ASSERT(strlen(e.detail) >= 500 && strlen(e.detail) % 2 == 0);
    CU_ASSERT(strncmp(text, e.detail, strlen(e.detail)) == 0);
    memset(text, '\x80', sizeof text - 1); /* nothing but the middle of characters */
    CU_ASSERT_EQUAL(far_error_lost(text, "h:1", &e), ZS_FAIL);
    ASSERT_TEXT(e.message, "the connection to h:1 was lost");
}

SUITE("libpq/far_error", {"a refused login has its SQLSTATE and its sentence", test_login_texts},
      {"what a far server says of itself names it", test_what_a_far_server_says_of_itself_names_it},
      {"an error that libpq made is a lost connection", test_result_without_fields},
      {"a long text is cut between two characters", test_long_text_is_cut_at_a_character})
