/* test_kv_blob.c - what blobs cost: to be listed, to be committed; and a store of the layout
 * before. Reads and writes are counted where RocksDB makes them: this program's come before the C
 * library's. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <stdatomic.h>
#include <sys/syscall.h>

#define PUBLIC     __attribute__((visibility("default"))) /* RocksDB finds it */
#define BLOB_BYTES ((uint64_t)4 << 20)
#define BLOBS      6u
#define MIB        ((uint64_t)1 << 20)

static atomic_ullong bytes_read, log_bytes;

PUBLIC ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
    ssize_t got = (ssize_t)syscall(SYS_pread64, fd, buf, n, at);
    if (got > 0)
        atomic_fetch_add(&bytes_read, (unsigned long long)got);
    return got;
}

/* To the engine's log. */
PUBLIC ssize_t write(int fd, const void *buf, size_t n)
{
    char link[40];
    char path[300];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len < 0 ? 0 : len] = '\0';
    if (len > 4 && strcmp(path + len - 4, ".log") == 0)
        atomic_fetch_add(&log_bytes, n);
    return (ssize_t)syscall(SYS_write, fd, buf, n);
}

/* `pages` records and `n` blobs named 0, 1 ... to the branch, from base to lsn. */
static int commit_blobs(struct fixture *f, zs_lsn base, zs_lsn lsn, uint32_t pages, unsigned n,
                        uint64_t len, struct zs_error *e)
{
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = base == 0 ? ZS_INGEST_CREATE : 0,
                                        .branch = "main",
                                        .base_lsn = base,
                                        .target_lsn = lsn};
    static uint8_t bytes[BLOB_BYTES];
    char names[BLOBS][2] = {{0}};
    struct zs_blob blobs[BLOBS];
    struct ingest in = {0};
    struct zs_ingest_state s = {.struct_size = sizeof s};
    for (unsigned i = 0; i < n; i++) {
        names[i][0] = (char)('0' + i);
        blobs[i] = (struct zs_blob){.name = names[i], .data = bytes, .len = len - i};
    }
    TRY(ingest_begin(kv_store(f->kv), &spec, &in, e));
    int rc = put_pages(&in, 0, pages, lsn, e);
    if (rc == ZS_OK)
        rc = ingest_state(&in, &s, e);
    const struct zs_commit commit = {
        .struct_size = sizeof commit,
        .upto_lsn = lsn,
        .sum = s.sum,
        .end = {.lsn = lsn,
                .digest = digest_plus(s.base.digest, s.sum),
                .records = s.base.records + s.records,
                .bytes = s.base.bytes + s.bytes},
        .blobs = blobs,
        .nblobs = n,
    };
    if (rc == ZS_OK)
        rc = ingest_commit(&in, &commit, e);
    ingest_close(&in);
    return rc;
}

struct listed {
    unsigned n;
    uint64_t bytes;
};

static int32_t list_one(void *context, const char *name, uint64_t len)
{
    struct listed *l = context;
    CU_ASSERT(name[0] == (char)('0' + l->n) && name[1] == '\0');
    l->n++;
    l->bytes += len;
    return 0;
}

static void check_list(struct fixture *f, unsigned n, uint64_t len)
{
    struct zs_error e = {0};
    struct snapshot s = {0};
    struct listed l = {0};
    uint64_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += len - i;
    ASSERT_OK(snapshot_open(kv_store(f->kv), "main", &s, &e));
    ASSERT_OK(snapshot_blobs(&s, list_one, &l, &e));
    CU_ASSERT(l.n == n && l.bytes == bytes);
    snapshot_close(&s);
}

static void test_a_listing_reads_no_blob(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    ASSERT_OK(commit_blobs(&f, 0, 1, 10, BLOBS, BLOB_BYTES, &e));
    ASSERT_OK(commit_blobs(&f, 1, 2, 1000, BLOBS, BLOB_BYTES, &e));
    fixture_reopen(&f); /* nothing is in memory */
    check_list(&f, BLOBS, BLOB_BYTES);
    fixture_reopen(&f);
    atomic_store(&bytes_read, 0);
    check_list(&f, BLOBS, BLOB_BYTES);
    CU_ASSERT(atomic_load(&bytes_read) < MIB);
    fixture_close(&f);
}

/* The change of one page with a large blob is a large commit: not through the log. */
static void test_a_commit_of_large_blobs_is_large(void)
{
    static const struct {
        uint32_t pages;
        unsigned blobs;
        uint64_t len;
        bool small;
    } cases[] = {{1, 1, 1024, true},     {0, 2, MIB / 2, true},     {100, 1, MIB, true},
                 {0, 2, MIB + 1, false}, {1, 1, BLOB_BYTES, false}, {200, 1, MIB, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct fixture f = fixture_open();
        ASSERT_OK(commit_blobs(&f, 0, 1, 10, 0, 0, &e));
        atomic_store(&log_bytes, 0);
        ASSERT_OK(commit_blobs(&f, 1, 2, cases[i].pages, cases[i].blobs, cases[i].len, &e));
        CU_ASSERT_EQUAL(atomic_load(&log_bytes) > 0, cases[i].small);
        fixture_reopen(&f);
        check_list(&f, cases[i].blobs, cases[i].len);
        check_branch(kv_store(f.kv), "main", 10 + cases[i].pages);
        fixture_close(&f);
    }
}

static void put(struct fixture *f, const struct kv_key *key, const char *text)
{
    char *said = NULL;
    rocksdb_put(f->kv->db, f->kv->synced, key->bytes, key->len, text, strlen(text), &said);
    CU_ASSERT_PTR_NULL(said);
}

/* As the version before left it: no lengths, and it says so. */
static void test_a_store_without_lengths_gets_them(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    struct kv_key version = kv_key_version();
    char text[64] = "";
    size_t len = 0;
    bool found = false;
    ASSERT_OK(commit_blobs(&f, 0, 1, 10, BLOBS, BLOB_BYTES, &e));
    for (char name[2] = "0"; name[0] < (char)('0' + BLOBS); name[0]++) {
        struct kv_key key = kv_key_blob_length(1, name);
        char *said = NULL;
        rocksdb_delete(f.kv->db, f.kv->synced, key.bytes, key.len, &said);
        CU_ASSERT_PTR_NULL(said);
    }
    check_list(&f, 0, 0);
    put(&f, &version, "zenith-sync kv 1");
    fixture_reopen(&f);
    check_list(&f, BLOBS, BLOB_BYTES);
    check_branch(kv_store(f.kv), "main", 10);
    ASSERT_OK(engine_get(f.kv, f.kv->newest, &version, text, sizeof text - 1, &len, &found, &e));
    ASSERT_TEXT(text, "zenith-sync kv 2");
    fixture_reopen(&f);
    check_list(&f, BLOBS, BLOB_BYTES);
    fixture_close(&f);
}

SUITE("kv/blob", {"a listing reads no blob", test_a_listing_reads_no_blob},
      {"a commit of large blobs is a large one", test_a_commit_of_large_blobs_is_large},
      {"a store without lengths gets them", test_a_store_without_lengths_gets_them})
