/* test_registry.c - which transports are let in, and how they are found.
 * The shared objects are tests/abi's; here the tables are linked. */
#include "../../support/suite.h"

#include "transport/registry.h"

#include "base/error.h"
#include "model/uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int inits, finis;
    char logged[600];
} seen;

static int32_t good_init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    (void)host;
    (void)e;
    *self = &seen;
    seen.inits++;
    return ZS_OK;
}

static int32_t bad_init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    (void)host;
    (void)self;
    error_set(e, ZS_BAD_VALUE, "tls_dir is no folder");
    error_detail(e, "It is a file.");
    return error_hint(e, "Set it.");
}

static int32_t silent_init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    (void)host;
    (void)self;
    (void)e;
    return ZS_FAIL;
}

static void fini(void *self)
{
    seen.finis += self == &seen;
}

static int32_t uri_check(void *self, const char *uri, char *shown, uint64_t shown_bytes,
                         struct zs_error *e)
{
    (void)self;
    (void)uri;
    (void)e;
    (void)snprintf(shown, shown_bytes, "shown");
    return ZS_OK;
}

static int32_t connect_none(void *self, const struct zs_connect *spec, struct zs_channel *out,
                            struct zs_error *e)
{
    (void)self;
    (void)spec;
    (void)out;
    return error_set(e, ZS_CANNOT_CONNECT, "none");
}

static void log_line(void *self, uint32_t level, const char *line)
{
    (void)self;
    (void)snprintf(seen.logged, sizeof seen.logged, "%u %s", level, line);
}

