/* kv_manifest.c - DIR/stage/<id>/manifest: a stage as of its last sync, checksummed.
 * Layout, little-endian: magic 8, length of all 4, flags 4 (1: makes the branch, 2: under
 * this timeline id alone), branch name 256, base 88 (kv_layout.h), target, highest, last LSN
 * 3 x 8, last key 18, time 8, sum 16, records 8, bytes 8, token length 4, number of files 4,
 * token, sizes of files 8 each, XXH3_64 of all before 8.
 * Written beside and renamed, so that there is always a whole one; what it names is on
 * disk before it is.  Threads: the stage's. */
#include "base/bytes.h"
#include "kv/kv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#define HEAD_BYTES 450u /* up to the token */
#define MAX_FILES  1000000u

#define FLAG_CREATE 1u
#define FLAG_EXACT  2u

static const char magic[8] = {'Z', 'S', 'S', 'T', 'A', 'G', 'E', '1'};

void manifest_free(struct manifest *m)
{
    if (m != NULL)
        free(m->sizes);
    free(m);
}

static size_t encoded_bytes(const struct manifest *m)
{
    return HEAD_BYTES + m->token_bytes + (size_t)m->nfiles * 8 + 8;
}

static void encode(const struct manifest *m, uint8_t *out, size_t size)
{
    memset(out, 0, size);
    memcpy(out, magic, sizeof magic);
    put_u32le(out + 8, (uint32_t)size);
    put_u32le(out + 12, (m->create ? FLAG_CREATE : 0) | (m->exact ? FLAG_EXACT : 0));
    memcpy(out + 16, m->branch, sizeof m->branch);
    kv_branch_encode(&m->base, (char *)out + 272);
    put_u64le(out + 360, m->target_lsn);
    put_u64le(out + 368, m->highest_lsn);
    put_u64le(out + 376, m->last_lsn);
    memcpy(out + 384, m->last_key, ZS_KEY_BYTES);
    put_u64le(out + 402, (uint64_t)m->synced_unix);
    put_u64le(out + 410, m->sum.lo);
    put_u64le(out + 418, m->sum.hi);
    put_u64le(out + 426, m->records);
    put_u64le(out + 434, m->bytes);
    put_u32le(out + 442, m->token_bytes);
    put_u32le(out + 446, m->nfiles);
    memcpy(out + HEAD_BYTES, m->token, m->token_bytes);
    for (uint32_t i = 0; i < m->nfiles; i++)
        put_u64le(out + HEAD_BYTES + m->token_bytes + (size_t)i * 8, m->sizes[i]);
    put_u64le(out + size - 8, XXH3_64bits(out, size - 8));
}

/* *out is NULL if these bytes are no manifest. */
static int decode(const uint8_t *in, size_t size, struct manifest **out, struct zs_error *e)
{
    if (size < HEAD_BYTES + 12 || memcmp(in, magic, sizeof magic) != 0 ||
        get_u32le(in + 8) != size || get_u64le(in + size - 8) != XXH3_64bits(in, size - 8))
        return ZS_OK;
    struct manifest *m = calloc(1, sizeof *m);
    if (m == NULL)
        return error_memory(e);
    m->create = (get_u32le(in + 12) & FLAG_CREATE) != 0;
    m->exact = (get_u32le(in + 12) & FLAG_EXACT) != 0;
    memcpy(m->branch, in + 16, sizeof m->branch);
    m->target_lsn = get_u64le(in + 360);
    m->highest_lsn = get_u64le(in + 368);
    m->last_lsn = get_u64le(in + 376);
    memcpy(m->last_key, in + 384, ZS_KEY_BYTES);
    m->synced_unix = (int64_t)get_u64le(in + 402);
    m->sum = (struct zs_digest){.lo = get_u64le(in + 410), .hi = get_u64le(in + 418)};
    m->records = get_u64le(in + 426);
    m->bytes = get_u64le(in + 434);
    m->token_bytes = get_u32le(in + 442);
    m->nfiles = get_u32le(in + 446);
    bool good = m->token_bytes <= ZS_TOKEN_MAX && m->nfiles > 0 && m->nfiles <= MAX_FILES &&
                encoded_bytes(m) == size && memchr(m->branch, '\0', sizeof m->branch) != NULL &&
                kv_branch_decode((const char *)in + 272, KV_BRANCH_VALUE, &m->base);
    m->sizes = good ? calloc(m->nfiles, sizeof *m->sizes) : NULL;
    if (m->sizes == NULL) {
        manifest_free(m);
        return good ? error_memory(e) : ZS_OK;
    }
    memcpy(m->token, in + HEAD_BYTES, m->token_bytes);
    for (uint32_t i = 0; i < m->nfiles; i++)
        m->sizes[i] = get_u64le(in + HEAD_BYTES + m->token_bytes + (size_t)i * 8);
    *out = m;
    return ZS_OK;
}

