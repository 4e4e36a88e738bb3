/* test_plugin.c - the module whole, in hosts that lack something: it says what, and leaves
 * nothing behind. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "stub/stub_host.h"
#include "stub/stub_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct zs_module *zenith_sync_module_v1(void);

static struct {
    const char *named, *value; /* a setting; NULL: none */
    const char *dir;
    int commands, refuse_at; /* the n-th command_add fails; 0: none */
    int lines;               /* that were logged */
    char logged[600];
} host_has;

static int32_t command_add(void *self, const struct zs_command *command, struct zs_error *e)
{
    (void)self;
    if (++host_has.commands == host_has.refuse_at)
        return error_set(e, ZS_ALREADY_EXISTS, "%s is there", command->name);
    return ZS_OK;
}

static void log_line(void *self, uint32_t level, const char *line)
{
    (void)self;
    CU_ASSERT(level == ZS_LOG_WARNING);
    host_has.lines++;
    (void)stpncpy(host_has.logged, line, sizeof host_has.logged - 1);
}

static const char *setting(void *self, const char *name)
{
    (void)self;
    if (host_has.named != NULL && strcmp(name, host_has.named) == 0)
        return host_has.value;
    return strcmp(name, "transport_dir") == 0 ? host_has.dir : NULL;
}

static struct zs_host good_host(struct stub_store *store)
{
    memset(&host_has, 0, sizeof host_has);
    return (struct zs_host){.struct_size = sizeof(struct zs_host),
                            .features = ZS_HOST_STORE | ZS_HOST_COPY_BOTH,
                            .name = "test",
                            .version = "1",
                            .store = stub_store_table(store),
                            .command_add = command_add,
                            .log = log_line,
                            .setting = setting};
}

/* init, and fini if it went well. */
static int try_host(const struct zs_host *host, struct zs_error *e)
{
    const struct zs_module *module = zenith_sync_module_v1();
    void *self = NULL;
    int rc = module->init(host, &self, e);
    CU_ASSERT((rc == ZS_OK) == (self != NULL));
    module->fini(self); /* of NULL, too */
    return rc;
}

static void test_a_host_that_lacks_something_is_told_what(void)
{
    enum {
        GOOD,
        NEWER,
        SMALL,
        NO_SIZE,
        NONSENSE,
        NO_STORE,
        NO_COMMANDS,
        NO_LOG,
        NO_SETTING,
        NO_NAME,
        NO_VERSION,
        OLD_STORE,
        CASES
    };
    static const char *const says[] = {
        [SMALL] = "has 71 bytes",
        [NO_SIZE] = "has 0 bytes",
        [NONSENSE] = "has 65537 bytes, 72 to 65536 are needed",
        [NO_STORE] = "missing",
        [NO_COMMANDS] = "missing",
        [NO_LOG] = "missing",
        [NO_SETTING] = "missing",
        [NO_NAME] = "missing",
        [NO_VERSION] = "missing",
        [OLD_STORE] = "store table",
    };
    for (int which = 0; which < CASES; which++) {
        struct zs_error e = {0};
        struct stub_store *store = NULL;
        ASSERT_OK(stub_store_open(0, &store, &e));
        struct {
            struct zs_host host;
            char later[16]; /* what a newer host.h has, and this module does not know */
        } room = {.host = good_host(store), .later = "later members"};
        struct zs_host host = room.host;
        struct zs_store old = *host.store;
        if (which == SMALL)
            host.struct_size = ZS_HOST_SIZE_V1 - 1;
        if (which == NO_SIZE)
            host.struct_size = 0;
        if (which == NONSENSE)
            host.struct_size = 65537;
        if (which == NO_NAME)
            host.name = NULL;
        if (which == NO_VERSION)
            host.version = NULL;
        if (which == NO_STORE)
            host.store = NULL;
        if (which == NO_COMMANDS)
            host.command_add = NULL;
        if (which == NO_LOG)
            host.log = NULL;
        if (which == NO_SETTING)
            host.setting = NULL;
        if (which == OLD_STORE) {
            old.struct_size = 16;
            host.store = &old;
        }
        room.host = host;
        if (which == NEWER)
            room.host.struct_size = sizeof room;
        int rc = try_host(&room.host, &e);
        if (which == GOOD || which == NEWER) {
            ASSERT_OK(rc);
            CU_ASSERT(host_has.commands >= 4 && host_has.logged[0] == '\0');
        } else {
            ASSERT_FAILS(rc, ZS_NOT_SUPPORTED);
            CU_ASSERT(strstr(e.message, says[which]) != NULL);
            CU_ASSERT(host_has.commands == 0);
        }
        stub_store_close(store);
    }
}

