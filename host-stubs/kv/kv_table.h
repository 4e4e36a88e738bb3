/* kv_table.h - how sorted files look, for the engine's own and for those that a stage
 * writes.  Blocks of 16 KiB hold two pages; XXH3 costs a fraction of what CRC32C does;
 * pages are not compressed, as the disk writes them faster than one core compresses. */
#ifndef HOST_STUBS_KV_TABLE_H
#define HOST_STUBS_KV_TABLE_H

#define KV_BLOCK_BYTES    (16 << 10)
#define KV_BLOCK_CHECKSUM 4 /* XXH3 */
#define KV_FORMAT_VERSION 5
/* An index in pieces of 4 KiB: a seek reads one, and not the index of a whole file, which is
 * 345 KiB for 64 MiB of pages.  So what a seek costs does not grow with the branch. */
#define KV_INDEX_TYPE 2
/* Where a value is large, and in what the engine writes itself: the index has each block's
 * first key.  An iterator over many sorted runs then holds no block of a run that is not its
 * turn, and a block can be 8 MiB. */
#define KV_INDEX_TYPE_LARGE 3
#define KV_LARGE_BYTES      (256u << 10)
#define KV_BYTES_PER_SYNC                                                                          \
    (1 << 20) /* start writing out early, so that a sync at the end is short */
#define KV_FILE_BYTES (64 << 20)

#endif
