/* test_kv_log.c - a byte changed in the engine's logs is found, a torn end is not. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <fcntl.h>
#include <sys/stat.h>

/* The bytes of a log of the engine's, and where it is. */
struct log_file {
    char path[128];
    uint8_t *bytes;
    size_t len;
};

static int find_log(void *context, const char *path, struct zs_error *e)
{
    struct log_file *l = context;
    (void)e;
    if (strstr(path, l->path) == NULL) /* it holds what to look for */
        return ZS_OK;
    (void)snprintf(l->path, sizeof l->path, "%s", path);
    return ZS_FAIL;
}

static struct log_file log_of(const char *dir, const char *part)
{
    struct zs_error e = {0};
    struct log_file l = {0};
    struct stat st;
    char db[64];
    (void)snprintf(l.path, sizeof l.path, "%s", part);
    (void)snprintf(db, sizeof db, "%s/db", dir);
    CU_ASSERT_EQUAL(logs_visit(db, find_log, &l, &e), ZS_FAIL);
    CLEANUP(fd_close) int fd = open(l.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        abort();
    l.len = (size_t)st.st_size;
    l.bytes = malloc(l.len + 1);
    if (l.bytes == NULL || read(fd, l.bytes, l.len) != (ssize_t)l.len)
        abort();
    return l;
}

/* Without O_TRUNC, which makes some file systems wait for the disk. */
static void put_back(const struct log_file *l, size_t len)
{
    CLEANUP(fd_close) int fd = open(l->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, l->bytes, len) != (ssize_t)len || ftruncate(fd, (off_t)len) != 0)
        abort();
}

/* A store with three commits in its log, closed. */
static struct fixture three_commits(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 0, 3, 10, 0, &e));
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 3, 9, 20, 0, &e)); /* over a block's end */
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 1, 2, 30, 0, &e));
    kv_close(f.kv);
    f.kv = NULL;
    return f;
}

/* Is the byte in a record's head?  Then it is always tried; of the others one in 197. */
static bool worth_it(const struct log_file *l, size_t i)
{
    size_t at = 0;
    while (at <= i) {
        size_t left = 32768 - at % 32768;
        if (left >= 7 && i - at < 7)
            return true;
        at += left < 7 || at + 7 > l->len ? left : 7u + get_u16le(l->bytes + at + 4);
    }
    return l->len < 8192 || i % 197 == 0;
}

static void check_flips(const char *part)
{
    struct zs_error e = {0};
    struct fixture f = three_commits();
    struct log_file l = log_of(f.dir, part);
    uint32_t missed = 0;
    ASSERT_OK(log_check(l.path, &e));
    for (size_t i = 0; i < l.len; i++) {
        uint8_t was = l.bytes[i];
        if (!worth_it(&l, i))
            continue;
        for (unsigned how = 0; how < 3; how++) {
            static const uint8_t masks[] = {0x04, 0x80, 0xff};
            struct zs_error found = {0};
            l.bytes[i] = was ^ masks[how];
            put_back(&l, l.len);
            bool named = log_check(l.path, &found) == ZS_FAIL && error_is(&found, ZS_CORRUPT) &&
                         strstr(found.message, l.path) != NULL;
            missed += !named;
            if (!named && missed < 5)
                (void)printf("    byte %zu of %zu with %02x\n", i, l.len, masks[how]);
        }
        l.bytes[i] = was;
    }
    CU_ASSERT_EQUAL(missed, 0);
    put_back(&l, l.len);
    ASSERT_OK(log_check(l.path, &e));
    free(l.bytes);
    fixture_remove(f.dir);
}

static void test_log_flips(void)
{
    check_flips(".log");
}

static void test_manifest_flips(void)
{
    check_flips("MANIFEST-");
}

/* What a crash leaves opens, and holds the commits before. */
static void test_torn_ends(void)
{
    struct zs_error e = {0};
    struct fixture f = three_commits();
    struct log_file l = log_of(f.dir, ".log");
    for (size_t len = l.len; len > 0; len -= len % 7 + 1 < len ? len % 7 + 1 : len) {
        put_back(&l, len);
        ASSERT_OK(log_check(l.path, &e));
    }
    put_back(&l, l.len - 1);
    struct zs_branch_info info = {.struct_size = sizeof info};
    ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
    ASSERT_OK(store_branch_find(kv_store(f.kv), "main", &info, &e));
    CU_ASSERT_EQUAL(info.last_valid_lsn, 20);
    free(l.bytes);
    fixture_close(&f);
}

static void test_room_taken_in_advance(void)
{
    struct zs_error e = {0};
    struct fixture f = three_commits();
    struct log_file l = log_of(f.dir, ".log");
    size_t len = l.len + 70000;
    uint8_t *longer = calloc(1, len);
    if (longer == NULL)
        abort();
    memcpy(longer, l.bytes, l.len);
    free(l.bytes);
    l.bytes = longer;
    put_back(&l, len);
    ASSERT_OK(log_check(l.path, &e));
    longer[len - 1] = 1; /* something behind it was written once */
    put_back(&l, len);
    ASSERT_FAILS(log_check(l.path, &e), ZS_CORRUPT);
    free(l.bytes);
    fixture_remove(f.dir);
}

static void test_damage_stops_the_start(void)
{
    struct zs_error e = {0};
    struct fixture f = three_commits();
    struct log_file l = log_of(f.dir, ".log");
    l.bytes[4] ^= 0x40; /* the first record's length */
    put_back(&l, l.len);
    ASSERT_FAILS(kv_open(f.dir, 0, &f.kv, &e), ZS_CORRUPT);
    CU_ASSERT(strstr(e.message, ".log") != NULL && e.hint[0] != '\0');
    l.bytes[4] ^= 0x40;
    put_back(&l, l.len); /* nothing was lost by the try */
    struct zs_branch_info info = {.struct_size = sizeof info};
    ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
    ASSERT_OK(store_branch_find(kv_store(f.kv), "main", &info, &e));
    CU_ASSERT_EQUAL(info.last_valid_lsn, 30);
    free(l.bytes);
    fixture_close(&f);
}

SUITE("kv/log", {"a byte changed anywhere in the log is found and named", test_log_flips},
      {"and anywhere in the manifest", test_manifest_flips},
      {"a log cut at any byte is what a crash leaves", test_torn_ends},
      {"zeros at the end are no damage, but for what stands behind", test_room_taken_in_advance},
      {"a damaged log stops the start and is left as it is", test_damage_stops_the_start})
