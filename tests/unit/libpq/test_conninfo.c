/* test_conninfo.c - what a URI may say, and what libpq is told. */
#include "../../support/suite.h"

#include "transport/libpq/conninfo.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_16  "abcdefghijklmnop"
#define HOST_64  HOST_16 HOST_16 HOST_16 HOST_16
#define HOST_256 HOST_64 HOST_64 HOST_64 HOST_64

static const struct conninfo_rules closed;
static const struct conninfo_rules opened = {.tls_dir = "/etc/tls", .unix_sockets = true};

static void no_secret(const struct zs_error *e)
{
    CU_ASSERT(strstr(e->message, "SECRET") == NULL && strstr(e->detail, "SECRET") == NULL &&
              strstr(e->hint, "SECRET") == NULL);
}

/* The system's, for this program: the user that the server runs as; NULL has no entry, ""
 * cannot be looked up. */
static const char *system_user = "server";

int getpwuid_r(uid_t uid, struct passwd *entry, char *room, size_t size, struct passwd **found)
{
    *entry = (struct passwd){.pw_name = room, .pw_uid = uid};
    if (system_user != NULL)
        (void)snprintf(room, size, "%s", system_user);
    *found = system_user != NULL ? entry : NULL;
    return system_user != NULL && system_user[0] == '\0' ? EIO : 0;
}

