/* test_kv_folder.c - a folder that cannot be read to its end is no empty one: what was not
 * seen in it, a stage or a damaged log, must not pass for what is not there.
 * readdir fails here on demand: a program's comes before the C library's.  RocksDB, which
 * does not see it, has its own. */
#include "fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>

/* The call that fails: the n-th of the n-th look into a folder whose path ends so. */
struct fault {
    const char *folder;
    unsigned look, call;
};

static struct fault fault;
static unsigned looks, calls;
static bool fired;

static bool is_in(DIR *d, const char *folder)
{
    char link[40];
    char path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd(d));
    ssize_t len = readlink(link, path, sizeof path - 1);
    size_t n = strlen(folder);
    return len >= (ssize_t)n && memcmp(path + len - n, folder, n) == 0;
}

struct dirent *readdir(DIR *d)
{
    struct dirent *(*real)(DIR *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "readdir");
    memcpy(&real, &symbol, sizeof real);
    if (fault.folder == NULL || !is_in(d, fault.folder))
        return real(d);
    if (telldir(d) == 0) {
        looks++;
        calls = 0;
    }
    if (looks != fault.look || ++calls != fault.call)
        return real(d);
    fired = true;
    errno = EIO;
    return NULL;
}

static void arm(struct fault what)
{
    fault = what;
    looks = calls = 0;
    fired = false;
}

/* A store with a branch, and a stage of another that waits. */
static struct fixture a_stage_waits(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = ZS_INGEST_CREATE,
                                        .branch = "waits",
                                        .target_lsn = 10,
                                        .expected_bytes = BULK};
    struct ingest in = {0};
    bool synced = false;
    write_pages(kv_store(f.kv), "main", 0, 3, 10, 0);
    ASSERT_OK(ingest_begin(kv_store(f.kv), &spec, &in, &e));
    ASSERT_OK(put_pages(&in, 0, 10, 10, &e));
    ASSERT_OK(ingest_sync(&in, "token", 5, &synced, &e));
    CU_ASSERT(synced);
    ingest_close(&in);
    kv_close(f.kv);
    f.kv = NULL;
    return f;
}

static int32_t count(void *context, const struct zs_stage_info *info)
{
    (void)info;
    ++*(unsigned *)context;
    return ZS_OK;
}

static unsigned stages_of(struct kv *kv)
{
    struct zs_error e = {0};
    unsigned n = 0;
    ASSERT_OK(store_stage_list(kv_store(kv), count, &n, &e));
    return n;
}

static void test_every_look_at_the_start(void)
{
    static const struct fault cases[] = {{"/db", 1, 1},    {"/db", 1, 4},   {"/db", 2, 1},
                                         {"/db", 2, 4},    {"/db", 3, 1},   {"/db", 3, 4},
                                         {"/stage", 1, 1}, {"/stage", 1, 3}};
    struct zs_error e = {0};
    struct fixture f = a_stage_waits();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arm(cases[i]);
        ASSERT_FAILS(kv_open(f.dir, 0, &f.kv, &e), ZS_IO_ERROR);
        CU_ASSERT(fired && strstr(e.message, cases[i].folder) != NULL);
    }
    arm((struct fault){"/db", 4, 1}); /* there is no such look */
    ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
    CU_ASSERT_FATAL(!fired && f.kv != NULL);
    CU_ASSERT_EQUAL(stages_of(f.kv), 1);
    check_branch(kv_store(f.kv), "main", 3);
    fixture_close(&f);
}

static void test_a_new_store(void)
{
    struct zs_error e = {0};
    struct folder folder = fixture_folder();
    struct kv *kv = NULL;
    arm((struct fault){folder.path, 1, 1});
    ASSERT_FAILS(kv_open(folder.path, 1, &kv, &e), ZS_IO_ERROR);
    CU_ASSERT(fired && strstr(e.message, folder.path) != NULL);
    CU_ASSERT(rmdir(folder.path) == 0); /* nothing was made in it */
}

SUITE("kv/folder", {"a start fails where a folder cannot be read", test_every_look_at_the_start},
      {"so does one of a new store", test_a_new_store})
