/* pgcontrol.c - see pgcontrol.h. */
#include "pgdata/pgcontrol.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"

/* Offsets in struct ControlFileData; the checkpoint's copy (struct CheckPoint)
 * starts at 40. */
enum {
    AT_SYSTEM_IDENTIFIER = 0,
    AT_CONTROL_VERSION = 8,
    AT_CATALOG_VERSION = 12,
    AT_STATE = 16,
    AT_CHECKPOINT = 32,
    AT_COPY_TIMELINE = 48,
    AT_WAL_LEVEL = 172,
    AT_WAL_LOG_HINTS = 176,
    AT_MAX_CONNECTIONS = 180,
    AT_MAX_WORKER_PROCESSES = 184,
    AT_MAX_WAL_SENDERS = 188,
    AT_MAX_PREPARED = 192,
    AT_MAX_LOCKS = 196,
    AT_TRACK_COMMIT_TIMESTAMP = 200,
    AT_BLOCK_BYTES = 216,
    AT_SEGMENT_BLOCKS = 220,
    AT_WAL_BLOCK_BYTES = 224,
    AT_WAL_SEGMENT_BYTES = 228,
    AT_CRC = 288,
};

static bool power_of_two(uint32_t v, uint32_t least, uint32_t most)
{
    return v >= least && v <= most && (v & (v - 1)) == 0;
}

static int damaged_hint(struct zs_error *e)
{
    return error_hint(e, "The file is damaged; see whether pg_controldata can read it.");
}

static int check_sizes(const struct pgcontrol *c, struct zs_error *e)
{
    if (!power_of_two(c->block_bytes, 1024, 32768) || c->segment_blocks == 0 ||
        !power_of_two(c->wal_block_bytes, 1024, 65536) ||
        !power_of_two(c->wal_segment_bytes, 1u << 20, 1u << 30)) {
        error_set(e, ZS_CORRUPT,
                  "pg_control names sizes that PostgreSQL cannot have (block %u, segment "
                  "%u blocks, WAL block %u, WAL segment %u)",
                  c->block_bytes, c->segment_blocks, c->wal_block_bytes, c->wal_segment_bytes);
        return damaged_hint(e);
    }
    if (c->checkpoint == 0 || c->checkpoint % 8 != 0 || c->timeline == 0) {
        error_set(e, ZS_CORRUPT, "pg_control names no valid checkpoint position");
        return damaged_hint(e);
    }
    return ZS_OK;
}

int pgcontrol_parse(const void *bytes, size_t len, struct pgcontrol *out, struct zs_error *e)
{
    const uint8_t *p = bytes;
    if (len < PGCONTROL_MIN_BYTES) {
        error_set(e, ZS_CORRUPT, "pg_control has %zu bytes; at least %u are needed", len,
                  PGCONTROL_MIN_BYTES);
        return damaged_hint(e);
    }
    uint32_t version = get_u32le(p + AT_CONTROL_VERSION);
    if (version != 0 && version % 65536 == 0) {
        error_set(e, ZS_NOT_SUPPORTED, "pg_control was written by a machine of other byte order");
        return error_hint(e, "Only clusters of little-endian machines can be imported.");
    }
    if (version != PGCONTROL_VERSION) {
        error_set(e, ZS_NOT_SUPPORTED, "pg_control has version %u; PostgreSQL %u's is %u", version,
                  PGCONTROL_MAJOR, PGCONTROL_VERSION);
        return error_hint(e, "Upgrade the cluster to PostgreSQL %u with pg_upgrade.",
                          PGCONTROL_MAJOR);
    }
    if (crc32c(0, p, AT_CRC) != get_u32le(p + AT_CRC)) {
        error_set(e, ZS_CORRUPT, "pg_control has a wrong checksum");
        return damaged_hint(e);
    }
    struct pgcontrol c = {
        .system_identifier = get_u64le(p + AT_SYSTEM_IDENTIFIER),
        .catalog_version = get_u32le(p + AT_CATALOG_VERSION),
        .state = get_u32le(p + AT_STATE),
        .timeline = get_u32le(p + AT_COPY_TIMELINE),
        .checkpoint = get_u64le(p + AT_CHECKPOINT),
        .block_bytes = get_u32le(p + AT_BLOCK_BYTES),
        .segment_blocks = get_u32le(p + AT_SEGMENT_BLOCKS),
        .wal_block_bytes = get_u32le(p + AT_WAL_BLOCK_BYTES),
        .wal_segment_bytes = get_u32le(p + AT_WAL_SEGMENT_BYTES),
        .wal_level = get_u32le(p + AT_WAL_LEVEL),
        .wal_log_hints = p[AT_WAL_LOG_HINTS],
        .track_commit_timestamp = p[AT_TRACK_COMMIT_TIMESTAMP],
        .max_connections = get_u32le(p + AT_MAX_CONNECTIONS),
        .max_worker_processes = get_u32le(p + AT_MAX_WORKER_PROCESSES),
        .max_wal_senders = get_u32le(p + AT_MAX_WAL_SENDERS),
        .max_prepared_transactions = get_u32le(p + AT_MAX_PREPARED),
        .max_locks_per_transaction = get_u32le(p + AT_MAX_LOCKS),
    };
    if (c.catalog_version != PGCONTROL_CATALOG) {
        error_set(e, ZS_NOT_SUPPORTED, "the cluster has catalog version %u; PostgreSQL %u's is %u",
                  c.catalog_version, PGCONTROL_MAJOR, PGCONTROL_CATALOG);
        return error_hint(e, "Upgrade the cluster to PostgreSQL %u with pg_upgrade.",
                          PGCONTROL_MAJOR);
    }
    TRY(check_sizes(&c, e));
    *out = c;
    return ZS_OK;
}

const char *pgcontrol_state_text(uint32_t state)
{
    static const char *const texts[] = {
        "starting up",       "shut down",           "shut down in recovery", "shutting down",
        "in crash recovery", "in archive recovery", "in production"};
    return state < sizeof texts / sizeof *texts ? texts[state] : "in an unknown state";
}
