/* test_config.c - pageserver.toml. */
#include "../../support/suite.h"

#include "pageserver/config.h"

#include <stdlib.h>
#include <string.h>

static void test_the_default_text_is_a_config(void)
{
    struct config c;
    struct zs_error e = {0};
    char *text = config_default_text("::1", 6000, &e);
    if (text == NULL)
        abort();
    ASSERT_OK(config_parse(text, "pageserver.toml", &c, &e));
    ASSERT_TEXT(c.listen, "::1");
    CU_ASSERT_EQUAL(c.port, 6000);
    CU_ASSERT(c.nmodules == 1 && strcmp(c.modules[0], "zenith_sync.so") == 0);
    CU_ASSERT(c.allow_destinations == NULL && !c.allow_unix_sockets && c.tls_cert == NULL);
    CU_ASSERT(c.max_connections == 200 && c.max_half_open == 64 && c.stage_timeout_s == 604800);
    config_fini(&c);
    free(text);
    CU_ASSERT(config_default_text("a\"b", 1, &e) == NULL);
}

static void test_an_example_of_everything_that_is_commented_out_holds(void)
{
    struct config c;
    struct zs_error e = {0};
    char *text = config_default_text("", 5433, &e);
    if (text == NULL)
        abort();
    /* Every "# key = value" becomes a setting. */
    for (char *p = strstr(text, "\n# "); p != NULL; p = strstr(p + 1, "\n# ")) {
        size_t word = strspn(p + 3, "abcdefghijklmnopqrstuvwxyz_");
        if (strncmp(p + 3 + word, " = ", 3) == 0)
            p[1] = p[2] = ' ';
    }
    ASSERT_OK(config_parse(text, "pageserver.toml", &c, &e));
    ASSERT_TEXT(c.allow_destinations, "backup.example.com 10.0.0.0/8");
    ASSERT_TEXT(c.transport_dir, "/usr/local/lib/zenith-sync/transports");
    ASSERT_TEXT(c.tls_ca, "/etc/zenith-sync/ca.crt");
    ASSERT_TEXT(c.lease_timeout, "3600");
    ASSERT_TEXT(c.progress_timeout, "86400");
    ASSERT_TEXT(c.max_transfers, "32");
    CU_ASSERT(c.idle_timeout_s == 3600 && c.handshake_timeout_s == 10);
    CU_ASSERT(c.stage_timeout_s == 604800);
    config_fini(&c);
    free(text);
}

static void test_errors_name_the_line(void)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"port = \"x\"\n", "line 1"},
        {"\nport = 70000\n", "line 2"},
        {"port = -1\n", "line 1"},
        {"port = 1.5\n", "line 1"},
        {"listen = 3\n", "line 1"},
        {"modules = \"zenith_sync.so\"\n", "line 1"},
        {"modules = [1]\n", "line 1"},
        {"# one\nprot = 5433\n", "line 2"},
        {"max_connections = 0\n", "line 1"},
        {"handshake_timeout = 0\n", "line 1"},
        {"progress_timeout = 0\n", "line 1"},
        {"max_transfers = -1\n", "line 1"},
        {"stage_timeout = -1\n", "line 1"},
        {"stage_timeout = \"7 days\"\n", "line 1"},
        {"allow_unix_sockets = \"yes\"\n", "line 1"},
        {"allow_destinations = [\"a b\"]\n", "line 1"},
        {"allow_destinations = [\"\"]\n", "line 1"},
        {"port = 1\ntls_cert = \"a\"\n", "line 2"},
        {"tls_key = \"a\"\n", "line 1"},
        {"tls_ca = \"a\"\n", "line 1"},
        {"port = \n", "line 1"},
        {"port = 1\nport = 2\n", "line 2"},
        {"[server]\nport = 1\n", "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c;
        struct zs_error e = {0};
        ASSERT_FAILS(config_parse(cases[i].text, "pageserver.toml", &c, &e), "22023");
        CU_ASSERT(strstr(e.message, "pageserver.toml") != NULL);
        if (strstr(e.message, cases[i].line) == NULL)
            ASSERT_TEXT(e.message, cases[i].line);
    }
}

static void test_an_empty_list_of_destinations_is_not_anywhere(void)
{
    struct config c;
    struct zs_error e = {0};
    ASSERT_OK(config_parse("allow_destinations = []\n", "t", &c, &e));
    ASSERT_TEXT(c.allow_destinations, "");
    config_fini(&c);
    ASSERT_OK(config_parse("", "t", &c, &e));
    CU_ASSERT(c.allow_destinations == NULL && c.port == 5433 && c.nmodules == 0);
    config_fini(&c);
}

SUITE("pageserver/config", {"what init writes can be read", test_the_default_text_is_a_config},
      {"every commented setting can be used",
       test_an_example_of_everything_that_is_commented_out_holds},
      {"an error names the line", test_errors_name_the_line},
      {"no destinations is not any destination",
       test_an_empty_list_of_destinations_is_not_anywhere})
