/* test_libpq.c - the transport as its host sees it: what it reads of the settings. */
#include "../../support/suite.h"

#include "base/error.h"

#include <string.h>
#include <zenith-sync/transport.h>

const struct zs_transport *zenith_sync_transport_v1(void);

static const char *destinations, *sockets, *tls_dir;

static const char *setting(void *self, const char *name)
{
    (void)self;
    if (strcmp(name, "allow_destinations") == 0)
        return destinations;
    if (strcmp(name, "allow_unix_sockets") == 0)
        return sockets;
    return strcmp(name, "tls_dir") == 0 ? tls_dir : NULL;
}

static int check(const struct zs_transport_host *host, const char *uri, struct zs_error *e)
{
    const struct zs_transport *t = zenith_sync_transport_v1();
    void *self = NULL;
    char shown[200] = "";
    int rc = t->init(host, &self, e);
    if (rc == ZS_OK)
        rc = t->uri_check(self, uri, shown, sizeof shown, e);
    CU_ASSERT((rc == ZS_OK) == (shown[0] != '\0'));
    t->fini(self); /* of NULL, too */
    return rc;
}

static void test_settings_say_what_a_uri_may(void)
{
    static const struct {
        const char *destinations, *sockets, *tls_dir, *uri;
        const char *sqlstate; /* NULL: it may */
    } cases[] = {
        {NULL, NULL, NULL, "postgresql://h", NULL},
        {"", NULL, NULL, "postgresql://h", ZS_NO_PERMISSION},
        {"h", NULL, NULL, "postgresql://h", NULL},
        {"h:", NULL, NULL, "postgresql://h", ZS_BAD_VALUE},
        {NULL, NULL, NULL, "postgresql://%2Ftmp", ZS_NO_PERMISSION},
        {NULL, "false", NULL, "postgresql://%2Ftmp", ZS_NO_PERMISSION},
        {NULL, "true", NULL, "postgresql://%2Ftmp", NULL},
        {NULL, NULL, NULL, "postgresql://h?sslrootcert=a", ZS_NO_PERMISSION},
        {NULL, NULL, "", "postgresql://h?sslrootcert=a", ZS_NO_PERMISSION},
        {NULL, NULL, "/etc", "postgresql://h?sslrootcert=a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct zs_transport_host host = {.struct_size = sizeof host, .setting = setting};
        struct zs_error e = {0};
        destinations = cases[i].destinations;
        sockets = cases[i].sockets;
        tls_dir = cases[i].tls_dir;
        int rc = check(&host, cases[i].uri, &e);
        if (cases[i].sqlstate == NULL)
            ASSERT_OK(rc);
        else
            ASSERT_FAILS(rc, cases[i].sqlstate);
    }
}

static void test_a_host_without_settings(void)
{
    const struct zs_transport_host host = {.struct_size = sizeof host};
    struct zs_error e = {0};
    ASSERT_OK(check(&host, "postgres://h", &e));
    ASSERT_FAILS(check(&host, "postgresql://%2Ftmp", &e), ZS_NO_PERMISSION);
}

SUITE("libpq/libpq", {"settings say what a URI may", test_settings_say_what_a_uri_may},
      {"a host without settings has the defaults", test_a_host_without_settings})
