/* test_destinations.c - allow_destinations: what it lets through. */
#include "../../support/suite.h"

#include "transport/libpq/destinations.h"

#include <string.h>

#define LONG_TEXT                                                                                  \
    "0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0"

static void test_what_is_allowed(void)
{
    static const struct {
        const char *list, *name, *address;
        unsigned port;
        enum allowed allowed;
    } cases[] = {
        {NULL, "any", NULL, 1, ALLOWED_YES},
        {"", "any", NULL, 1, ALLOWED_NO},
        {"  ", "any", "10.0.0.1", 1, ALLOWED_NO},
        {"db.example.com", "db.example.com", NULL, 1, ALLOWED_YES},
        {"db.example.com", "DB.Example.COM.", NULL, 1, ALLOWED_YES},
        {"db.example.com.", "db.example.com", NULL, 1, ALLOWED_YES},
        {"db.example.com", "xdb.example.com", NULL, 1, ALLOWED_NO},
        {"db.example.com", "db.example.com.evil", NULL, 1, ALLOWED_NO},
        {"db.example.com", "db.example.co", NULL, 1, ALLOWED_NO},
        {"a b\tc\nd", "d", NULL, 1, ALLOWED_YES},
        {"h:5433", "h", NULL, 5433, ALLOWED_YES},
        {"h:5433", "h", NULL, 5432, ALLOWED_NO},
        {"*.example.com", "a.example.com", NULL, 1, ALLOWED_YES},
        {"*.example.com", "a.b.Example.com.", NULL, 1, ALLOWED_YES},
        {"*.example.com", "example.com", NULL, 1, ALLOWED_NO},
        {"*.example.com", ".example.com", NULL, 1, ALLOWED_NO},
        {"*.example.com", "aexample.com", NULL, 1, ALLOWED_NO},
        {"*.example.com", "a.example.org", NULL, 1, ALLOWED_NO},
        {"*.example.com:1", "a.example.com", NULL, 2, ALLOWED_NO},
        /* addresses */
        {"10.0.0.0/8", "10.1.2.3", "10.1.2.3", 1, ALLOWED_YES},
        {"10.0.0.0/8", "11.1.2.3", "11.1.2.3", 1, ALLOWED_NO},
        {"10.0.0.0/9", "x", "10.127.255.255", 1, ALLOWED_YES},
        {"10.0.0.0/9", "x", "10.128.0.0", 1, ALLOWED_NO},
        {"0.0.0.0/0", "x", "203.0.113.9", 1, ALLOWED_YES},
        {"0.0.0.0/0", "x", "2001:db8::1", 1, ALLOWED_NO},
        {"::/0", "x", "2001:db8::1", 1, ALLOWED_YES},
        {"::/0", "x", "10.0.0.1", 1, ALLOWED_NO},
        {"::/0", "x", "::ffff:10.0.0.1", 1, ALLOWED_NO},
        {"::/64", "x", "10.0.0.1", 1, ALLOWED_NO},
        {"::ffff:0:0/96", "x", "10.0.0.1", 1, ALLOWED_YES},
        {"::ffff:10.0.0.0/104", "x", "10.9.9.9", 1, ALLOWED_YES},
        {"0.0.0.0/0", "x", "::ffff:10.0.0.1", 1, ALLOWED_YES},
        {"0.0.0.0/0", "x", "::10.0.0.1", 1, ALLOWED_NO},
        {"127.0.0.1", "x", "::1", 1, ALLOWED_NO},
        {"127.0.0.1", "x", "::ffff:7f00:1", 1, ALLOWED_YES},
        /* what is no plain address is a name, and allowed as such or not */
        {"127.0.0.1", "127.1", NULL, 1, ALLOWED_BY_ADDRESS},
        {"127.0.0.1", "127.1", "127.0.0.1", 1, ALLOWED_YES},
        {"127.1", "127.0.0.1", "127.0.0.1", 1, ALLOWED_NO},
        {"10.0.0.0/8", "0x7f000001", "127.0.0.1", 1, ALLOWED_NO},
        {"10.0.0.1/32", "x", "10.0.0.1", 1, ALLOWED_YES},
        {"10.0.0.1", "x", "10.0.0.1", 1, ALLOWED_YES},
        {"10.0.0.1", "x", "10.0.0.2", 1, ALLOWED_NO},
        {"10.0.0.1:5433", "x", "10.0.0.1", 5432, ALLOWED_NO},
        {"10.0.0.0/8", "x", "::ffff:10.1.1.1", 1, ALLOWED_YES},
        {"10.0.0.0/8", "x", "::ffff:11.1.1.1", 1, ALLOWED_NO},
        {"fe80::/10", "x", "fe80::1%eth0", 1, ALLOWED_YES},
        {"2001:db8::1", "x", "2001:db8:0::1", 1, ALLOWED_YES},
        {"[2001:db8::1]:5433", "x", "2001:db8::1", 5433, ALLOWED_YES},
        {"[2001:db8::1]:5433", "x", "2001:db8::1", 5432, ALLOWED_NO},
        {"[2001:db8::1]", "x", "2001:db8::1", 7, ALLOWED_YES},
        /* a name says nothing of an address, nor the other way round */
        {"10.0.0.1", "x", NULL, 1, ALLOWED_BY_ADDRESS},
        {"10.0.0.1:2", "x", NULL, 1, ALLOWED_NO},
        {"h", NULL, "10.0.0.1", 1, ALLOWED_NO},
        {"h 10.0.0.0/8", "h", "203.0.113.9", 1, ALLOWED_YES},
        {"h 10.0.0.0/8", NULL, "203.0.113.9", 1, ALLOWED_NO},
        {"10.0.0.0/8", "x", "no address", 1, ALLOWED_NO},
        {"::/0", "x", LONG_TEXT, 1, ALLOWED_NO},
        {"h", "", NULL, 1, ALLOWED_NO},
        {"h", ".", NULL, 1, ALLOWED_NO},
        {"10.0.0.1:65535", "x", "10.0.0.1", 65535, ALLOWED_YES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct destinations *d = NULL;
        ASSERT_OK(destinations_parse(cases[i].list, &d, &e));
        enum allowed got = destinations_allow(d, cases[i].name, cases[i].address, cases[i].port);
        if (got != cases[i].allowed)
            printf("case %zu: \"%s\": %d\n", i, cases[i].list, got);
        CU_ASSERT_EQUAL(got, cases[i].allowed);
        destinations_free(d);
    }
}

static void test_bad_lists(void)
{
    static const char *const bad[] = {"h:",       "h:123456",    "10.0.0.0/8x", "h:0",    "h:65536",
                                      "h:x",      "10.0.0.0/33", "10.0.0.0/",   "::/129", "h/8",
                                      "[::1",     "[::1]x",      "a,b",         "*.",     "*",
                                      ":5433",    "[]",          "a.*.b",       ".",      "user@h",
                                      "http://h", "h:1:2",       "1.2.3/8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zs_error e = {0};
        struct destinations *d = NULL;
        ASSERT_FAILS(destinations_parse(bad[i], &d, &e), ZS_BAD_VALUE);
        CU_ASSERT(d == NULL && strstr(e.message, bad[i]) != NULL && e.hint[0] != '\0');
    }
}

/* 256 items are the most, and 255 characters of one. */
static void test_limits(void)
{
    char list[2 * 257 + 1];
    for (size_t i = 0; i < sizeof list - 1; i += 2)
        memcpy(list + i, "h ", 2);
    list[sizeof list - 1] = '\0';
    struct zs_error e = {0};
    struct destinations *d = NULL;
    ASSERT_FAILS(destinations_parse(list, &d, &e), ZS_BAD_VALUE);
    CU_ASSERT(d == NULL && strstr(e.hint, "at most 256") != NULL);
    list[(size_t)2 * 256] = '\0';
    ASSERT_OK(destinations_parse(list, &d, &e));
    CU_ASSERT(destinations_allow(d, "h", NULL, 1) == ALLOWED_YES);
    destinations_free(d);
    memset(list, 'n', 256);
    list[256] = '\0';
    ASSERT_FAILS(destinations_parse(list, &d, &e), ZS_BAD_VALUE);
    CU_ASSERT(strlen(e.message) < 200); /* it is shown in part */
    list[255] = '\0';
    ASSERT_OK(destinations_parse(list, &d, &e));
    CU_ASSERT(destinations_allow(d, list, NULL, 1) == ALLOWED_YES);
    destinations_free(d);
}

SUITE("libpq/destinations",
      {"a place is allowed by its name or by its address", test_what_is_allowed},
      {"an item that is none is refused and named", test_bad_lists},
      {"a list and an item have a limit", test_limits})