static void test_settings(void)
{
    static const struct {
        const char *value, *dir;
        bool good;
        const char *logged;
    } cases[] = {
        {"0", NULL, true, ""},
        {"3600", NULL, true, ""},
        {"99999999", NULL, true, ""},
        {"", NULL, false, ""},
        {"1h", NULL, false, ""},
        {"-1", NULL, false, ""},
        {"100000000", NULL, false, ""},
        {NULL, "/nonexistent", true, "/nonexistent cannot be read"}, /* said, and goes on */
    };
    static const char *const names[] = {"lease_timeout", "progress_timeout", "max_transfers"};
    for (size_t i = 0; i < 3 * sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct stub_store *store = NULL;
        const char *name = names[i % 3];
        ASSERT_OK(stub_store_open(0, &store, &e));
        struct zs_host host = good_host(store);
        host_has.named = cases[i / 3].value != NULL ? name : NULL;
        host_has.value = cases[i / 3].value;
        host_has.dir = cases[i / 3].dir;
        int rc = try_host(&host, &e);
        if (cases[i / 3].good) {
            ASSERT_OK(rc);
        } else {
            ASSERT_FAILS(rc, ZS_BAD_VALUE);
            CU_ASSERT(strstr(e.message, name) != NULL && e.hint[0] != '\0');
        }
        CU_ASSERT(strstr(host_has.logged, cases[i / 3].logged) != NULL);
        CU_ASSERT(host_has.lines == (cases[i / 3].logged[0] != '\0'));
        stub_store_close(store);
    }
}

/* Each file that is no transport has one line in the log, and the others are not kept out. */
static void test_a_transport_that_is_refused_is_logged_once(void)
{
    struct zs_error e = {0};
    struct stub_store *store = NULL;
    char dir[] = "/tmp/zs_test_plugin.XXXXXX";
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    for (int n = 0; n < 2; n++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%d.so", dir, n);
        FILE *f = fopen(path, "we");
        CU_ASSERT_FATAL(f != NULL);
        (void)fclose(f);
    }
    ASSERT_OK(stub_store_open(0, &store, &e));
    struct zs_host host = good_host(store);
    host_has.dir = dir;
    ASSERT_OK(try_host(&host, &e));
    CU_ASSERT_EQUAL(host_has.lines, 2);
    stub_store_close(store);
    for (int n = 0; n < 2; n++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%d.so", dir, n);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

static void test_a_command_that_is_taken_ends_it(void)
{
    struct zs_error e = {0};
    struct stub_store *store = NULL;
    ASSERT_OK(stub_store_open(0, &store, &e));
    struct zs_host host = good_host(store);
    ASSERT_OK(try_host(&host, &e));
    int commands = host_has.commands;
    for (int n = 1; n <= commands; n++) {
        host = good_host(store);
        host_has.refuse_at = n;
        ASSERT_FAILS(try_host(&host, &e), ZS_ALREADY_EXISTS);
        CU_ASSERT(host_has.commands == n);
    }
    stub_store_close(store);
}

/* A host that keeps no blobs has no use for a store that notes what changes. */
static void test_the_recording_store_is_for_hosts_that_keep_blobs(void)
{
    const struct zs_module *module = zenith_sync_module_v1();
    for (int blobs = 0; blobs < 2; blobs++) {
        struct zs_error e = {0};
        struct stub_store *store = NULL;
        void *self = NULL;
        ASSERT_OK(stub_store_open(blobs ? 0 : STUB_STORE_NO_BLOBS, &store, &e));
        struct zs_host host = good_host(store);
        ASSERT_OK(module->init(&host, &self, &e));
        CU_ASSERT((module->recording_store(self) != NULL) == (blobs == 1));
        module->fini(self);
        stub_store_close(store);
    }
}

SUITE("plugin",
      {"a host that lacks something is told what", test_a_host_that_lacks_something_is_told_what},
      {"settings are read, and one that is none is refused", test_settings},
      {"a transport that is refused is logged once",
       test_a_transport_that_is_refused_is_logged_once},
      {"a command that is taken ends it", test_a_command_that_is_taken_ends_it},
      {"the recording store is for hosts that keep blobs",
       test_the_recording_store_is_for_hosts_that_keep_blobs})
