/* fuzz_pgcontrol.c - pg_control, as an import or a branch brings it
 * (pgdata/pgcontrol.h, and what goes by it: pgwal.h, pgconf.h).
 * Input: a byte of mode, then the file.  Mode 1 mends versions and checksum.
 * Holds: a failure leaves the output; a checkpoint's record is cut into parts that are
 * whole, in order, and in no page's header; the settings written for a copy fit. */
#include "support.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "pgdata/pgconf.h"
#include "pgdata/pgwal.h"

static void check_parts(const struct pgcontrol *c, uint32_t total)
{
    struct pgwal_part part;
    uint8_t header[40];
    char name[PGWAL_NAME_BYTES];
    uint32_t done = 0;
    while (pgwal_part(c, done, total, &part)) {
        uint32_t head = pgwal_page_header(c, part.page, total - done, header);
        HOLDS(part.done == done && part.len > 0 && part.len <= total - done);
        HOLDS(part.page % c->wal_block_bytes == 0 && part.at - part.page >= head);
        HOLDS(part.at - part.page + part.len <= c->wal_block_bytes);
        HOLDS(head == (part.page % c->wal_segment_bytes == 0 ? 40u : 24u));
        pgwal_file_name(c, part.at, name);
        HOLDS(strspn(name, "0123456789ABCDEF") == PGWAL_NAME_BYTES - 1);
        done += part.len;
    }
    HOLDS(done == total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pgcontrol c, untouched;
    char text[PGCONF_TEXT_MAX];
    struct zs_error e;
    if (size < 1 || size > 1 + PGCONTROL_FILE_BYTES)
        return 0;
    uint8_t *bytes = fuzz_bytes(0, data + 1, size - 1);
    if (data[0] & 1u && size - 1 >= PGCONTROL_MIN_BYTES) {
        put_u32le(bytes + 8, PGCONTROL_VERSION);
        put_u32le(bytes + 12, PGCONTROL_CATALOG);
        put_u32le(bytes + 288, crc32c(0, bytes, 288));
    }
    memset(&c, 0x77, sizeof c);
    memcpy(&untouched, &c, sizeof c);
    fuzz_error_before(&e);
    if (!fuzz_error_after(pgcontrol_parse(bytes, size - 1, &c, &e), &e)) {
        /* Byte for byte, padding too.  NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        HOLDS(memcmp(&c, &untouched, sizeof c) == 0);
        return 0;
    }
    HOLDS(pgcontrol_state_text(c.state) != NULL);
    for (unsigned i = 0; i < PGCONF_FILES; i++) {
        size_t len = pgconf_text(i, &c, text);
        HOLDS(len < sizeof text && strlen(text) == len);
    }
    check_parts(&c, 8);
    check_parts(&c, PGWAL_RECORD_MAX);
    return 0;
}
