/* kv_table.h - how sorted files look, for the engine's own and for those that a stage
 * writes.  Blocks of 16 KiB hold two pages; XXH3 costs a fraction of what CRC32C does;
 * pages are not compressed, as the disk writes them faster than one core compresses. */
#ifndef HOST_STUBS_KV_TABLE_H
#define HOST_STUBS_KV_TABLE_H

#define KV_BLOCK_BYTES    (16 << 10)
#define KV_BLOCK_CHECKSUM 4 /* XXH3 */
#define KV_FORMAT_VERSION 5
/* The index has each block's first key: an iterator over many sorted runs holds no block of a
 * run that is not its turn, and a block can be 8 MiB. */
#define KV_INDEX_TYPE 3
#define KV_BYTES_PER_SYNC                                                                          \
    (1 << 20) /* start writing out early, so that a sync at the end is short */
#define KV_FILE_BYTES (64 << 20)

#endif
