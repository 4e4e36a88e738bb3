/* crc32c.h - CRC-32C (Castagnoli), as PostgreSQL computes it over pg_control and
 * WAL records, and RocksDB over its logs' records.  A few MiB at most are ever summed
 * here: a table of 16 will do.  Threads: any. */
#ifndef ZS_BASE_CRC32C_H
#define ZS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc 0; the result of one call carries on with the next bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
