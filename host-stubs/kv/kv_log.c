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
 *
 * A power cut may also leave a log its length, and zeros where pages had not reached the
 * disk.  The engine refuses that.  So at the start zeros from a page's border in a record to
 * the end are cut off, with that record, which nobody was told is there: of the newest log
 * and the manifest; an older log was synced before there was a newer one.  Whatever a batch
 * holds, it ends in KV_BATCH_END: no single byte changed makes its record look like that.
 * Memory: one block.  Threads: any. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "kv/kv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define BLOCK     32768u
#define HEAD      7u
#define PAGE      4096u
#define ZEROS_MIN 2u /* of a record, that a changed byte does not make */

/* The others are not used here. */
enum { TYPE_FULL = 1, TYPE_FIRST, TYPE_MIDDLE, TYPE_LAST };

/* As it stands in a record's head. */
static uint32_t masked(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/* Does the checksum fit `len` bytes behind the head, or, with `any`, fewer of them? */
static bool crc_fits(const uint8_t *head, size_t len, bool any)
{
    const uint8_t *body = head + HEAD;
    uint32_t want = get_u32le(head);
    uint32_t crc = crc32c(0, head + 6, 1);
    for (; any && len > 0; len--, body++) {
        if (masked(crc) == want)
            return true;
        crc = crc32c(crc, body, 1);
    }
    return masked(crc32c(crc, body, len)) == want;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    while (n > 0 && bytes[n - 1] == 0)
        n--;
    return n == 0;
}

/* What was found up to now.  A record may come in parts, one to a block. */
struct scan {
    uint64_t start; /* of the block that is looked at */
    uint64_t whole; /* up to here all records are */
    uint64_t bad;   /* where one is not */
    bool inside;    /* parts of a record came, and not its last */
    bool ended;     /* only zeros may follow */
    bool damaged;
    bool torn; /* not damaged: pages were lost, as told above */
};

static bool is_type(uint8_t type)
{
    return type >= TYPE_FULL && type <= TYPE_LAST;
}

/* One block of `len` bytes.  *bad is where it is damaged. */
static bool block_is_whole(struct scan *s, const uint8_t *block, size_t len, size_t *bad)
{
    size_t at = 0;
    while (len - at >= HEAD) {
        const uint8_t *head = block + at;
        size_t left = len - at - HEAD;
        size_t n = get_u16le(head + 4);
        *bad = at;
        if (all_zero(head, HEAD)) { /* room that was taken in advance */
            s->ended = true;
            return !s->inside && all_zero(head, len - at);
        }
        if (n > left) {
            s->ended = true;
            return len < BLOCK && is_type(head[6]) && !crc_fits(head, left, true);
        }
        if (!is_type(head[6]) || !crc_fits(head, n, false))
            return false;
        at += HEAD + n;
        s->inside = head[6] == TYPE_FIRST || head[6] == TYPE_MIDDLE;
        if (!s->inside)
            s->whole = s->start + at;
    }
    *bad = at;
    return len < BLOCK || all_zero(block + at, len - at);
}

/* Is the record at `bad` zeros from a page's border on, as is the block's rest? */
static bool lost_pages(const uint8_t *block, size_t len, size_t bad)
{
    const uint8_t *head = block + bad;
    size_t zeros = len;
    while (zeros > bad && block[zeros - 1] == 0)
        zeros--;
    size_t border = (zeros + PAGE - 1) / PAGE * PAGE;
    if (len - bad < HEAD || border + ZEROS_MIN > len)
        return false;
    if (border < bad + HEAD)
        return true;
    size_t left = len - bad - HEAD;
    size_t n = get_u16le(head + 4);
    return n <= left && border < bad + HEAD + n && is_type(head[6]) && !crc_fits(head, n, true);
}

static void block_look(struct scan *s, const uint8_t *block, size_t len)
{
    size_t bad = 0;
    if (s->ended) {
        bool good = all_zero(block, len);
        s->bad = good || s->damaged ? s->bad : s->start;
        s->damaged = s->damaged || !good;
        s->torn = s->torn && good;
        return;
    }
    if (block_is_whole(s, block, len, &bad))
        return;
    s->bad = s->start + bad;
    s->damaged = s->ended = true;
    s->torn = lost_pages(block, len, bad);
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

static int scan_all(int fd, const char *path, struct scan *s, struct zs_error *e)
{
    CLEANUP(free_ptr) uint8_t *block = malloc(BLOCK);
    if (block == NULL)
        return error_memory(e);
    for (ssize_t n = BLOCK; n == BLOCK; s->start += BLOCK) {
        n = block_read(fd, block);
        if (n < 0)
            return error_errno(e, errno, "could not read \"%s\"", path);
        block_look(s, block, (size_t)n);
    }
    return ZS_OK;
}

static int cut_off(int fd, const char *path, uint64_t at, struct zs_error *e)
{
    if (ftruncate(fd, (off_t)at) != 0 || fsync(fd) != 0)
        return error_errno(e, errno, "could not cut off the torn end of \"%s\"", path);
    (void)fprintf(stderr,
                  "\"%s\" ends in pages that did not reach the disk, as after a power cut: what "
                  "was being written at byte %llu is removed\n",
                  path, (unsigned long long)at);
    return ZS_OK;
}

static int look_through(const char *path, bool mend, struct zs_error *e)
{
    struct scan s = {0};
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ZS_OK : error_errno(e, errno, "could not read \"%s\"", path);
    TRY(scan_all(fd, path, &s, e));
    if (!s.damaged)
        return ZS_OK;
    if (!mend || !s.torn)
        return damaged(path, s.bad, e);
    CLEANUP(fd_close) int writable = open(path, O_WRONLY | O_CLOEXEC);
    if (writable < 0)
        return error_errno(e, errno, "could not open \"%s\" to write", path);
    return cut_off(writable, path, s.whole, e);
}

int log_check(const char *path, struct zs_error *e)
{
    return look_through(path, false, e);
}

int log_mend(const char *path, struct zs_error *e)
{
    return look_through(path, true, e);
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
    CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, db_dir, 0);
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
    return rc == ZS_OK ? folder_end(db_dir, e) : rc;
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static int find_newest(void *context, const char *path, struct zs_error *e)
{
    unsigned long long *newest = context;
    unsigned long long number = is_log(name_of(path)) ? strtoull(name_of(path), NULL, 10) : 0;
    (void)e;
    if (number > *newest)
        *newest = number;
    return ZS_OK;
}

static int check_one(void *context, const char *path, struct zs_error *e)
{
    const unsigned long long *newest = context;
    const char *name = name_of(path);
    bool older = is_log(name) && strtoull(name, NULL, 10) < *newest;
    return older ? log_check(path, e) : log_mend(path, e);
}

int logs_mend(const char *db_dir, struct zs_error *e)
{
    unsigned long long newest = 0;
    TRY(logs_visit(db_dir, find_newest, &newest, e));
    return logs_visit(db_dir, check_one, &newest, e);
}
