/* test_pgcontrol.c - what is read from pg_control, and which are refused. */
#include "../../support/suite.h"

#include "crafted.h"

static void test_fields_are_read(void)
{
    struct zs_error e = {0};
    uint8_t bytes[PGCONTROL_FILE_BYTES];
    struct pgcontrol c;
    (void)crafted_control(bytes, 0x123456788, PGCONTROL_SHUT_DOWN);
    crafted_control_set(bytes, 200, 1);
    ASSERT_OK(pgcontrol_parse(bytes, sizeof bytes, &c, &e));
    CU_ASSERT(c.system_identifier == 0x1122334455667788 && c.state == PGCONTROL_SHUT_DOWN);
    CU_ASSERT(c.checkpoint == 0x123456788 && c.timeline == 1);
    CU_ASSERT(c.block_bytes == CRAFTED_BLOCK && c.segment_blocks == CRAFTED_SEGMENT_BLOCKS);
    CU_ASSERT(c.wal_segment_bytes == CRAFTED_WAL);
    CU_ASSERT(c.max_connections == 100 && c.max_prepared_transactions == 7);
    CU_ASSERT(c.track_commit_timestamp == 1 && c.wal_log_hints == 0 && c.wal_level == 1);
    ASSERT_OK(pgcontrol_parse(bytes, PGCONTROL_MIN_BYTES, &c, &e));
}

static void test_refusals(void)
{
    static const struct {
        size_t at;
        uint32_t value;
        const char *sqlstate;
    } cases[] = {
        {8, 1201, ZS_NOT_SUPPORTED},        /* PostgreSQL 12 */
        {8, 1700, ZS_NOT_SUPPORTED},        /* PostgreSQL 17 */
        {8, 1300u << 16, ZS_NOT_SUPPORTED}, /* the other byte order */
        {12, 202107181, ZS_NOT_SUPPORTED},  /* PostgreSQL 14 */
        {216, 0, ZS_CORRUPT},
        {216, 1000, ZS_CORRUPT},
        {216, 65536, ZS_CORRUPT},
        {220, 0, ZS_CORRUPT},
        {224, 512, ZS_CORRUPT},
        {228, 1 << 19, ZS_CORRUPT},
        {228, 3 << 20, ZS_CORRUPT},
        {32, 0x1001, ZS_CORRUPT}, /* a checkpoint that is not aligned */
        {48, 0, ZS_CORRUPT},      /* no timeline */
    };
    struct pgcontrol c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        uint8_t bytes[PGCONTROL_FILE_BYTES];
        (void)crafted_control(bytes, 0x2000, PGCONTROL_SHUT_DOWN);
        crafted_control_set(bytes, cases[i].at, cases[i].value);
        ASSERT_FAILS(pgcontrol_parse(bytes, sizeof bytes, &c, &e), cases[i].sqlstate);
    }
}

static void test_damage_is_seen(void)
{
    uint8_t bytes[PGCONTROL_FILE_BYTES];
    struct pgcontrol c;
    (void)crafted_control(bytes, 0x2000, PGCONTROL_SHUT_DOWN);
    for (size_t at = 0; at < 292; at++) {
        struct zs_error e = {0};
        bytes[at] ^= 1;
        CU_ASSERT(pgcontrol_parse(bytes, sizeof bytes, &c, &e) == ZS_FAIL);
        bytes[at] ^= 1;
    }
    for (size_t len = 0; len < PGCONTROL_MIN_BYTES; len += 97) {
        struct zs_error e = {0};
        ASSERT_FAILS(pgcontrol_parse(bytes, len, &c, &e), ZS_CORRUPT);
    }
}

static void test_states_have_words(void)
{
    ASSERT_TEXT(pgcontrol_state_text(PGCONTROL_SHUT_DOWN), "shut down");
    ASSERT_TEXT(pgcontrol_state_text(6), "in production");
    ASSERT_TEXT(pgcontrol_state_text(7), "in an unknown state");
}

SUITE("pgdata/pgcontrol", {"every field comes from its place", test_fields_are_read},
      {"other versions, byte orders and impossible sizes are refused", test_refusals},
      {"any flipped bit and any cut is found", test_damage_is_seen},
      {"a state reads as pg_controldata prints it", test_states_have_words})
