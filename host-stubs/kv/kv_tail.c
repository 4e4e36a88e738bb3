/* kv_tail.c - is what a sorted file says of itself as it was written?
 * RocksDB reads that block, the properties, before it compares its checksum, and some
 * changes of its last word end the process over a failed assertion.  So it is compared
 * here, before the engine opens a file: at the start, when a stage is taken in, when a
 * file is verified.  All else in a file the engine checks before it uses it.
 *
 * From the end of the file, 53 bytes: checksum type 1 | where the meta index is and where
 * the index is, two varints each, zeros up to 40 | version 4 | magic 8.  A block: its bytes,
 * compression 1, checksum 4.  In the meta index behind its name: where the properties are.
 * A file that does not look like that is left to the engine, which refuses it.
 * Threads: any. */
#include "base/bytes.h"
#include "kv/kv_internal.h"
#include "kv/kv_sst.h"
#include "kv/kv_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#define FOOTER      53u
#define MAGIC       0x88e241b785f4cff7u
#define TRAILER     5u
#define BLOCK_MAX   (1u << 20) /* both blocks take some KiB */
#define LAST_FACTOR 0x6b9083d9u

struct place {
    uint64_t offset, bytes;
};

static uint64_t read_varint(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = reader_u8(r);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    r->failed = true;
    return 0;
}

static bool read_place(struct reader *r, struct place *p)
{
    p->offset = read_varint(r);
    p->bytes = read_varint(r);
    return !r->failed;
}

/* *out is the block with its trailer, malloc'ed; NULL if there cannot be one.  False: no
 * memory. */
static bool read_block(int fd, uint64_t size, const struct place *p, uint8_t **out)
{
    size_t n = (size_t)p->bytes + TRAILER;
    *out = NULL;
    if (p->bytes > BLOCK_MAX || p->offset > size || n > size - p->offset)
        return true;
    uint8_t *block = malloc(n);
    if (block == NULL)
        return false;
    if (pread(fd, block, n, (off_t)p->offset) == (ssize_t)n)
        *out = block;
    else
        free(block);
    return true;
}

/* XXH3 over the bytes; the last one, the compression, goes in apart. */
static bool fits(const uint8_t *block, size_t bytes)
{
    uint32_t sum = (uint32_t)XXH3_64bits(block, bytes) ^ block[bytes] * LAST_FACTOR;
    return sum == get_u32le(block + bytes + 1);
}

/* An engine may write a file's sequence number into its properties when it takes the file in
 * (ours does not any more, kv_sst.h), and leave the checksum, which was made over zeros there;
 * it compares that number with its manifest's. */
static bool fits_without_number(uint8_t *block, size_t bytes)
{
    static const char name[] = "global_seqno"; /* the end of its name: beginnings are shared */
    uint8_t *at = memmem(block, bytes, name, sizeof name - 1);
    if (at == NULL || bytes - (size_t)(at - block) < sizeof name - 1 + 8)
        return false;
    memset(at + sizeof name - 1, 0, 8);
    return fits(block, bytes);
}

/* Where the properties are; *found false if that cannot be told.  False: no memory. */
static bool find_properties(int fd, uint64_t size, struct place *out, bool *found)
{
    static const char name[] = "rocksdb.properties";
    uint8_t footer[FOOTER];
    struct place meta;
    *found = false;
    if (size < FOOTER || pread(fd, footer, FOOTER, (off_t)(size - FOOTER)) != (ssize_t)FOOTER ||
        get_u64le(footer + 45) != MAGIC || get_u32le(footer + 41) != KV_FORMAT_VERSION ||
        footer[0] != KV_BLOCK_CHECKSUM)
        return true;
    struct reader r = reader_over(footer + 1, 40);
    if (!read_place(&r, &meta))
        return true;
    CLEANUP(free_ptr) uint8_t *block = NULL;
    if (!read_block(fd, size, &meta, &block))
        return false;
    if (block == NULL || !fits(block, meta.bytes))
        return true;
    const uint8_t *at = memmem(block, meta.bytes, name, sizeof name - 1);
    if (at == NULL)
        return true;
    r = reader_over(at + sizeof name - 1, (size_t)(block + meta.bytes - at) - (sizeof name - 1));
    *found = read_place(&r, out);
    return true;
}

enum tail tail_look(const char *path)
{
    struct stat st;
    struct place p;
    bool found = false;
    CLEANUP(free_ptr) uint8_t *block = NULL;
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return TAIL_WHOLE;
    if (!find_properties(fd, (uint64_t)st.st_size, &p, &found) ||
        (found && !read_block(fd, (uint64_t)st.st_size, &p, &block)))
        return TAIL_NO_MEMORY;
    bool whole = block == NULL || fits(block, p.bytes) || fits_without_number(block, p.bytes);
    return whole ? TAIL_WHOLE : TAIL_DAMAGED;
}

int tail_check(const char *path, struct zs_error *e)
{
    switch (tail_look(path)) {
    case TAIL_WHOLE:
        return ZS_OK;
    case TAIL_NO_MEMORY:
        return error_memory(e);
    case TAIL_DAMAGED:
        break;
    }
    error_set(e, ZS_CORRUPT, "the store's file \"%s\" is damaged", path);
    return error_detail(e, "What it says of itself is not as it was written.");
}

int tails_check(const char *db_dir, struct zs_error *e)
{
    int rc = ZS_OK;
    CLEANUP(folder_close) DIR *d = folder_open(AT_FDCWD, db_dir, 0);
    if (d == NULL && errno == ENOENT)
        return ZS_OK; /* the engine says what is wrong with it */
    if (d == NULL)
        return error_errno(e, errno, "could not open folder \"%s\"", db_dir);
    for (const char *name = folder_next(d); name != NULL && rc == ZS_OK; name = folder_next(d)) {
        CLEANUP(free_ptr) char *path = NULL;
        const char *dot = strrchr(name, '.');
        if (dot == NULL || strcmp(dot, ".sst") != 0)
            continue;
        if (asprintf(&path, "%s/%s", db_dir, name) < 0) {
            path = NULL;
            rc = error_memory(e);
        } else {
            rc = tail_check(path, e);
        }
    }
    return rc == ZS_OK ? folder_end(db_dir, e) : rc;
}
