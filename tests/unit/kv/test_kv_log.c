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

static size_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
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
                         strstr(found.message, l.path) != NULL &&
                         log_mend(l.path, &found) == ZS_FAIL && size_of(l.path) == l.len;
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

/* A store whose last commit is the only one behind *last, closed. */
static struct fixture a_large_commit(size_t *last)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 0, 3, 10, 0, &e));
    struct log_file l = log_of(f.dir, ".log");
    *last = l.len;
    free(l.bytes);
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 3, 13, 20, 0, &e)); /* over blocks' ends */
    kv_close(f.kv);
    f.kv = NULL;
    return f;
}

static void put_zeros(const struct log_file *l, size_t from, size_t to)
{
    static const uint8_t zeros[4096];
    CLEANUP(fd_close) int fd = open(l->path, O_WRONLY | O_CLOEXEC);
    for (size_t n; from < to; from += n) {
        n = to - from < sizeof zeros ? to - from : sizeof zeros;
        if (fd < 0 || pwrite(fd, zeros, n, (off_t)from) != (ssize_t)n)
            abort();
    }
}

/* The store opens as it was before the last commit. */
static void check_opens_before_it(const char *dir)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    struct zs_branch_info info = {.struct_size = sizeof info};
    ASSERT_OK(kv_open(dir, 0, &kv, &e));
    if (kv == NULL)
        return;
    ASSERT_OK(store_branch_find(kv_store(kv), "main", &info, &e));
    CU_ASSERT_EQUAL(info.last_valid_lsn, 10);
    ASSERT_OK(try_write_pages(kv_store(kv), "main", 3, 5, 40, 0, &e));
    kv_close(kv);
}

/* A power cut can leave a log its length and not its bytes: zeros from a page's border on. */
static void test_lost_pages(void)
{
    size_t last = 0;
    size_t at = 0;
    unsigned tried = 0;
    for (bool more = true; more; tried++) {
        struct fixture f = a_large_commit(&last);
        struct log_file l = log_of(f.dir, ".log");
        at = tried == 0 ? last : at / 4096 * 4096 + 4096; /* first its beginning, then borders */
        put_zeros(&l, at, l.len);
        check_opens_before_it(f.dir);
        more = at + 4096 < l.len;
        free(l.bytes);
        fixture_remove(f.dir);
    }
    CU_ASSERT(tried > 20);
}

/* The manifest's last record cut off, as mended: files were taken in and not acknowledged. */
static void test_manifest_without_its_end(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    size_t at = 0;
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 0, 3, 10, 0, &e));
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 3, 90, 20, BULK, &e));
    kv_close(f.kv);
    struct log_file l = log_of(f.dir, "MANIFEST-");
    for (size_t next = 0; next + 7 < l.len && l.len < 32768;
         next += 7u + get_u16le(l.bytes + next + 4))
        at = next;
    CU_ASSERT(at > 0);
    put_back(&l, at);
    check_opens_before_it(f.dir);
    free(l.bytes);
    fixture_remove(f.dir);
}

/* What is written again, or was acknowledged, has other bytes behind it: no torn end. */
static void test_holes_are_damage(void)
{
    struct zs_error e = {0};
    size_t last = 0;
    struct fixture f = a_large_commit(&last);
    struct log_file l = log_of(f.dir, ".log");
    size_t first = last / 4096 * 4096 + 4096;
    for (size_t border = first; border + 4096 < l.len; border += 4096) {
        put_zeros(&l, border, border + 4096);
        ASSERT_FAILS(log_mend(l.path, &e), ZS_CORRUPT);
        put_back(&l, l.len);
        put_zeros(&l, border, l.len - 1); /* up to the last byte */
        ASSERT_FAILS(log_mend(l.path, &e), ZS_CORRUPT);
        put_back(&l, l.len);
        put_zeros(&l, border + 1, l.len); /* not from a page's border on, or not in its page */
        ASSERT_FAILS(log_check(l.path, &e), ZS_CORRUPT);
        put_back(&l, l.len);
    }
    put_zeros(&l, l.len - 40, l.len); /* zeros, but no page of them */
    ASSERT_FAILS(log_mend(l.path, &e), ZS_CORRUPT);
    CU_ASSERT_EQUAL(size_of(l.path), l.len);
    free(l.bytes);
    fixture_remove(f.dir);
}

/* Before there is a newer log the older one is on disk. */
static void test_only_the_newest_is_mended(void)
{
    struct zs_error e = {0};
    size_t last = 0;
    struct fixture f = a_large_commit(&last);
    struct log_file l = log_of(f.dir, ".log");
    char newer[160];
    char db[64];
    (void)snprintf(newer, sizeof newer, "%.32s/db/%06d.log", f.dir, 100000);
    (void)snprintf(db, sizeof db, "%s/db", f.dir);
    CLEANUP(fd_close) int fd = open(newer, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    put_zeros(&l, last / 4096 * 4096 + 4096, l.len);
    ASSERT_FAILS(logs_mend(db, &e), ZS_CORRUPT);
    CU_ASSERT(fd >= 0 && size_of(l.path) == l.len && unlink(newer) == 0);
    ASSERT_OK(logs_mend(db, &e));
    CU_ASSERT_EQUAL(size_of(l.path), last);
    ASSERT_OK(log_check(l.path, &e));
    free(l.bytes);
    fixture_remove(f.dir);
}

/* So that a byte changed in the last record does not make it end in zeros. */
static void check_batch_end(const char *dir)
{
    struct log_file l = log_of(dir, ".log");
    size_t n = strlen(KV_BATCH_END);
    CU_ASSERT(l.len > n && memcmp(l.bytes + l.len - n, KV_BATCH_END, n) == 0);
    free(l.bytes);
}

static void test_every_batch_has_an_end(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    ASSERT_OK(try_write_pages(kv_store(f.kv), "main", 0, 3, 10, 0, &e));
    check_batch_end(f.dir);
    struct zs_branch_info info = {.struct_size = sizeof info};
    ASSERT_OK(kv_branch_create(f.kv, "other", &info, &e));
    check_batch_end(f.dir);
    struct snapshot s = {0}; /* else the log is emptied by a flush */
    ASSERT_OK(snapshot_open(kv_store(f.kv), "main", &s, &e));
    ASSERT_OK(kv_branch_delete(f.kv, "main", &e));
    check_batch_end(f.dir);
    snapshot_close(&s);
    fixture_close(&f);
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
      {"pages of the last write that a power cut lost are its torn end", test_lost_pages},
      {"so is what the manifest lost", test_manifest_without_its_end},
      {"a hole with bytes behind it is none", test_holes_are_damage},
      {"nor what an older log lacks", test_only_the_newest_is_mended},
      {"no batch ends in zeros", test_every_batch_has_an_end},
      {"a damaged log stops the start and is left as it is", test_damage_stops_the_start})
