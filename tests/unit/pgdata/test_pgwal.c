/* test_pgwal.c - where the checkpoint record lies, laid out and read back. */
#include "../../support/suite.h"

#include "crafted.h"

static struct pgcontrol control_at(zs_lsn lsn)
{
    struct zs_error e = {0};
    uint8_t bytes[PGCONTROL_FILE_BYTES];
    struct pgcontrol c = {0};
    (void)crafted_control(bytes, lsn, PGCONTROL_SHUT_DOWN);
    ASSERT_OK(pgcontrol_parse(bytes, sizeof bytes, &c, &e));
    return c;
}

static void test_parts(void)
{
    static const struct {
        zs_lsn lsn;
        uint32_t done;
        struct pgwal_part want;
    } cases[] = {
        /* behind a file's long header, and behind a page's short one */
        {0x100028, 0, {0x100000, 0x100028, 0, 114}},
        {0x102018, 0, {0x102000, 0x102018, 0, 114}},
        /* the last 8 bytes of a page; then behind the next page's header */
        {0x103FF8, 0, {0x102000, 0x103FF8, 0, 8}},
        {0x103FF8, 8, {0x104000, 0x104018, 8, 106}},
        /* the last 64 bytes of a file; then behind the next file's header */
        {0x1FFFC0, 0, {0x1FE000, 0x1FFFC0, 0, 64}},
        {0x1FFFC0, 64, {0x200000, 0x200028, 64, 50}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pgcontrol c = control_at(cases[i].lsn);
        struct pgwal_part got = {0};
        CU_ASSERT(pgwal_part(&c, cases[i].done, 114, &got));
        CU_ASSERT(got.page == cases[i].want.page && got.at == cases[i].want.at &&
                  got.done == cases[i].want.done && got.len == cases[i].want.len);
        CU_ASSERT(!pgwal_part(&c, 114, 114, &got));
    }
}

static void test_file_names(void)
{
    char name[PGWAL_NAME_BYTES];
    struct pgcontrol c = control_at(0x2000);
    pgwal_file_name(&c, 0x300028, name);
    ASSERT_TEXT(name, "000000010000000000000003");
    c.timeline = 0x1F;
    c.wal_segment_bytes = 16 << 20;
    pgwal_file_name(&c, 0xA1FF000028, name);
    ASSERT_TEXT(name, "0000001F000000A1000000FF");
    c.wal_segment_bytes = 1 << 30;
    pgwal_file_name(&c, 0x1C0000028, name);
    ASSERT_TEXT(name, "0000001F0000000100000003");
}

static void test_record_is_read_back(void)
{
    static const zs_lsn at[] = {0x100028, 0x102018, 0x103FF8, 0x103FA0, 0x1FFFF8, 0x1FFFC0};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct zs_error e = {0};
        struct crafted cluster;
        struct pgcontrol c = control_at(at[i]);
        uint8_t want[PGWAL_RECORD_MAX], got[PGWAL_RECORD_MAX];
        uint32_t len = 0;
        crafted_open(&cluster, at[i]);
        (void)crafted_record(want, at[i]);
        int root = open(cluster.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_OK(pgwal_read_checkpoint(root, &c, got, &len, &e));
        CU_ASSERT(len == 114 && memcmp(want, got, 114) == 0);
        CU_ASSERT(close(root) == 0);
        crafted_close(&cluster);
    }
}

static void test_bad_wal_is_refused(void)
{
    static const struct {
        off_t at; /* of the file; -1: the file is removed, -2: cut off there */
        const char *sqlstate;
    } cases[] = {
        {-1, ZS_IO_ERROR},
        {-2, ZS_CORRUPT},
        {0x2000, ZS_CORRUPT} /* page magic */,
        {0x2008, ZS_CORRUPT},
        {0x2018, ZS_CORRUPT} /* the record's length */,
        {0x2018 + 16, ZS_CORRUPT} /* its kind */,
        {0x2018 + 90, ZS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct crafted cluster;
        struct pgcontrol c = control_at(0x102018);
        uint8_t got[PGWAL_RECORD_MAX];
        uint32_t len;
        char path[256];
        crafted_open(&cluster, 0x102018);
        crafted_path(&cluster, "pg_wal/000000010000000000000001", path);
        int root = open(cluster.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (cases[i].at == -1) {
            CU_ASSERT(unlink(path) == 0);
        } else if (cases[i].at == -2) {
            CU_ASSERT(ftruncate(fd, 0x2018 + 50) == 0);
        } else {
            CU_ASSERT(pwrite(fd, "\xEE", 1, cases[i].at) == 1);
        }
        ASSERT_FAILS(pgwal_read_checkpoint(root, &c, got, &len, &e), cases[i].sqlstate);
        CU_ASSERT(close(fd) == 0 && close(root) == 0);
        crafted_close(&cluster);
    }
}

static void test_position_in_a_header_is_refused(void)
{
    static const zs_lsn at[] = {0x100000, 0x100020, 0x102000, 0x102010};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct zs_error e = {0};
        struct pgcontrol c = control_at(at[i]);
        uint8_t got[PGWAL_RECORD_MAX];
        uint32_t len;
        ASSERT_FAILS(pgwal_read_checkpoint(-1, &c, got, &len, &e), ZS_CORRUPT);
    }
}

static void test_only_that_checkpoint_is_taken(void)
{
    struct zs_error e = {0};
    struct pgcontrol c = control_at(0x102018);
    uint8_t record[PGWAL_RECORD_MAX];
    uint32_t len = crafted_record(record, 0x102018);
    ASSERT_OK(pgwal_check_record(&c, record, len, &e));
    ASSERT_FAILS(pgwal_check_record(&c, record, len - 1, &e), ZS_CORRUPT);
    ASSERT_FAILS(pgwal_check_record(&c, record, 0, &e), ZS_CORRUPT);
    (void)crafted_record(record, 0x102020);
    ASSERT_FAILS(pgwal_check_record(&c, record, len, &e), ZS_CORRUPT);
}

SUITE("pgdata/pgwal", {"a record is cut at pages and files", test_parts},
      {"WAL files are named as PostgreSQL names them", test_file_names},
      {"a record laid out anywhere reads back", test_record_is_read_back},
      {"missing, cut and damaged WAL is refused", test_bad_wal_is_refused},
      {"a position inside a page header is refused", test_position_in_a_header_is_refused},
      {"another record than pg_control's is refused", test_only_that_checkpoint_is_taken})
