/* fuzz_pgwal.c - the checkpoint's record in pg_wal (pgdata/pgwal.h).
 * Input: a byte of mode, two of position (in units of 8, in the last 512 KiB of a 1 MiB
 * file), then bytes.  Mode 1: they are a record, whose length, checksum and position are
 * mended, and which is laid out behind proper page headers; else they are put into the
 * file as they are, from the record's page on.
 * Holds: a record that is read is one that can be used; one that was laid out right is
 * read back, byte for byte. */
#include "support.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "pgdata/pgwal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENT = 1 << 20, PAGE = 8192 };

static char folder[64];
static int root = -1, files[3] = {-1, -1, -1};

static void remove_files(void)
{
    static const char *const names[] = {"pg_wal/000000010000000000000001",
                                        "pg_wal/000000010000000000000002"};
    for (size_t i = 0; i < 2; i++)
        (void)unlinkat(root, names[i], 0);
    (void)unlinkat(root, "pg_wal", AT_REMOVEDIR);
    (void)rmdir(folder);
}

static void make_files(const struct pgcontrol *c)
{
    const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread */
    (void)snprintf(folder, sizeof folder, "%.40s/fuzz-pgwal.XXXXXX", tmp == NULL ? "/tmp" : tmp);
    HOLDS(mkdtemp(folder) != NULL);
    root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    HOLDS(root >= 0 && mkdirat(root, "pg_wal", 0700) == 0);
    for (unsigned i = 1; i <= 2; i++) {
        char name[PGWAL_NAME_BYTES], path[PGWAL_NAME_BYTES + 8];
        pgwal_file_name(c, i * (zs_lsn)SEGMENT, name);
        (void)snprintf(path, sizeof path, "pg_wal/%s", name);
        files[i] = openat(root, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        HOLDS(files[i] >= 0);
    }
    HOLDS(atexit(remove_files) == 0);
}

static void put(zs_lsn at, const void *bytes, size_t n)
{
    HOLDS(pwrite(files[at / SEGMENT], bytes, n, (off_t)(at % SEGMENT)) == (ssize_t)n);
}

static void lay_out(const struct pgcontrol *c, const uint8_t *record, uint32_t total)
{
    struct pgwal_part part;
    uint8_t header[40];
    for (uint32_t done = 0; pgwal_part(c, done, total, &part); done += part.len) {
        uint32_t head = pgwal_page_header(c, part.page, done > 0 ? total - done : 0, header);
        put(part.page, header, head);
        put(part.at, record + done, part.len);
    }
}

static void mend(uint8_t *record, uint32_t len, zs_lsn at)
{
    record[16] = record[17] = 0;
    record[24] = 255;
    put_u32le(record, len);
    put_u64le(record + 26, at);
    put_u32le(record + 20, crc32c(crc32c(0, record + 24, len - 24), record, 20));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t record[PGWAL_RECORD_MAX], made[PGWAL_RECORD_MAX];
    uint32_t len = 0;
    struct zs_error e;
    if (size < 3 || size > 3 + 2 * PAGE)
        return 0;
    zs_lsn at = SEGMENT + SEGMENT / 2 + (zs_lsn)get_u16le(data + 1) * 8;
    const struct pgcontrol c = {
        .timeline = 1, .checkpoint = at, .wal_block_bytes = PAGE, .wal_segment_bytes = SEGMENT};
    if (root < 0)
        make_files(&c);
    for (unsigned i = 1; i <= 2; i++)
        HOLDS(ftruncate(files[i], 0) == 0 && ftruncate(files[i], SEGMENT) == 0);
    size_t left = size - 3;
    bool whole = (data[0] & 1u) != 0 && left >= 34 && left <= sizeof made;
    if (whole) {
        memcpy(made, data + 3, left);
        mend(made, (uint32_t)left, at);
        lay_out(&c, made, (uint32_t)left);
        whole = at % PAGE >= (at % SEGMENT < PAGE ? 40u : 24u); /* not in a header */
    } else if (at - at % PAGE + left <= (zs_lsn)2 * SEGMENT) {
        put(at - at % PAGE, data + 3, left);
    }
    fuzz_error_before(&e);
    bool read = fuzz_error_after(pgwal_read_checkpoint(root, &c, record, &len, &e), &e);
    HOLDS(!whole || (read && len == left && memcmp(record, made, left) == 0));
    HOLDS(!read || fuzz_error_after(pgwal_check_record(&c, record, len, &e), &e));
    return 0;
}