static const char *no_setting(void *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

static const struct zs_transport_host host = {
    .struct_size = sizeof host, .features = 5, .log = log_line, .setting = no_setting};

static const char *const one[] = {"one", "uno", NULL};
static const char *const two[] = {"two", NULL};

static struct zs_transport good(const char *const *schemes)
{
    return (struct zs_transport){.struct_size = sizeof(struct zs_transport),
                                 .name = "t",
                                 .version = "1",
                                 .schemes = schemes,
                                 .init = good_init,
                                 .fini = fini,
                                 .uri_check = uri_check,
                                 .connect = connect_none};
}

static struct registry *open_registry(void)
{
    struct zs_error e = {0};
    struct registry *r = NULL;
    memset(&seen, 0, sizeof seen);
    ASSERT_OK(registry_open(&host, &r, &e));
    return r;
}

static void test_added_ones_are_found(void)
{
    struct zs_error e = {0};
    struct registry *r = open_registry();
    struct zs_transport a = good(one), b = good(two);
    const struct transport *found = NULL;
    ASSERT_OK(registry_add(r, &a, "a.so", &e));
    ASSERT_OK(registry_add(r, &b, "b.so", &e));
    memset(&a, 0, sizeof a); /* the registry has its own copy */
    ASSERT_OK(registry_find(r, "UNO://h", &found, &e));
    ASSERT_TEXT(found->from, "a.so");
    CU_ASSERT(found->self == &seen && found->table.uri_check == uri_check);
    ASSERT_OK(registry_find(r, "two://h", &found, &e));
    ASSERT_TEXT(found->from, "b.so");
    ASSERT_FAILS(registry_find(r, "three://SECRET@h", &found, &e), ZS_NOT_SUPPORTED);
    ASSERT_TEXT(e.message, "no transport is loaded for the scheme \"three\"");
    ASSERT_TEXT(e.hint,
                "Schemes that can be used here: one, uno, two.  One that was installed later is "
                "loaded when the server starts.");
    ASSERT_FAILS(registry_find(r, "u:SECRET@h", &found, &e), ZS_BAD_VALUE);
    CU_ASSERT(strstr(e.message, "SECRET") == NULL);
    registry_close(r);
    CU_ASSERT(seen.inits == 2 && seen.finis == 2);
}

/* More schemes than there may be, and more than a hint has room for. */
static void test_many_schemes(void)
{
    static char names[600][URI_SCHEME_MAX + 1];
    const char *schemes[18] = {NULL};
    struct zs_error e = {0};
    struct registry *r = open_registry();
    const struct transport *found = NULL;
    for (int i = 0; i < 600; i++)
        (void)snprintf(names[i], sizeof names[i], "scheme-of-some-length-%03d", i);
    for (int i = 0; i < 17; i++)
        schemes[i] = names[i];
    struct zs_transport t = good(schemes);
    ASSERT_FAILS(registry_add(r, &t, "a.so", &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "scheme number 17") != NULL);
    schemes[16] = NULL;
    ASSERT_OK(registry_add(r, &t, "a.so", &e));
    static const char *more[38][17];
    for (int k = 1; k < 37; k++) {
        for (int i = 0; i < 16; i++)
            more[k][i] = names[16 * k + i];
        struct zs_transport u = good(more[k]);
        ASSERT_OK(registry_add(r, &u, "u.so", &e));
    }
    ASSERT_FAILS(registry_find(r, "none://h", &found, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.hint, "scheme-of-some-length-000, scheme-of-some-length-001") != NULL);
    ASSERT_OK(registry_find(r, "scheme-of-some-length-591://h", &found, &e));
    registry_close(r);
}

static void test_empty_registry_says_so(void)
{
    struct zs_error e = {0};
    struct registry *r = open_registry();
    const struct transport *found = NULL;
    ASSERT_FAILS(registry_find(r, "one://h", &found, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.hint, "transport_dir") != NULL);
    registry_close(r);
    registry_close(NULL);
}

/* Each case breaks one thing of a good table. */
enum broken {
    SMALL,
    LARGE,
    NO_NAME,
    NO_VERSION,
    NO_SCHEMES,
    NO_INIT,
    NO_FINI,
    NO_CHECK,
    NO_CONNECT,
    NEEDS,
    UPPER,
    EMPTY,
    NONE,
    TAKEN,
    INIT,
    SILENT
};

static struct zs_transport break_one(enum broken what)
{
    static const char *const upper[] = {"ok", "One", NULL}, *const empty[] = {"", NULL},
                             *const none[] = {NULL}, *const taken[] = {"new", "uno", NULL};
    struct zs_transport t = good(two);
    switch (what) {
    case SMALL:
        t.struct_size = ZS_TRANSPORT_SIZE_V1 - 1;
        break;
    case LARGE:
        t.struct_size = 65537;
        break;
    case NO_NAME:
        t.name = NULL;
        break;
    case NO_VERSION:
        t.version = NULL;
        break;
    case NO_SCHEMES:
        t.schemes = NULL;
        break;
    case NO_INIT:
        t.init = NULL;
        break;
    case NO_FINI:
        t.fini = NULL;
        break;
    case NO_CHECK:
        t.uri_check = NULL;
        break;
    case NO_CONNECT:
        t.connect = NULL;
        break;
    case NEEDS:
        t.needs = 6;
        break;
    case UPPER:
        t.schemes = upper;
        break;
    case EMPTY:
        t.schemes = empty;
        break;
    case NONE:
        t.schemes = none;
        break;
    case TAKEN:
        t.schemes = taken;
        break;
    case INIT:
        t.init = bad_init;
        break;
    case SILENT:
        t.init = silent_init;
        break;
    }
    return t;
}

static void test_refusals(void)
{
    static const struct {
        enum broken what;
        const char *sqlstate, *message;
    } cases[] = {
        {SMALL, ZS_NOT_SUPPORTED,
         "transport b.so has a descriptor of 79 bytes, and at least 80 are needed"},
        {LARGE, ZS_NOT_SUPPORTED,
         "transport b.so has a descriptor of 65537 bytes, and more than 65536 cannot be right"},
        {NO_NAME, ZS_NOT_SUPPORTED,
         "transport b.so leaves `name` NULL in its descriptor, and it is required"},
        {NO_VERSION, ZS_NOT_SUPPORTED,
         "transport b.so leaves `version` NULL in its descriptor, and it is required"},
        {NO_SCHEMES, ZS_NOT_SUPPORTED,
         "transport b.so leaves `schemes` NULL in its descriptor, and it is required"},
        {NO_INIT, ZS_NOT_SUPPORTED,
         "transport b.so leaves `init` NULL in its descriptor, and it is required"},
        {NO_FINI, ZS_NOT_SUPPORTED,
         "transport b.so leaves `fini` NULL in its descriptor, and it is required"},
        {NO_CHECK, ZS_NOT_SUPPORTED,
         "transport b.so leaves `uri_check` NULL in its descriptor, and it is required"},
        {NO_CONNECT, ZS_NOT_SUPPORTED,
         "transport b.so leaves `connect` NULL in its descriptor, and it is required"},
        {NEEDS, ZS_NOT_SUPPORTED,
         "transport b.so needs features 0x6 of its host, and this one has 0x5"},
        {UPPER, ZS_NOT_SUPPORTED,
         "transport b.so claims scheme number 2, which is not one of at most 16, "
         "[a-z][a-z0-9+.-]* of at most 31 characters"},
        {EMPTY, ZS_NOT_SUPPORTED,
         "transport b.so claims scheme number 1, which is not one of at most 16, "
         "[a-z][a-z0-9+.-]* of at most 31 characters"},
        {NONE, ZS_NOT_SUPPORTED, "transport b.so claims no scheme, and needs at least one"},
        {TAKEN, ZS_ALREADY_EXISTS,
         "transport b.so claims the scheme \"uno\", which transport a.so serves already"},
        {INIT, ZS_BAD_VALUE, "transport b.so could not start: tls_dir is no folder"},
        {SILENT, ZS_INTERNAL_ERROR,
         "transport b.so could not start: the transport's init failed and did not say why"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct registry *r = open_registry();
        struct zs_transport a = good(one), b = break_one(cases[i].what);
        const struct transport *found = NULL;
        ASSERT_OK(registry_add(r, &a, "a.so", &e));
        ASSERT_FAILS(registry_add(r, &b, "b.so", &e), cases[i].sqlstate);
        ASSERT_TEXT(e.message, cases[i].message);
        CU_ASSERT_EQUAL(seen.inits, 1); /* refused before init */
        ASSERT_FAILS(registry_find(r, "two://h", &found, &e), ZS_NOT_SUPPORTED);
        ASSERT_FAILS(registry_find(r, "new://h", &found, &e), ZS_NOT_SUPPORTED);
        registry_close(r);
        CU_ASSERT_EQUAL(seen.finis, 1);
    }
}

static void test_no_table(void)
{
    struct zs_error e = {0};
    struct registry *r = open_registry();
    ASSERT_FAILS(registry_add(r, NULL, "b.so", &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "returned NULL") != NULL);
    registry_close(r);
}

static void test_init_tells_detail_and_hint(void)
{
    struct zs_error e = {0};
    struct registry *r = open_registry();
    struct zs_transport t = break_one(INIT);
    ASSERT_FAILS(registry_add(r, &t, "b.so", &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.detail, "It is a file.");
    ASSERT_TEXT(e.hint, "Set it.");
    registry_close(r);
}

/* A table of a later minor version: longer, and what is new is passed over. */
static void test_larger_table_is_taken(void)
{
    struct {
        struct zs_transport v1;
        void *later[4];
    } t = {.v1 = good(two), .later = {&t, &t, &t, &t}};
    struct zs_error e = {0};
    struct registry *r = open_registry();
    t.v1.struct_size = sizeof t;
    ASSERT_OK(registry_add(r, &t.v1, "b.so", &e));
    registry_close(r);
}

static void test_folders(void)
{
    char dir[] = "/tmp/test-registry-XXXXXX", path[64];
    struct zs_error e = {0};
    struct registry *r = open_registry();
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    ASSERT_OK(registry_load_dir(r, dir, &e));
    (void)snprintf(path, sizeof path, "%s/README", dir);
    (void)fclose(fopen(path, "we"));
    ASSERT_OK(registry_load_dir(r, dir, &e)); /* no .so: passed over */
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/x.so", dir);
    (void)fclose(fopen(path, "we"));
    ASSERT_FAILS(registry_load_dir(r, dir, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "x.so is not a shared object") != NULL);
    CU_ASSERT(strstr(seen.logged, "2 transport ") == seen.logged);
    CU_ASSERT(strstr(seen.logged, "x.so is not a shared object") != NULL);
    char folder[64], second[64];
    (void)snprintf(folder, sizeof folder, "%s/y.so", dir); /* a folder is no file */
    (void)snprintf(second, sizeof second, "%s/.so", dir);  /* and this has no name */
    CU_ASSERT(mkdir(folder, 0700) == 0);
    (void)fclose(fopen(second, "we"));
    ASSERT_FAILS(registry_load_dir(r, dir, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "x.so is not") != NULL);   /* the first one is told */
    CU_ASSERT(strstr(seen.logged, "y.so is not") != NULL); /* each is logged */
    (void)rmdir(folder);
    (void)unlink(second);
    (void)snprintf(second, sizeof second, "%s/so", dir); /* shorter than an ending */
    (void)fclose(fopen(second, "we"));
    ASSERT_FAILS(registry_load_dir(r, dir, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "x.so is not") != NULL);
    (void)unlink(second);
    /* The folder's path fits, and that of what is in it does not; nobody hears of it. */
    static const struct zs_transport_host deaf = {.struct_size = sizeof deaf};
    struct registry *silent = NULL;
    char far[4096];
    (void)snprintf(far, sizeof far, "%s", dir);
    while (strlen(far) < sizeof far - 5)
        (void)snprintf(far + strlen(far), sizeof far - strlen(far), "/.");
    ASSERT_OK(registry_open(&deaf, &silent, &e));
    ASSERT_FAILS(registry_load_dir(silent, far, &e), ZS_BAD_VALUE);
    ASSERT_TEXT(e.message, "the path of a transport is too long");
    registry_close(silent);
    CU_ASSERT(truncate(path, 0) == 0);
    FILE *cut = fopen(path, "we");
    CU_ASSERT(cut != NULL && fputs("\177ELF", cut) >= 0 && fclose(cut) == 0);
    ASSERT_FAILS(registry_load_file(r, path, &e), ZS_NOT_SUPPORTED);
    CU_ASSERT(strstr(e.message, "was cut short") != NULL);
    (void)unlink(path);
    ASSERT_FAILS(registry_load_file(r, path, &e), ZS_IO_ERROR);
    CU_ASSERT(strstr(e.message, "x.so cannot be read: No such file") != NULL);
    (void)rmdir(dir);
    ASSERT_FAILS(registry_load_dir(r, dir, &e), ZS_IO_ERROR);
    CU_ASSERT(strstr(e.message, dir) != NULL && e.hint[0] != '\0');
    CU_ASSERT(strstr(seen.logged, e.message) != NULL);
    registry_close(r);
}

SUITE("transport/registry",
      {"a transport is found by each of its schemes", test_added_ones_are_found},
      {"many schemes have a limit, in a transport and in a hint", test_many_schemes},
      {"without any transport the hint says where they are taken from",
       test_empty_registry_says_so},
      {"a table that is not as it must be is refused before init, in one sentence", test_refusals},
      {"a transport without a table is refused", test_no_table},
      {"what init says comes through", test_init_tells_detail_and_hint},
      {"a table of a later version is taken", test_larger_table_is_taken},
      {"a folder that is missing and a file that is no transport are said", test_folders})
