/* kv_log.c - are the engine's logs whole, as far as they go?
 *
 * RocksDB takes whatever it cannot read at the end of its write-ahead log, and of its
 * manifest, for the torn end that a crash leaves, and drops it in silence.  Checksums do
 * not cover a record's length, and a type that it keeps for recycled logs passes for the
 * end, too: one byte changed in the last commit's frame, and that commit would be gone.
 * So both logs are looked through before the engine sees them.
 *
 * Layout: blocks of 32 KiB | per record: masked CRC-32C 4, length 2, type 1, bytes | less
 * than a head is left at a block's end: zeros.  The CRC covers type and bytes.
 * What holds afterwards: every record up to the end is as it was written; the last one may
 * be cut short, as a crash cuts it: a record that ends too early and yet has all of the
 * bytes that its checksum is over was not cut, its length was changed.
 * Memory: one block.  Threads: any. */
#include "base/bytes.h"
#include "kv/kv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define BLOCK     32768u
#define HEAD      7u
#define TYPE_LAST 4 /* full, first, middle, last: 1 to 4; the others are not used here */

struct crc_table {
    uint32_t of[256];
};

static void crc_table_make(struct crc_table *t)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = (c >> 1) ^ ((c & 1) != 0 ? 0x82F63B78u : 0);
        t->of[i] = c;
    }
}

static uint32_t crc_step(const struct crc_table *t, uint32_t state, uint8_t byte)
{
    return (state >> 8) ^ t->of[(state ^ byte) & 0xFF];
}

/* As it stands in a record's head. */
static uint32_t crc_masked(uint32_t state)
{
    uint32_t crc = ~state;
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/* Does the checksum fit `len` bytes behind the head, or, with `any`, fewer of them? */
static bool crc_fits(const struct crc_table *t, const uint8_t *head, size_t len, bool any)
{
    uint32_t want = get_u32le(head);
    uint32_t state = crc_step(t, UINT32_MAX, head[6]);
    for (size_t i = 0; i < len; i++) {
        if (any && crc_masked(state) == want)
            return true;
        state = crc_step(t, state, head[HEAD + i]);
    }
    return crc_masked(state) == want;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    while (n > 0 && bytes[n - 1] == 0)
        n--;
    return n == 0;
}

/* One block of `len` bytes.  *bad is where it is damaged; *ended: nothing may follow. */
static bool block_is_whole(const struct crc_table *t, const uint8_t *block, size_t len, size_t *bad,
                           bool *ended)
{
    size_t at = 0;
    while (len - at >= HEAD) {
        const uint8_t *head = block + at;
        size_t left = len - at - HEAD;
        size_t n = get_u16le(head + 4);
        *bad = at;
        if (all_zero(head, HEAD)) { /* room that was taken in advance */
            *ended = true;
            return all_zero(head, len - at);
        }
        if (n > left) {
            *ended = true;
            return len < BLOCK && head[6] >= 1 && head[6] <= TYPE_LAST &&
                   !crc_fits(t, head, left, true);
        }
        if (head[6] < 1 || head[6] > TYPE_LAST || !crc_fits(t, head, n, false))
            return false;
        at += HEAD + n;
    }
    *bad = at;
    return len < BLOCK || all_zero(block + at, len - at);
}

static int damaged(const char *path, uint64_t at, struct zs_error *e)
{
    error_set(e, ZS_CORRUPT, "the store's file \"%s\" is damaged", path);
    return error_detail(e, "At byte %llu a record is not as it was written.",
                        (unsigned long long)at);
}

/* The next block, or what there is of it. */
static ssize_t block_read(int fd, uint8_t *block)
{
    size_t got = 0;
    while (got < BLOCK) {
        ssize_t n = read(fd, block + got, BLOCK - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int log_check(const char *path, struct zs_error *e)
{
    struct crc_table table;
    bool ended = false;
    CLEANUP(free_ptr) uint8_t *block = malloc(BLOCK);
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (block == NULL)
        return error_memory(e);
    if (fd < 0)
        return errno == ENOENT ? ZS_OK : error_errno(e, errno, "could not read \"%s\"", path);
    crc_table_make(&table);
    for (uint64_t start = 0;; start += BLOCK) {
        size_t bad = 0;
        ssize_t n = block_read(fd, block);
        if (n < 0)
            return error_errno(e, errno, "could not read \"%s\"", path);
        if (ended && !all_zero(block, (size_t)n))
            return damaged(path, start, e);
        if (!ended && !block_is_whole(&table, block, (size_t)n, &bad, &ended))
            return damaged(path, start + bad, e);
        if ((size_t)n < BLOCK)
            return ZS_OK;
    }
}

/* The name of the manifest that is in use, which CURRENT holds; what is wrong with that
 * one the engine finds itself. */
static bool manifest_name(const char *db_dir, char *name, size_t size)
{
    CLEANUP(free_ptr) char *path = NULL;
    CLEANUP(file_close) FILE *f = NULL;
    if (asprintf(&path, "%s/CURRENT", db_dir) < 0) {
        path = NULL;
        return false;
    }
    f = fopen(path, "re");
    if (f == NULL || fgets(name, (int)size, f) == NULL)
        return false;
    name[strcspn(name, "\n")] = '\0';
    return strncmp(name, "MANIFEST-", 9) == 0 && strchr(name, '/') == NULL;
}

static bool is_log(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && strcmp(name + digits, ".log") == 0;
}

int logs_visit(const char *db_dir, int (*visit)(void *context, const char *path, struct zs_error *),
               void *context, struct zs_error *e)
{
    char manifest[64];
    DIR *d = opendir(db_dir);
    if (d == NULL)
        return error_errno(e, errno, "could not open folder \"%s\"", db_dir);
    bool has_manifest = manifest_name(db_dir, manifest, sizeof manifest);
    int rc = ZS_OK;
    for (const char *name = folder_next(d); name != NULL && rc == ZS_OK; name = folder_next(d)) {
        CLEANUP(free_ptr) char *path = NULL;
        if (!is_log(name) && !(has_manifest && strcmp(name, manifest) == 0))
            continue;
        if (asprintf(&path, "%s/%s", db_dir, name) < 0) {
            path = NULL;
            rc = error_memory(e);
        } else {
            rc = visit(context, path, e);
        }
    }
    (void)closedir(d);
    return rc;
}
