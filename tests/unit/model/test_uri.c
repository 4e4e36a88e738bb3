/* test_uri.c - schemes, and URIs as a person may see them. */
#include "../../support/suite.h"

#include "model/uri.h"

#include <string.h>

static void test_schemes(void)
{
    static const struct {
        const char *uri, *scheme; /* "" none */
    } cases[] = {
        {"postgresql://h", "postgresql"},
        {"PostgreSQL://h", "postgresql"},
        {"s3+x-1.y://h", "s3+x-1.y"},
        {"a://", "a"},
        {"", ""},
        {"://h", ""},
        {"3s://h", ""},
        {"+a://h", ""},
        {"postgresql:h", ""},
        {"postgresql:/h", ""},
        {"host=x password=y", ""},
        {"post gres://h", ""},
        {" postgres://h", ""},
        {"p\xc3\xa4://h", ""},
        {"user:pw@host", ""},
        {"abcdefghijklmnopqrstuvwxyz01234://h", "abcdefghijklmnopqrstuvwxyz01234"},
        {"abcdefghijklmnopqrstuvwxyz012345://h", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char scheme[URI_SCHEME_MAX + 1] = "old";
        CU_ASSERT_EQUAL(uri_scheme(cases[i].uri, scheme), cases[i].scheme[0] != '\0');
        ASSERT_TEXT(scheme, cases[i].scheme);
    }
}

static void test_scheme_validity(void)
{
    static const char *const bad[] = {
        "", "A", "1a", "-a", "a b", "a:", "a_b", "\xc3\xa4", "abcdefghijklmnopqrstuvwxyz012345"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(!uri_scheme_is_valid(bad[i]));
    CU_ASSERT(uri_scheme_is_valid("a"));
    CU_ASSERT(uri_scheme_is_valid("git+ssh-2.0"));
}

static void test_shown(void)
{
    static const struct {
        const char *uri, *shown;
    } cases[] = {
        {"postgresql://h", "postgresql://h"},
        {"postgresql://h:5433/db", "postgresql://h:5433/db"},
        {"POSTGRESQL://H:1", "postgresql://H:1"},
        {"postgresql://u@h", "postgresql://h"},
        {"postgresql://u:SECRET@h:5433/db?sslmode=require", "postgresql://h:5433/db"},
        {"postgresql://:SECRET@h", "postgresql://h"},
        {"postgresql://u:SEC@SECRET@h", "postgresql://h"},
        {"postgresql://u:SEC%40RET@h", "postgresql://h"},
        {"postgresql://u%3ASECRET@h", "postgresql://h"},
        {"postgresql://u:SECRET@h1:1,h2:2/db", "postgresql://h1:1,h2:2/db"},
        {"postgresql://u:SECRET@[::1]:5433/", "postgresql://[::1]:5433/"},
        {"postgresql://%2Ftmp%2Fx:5433", "postgresql://%2Ftmp%2Fx:5433"},
        {"postgresql://h?password=SECRET", "postgresql://h"},
        {"postgresql://h?pass%77ord=SECRET&password=SECRET2", "postgresql://h"},
        {"postgresql://h/db?user=u&password=SEC%26RET#x", "postgresql://h/db"},
        {"postgresql:///db?host=h&password=SECRET", "postgresql:///db"},
        {"postgresql://h#SECRET", "postgresql://h"},
        {"file:///srv/a_b-c.d~", "file:///srv/a_b-c.d~"},
        /* where the host is, is not certain */
        {"postgresql://u:SEC/RET@h", "postgresql://..."},
        {"postgresql://u:123/RET@h", "postgresql://..."},
        {"postgresql://u:123?RET@h", "postgresql://..."},
        {"postgresql://u:123#RET@h", "postgresql://..."},
        {"postgresql://h?password=SEC@RET", "postgresql://..."},
        {"postgresql://u:SECRET", "postgresql://..."},
        {"postgresql://u%3ASECRET%40h", "postgresql://..."},
        {"postgresql://%2Fx%3ASECRET", "postgresql://..."},
        {"postgresql://%2fTmp:5433", "postgresql://%2fTmp:5433"},
        {"postgresql://%2", "postgresql://..."},
        {"postgresql://%2a", "postgresql://..."},
        {"postgresql://%3f", "postgresql://..."},
        {"postgresql://%2F%3F", "postgresql://..."},
        {"postgresql://%2Fx%1F", "postgresql://..."},
        {"postgresql://%2Fx%2a", "postgresql://..."},
        {"postgresql://%2F\xc3\xa4", "postgresql://..."},
        {"postgresql://h:123456", "postgresql://..."},
        {"postgresql://[::1", "postgresql://..."},
        {"postgresql://[SECRET]", "postgresql://..."},
        {"postgresql://u:SEC\x01RET@h\n", "postgresql://..."},
        {"postgresql://h\x1b[31m", "postgresql://..."},
        {"postgresql://h/SEC%52ET", "postgresql://h"},
        {"postgresql://h/a b", "postgresql://h"},
        {"password=SECRET host=h", "(not a URI)"},
        {"u:SECRET@h", "(not a URI)"},
        {"", "(not a URI)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char shown[URI_SHOWN] = "old";
        uri_show(cases[i].uri, shown, sizeof shown);
        ASSERT_TEXT(shown, cases[i].shown);
        CU_ASSERT(strstr(shown, "SEC") == NULL && strstr(shown, "RET") == NULL);
    }
}

static void test_long_ones_fit(void)
{
    char uri[5000], shown[URI_SHOWN];
    memset(uri, 'h', sizeof uri);
    memcpy(uri, "postgresql://", 13);
    uri[sizeof uri - 1] = '\0';
    uri_show(uri, shown, sizeof shown);
    ASSERT_TEXT(shown, "postgresql://...");
    uri_show("postgresql://h", shown, 5);
    ASSERT_TEXT(shown, "post");
    shown[0] = 'x';
    uri_show("postgresql://h", shown, 0);
    CU_ASSERT_EQUAL(shown[0], 'x');
}

SUITE("model/uri", {"a scheme is what stands before ://, in lower case", test_schemes},
      {"a scheme that may be claimed has the shape of one", test_scheme_validity},
      {"what is shown of a URI holds no secret, wherever it stands", test_shown},
      {"a URI of any length is shown in the room there is", test_long_ones_fit})