int folder_sync(const char *path, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return error_errno(e, errno, "could not sync folder \"%s\"", path);
    return ZS_OK;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd);
}

int manifest_write(const struct manifest *m, const char *dir, struct zs_error *e)
{
    CLEANUP(free_ptr) char *path = NULL;
    CLEANUP(free_ptr) char *beside = NULL;
    CLEANUP(fd_close) int fd = -1;
    size_t size = encoded_bytes(m);
    CLEANUP(free_ptr) uint8_t *bytes = malloc(size);
    if (asprintf(&path, "%s/manifest", dir) < 0)
        path = NULL;
    if (asprintf(&beside, "%s/manifest.new", dir) < 0)
        beside = NULL;
    if (bytes == NULL || path == NULL || beside == NULL)
        return error_memory(e);
    encode(m, bytes, size);
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, bytes, size) != 0 || rename(beside, path) != 0)
        return error_errno(e, errno, "could not write \"%s\"", path);
    return folder_sync(dir, e);
}

static int damaged(const char *path, struct zs_error *e)
{
    return error_set(e, ZS_CORRUPT, "\"%s\" is not as it was written", path);
}

int manifest_read(const char *dir, struct manifest **out, struct zs_error *e)
{
    CLEANUP(free_ptr) char *path = NULL;
    CLEANUP(fd_close) int fd = -1;
    struct stat st;
    *out = NULL;
    if (asprintf(&path, "%s/manifest", dir) < 0) {
        path = NULL;
        return error_memory(e);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ZS_OK;
    if (fd < 0 && errno == ELOOP)
        return damaged(path, e);
    if (fd < 0 || fstat(fd, &st) != 0)
        return error_errno(e, errno, "could not read \"%s\"", path);
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 ||
        (uint64_t)st.st_size > HEAD_BYTES + ZS_TOKEN_MAX + 12 + (uint64_t)MAX_FILES * 8)
        return damaged(path, e);
    size_t size = (size_t)st.st_size;
    CLEANUP(free_ptr) uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return error_memory(e);
    ssize_t n = pread(fd, bytes, size, 0);
    if (n < 0)
        return error_errno(e, errno, "could not read \"%s\"", path);
    if ((size_t)n == size)
        TRY(decode(bytes, size, out, e));
    return *out != NULL ? ZS_OK : damaged(path, e);
}

int manifest_files_check(const struct manifest *m, const char *dir, struct zs_error *e)
{
    for (uint32_t i = 0; i < m->nfiles; i++) {
        CLEANUP(free_ptr) char *path = stage_file(dir, i);
        struct stat st = {0};
        if (path == NULL)
            return error_memory(e);
        if (lstat(path, &st) != 0 && errno != ENOENT)
            return error_errno(e, errno, "could not look at \"%s\"", path);
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != m->sizes[i])
            return damaged(path, e);
    }
    return ZS_OK;
}
