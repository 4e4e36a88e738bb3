/* crc32c.h - CRC-32C (Castagnoli), as PostgreSQL computes it over pg_control and
 * WAL records.  Only a few hundred bytes are ever summed here: a table of 16 will
 * do.  Threads: any. */
#ifndef HOST_STUBS_PGDATA_CRC32C_H
#define HOST_STUBS_PGDATA_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc 0; the result of one call carries on with the next bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
