/* batch_format.h - where things stand in a BATCH; shared by its writer and reader.
 * The layout itself is drawn in batch.h. */
#ifndef ZS_WIRE_BATCH_FORMAT_H
#define ZS_WIRE_BATCH_FORMAT_H

#include <stdint.h>

enum {
    BATCH_AT_HOLES = 2,
    BATCH_AT_COUNT = 4,
    BATCH_AT_VALUES_LEN = 8,
    BATCH_AT_BODY_LEN = 12,
    BATCH_AT_NUMBER = 16,
    BATCH_AT_CHECKSUM = 24,
    BATCH_HEAD = 32,
    BATCH_COLUMN_BYTES = 18 + 8 + 4 + 1,
    BATCH_HOLE_BYTES = 4 + 4 + 4,
    BATCH_SUM_BYTES = 16,
    BATCH_AROUND = BATCH_HEAD + BATCH_COLUMN_BYTES + BATCH_SUM_BYTES, /* a single value */
    BATCH_SUMMED = 3, /* where an enum batch_encoding stands else */
};

/* Of the head up to the checksum, and of the body behind it; of a summed one, without the values,
 * of which a head that was damaged may say more than there are. */
uint64_t batch_checksum(const uint8_t *message, uint64_t body_len);

#endif