static void test_shown(void)
{
    static const struct {
        const char *uri, *shown;
    } cases[] = {
        {"postgresql://h", "postgresql://h:5432"},
        {"postgres://u:SECRET@h:5433/db?sslmode=require", "postgresql://h:5433"},
        {"POSTGRES://u:SECRET@h:05433", "postgresql://h:5433"},
        {"postgresql://u:S%40ECRET@h", "postgresql://h:5432"},
        {"postgresql://u@h1:1,h2,[::1]:3/db?password=SECRET", "postgresql://h1:1,h2:5432,[::1]:3"},
        {"postgresql://u@h1,h2/?port=7", "postgresql://h1:7,h2:7"},
        {"postgresql://a/?host=b&password=SECRET", "postgresql://b:5432"},
        {"postgresql://h/?hostaddr=10.0.0.1", "postgresql://h:5432"},
        {"postgresql:///?hostaddr=10.0.0.1", "postgresql://10.0.0.1:5432"},
        {"postgresql://[fe80::1%25eth0]:1/", "postgresql://[fe80::1%eth0]:1"},
        {"postgresql://%2Ftmp%2Fa%3Ab:1/", "postgresql://%2Ftmp%2Fa%3Ab:1"},
        {"postgresql://%40name/", "postgresql://%40name:5432"},
        {"postgresql://h?port=", "postgresql://h:5432"},
        {"postgresql://h?connect_timeout=999999999", "postgresql://h:5432"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct conninfo info;
        char shown[300] = "";
        ASSERT_OK(conninfo_open(&opened, cases[i].uri, &info, &e));
        conninfo_show(&info, shown, sizeof shown);
        ASSERT_TEXT(shown, cases[i].shown);
        conninfo_show(&info, shown, 20);
        CU_ASSERT(strlen(shown) < 20);
        memset(shown, 'x', sizeof shown);
        conninfo_show(&info, shown, 0); /* no room: nothing is touched */
        CU_ASSERT(shown[0] == 'x');
        conninfo_close(&info);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *uri, *sqlstate, *says;
    } cases[] = {
        /* no URI of ours, or a broken one */
        {"", ZS_BAD_VALUE, "does not begin with postgresql://"},
        {"host=h password=SECRET", ZS_BAD_VALUE, "does not begin"},
        {"mysql://h", ZS_BAD_VALUE, "does not begin"},
        {"postgresql://", ZS_BAD_VALUE, "names no host"},
        {"postgresql:///db", ZS_BAD_VALUE, "names no host"},
        {"postgresql://u:SECRET@", ZS_BAD_VALUE, "names no host"},
        {"postgresql://a,,b", ZS_BAD_VALUE, "names no host"},
        {"postgresql://u:SEC%RET@h", ZS_BAD_VALUE, "% that is not followed"},
        {"postgresql://u:SECRET%00@h", ZS_BAD_VALUE, "% that is not followed"},
        {"postgresql://u:SECRET%", ZS_BAD_VALUE, "% that is not followed"},
        {"postgresql://u:SEC@SECRET@h", ZS_BAD_VALUE, "or two of them"},
        {"postgresql://u:12/SECRET@h", ZS_BAD_VALUE, "an @ behind"},
        {"postgresql://h?password=SECRET@x", ZS_BAD_VALUE, ""},
        {"postgresql://u:SECRET", ZS_BAD_VALUE, "a port in it is not a number"},
        {"postgresql://h:0", ZS_BAD_VALUE, "a port in it"},
        {"postgresql://h:65536", ZS_BAD_VALUE, "a port in it"},
        {"postgresql://h:+1", ZS_BAD_VALUE, "a port in it"},
        {"postgresql://h:123456", ZS_BAD_VALUE, "a port in it"},
        {"postgresql://h/?port=1234567890123456", ZS_BAD_VALUE, "is too long"},
        {"postgresql://h,i/?hostaddr=10.0.0.1,1234567890123456789012345678901234567890123456789012"
         "34567890123456789012345678901234567890",
         ZS_BAD_VALUE, "is too long"},
        {"postgresql://" HOST_256, ZS_BAD_VALUE, "is too long"},
        {"postgresql://[" HOST_64 ":]", ZS_BAD_VALUE, "a character"},
        {"postgresql://[::1%25e!]", ZS_BAD_VALUE, "a character"},
        {"postgresql://h%", ZS_BAD_VALUE, "% that is not followed"},
        {"postgresql://h%2", ZS_BAD_VALUE, "% that is not followed"},
        {"postgresql://h%2g", ZS_BAD_VALUE, "% that is not followed"},
        {"postgresql://h:1,h:2,h:3/?port=1,2", ZS_BAD_VALUE, "numbers of its hosts"},
        {"postgresql://a,b/?hostaddr=10.0.0.1", ZS_BAD_VALUE, "numbers of its hosts"},
        {"postgresql://a,b,c,d,e,f,g,h,i", ZS_BAD_VALUE, "more than 8 hosts"},
        {"postgresql://h%20SECRET", ZS_BAD_VALUE, "a character that a host's name has not"},
        {"postgresql://h%0a", ZS_BAD_VALUE, "a character"},
        {"postgresql://[::1", ZS_BAD_VALUE, "not where they should be"},
        {"postgresql://[SECRET:]", ZS_BAD_VALUE, "a character"},
        {"postgresql://h/?hostaddr=h2", ZS_BAD_VALUE, "is not an address"},
        {"postgresql://h?SECRET=1", ZS_BAD_VALUE, "a parameter that is not known"},
        {"postgresql://h?x", ZS_BAD_VALUE, ""},
        /* parameters that are not on the list */
        {"postgresql://h?service=x", ZS_BAD_VALUE, "parameter \"service\" may not be used"},
        {"postgresql://h?service=", ZS_BAD_VALUE, "\"service\""},
        {"postgresql://h?%73ervice=x", ZS_BAD_VALUE, "\"service\""},
        {"postgresql://h?sslmode=disable&service=x&service=", ZS_BAD_VALUE, "\"service\""},
        {"postgresql://h?passfile=/x", ZS_BAD_VALUE, "\"passfile\""},
        {"postgresql://h?options=-cx%3Dy", ZS_BAD_VALUE, "\"options\""},
        {"postgresql://h?target_session_attrs=any", ZS_BAD_VALUE, "\"target_session_attrs\""},
        {"postgresql://h?gssencmode=require", ZS_BAD_VALUE, "\"gssencmode\""},
        {"postgresql://h?krbsrvname=x", ZS_BAD_VALUE, "\"krbsrvname\""},
        {"postgresql://h?requirepeer=x", ZS_BAD_VALUE, "\"requirepeer\""},
        {"postgresql://h?replication=true", ZS_BAD_VALUE, "\"replication\""},
        {"postgresql://h?sslpassword=SECRET", ZS_BAD_VALUE, "\"sslpassword\""},
        {"postgresql://h?sslcrldir=x", ZS_BAD_VALUE, "\"sslcrldir\""},
        {"postgresql://h?client_encoding=x", ZS_BAD_VALUE, "\"client_encoding\""},
        /* values */
        {"postgresql://h?sslmode=SECRET", ZS_BAD_VALUE, "\"sslmode\" has a value"},
        {"postgresql://h?sslmode=require%20disable", ZS_BAD_VALUE, "\"sslmode\""},
        {"postgresql://h?sslmode=", ZS_BAD_VALUE, "\"sslmode\""},
        {"postgresql://h?sslmode=" HOST_64, ZS_BAD_VALUE, "\"sslmode\""},
        {"postgresql://h?connect_timeout=", ZS_BAD_VALUE, "\"connect_timeout\""},
        {"postgresql://h?connect_timeout=1234567890", ZS_BAD_VALUE, "\"connect_timeout\""},
        {"postgresql://h?connect_timeout=-1", ZS_BAD_VALUE, "\"connect_timeout\""},
        {"postgresql://h?connect_timeout=1s", ZS_BAD_VALUE, "\"connect_timeout\""},
        {"postgresql://h?sslmode=verify-full", ZS_BAD_VALUE, "needs the parameter \"sslrootcert\""},
        {"postgresql://h?sslcert=a.crt", ZS_NO_PERMISSION, "names a file"},
        {"postgresql://h?sslrootcert=system", ZS_NO_PERMISSION, "names a file"},
        /* sockets */
        {"postgresql://%2Ftmp", ZS_NO_PERMISSION, "a Unix socket"},
        {"postgresql:///?host=/tmp", ZS_NO_PERMISSION, "a Unix socket"},
        {"postgresql://h/?host=%2ftmp", ZS_NO_PERMISSION, "a Unix socket"},
        {"postgresql://h,%2Ftmp", ZS_NO_PERMISSION, "a Unix socket"},
        {"postgresql://%40x", ZS_NO_PERMISSION, "a Unix socket"},
        {"postgresql://h/?host=/tmp&hostaddr=10.0.0.1", ZS_BAD_VALUE, "socket and an address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct conninfo info;
        int rc = conninfo_open(&closed, cases[i].uri, &info, &e);
        conninfo_close(&info);
        if (rc == ZS_OK || strstr(e.message, cases[i].says) == NULL)
            printf("%s: %s\n", cases[i].uri, e.message);
        ASSERT_FAILS(rc, cases[i].sqlstate);
        CU_ASSERT(strstr(e.message, cases[i].says) != NULL);
        CU_ASSERT(e.hint[0] != '\0');
        no_secret(&e);
    }
}

static void test_files_stay_in_their_folder(void)
{
    static const char *const bad[] = {"/etc/passwd", "../x", "a/b", ".x", "", "engine:x", "a%20b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_error e = {0};
        struct conninfo info;
        char uri[100];
        (void)snprintf(uri, sizeof uri, "postgresql://h?sslrootcert=%s", bad[i]);
        int rc = conninfo_open(&opened, uri, &info, &e);
        conninfo_close(&info);
        ASSERT_FAILS(rc, ZS_BAD_VALUE);
    }
}

static void test_what_holds_only_where_more_is_allowed(void)
{
    static const struct {
        const char *uri, *says; /* NULL: taken */
    } cases[] = {
        {"postgresql://h?sslcert=a&sslkey=b", NULL},
        {"postgresql://h?sslcert=a", "go together"},
        {"postgresql://h?sslkey=a", "go together"},
        {"postgresql://h?sslrootcert=" HOST_64 HOST_64 HOST_64 HOST_16 HOST_16 HOST_16
         "123456789012"
         "2345",
         "\"sslrootcert\""},
        {"postgresql://%2Ftmp%01", "a character"},
        {"postgresql://%2Ftmp%7F", "a character"},
        {"postgresql://%2Ftmp%20a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct conninfo info;
        int rc = conninfo_open(&opened, cases[i].uri, &info, &e);
        conninfo_close(&info);
        if (cases[i].says == NULL) {
            ASSERT_OK(rc);
            continue;
        }
        ASSERT_FAILS(rc, ZS_BAD_VALUE);
        CU_ASSERT(strstr(e.message, cases[i].says) != NULL);
    }
}

static void test_timeouts(void)
{
    static const struct {
        const char *uri;
        int ms;
    } cases[] = {
        {"postgresql://h", 10000},
        {"postgresql://h?connect_timeout=0", 0},
        {"postgresql://h?connect_timeout=86400", 86400000},
        {"postgresql://h?connect_timeout=86401", 86400000},
        {"postgresql://h?connect_timeout=999999999", 86400000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct conninfo info;
        ASSERT_OK(conninfo_open(&closed, cases[i].uri, &info, &e));
        CU_ASSERT_EQUAL(info.timeout_ms, cases[i].ms);
        conninfo_close(&info);
    }
}

/* In a message: an address6 in brackets, a socket with its port as libpq has it. */
static void test_targets_in_messages(void)
{
    static const struct {
        const char *uri, *text;
    } cases[] = {
        {"postgresql://h", "h:5432"},
        {"postgresql://[::1]:7", "[::1]:7"},
        {"postgresql:///?hostaddr=10.0.0.1", "10.0.0.1:5432"},
        {"postgresql://%2Ftmp:7", "/tmp:7"},
        {"postgresql://%40name:7", "@name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct conninfo info;
        ASSERT_OK(conninfo_open(&opened, cases[i].uri, &info, &e));
        ASSERT_TEXT(target_text(&info.targets[0]).s, cases[i].text);
        conninfo_close(&info);
    }
}

static void test_allow_list_is_asked(void)
{
    static const struct {
        const char *uri;
        bool allowed;
    } cases[] = {
        {"postgresql://db.test", true},
        {"postgresql://other.test", false},
        {"postgresql://db.test,other.test", false},
        {"postgresql://db.test?host=other.test", false},
        {"postgresql://db.test?hostaddr=10.0.0.1", false}, /* a name that leads elsewhere */
        {"postgresql://other.test?hostaddr=192.0.2.1", true},
        {"postgresql://192.0.2.1:1", true},
        {"postgresql://10.0.0.1:1", false},
        {"postgresql://192.0.2.1,10.0.0.1", false},
    };
    struct zs_error e = {0};
    struct destinations *names = NULL, *both = NULL;
    ASSERT_OK(destinations_parse("db.test:5432 192.0.2.0/24", &both, &e));
    ASSERT_OK(destinations_parse("db.test", &names, &e));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* A name that is not listed may yet have an address that is: then it is asked later. */
        bool address = strstr(cases[i].uri, "0.") != NULL;
        struct conninfo_rules rules = {.destinations = address ? both : names};
        struct conninfo info;
        memset(&e, 0, sizeof e);
        int rc = conninfo_open(&rules, cases[i].uri, &info, &e);
        conninfo_close(&info);
        if (cases[i].allowed)
            ASSERT_OK(rc);
        else
            ASSERT_FAILS(rc, ZS_NO_PERMISSION);
    }
    destinations_free(both);
    destinations_free(names);
}

static void test_resolved_addresses_are_asked(void)
{
    struct zs_error e = {0};
    struct destinations *d = NULL;
    struct conninfo info;
    ASSERT_OK(destinations_parse("192.0.2.0/24", &d, &e));
    struct conninfo_rules rules = {.destinations = d};
    ASSERT_OK(conninfo_open(&rules, "postgresql://db.test", &info, &e));
    ASSERT_OK(target_allow(&rules, &info.targets[0], "192.0.2.7", &e));
    ASSERT_FAILS(target_allow(&rules, &info.targets[0], "127.0.0.1", &e), ZS_NO_PERMISSION);
    ASSERT_TEXT(e.message, "this server may not connect to db.test:5432");
    ASSERT_TEXT(e.detail, "Its address is 127.0.0.1.");
    conninfo_close(&info);
    destinations_free(d);
}

static const char *told(const char *const *keywords, const char *const *values, const char *name)
{
    for (size_t i = 0; keywords[i] != NULL; i++)
        if (strcmp(keywords[i], name) == 0)
            return values[i];
    return "(not told)";
}

static void test_what_libpq_is_told(void)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"host", "h"},
        {"hostaddr", "10.0.0.1"},
        {"port", "5433"},
        {"user", "u"},
        {"password", "p@s"},
        {"dbname", "zenith"},
        {"application_name", "app"},
        {"passfile", "/dev/null/none"},
        {"sslmode", "verify-full"},
        {"sslrootcert", "/etc/tls/ca.crt"},
        {"sslcert", "/dev/null/none"},
        {"gssencmode", "disable"},
        {"krbsrvname", "zenith-sync-none"},
        {"service", "(not told)"},
        {"options", "(not told)"},
    };
    const char *keywords[CONNINFO_VALUES_MAX], *values[CONNINFO_VALUES_MAX];
    struct zs_error e = {0};
    struct conninfo info;
    ASSERT_OK(conninfo_open(&opened,
                            "postgresql://u:p%40s@h:5433?sslmode=verify-full&sslrootcert=ca.crt"
                            "&connect_timeout=3",
                            &info, &e));
    CU_ASSERT_EQUAL(info.timeout_ms, 3000);
    ASSERT_OK(conninfo_values(&info, &info.targets[0], "10.0.0.1", "app", keywords, values, &e));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ASSERT_TEXT(told(keywords, values, cases[i].name), cases[i].value);
    conninfo_close(&info);
}

/* For every variable that libpq reads: either we say it, or it keeps us from connecting. */
static void test_environment_has_no_say(void)
{
    const char *keywords[CONNINFO_VALUES_MAX], *values[CONNINFO_VALUES_MAX];
    struct zs_error e = {0};
    struct conninfo info;
    unsigned refused = 0;
    ASSERT_OK(conninfo_open(&closed, "postgresql://u@h", &info, &e));
    for (const PQconninfoOption *o = info.parsed; o->keyword != NULL; o++) {
        if (o->envvar == NULL)
            continue;
        memset(&e, 0, sizeof e);
        (void)setenv(o->envvar, "x", 1); /* NOLINT(concurrency-mt-unsafe): one thread */
        int rc = conninfo_values(&info, &info.targets[0], "10.0.0.1", "app", keywords, values, &e);
        (void)unsetenv(o->envvar); /* NOLINT(concurrency-mt-unsafe) */
        bool said = strcmp(told(keywords, values, o->keyword), "(not told)") != 0;
        CU_ASSERT(said == (rc == ZS_OK));
        refused += !said;
        if (!said) {
            ASSERT_FAILS(rc, ZS_NO_PERMISSION);
            CU_ASSERT(strstr(e.message, o->envvar) != NULL);
        }
    }
    CU_ASSERT(refused >= 3); /* PGSERVICE, PGPASSWORD, PGOPTIONS */
    memset(&e, 0, sizeof e);
    (void)setenv("PGPASSWORD", "", 1); /* NOLINT(concurrency-mt-unsafe): says nothing */
    ASSERT_OK(conninfo_values(&info, &info.targets[0], "", "app", keywords, values, &e));
    ASSERT_TEXT(told(keywords, values, "hostaddr"), "(not told)");
    (void)unsetenv("PGPASSWORD"); /* NOLINT(concurrency-mt-unsafe) */
    conninfo_close(&info);
    ASSERT_OK(conninfo_open(&closed, "postgresql://h", &info, &e)); /* the server's own user */
    ASSERT_OK(conninfo_values(&info, &info.targets[0], "", "app", keywords, values, &e));
    ASSERT_TEXT(told(keywords, values, "user"), "server");
    conninfo_close(&info);
}

/* A server may run as a user that the system has no name for, as in a container. */
static void test_a_server_without_a_user_name_connects_as_the_uris(void)
{
    static const char *const systems[] = {NULL, "", HOST_64};
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        const char *keywords[CONNINFO_VALUES_MAX], *values[CONNINFO_VALUES_MAX];
        struct zs_error e = {0};
        struct conninfo info;
        system_user = systems[i];
        ASSERT_OK(conninfo_open(&closed, "postgresql://u@h", &info, &e));
        ASSERT_OK(conninfo_values(&info, &info.targets[0], "", "app", keywords, values, &e));
        ASSERT_TEXT(told(keywords, values, "user"), "u");
        conninfo_close(&info);
        ASSERT_OK(conninfo_open(&closed, "postgresql://h", &info, &e));
        ASSERT_FAILS(conninfo_values(&info, &info.targets[0], "", "app", keywords, values, &e),
                     ZS_BAD_VALUE);
        CU_ASSERT(strstr(e.message, "names no user") != NULL);
        conninfo_close(&info);
    }
    system_user = "server";
}

SUITE("libpq/conninfo", {"what is shown is scheme, hosts and ports", test_shown},
      {"what a URI may not say is refused, without quoting it", test_refused},
      {"a file's name stays in tls_dir", test_files_stay_in_their_folder},
      {"what holds where more is allowed", test_what_holds_only_where_more_is_allowed},
      {"a timeout is taken up to a day", test_timeouts},
      {"a target in a message is what a person would type", test_targets_in_messages},
      {"every host of a URI is held against allow_destinations", test_allow_list_is_asked},
      {"an address that a name leads to is held against it, too",
       test_resolved_addresses_are_asked},
      {"libpq is told what the URI says, and what is safe besides", test_what_libpq_is_told},
      {"the environment has no say in a connection", test_environment_has_no_say},
      {"a server whose user has no name connects as the URI's",
       test_a_server_without_a_user_name_connects_as_the_uris})
