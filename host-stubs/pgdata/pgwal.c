/* pgwal.c - see pgwal.h. */
#include "pgdata/pgwal.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum {
    PAGE_MAGIC = 0xD110, /* XLOG_PAGE_MAGIC of PostgreSQL 15 */
    PAGE_CONTINUES = 1,  /* XLP_FIRST_IS_CONTRECORD */
    PAGE_LONG = 2,       /* XLP_LONG_HEADER */
    SHORT_HEADER = 24,
    LONG_HEADER = 40,
};

/* struct XLogRecord: total length, xid, previous record, info, rmgr, (2), checksum;
 * then, in a checkpoint, 0xFF and the length of struct CheckPoint, which starts with
 * the redo position. */
enum {
    AT_TOTAL = 0,
    AT_INFO = 16,
    AT_RMGR = 17,
    AT_CRC = 20,
    RECORD_HEADER = 24,
    AT_BLOCK_ID = 24,
    AT_REDO = 26,
    BLOCK_ID_DATA_SHORT = 255,
    INFO_CHECKPOINT_SHUTDOWN = 0,
    RMGR_XLOG = 0,
};

static uint32_t header_bytes(const struct pgcontrol *c, zs_lsn page)
{
    return page % c->wal_segment_bytes == 0 ? LONG_HEADER : SHORT_HEADER;
}

bool pgwal_part(const struct pgcontrol *c, uint32_t done, uint32_t total, struct pgwal_part *out)
{
    zs_lsn at = c->checkpoint;
    uint32_t passed = 0;
    if (done >= total)
        return false;
    for (;;) {
        zs_lsn page = at - at % c->wal_block_bytes;
        if (at < page + header_bytes(c, page))
            at = page + header_bytes(c, page);
        uint32_t room = (uint32_t)(page + c->wal_block_bytes - at);
        uint32_t len = total - passed < room ? total - passed : room;
        if (passed + len > done) {
            *out = (struct pgwal_part){.page = page, .at = at, .done = passed, .len = len};
            return true;
        }
        passed += len;
        at = page + c->wal_block_bytes;
    }
}

void pgwal_file_name(const struct pgcontrol *c, zs_lsn lsn, char name[PGWAL_NAME_BYTES])
{
    uint64_t segment = lsn / c->wal_segment_bytes;
    uint64_t per_id = 0x100000000u / c->wal_segment_bytes;
    (void)snprintf(name, PGWAL_NAME_BYTES, "%08X%08X%08X", c->timeline,
                   (uint32_t)(segment / per_id), (uint32_t)(segment % per_id));
}

static int damaged_hint(struct zs_error *e)
{
    return error_hint(e, "Start PostgreSQL on the data directory, stop it, and import again.");
}

int pgwal_check_record(const struct pgcontrol *c, const uint8_t *record, uint32_t len,
                       struct zs_error *e)
{
    const char *what = NULL;
    if (len < AT_REDO + 8 || len > PGWAL_RECORD_MAX || get_u32le(record + AT_TOTAL) != len)
        what = "its length is wrong";
    else if (crc32c(crc32c(0, record + RECORD_HEADER, len - RECORD_HEADER), record, AT_CRC) !=
             get_u32le(record + AT_CRC))
        what = "its checksum is wrong";
    else if (record[AT_RMGR] != RMGR_XLOG || record[AT_INFO] != INFO_CHECKPOINT_SHUTDOWN ||
             record[AT_BLOCK_ID] != BLOCK_ID_DATA_SHORT)
        what = "it is no shutdown checkpoint";
    else if (get_u64le(record + AT_REDO) != c->checkpoint)
        what = "it is that of another position";
    if (what == NULL)
        return ZS_OK;
    error_set(e, ZS_CORRUPT, "the checkpoint record at %X/%X cannot be used: %s",
              (uint32_t)(c->checkpoint >> 32), (uint32_t)c->checkpoint, what);
    return damaged_hint(e);
}

static int read_at(int root, const struct pgcontrol *c, zs_lsn at, void *bytes, size_t len,
                   struct zs_error *e)
{
    char name[PGWAL_NAME_BYTES], path[PGWAL_NAME_BYTES + 8];
    pgwal_file_name(c, at, name);
    (void)snprintf(path, sizeof path, "pg_wal/%s", name);
    CLEANUP(fd_close) int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : pread(fd, bytes, len, (off_t)(at % c->wal_segment_bytes));
    if (got == (ssize_t)len)
        return ZS_OK;
    if (got < 0)
        error_errno(e, errno, "cannot read the checkpoint record from \"%s\"", path);
    else
        error_set(e, ZS_CORRUPT, "the WAL file \"%s\" ends before the checkpoint record", path);
    return error_hint(e, "An import reads the latest checkpoint from pg_wal: keep that file.");
}

/* Check the header of the page that a part lies on, and read the part. */
static int read_part(int root, const struct pgcontrol *c, const struct pgwal_part *part,
                     uint8_t *out, struct zs_error *e)
{
    uint8_t header[SHORT_HEADER];
    TRY(read_at(root, c, part->page, header, sizeof header, e));
    if (get_u16le(header) != PAGE_MAGIC || get_u64le(header + 8) != part->page) {
        error_set(e, ZS_CORRUPT, "the WAL page at %X/%X is not valid", (uint32_t)(part->page >> 32),
                  (uint32_t)part->page);
        return damaged_hint(e);
    }
    return read_at(root, c, part->at, out, part->len, e);
}

int pgwal_read_checkpoint(int root, const struct pgcontrol *c, uint8_t *record, uint32_t *len,
                          struct zs_error *e)
{
    struct pgwal_part part;
    uint32_t total = 8; /* records start at multiples of 8: the length is never cut */
    uint32_t done = 0;
    if (c->checkpoint % c->wal_block_bytes <
        header_bytes(c, c->checkpoint - c->checkpoint % c->wal_block_bytes)) {
        error_set(e, ZS_CORRUPT, "pg_control's checkpoint position is inside a page header");
        return damaged_hint(e);
    }
    while (pgwal_part(c, done, total, &part)) {
        TRY(read_part(root, c, &part, record + done, e));
        done = part.done + part.len;
        if (done == 8 && total == 8) {
            total = get_u32le(record + AT_TOTAL);
            if (total < RECORD_HEADER || total > PGWAL_RECORD_MAX)
                return pgwal_check_record(c, record, 0, e);
            done = 0;
        }
    }
    TRY(pgwal_check_record(c, record, total, e));
    *len = total;
    return ZS_OK;
}

uint32_t pgwal_page_header(const struct pgcontrol *c, zs_lsn page, uint32_t left,
                           uint8_t header[40])
{
    uint32_t len = header_bytes(c, page);
    memset(header, 0, 40);
    put_u16le(header, PAGE_MAGIC);
    put_u16le(header + 2,
              (uint16_t)((left > 0 ? PAGE_CONTINUES : 0) | (len == LONG_HEADER ? PAGE_LONG : 0)));
    put_u32le(header + 4, c->timeline);
    put_u64le(header + 8, page);
    put_u32le(header + 16, left);
    if (len == LONG_HEADER) {
        put_u64le(header + 24, c->system_identifier);
        put_u32le(header + 32, c->wal_segment_bytes);
        put_u32le(header + 36, c->wal_block_bytes);
    }
    return len;
}
