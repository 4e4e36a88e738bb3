/* roaring_check.h - are these bytes a whole bitmap in Roaring's portable format?
 * Flow: change_map_decode asks here before it hands bytes to the library, whose reader
 * checks lengths alone: what it then holds may be out of order or miscounted, and its
 * operations rely on that.
 *
 * The format (github.com/RoaringBitmap/RoaringFormatSpec), little-endian:
 *   u32 12346, u32 n               or u32 12347 | (n - 1) << 16, a bit per container: runs
 *   n times u16 key, u16 count-1   ascending
 *   n times u32 offset             not with runs and n < 4; the library skips it, as we do
 *   n containers: runs             u16 r, r times u16 first, u16 length-1
 *                 up to 4096 keys  u16 each, ascending
 *                 more             65536 bits
 * Pure.  Threads: any. */
#ifndef ZS_SYNC_ROARING_CHECK_H
#define ZS_SYNC_ROARING_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool roaring_is_sound(const uint8_t *bytes, size_t len);

#endif
