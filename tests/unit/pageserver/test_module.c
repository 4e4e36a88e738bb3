/* test_module.c - the check of a module's descriptor. */
#include "../../support/suite.h"

#include "pageserver/module.h"

#include <stdlib.h>
#include <string.h>

#define HAVE (ZS_HOST_STORE | ZS_HOST_COPY_BOTH)

static int32_t no_init(const struct zs_host *host, void **self, struct zs_error *e)
{
    (void)host;
    (void)self;
    (void)e;
    return ZS_OK;
}

static void no_fini(void *self)
{
    (void)self;
}

static void no_digest(struct zs_digest *sum, const struct zs_record *records, uint64_t n)
{
    (void)sum;
    (void)records;
    (void)n;
}

static struct zs_module good(void)
{
    return (struct zs_module){.struct_size = sizeof(struct zs_module),
                              .needs = HAVE,
                              .name = "m",
                              .version = "1",
                              .init = no_init,
                              .fini = no_fini,
                              .digest_add = no_digest};
}

static void no_name(struct zs_module *m)
{
    m->name = NULL;
}
static void no_version(struct zs_module *m)
{
    m->version = NULL;
}
static void without_init(struct zs_module *m)
{
    m->init = NULL;
}
static void without_fini(struct zs_module *m)
{
    m->fini = NULL;
}
static void without_digest(struct zs_module *m)
{
    m->digest_add = NULL;
}
static void size_zero(struct zs_module *m)
{
    m->struct_size = 0;
}
static void size_small(struct zs_module *m)
{
    m->struct_size = ZS_MODULE_SIZE_V1 - 1;
}
static void size_absurd(struct zs_module *m)
{
    m->struct_size = 65537;
}
static void size_huge(struct zs_module *m)
{
    m->struct_size = UINT32_MAX;
}
static void needs_more(struct zs_module *m)
{
    m->needs |= 1ull << 63u;
}

static void test_descriptors_that_are_refused(void)
{
    static const struct {
        void (*spoil)(struct zs_module *m);
        const char *has; /* the sentence names it */
    } cases[] = {
        {no_name, " name "},
        {no_version, " version "},
        {without_init, " init "},
        {without_fini, " fini "},
        {without_digest, " digest_add "},
        {size_zero, " 0 bytes"},
        {size_small, " 63 bytes"},
        {size_absurd, " 65537 bytes"},
        {size_huge, " 4294967295 bytes"},
        {needs_more, "0x8000000000000003"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_module m = good();
        struct zs_module out = {.name = "untouched"};
        struct zs_error e = {0};
        cases[i].spoil(&m);
        ASSERT_FAILS(module_check(&m, HAVE, "/x/m.so", &out, &e), "0A000");
        CU_ASSERT(strstr(e.message, "/x/m.so") != NULL);
        CU_ASSERT(strstr(e.message, cases[i].has) != NULL);
        CU_ASSERT(strstr(e.message, "need") != NULL);
        CU_ASSERT(e.hint[0] != '\0');
        ASSERT_TEXT(out.name, "untouched");
    }
}

static void test_a_small_descriptor_is_not_read_past_its_size(void)
{
    uint32_t *m = malloc(sizeof *m); /* a sanitizer sees a read behind it */
    struct zs_module out;
    struct zs_error e = {0};
    if (m == NULL)
        abort();
    *m = 8;
    ASSERT_FAILS(module_check((const struct zs_module *)(void *)m, HAVE, "/x", &out, &e), "0A000");
    free(m);
}

static void test_a_newer_descriptor_is_cut_to_what_is_known(void)
{
    struct {
        struct zs_module known;
        uint64_t later[8];
    } m = {.known = good(), .later = {1, 2, 3}};
    struct zs_module out;
    struct zs_error e = {0};
    m.known.struct_size = sizeof m;
    ASSERT_OK(module_check(&m.known, HAVE, "/x", &out, &e));
    CU_ASSERT_EQUAL(out.struct_size, sizeof out);
    CU_ASSERT(out.init == no_init && strcmp(out.name, "m") == 0);
    m.known.needs = 0;
    ASSERT_OK(module_check(&m.known, 0, "/x", &out, &e));
}

static void test_files_that_are_no_modules(void)
{
    struct module_context context = {.folder = "/"};
    struct config config = {0};
    struct log log = {.fd = -1, .level = 99};
    struct commands commands;
    struct modules modules;
    struct module *out = NULL;
    struct zs_error e = {0};
    context.config = &config;
    context.log = &log;
    context.commands = &commands;
    ASSERT_OK(commands_init(&commands, &e));
    ASSERT_OK(modules_init(&modules, &context, &e));
    ASSERT_FAILS(modules_load(&modules, "/no/such/file.so", &out, &e), "22023");
    CU_ASSERT(strstr(e.message, "/no/such/file.so") != NULL);
    ASSERT_FAILS(modules_load(&modules, "/etc/passwd", &out, &e), "0A000");
    ASSERT_FAILS(modules_load(&modules, "/etc", &out, &e), "0A000");
    ASSERT_FAILS(modules_load(&modules, "/dev/null", &out, &e), "0A000");
    CU_ASSERT(out == NULL && modules.first == NULL);
    modules_close(&modules);
    commands_fini(&commands);
}

static void test_where_a_module_is_looked_for(void)
{
    char path[FILE_PATH_MAX];
    struct zs_error e = {0};
    ASSERT_OK(module_locate("/a/b.so", "/repo", path, &e));
    ASSERT_TEXT(path, "/a/b.so");
    ASSERT_OK(module_locate("x/b.so", "/repo", path, &e));
    ASSERT_TEXT(path, "/repo/x/b.so");
    ASSERT_FAILS(module_locate("no-such-module.so", "/repo", path, &e), "22023");
    CU_ASSERT(strstr(e.detail, "lib/zenith-sync") != NULL);
}

SUITE("pageserver/module",
      {"a descriptor is refused in a sentence", test_descriptors_that_are_refused},
      {"a small descriptor is not read past its size",
       test_a_small_descriptor_is_not_read_past_its_size},
      {"a newer descriptor is taken", test_a_newer_descriptor_is_cut_to_what_is_known},
      {"files that are no modules are refused", test_files_that_are_no_modules},
      {"a module's name leads to its file", test_where_a_module_is_looked_for})
